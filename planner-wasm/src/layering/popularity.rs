//! The policy `popularity`: what dockerTools did until 2025.
//!
//! A path is the more popular the more ways lead to it from the paths that nothing needs.
//! The original counts them by merging tables from path to path. The same numbers come
//! from the whole: with `walks(c)`, the number of ways from a root to `c`, the popularity
//! of a path is its own `walks` and those of everything above it, added up.

use std::collections::BTreeSet;

use super::graph::{Components, Graph, ranks};
use super::natural::Natural;
use super::options::Given;
use super::spread::{self, Weight};
use super::{Policy, reason};
use crate::bindings::layering::{Error, Layer, Planned, Request};

pub(super) const POLICY: Policy = Policy {
    name: "popularity",
    summary: "gives each of the paths that most others need a layer, and the rest the last one",
    options: &[],
    uses_history: false,
    plan,
};

fn plan(request: &Request, _: &Given) -> Result<Planned, Error> {
    let excluded: BTreeSet<u32> = request.excluded.iter().copied().collect();
    let graph = Graph::without(request, &excluded);
    let vertices: Vec<u32> = (0..)
        .take(graph.len())
        .filter(|path| !excluded.contains(path))
        .collect();
    let mut ranked = contest(&induced(&graph, &vertices), &ranks(request), &vertices);
    let limit = request
        .max_layers
        .map_or(ranked.len(), |limit| limit as usize);
    let rest = if ranked.len() > limit {
        ranked.split_off(limit - 1)
    } else {
        vec![]
    };
    let mut layers: Vec<Layer> = ranked
        .iter()
        .map(|(path, count)| own(request, *path, count))
        .collect();
    if !rest.is_empty() {
        layers.push(Layer {
            reason: format!(
                "the {} least popular paths",
                reason::grouped(&rest.len().to_string())
            ),
            paths: rest.into_iter().map(|(path, _)| path).collect(),
            cost: None,
        });
    }
    Ok(Planned {
        layers,
        left_out: vec![],
        remarks: vec![],
    })
}

fn own(request: &Request, path: u32, popularity: &Natural) -> Layer {
    let reason = format!("{}, popularity {popularity}", reason::name(request, path));
    Layer {
        paths: vec![path],
        reason,
        cost: None,
    }
}

/// The given paths with their popularity among each other, the most popular first; ties
/// go by rank. `references` holds what each of them refers to, by places in the list.
pub(super) fn contest(
    references: &[Vec<u32>],
    ranks: &[u32],
    vertices: &[u32],
) -> Vec<(u32, Natural)> {
    let counts = counts(references);
    let mut ranked: Vec<(u32, Natural)> = vertices.iter().copied().zip(counts).collect();
    ranked.sort_by(|(a, more), (b, than)| {
        than.cmp(more)
            .then_with(|| ranks[*a as usize].cmp(&ranks[*b as usize]))
    });
    ranked
}

/// Returns the references of each of the given paths among them, by their places in the list.
pub(super) fn induced(graph: &Graph, vertices: &[u32]) -> Vec<Vec<u32>> {
    let mut places = vec![None; graph.len()];
    for (place, &vertex) in (0_u32..).zip(vertices) {
        places[vertex as usize] = Some(place);
    }
    let references = |&vertex: &u32| {
        graph.references[vertex as usize]
            .iter()
            .filter_map(|&other| places[other as usize])
            .collect()
    };
    vertices.iter().map(references).collect()
}

/// The popularity of each path. Paths that refer to each other in circles count as one,
/// and are as popular as each other.
fn counts(references: &[Vec<u32>]) -> Vec<Natural> {
    let components = Components::new(references);
    let edges = components.references(references);
    let walks: Vec<Natural> = walks(&edges);
    let mut bound = Natural::default();
    walks.iter().for_each(|walks| bound += walks);
    // Most closures have numbers that fit, and these are much faster.
    let totals = if bound < Natural::from(u128::MAX) {
        spread::above(&edges, &self::walks::<u128>(&edges))
            .into_iter()
            .map(Natural::from)
            .collect()
    } else {
        spread::above(&edges, &walks)
    };
    components
        .of
        .iter()
        .map(|&group| totals[group as usize].clone())
        .collect()
}

/// The number of ways that lead to each group from those that nothing refers to. They
/// start at each of these once.
fn walks<N: Weight + From<u128>>(edges: &[Vec<u32>]) -> Vec<N> {
    let mut walks = vec![N::default(); edges.len()];
    let mut referred = vec![false; edges.len()];
    // What refers to a group has a higher number.
    for group in (0..edges.len()).rev() {
        if !referred[group] {
            walks[group] = N::from(1_u128);
        }
        let own = walks[group].clone();
        for &other in &edges[group] {
            referred[other as usize] = true;
            walks[other as usize] += &own;
        }
    }
    walks
}

#[cfg(test)]
mod tests {
    use super::super::testing::{names, request};
    use super::*;

    fn popularity(edges: &[(&str, u64, &str)]) -> Vec<(String, String)> {
        let request = request(edges);
        let all: Vec<u32> = (0..).take(request.paths.len()).collect();
        let ranked = contest(&Graph::new(&request).references, &ranks(&request), &all);
        let shown = |(path, count): (u32, Natural)| {
            (request.paths[path as usize].name.clone(), count.to_string())
        };
        ranked.into_iter().map(shown).collect()
    }

    fn order(edges: &[(&str, u64, &str)]) -> String {
        popularity(edges)
            .into_iter()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn counts(edges: &[(&str, u64, &str)]) -> String {
        let mut counts = popularity(edges);
        counts.sort();
        counts
            .into_iter()
            .map(|(name, count)| format!("{name}{count}"))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn the_vectors_of_the_specification() {
        let many = [
            ("Root1", 0, "A"),
            ("Root2", 0, "B"),
            ("Root3", 0, "C"),
            ("A", 0, "B D"),
            ("B", 0, "D F"),
            ("C", 0, ""),
            ("D", 0, "E"),
            ("E", 0, ""),
            ("F", 0, ""),
            ("X", 0, ""),
        ];
        assert_eq!(order(&many), "E D F B A C Root1 Root2 Root3 X");
        let one = [
            ("A", 0, "B G"),
            ("B", 0, "C E"),
            ("C", 0, "D E"),
            ("D", 0, "F"),
            ("E", 0, "F"),
            ("F", 0, ""),
            ("G", 0, ""),
        ];
        assert_eq!(counts(&one), "A1 B2 C3 D4 E5 F9 G2");
        assert_eq!(order(&one), "F E D C B G A");
        let four = [
            ("bar", 0, "baz"),
            ("baz", 0, "tux"),
            ("foo", 0, "bar baz"),
            ("tux", 0, ""),
        ];
        assert_eq!(counts(&four), "bar2 baz4 foo1 tux6");
    }

    #[test]
    fn numbers_grow_beyond_every_machine_word() {
        // Diamonds in a row: each doubles the ways.
        let mut edges = vec![("bottom".to_owned(), 0, String::new())];
        for i in 0..200 {
            let below = if i == 0 {
                "bottom".to_owned()
            } else {
                format!("t{}", i - 1)
            };
            edges.push((format!("l{i}"), 0, below.clone()));
            edges.push((format!("r{i}"), 0, below));
            edges.push((format!("t{i}"), 0, format!("l{i} r{i}")));
        }
        let edges: Vec<(&str, u64, &str)> = edges
            .iter()
            .map(|(a, b, c)| (a.as_str(), *b, c.as_str()))
            .collect();
        let ranked = popularity(&edges);
        assert_eq!(ranked[0], ("bottom".to_owned(), "about 2^202".to_owned()));
        assert_eq!(ranked.last().unwrap(), &("t199".to_owned(), "1".to_owned()));
    }

    #[test]
    fn circles_count_as_one() {
        assert_eq!(
            counts(&[("a", 0, "b"), ("b", 0, "c"), ("c", 0, "b d"), ("d", 0, "")]),
            "a1 b2 c2 d3"
        );
        assert_eq!(counts(&[("a", 0, "b"), ("b", 0, "a")]), "a1 b1");
    }

    #[test]
    fn what_is_over_the_budget_shares_the_last_layer() {
        let graph = [("a", 0, "b"), ("b", 0, "c"), ("c", 0, ""), ("d", 0, "c")];
        let plan = |limit| {
            let request = Request {
                max_layers: limit,
                policy: "popularity".to_owned(),
                ..request(&graph)
            };
            names(&request, &super::super::plan(&request).unwrap())
        };
        assert_eq!(plan(None), "c|b|a|d");
        assert_eq!(plan(Some(9)), "c|b|a|d");
        assert_eq!(plan(Some(4)), "c|b|a|d");
        assert_eq!(plan(Some(3)), "c|b|a d");
        assert_eq!(plan(Some(1)), "c b a d");
    }
}
