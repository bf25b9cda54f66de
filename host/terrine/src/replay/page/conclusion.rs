//! The conclusion of the page: which policy pulls least, and how much that is.

use super::super::{Report, Run};
use super::numbers::bytes;
use super::ranking::{least, same, with};

/// Returns it as a few sentences.
pub(super) fn conclusion(report: &Report) -> String {
    let several = report.has_several_components();
    let mut budgets: Vec<Option<u32>> = vec![];
    for run in &report.runs {
        if !budgets.contains(&run.max_layers) {
            budgets.push(run.max_layers);
        }
    }
    // Budgets with the same winners are one sentence.
    let mut winners: Vec<(Vec<String>, Vec<Option<u32>>)> = vec![];
    let mut equal = vec![];
    for &budget in &budgets {
        let runs = with(report, budget);
        let least = least(report, budget);
        if runs.len() < 2 {
            continue;
        }
        if least.len() == runs.len() {
            equal.push(budget);
            continue;
        }
        let names: Vec<String> = least.iter().map(|run| run.name(several)).collect();
        match winners.iter_mut().find(|(winners, _)| *winners == names) {
            Some((_, won)) => won.push(budget),
            None => winners.push((names, vec![budget])),
        }
    }
    let mut sentences: Vec<String> = winners
        .iter()
        .map(|(names, won)| {
            let pull = if names.len() == 1 { "pulls" } else { "pull" };
            format!(
                "{} {pull} the fewest bytes with {}.",
                list(names),
                layers(won)
            )
        })
        .collect();
    if !equal.is_empty() {
        sentences.push(format!(
            "All policies pull the same with {}.",
            layers(&equal)
        ));
    }
    sentences.extend(widest(report, &budgets, several));
    if winners.is_empty() {
        sentences.extend(report.runs.first().map(|run| alone(run, several)));
    }
    sentences.join(" ")
}

/// Says what the winner and the last one pull with the budget where they are the furthest apart.
fn widest(report: &Report, budgets: &[Option<u32>], several: bool) -> Option<String> {
    let pair = |budget: &Option<u32>| {
        let best = *least(report, *budget).first()?;
        let worst = with(report, *budget)
            .into_iter()
            .max_by_key(|run| run.total.pulled)?;
        (!same(best, worst)).then_some((best, worst))
    };
    let (best, worst) = budgets
        .iter()
        .filter_map(pair)
        .max_by_key(|(best, worst)| worst.total.pulled - best.total.pulled)?;
    Some(format!(
        "With {}, {} pulls {}{}, {} {}.",
        layers(&[best.max_layers]),
        best.name(several),
        bytes(best.total.pulled),
        over(best),
        worst.name(several),
        bytes(worst.total.pulled)
    ))
}

/// Returns the sentence on a run where there is nothing to compare it with.
fn alone(run: &Run, several: bool) -> String {
    let (name, pulled) = (run.name(several), bytes(run.total.pulled));
    format!(
        "With {}, {name} pulls {pulled}{}.",
        layers(&[run.max_layers]),
        over(run)
    )
}

/// The ratio in words.
fn over(run: &Run) -> String {
    let ratio = run.total.ratio;
    ratio.map_or(String::new(), |ratio| {
        format!(" ({ratio:.3} times the lower bound)")
    })
}

/// Budgets as a list.
fn layers(budgets: &[Option<u32>]) -> String {
    let name = |budget: &Option<u32>| {
        budget.map_or("any number of".to_owned(), |budget| budget.to_string())
    };
    let names: Vec<String> = budgets.iter().map(name).collect();
    let plural = if names == ["1"] { "" } else { "s" };
    format!("{} layer{plural}", list(&names))
}

/// Names with commas between them, and `and` before the last one.
fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::report;
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

    #[test]
    fn who_pulls_least_is_said_with_figures() {
        let said = |runs: &[(&str, Option<u32>, u64)]| conclusion(&report(runs));
        assert_eq!(
            said(&[("auto", Some(20), 1500)]),
            "With 20 layers, auto pulls 1.50 kB (1.500 times the lower bound)."
        );
        assert_eq!(
            said(&[("auto", Some(20), 3000), ("single", Some(20), 5000)]),
            "auto pulls the fewest bytes with 20 layers. \
             With 20 layers, auto pulls 3.00 kB (3.000 times the lower bound), single 5.00 kB."
        );
        // Differences that are not shown are none.
        assert_eq!(
            said(&[("auto", Some(20), 3000), ("single", Some(20), 3001)]),
            "All policies pull the same with 20 layers. With 20 layers, auto pulls 3.00 kB (3.000 times the lower bound)."
        );
        assert_eq!(
            said(&[
                ("auto", Some(20), 2000),
                ("auto", Some(40), 1500),
                ("auto", None, 1000),
                ("single", Some(20), 5000),
                ("single", Some(40), 5000),
                ("single", None, 1000),
                ("path", Some(20), 2000),
                ("path", Some(40), 2000),
                ("path", None, 1000),
            ]),
            "auto and path pull the fewest bytes with 20 layers. auto pulls the fewest bytes with 40 layers. \
             All policies pull the same with any number of layers. \
             With 40 layers, auto pulls 1.50 kB (1.500 times the lower bound), single 5.00 kB."
        );
    }
}
