//! A policy on all cases, and when that has become pointless.
//!
//! A policy that loops without end would use up all of its fuel in every call, and the answer
//! would take minutes. So small graphs are given a part of the fuel first, and a
//! policy that has used up its fuel a second time is not asked again. Fuel is the same on every
//! machine, and so is the answer; but for components whose instructions are so slow that they run
//! into the time for a call, which is there for these.

use super::{Case, Outcome, Trial, trial};
use crate::Planner;

/// The most paths of a small graph.
const SMALL: usize = 100;

/// In how many cases a policy may use up its fuel until it is not asked any more.
const PATIENCE: usize = 2;

/// Asks a policy about all cases, one [`trial`] for each, in their order. Small graphs have the
/// [quick](crate::Limits::quick) limits. If these were not enough for one of them, it is tried again with all of the
/// fuel; if a second case uses up its fuel, or its time, the rest is [not run](Outcome::NotRun).
pub fn trials(planner: &Planner<'_>, policy: &str, options: &str, cases: &[Case]) -> Vec<Trial> {
    let limits = planner.limits();
    let restricted = planner.within(limits.quick());
    let small = |case: &Case| case.request.paths.len() <= SMALL;
    let mut trials: Vec<Trial> = vec![];
    let mut used_up: Vec<usize> = vec![];
    for (index, case) in cases.iter().enumerate() {
        if used_up.len() == PATIENCE {
            trials.push(Trial::ended(not_run()));
            continue;
        }
        let planner = if small(case) { &restricted } else { planner };
        let trial = trial(planner, policy, options, case);
        if trial.used_up {
            used_up.push(index);
        }
        trials.push(trial);
    }
    let in_part = |index: &usize| restricted.limits() != limits && small(&cases[*index]);
    match used_up[..] {
        [index] if in_part(&index) => {
            trials[index] = trial(planner, policy, options, &cases[index]);
        }
        _ => used_up
            .into_iter()
            .filter(in_part)
            .for_each(|index| explain(&mut trials[index])),
    }
    trials
}

fn not_run() -> Outcome {
    Outcome::NotRun(format!("it used up its limits in {PATIENCE} cases"))
}

/// Says of a failure that the limit was not all of the fuel.
fn explain(trial: &mut Trial) {
    if let Outcome::Failed(why) = &mut trial.outcome {
        why.push_str(&format!(
            "; graphs of at most {SMALL} paths get only a part of the limit"
        ));
    }
}
