//! The conclusion of the page: which policy pulls least, and how much that is.

use super::super::{Report, Run};
use super::tables::{best, bytes};

/// Returns it as a sentence or two.
pub(super) fn conclusion(report: &Report) -> String {
    let several = report.has_several_components();
    let mut budgets: Vec<Option<u32>> = vec![];
    for run in &report.runs {
        if !budgets.contains(&run.max_layers) {
            budgets.push(run.max_layers);
        }
    }
    let of = |budget: Option<u32>| {
        let runs = report
            .runs
            .iter()
            .filter(move |run| run.max_layers == budget);
        runs.collect::<Vec<_>>()
    };
    // Whoever wins with the same budgets is told of once.
    let mut winners: Vec<(String, Vec<Option<u32>>)> = vec![];
    let (mut ties, mut equal) = (vec![], vec![]);
    for &budget in &budgets {
        match best(report, budget) {
            Some(run) => {
                let name = run.name(several);
                match winners.iter_mut().find(|(winner, _)| *winner == name) {
                    Some((_, won)) => won.push(budget),
                    None => winners.push((name, vec![budget])),
                }
            }
            None => match of(budget).as_slice() {
                [] | [_] => {}
                [first, rest @ ..] if rest.iter().all(|run| same(first, run)) => {
                    equal.push(budget);
                }
                _ => ties.push(budget),
            },
        }
    }
    let mut sentences: Vec<String> = winners
        .iter()
        .map(|(name, won)| format!("{name} pulls least with {}.", layers(won)))
        .collect();
    if !ties.is_empty() {
        sentences.push(format!("Several pull least with {}.", layers(&ties)));
    }
    if !equal.is_empty() {
        sentences.push(format!("All pull the same with {}.", layers(&equal)));
    }
    sentences.extend(widest(report, &budgets, several));
    if sentences.is_empty() {
        sentences.extend(report.runs.first().map(|run| alone(run, several)));
    }
    sentences.join(" ")
}

/// What the winner and the last one pull with the budget where they are the furthest apart.
fn widest(report: &Report, budgets: &[Option<u32>], several: bool) -> Option<String> {
    let pair = |budget: &Option<u32>| {
        let best = best(report, *budget)?;
        let runs = report.runs.iter().filter(|run| run.max_layers == *budget);
        Some((best, runs.max_by_key(|run| run.total.pulled)?))
    };
    let (best, worst) = budgets
        .iter()
        .filter_map(pair)
        .max_by_key(|(best, worst)| worst.total.pulled.saturating_sub(best.total.pulled))?;
    Some(format!(
        "With {} {} pulls {}{}, and {} {}.",
        layers(&[best.max_layers]),
        best.name(several),
        bytes(best.total.pulled),
        over(best),
        worst.name(several),
        bytes(worst.total.pulled)
    ))
}

/// Tells whether two runs pull as much, as far as that is shown.
fn same(one: &Run, other: &Run) -> bool {
    bytes(one.total.pulled) == bytes(other.total.pulled)
}

/// What the only run says.
fn alone(run: &Run, several: bool) -> String {
    let (name, pulled) = (run.name(several), bytes(run.total.pulled));
    format!(
        "{name} pulls {pulled}{} with {}.",
        over(run),
        layers(&[run.max_layers])
    )
}

/// The ratio in words.
fn over(run: &Run) -> String {
    let ratio = run.total.ratio;
    ratio.map_or(String::new(), |ratio| {
        format!(", {ratio:.2} times the lower bound")
    })
}

/// Budgets as a list.
fn layers(budgets: &[Option<u32>]) -> String {
    let mut names: Vec<String> = budgets
        .iter()
        .map(|budget| budget.map_or("any number of".to_owned(), |budget| budget.to_string()))
        .collect();
    let Some(last) = names.pop() else {
        return String::new();
    };
    let one = names.is_empty() && last == "1";
    let list = if names.is_empty() {
        last
    } else {
        format!("{} and {last}", names.join(", "))
    };
    format!("{list} layer{}", if one { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_a_list() {
        for (budgets, expected) in [
            (&[Some(1)][..], "1 layer"),
            (&[Some(20), Some(40)], "20 and 40 layers"),
            (
                &[Some(20), Some(40), None],
                "20, 40 and any number of layers",
            ),
        ] {
            assert_eq!(layers(budgets), expected);
        }
    }
}
