//! The graphs that planners are tried on: what real closures look like, and what nobody thinks
//! of. Each keeps to the contract, so a planner has to cope with all of them.

use super::draw::{closure, graph, paths, request};
use super::past;
use crate::layering::{Request, StorePath};

/// The budget of cases that are not about budgets.
const BUDGET: u32 = 100;

/// Something to ask a planner.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// The name, for reports.
    pub name: String,
    /// The request, without policy and options.
    pub request: Request,
}

impl Case {
    fn new(name: &str, request: Request) -> Self {
        Self {
            name: name.to_owned(),
            request,
        }
    }
}

/// A request with all the budgets worth trying: one layer, two, a hundred, one fewer than there
/// are paths, as many, and any number.
pub fn budgets(name: &str, of: &Request) -> Vec<Case> {
    let count = u32::try_from(of.paths.len()).unwrap_or(u32::MAX);
    let mut budgets = vec![1, 2, BUDGET, count.saturating_sub(1), count];
    budgets.sort_unstable();
    budgets.dedup();
    budgets
        .into_iter()
        .filter(|&budget| budget > 0)
        .map(Some)
        .chain([None])
        .map(|max_layers| {
            Case::new(
                name,
                Request {
                    max_layers,
                    ..of.clone()
                },
            )
        })
        .collect()
}

/// The cases, from the small to the large.
pub fn corpus() -> Vec<Case> {
    let case = |name: &str, paths: Vec<StorePath>| Case::new(name, request(paths, Some(BUDGET)));
    let mut cases = vec![
        case("empty", vec![]),
        case("one path", graph(1, |_| vec![])),
        case("a path that needs itself", graph(1, |i| vec![i])),
        case(
            "chain",
            graph(20, |i| if i < 19 { vec![i + 1] } else { vec![] }),
        ),
        case(
            "star",
            graph(21, |i| if i == 0 { (1..21).collect() } else { vec![] }),
        ),
        case(
            "star the other way",
            graph(21, |i| if i == 0 { vec![] } else { vec![0] }),
        ),
        case("diamonds", diamonds(8)),
        case("circle", graph(12, |i| vec![(i + 1) % 12])),
        case(
            "circles that touch",
            graph(12, |i| vec![(i / 4) * 4 + (i + 1) % 4, (i + 4) % 12]),
        ),
        case(
            "everything needs everything",
            graph(15, |_| (0..15).collect()),
        ),
        case(
            "forest",
            graph(60, |i| if i % 10 == 9 { vec![] } else { vec![i + 1] }),
        ),
        case("nothing needs anything", graph(30, |_| vec![])),
        case(
            "two paths of one name",
            named(&["twin-1.0", "twin-1.0", "other-1.0"]),
        ),
        case("no sizes", sized(|_| 0)),
        case("enormous sizes", sized(|i| u64::MAX - u64::from(i))),
        case(
            "one enormous size",
            sized(|i| if i == 5 { u64::MAX } else { 1 }),
        ),
        case("long names", named(&long_names())),
        case("names in all scripts", named(SCRIPTS)),
        case(
            "names without versions",
            named(&["a", "b", "-", "--", "1", "a-", "-1", "."]),
        ),
    ];
    cases.extend(of_a_closure());
    cases.push(case("closure of 2,000", closure(2000)));
    cases.push(case(
        "wide",
        graph(5000, |i| if i == 0 { (1..5000).collect() } else { vec![] }),
    ));
    cases.push(case(
        "deep",
        graph(10_000, |i| if i < 9999 { vec![i + 1] } else { vec![] }),
    ));
    cases
}

/// A closure of 400 paths, with everything that a request may say of it.
fn of_a_closure() -> Vec<Case> {
    let paths = closure(400);
    let plain = request(paths.clone(), Some(BUDGET));
    let all: Vec<u32> = (0..400).collect();
    let mut cases = budgets("closure of 400", &plain);
    let more = [
        (
            "everything asked for",
            Request {
                roots: all.clone(),
                ..plain.clone()
            },
        ),
        (
            "nothing asked for",
            Request {
                roots: vec![],
                ..plain.clone()
            },
        ),
        (
            "a third excluded",
            Request {
                excluded: all.iter().copied().step_by(3).collect(),
                ..plain.clone()
            },
        ),
        (
            "all but one excluded",
            Request {
                excluded: all[1..].to_vec(),
                ..plain.clone()
            },
        ),
        (
            "everything excluded",
            Request {
                excluded: all,
                ..plain.clone()
            },
        ),
        (
            "with history",
            Request {
                history: Some(past::observed(&paths, 12)),
                ..plain.clone()
            },
        ),
        (
            "with a short history",
            Request {
                history: Some(past::observed(&paths, 1)),
                ..plain.clone()
            },
        ),
        (
            "with held images",
            Request {
                history: Some(past::held(&paths)),
                ..plain.clone()
            },
        ),
        (
            "with history and held images",
            Request {
                history: Some(crate::layering::History {
                    held: past::held(&paths).held,
                    ..past::observed(&paths, 12)
                }),
                ..plain
            },
        ),
    ];
    cases.extend(more.map(|(name, request)| Case::new(name, request)));
    cases
}

/// A square lattice: each path needs the next in its row and the next in its column, so that
/// there are very many ways to the last.
fn diamonds(side: u32) -> Vec<StorePath> {
    graph(side * side, |i| {
        let right = (i % side + 1 < side).then_some(i + 1);
        let down = (i / side + 1 < side).then_some(i + side);
        right.into_iter().chain(down).collect()
    })
}

/// Ten paths in a chain with these sizes.
fn sized(size: impl Fn(u32) -> u64) -> Vec<StorePath> {
    let nodes = (0..10)
        .map(|i| {
            (
                format!("sized-{i}"),
                size(i),
                if i < 9 { vec![i + 1] } else { vec![] },
            )
        })
        .collect();
    paths(nodes)
}

/// Paths of these names, each needing the next.
fn named<S: AsRef<str>>(names: &[S]) -> Vec<StorePath> {
    let last = names.len() - 1;
    let nodes = names
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let next = u32::try_from(i + 1).unwrap_or(0);
            (
                name.as_ref().to_owned(),
                10,
                if i < last { vec![next] } else { vec![] },
            )
        })
        .collect();
    paths(nodes)
}

/// Names as long as Nix allows, 211 characters, that differ only at their ends.
fn long_names() -> Vec<String> {
    (0..10)
        .map(|i| format!("{}-{i}", "l".repeat(209)))
        .collect()
}

/// Nix has none of these in names; others do.
const SCRIPTS: &[&str] = &[
    "café-1.0",
    "cafe\u{301}-1.0",
    "日本語-2.0",
    "שלום-1",
    "🦀-0.1",
    "ß-1",
    "ẞ-1",
    "İstanbul-3",
    "a b\"c\\d-1",
    "\u{10ffff}-1",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_case_keeps_to_the_contract() {
        let cases = corpus();
        for Case { name, request } in &cases {
            let count = u32::try_from(request.paths.len()).unwrap();
            let distinct: BTreeSet<&str> = request
                .paths
                .iter()
                .map(|path| path.path.as_str())
                .collect();
            assert_eq!(distinct.len(), request.paths.len(), "{name}");
            for path in &request.paths {
                let references: BTreeSet<u32> = path.references.iter().copied().collect();
                assert_eq!(references.len(), path.references.len(), "{name}");
                assert!(
                    references.iter().all(|&reference| reference < count),
                    "{name}"
                );
                assert!(
                    path.path.ends_with(&format!("-{}", path.name)),
                    "{name}: {}",
                    path.path
                );
                assert!(
                    path.name.starts_with(&path.package),
                    "{name}: {}",
                    path.name
                );
            }
            for list in [&request.roots, &request.excluded] {
                assert!(list.windows(2).all(|pair| pair[0] < pair[1]), "{name}");
                assert!(list.iter().all(|&index| index < count), "{name}");
            }
            assert_ne!(request.max_layers, Some(0));
            if let Some(history) = &request.history {
                let expected = if history.steps == 0 {
                    0
                } else {
                    request.paths.len()
                };
                assert_eq!(history.observations.len(), expected);
                for seen in &history.observations {
                    assert!(seen.closures <= history.steps && seen.changes.is_sorted());
                    assert!(
                        seen.changes
                            .iter()
                            .all(|&change| (1..history.steps).contains(&change))
                    );
                    assert!(
                        seen.version_changes
                            .iter()
                            .all(|change| seen.changes.contains(change))
                    );
                }
            }
        }
        let names: BTreeSet<(&str, Option<u32>)> = cases
            .iter()
            .map(|case| (case.name.as_str(), case.request.max_layers))
            .collect();
        assert_eq!(names.len(), cases.len());
        assert_eq!(cases, corpus());
    }

    #[test]
    fn budgets_are_those_of_the_graph() {
        let tried = |count: u32| -> Vec<Option<u32>> {
            let request = request(graph(count, |_| vec![]), None);
            budgets("x", &request)
                .iter()
                .map(|case| case.request.max_layers)
                .collect()
        };
        assert_eq!(
            tried(400),
            [Some(1), Some(2), Some(100), Some(399), Some(400), None]
        );
        assert_eq!(tried(2), [Some(1), Some(2), Some(100), None]);
        assert_eq!(tried(0), [Some(1), Some(2), Some(100), None]);
    }
}
