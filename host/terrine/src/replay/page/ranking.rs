//! The runs that pull least.

use super::super::{Report, Run};
use super::numbers::bytes;

/// The runs with a budget.
pub(super) fn with(report: &Report, budget: Option<u32>) -> Vec<&Run> {
    let runs = report.runs.iter();
    runs.filter(|run| run.max_layers == budget).collect()
}

/// The runs that pull least with a budget: more than one where they pull the same as far as that is shown.
pub(super) fn least(report: &Report, budget: Option<u32>) -> Vec<&Run> {
    let runs = with(report, budget);
    let best = runs.iter().min_by_key(|run| run.total.pulled).copied();
    runs.into_iter()
        .filter(|run| best.is_some_and(|best| same(best, run)))
        .collect()
}

/// Tells whether two runs pull as much, as far as that is shown.
pub(super) fn same(one: &Run, other: &Run) -> bool {
    bytes(one.total.pulled) == bytes(other.total.pulled)
}

/// Tells whether a run pulls less than all others with its budget.
pub(super) fn is_best(report: &Report, run: &Run) -> bool {
    let alone = with(report, run.max_layers).len() == 1;
    let least = least(report, run.max_layers);
    !alone && matches!(least.as_slice(), [best] if std::ptr::eq(*best, run))
}
