//! Closures to plan for: written out, and generated.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use terrine_planner::bindings::layering::{Request, StorePath};

/// The form of a graph: with paths that refer to each other in circles, or without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Acyclic,
    Any,
}

/// A request for a graph of names, each with its size and the names that it refers to.
pub(crate) fn request(graph: &[(&str, u64, &str)]) -> Request {
    let index = |name: &str| graph.iter().position(|(other, ..)| *other == name).unwrap() as u32;
    let paths = graph.iter().map(|(name, size, references)| {
        let references = references.split_whitespace().map(index).collect();
        store_path(&format!("hash-of-{name}"), name, *size, references)
    });
    with_paths(paths.collect())
}

/// A request that names no policy, and puts no limit on the layers.
pub(crate) fn with_paths(paths: Vec<StorePath>) -> Request {
    Request {
        policy: String::new(),
        options: "{}".to_owned(),
        store_dir: "/nix/store".to_owned(),
        paths,
        roots: vec![],
        excluded: vec![],
        max_layers: None,
        history: None,
    }
}

/// A store path by its hash and its name.
pub(crate) fn store_path(hash: &str, name: &str, size: u64, references: Vec<u32>) -> StorePath {
    StorePath {
        path: format!("/nix/store/{hash}-{name}"),
        name: name.to_owned(),
        package: name.to_owned(),
        size,
        references,
    }
}

/// Each path refers to up to six of those before it, and to itself now and then.
pub(crate) fn web(count: u32) -> Request {
    let mut state = 1_u64;
    let mut below = |limit: u32| {
        // A linear congruential generator: the same closure each time.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % u64::from(limit)) as u32
    };
    let paths = (0..count).map(|i| {
        let references: BTreeSet<u32> = (0..6).map(|_| below(i + 1)).collect();
        let size = u64::from(below(1000)).pow(2);
        store_path(
            &format!("{i:06}"),
            &format!("name{}", below(count)),
            size,
            references.into_iter().collect(),
        )
    });
    with_paths(paths.collect())
}

/// The values that are drawn for one path: its size, its name, whether it refers to itself, and
/// whether it is excluded.
type Drawn = (u64, usize, bool, bool);

/// Requests for up to `most` paths, whose sizes and names are often the same, with a limit
/// from 1 to two more than there are paths.
pub(crate) fn requests(shape: Shape, most: usize) -> impl Strategy<Value = Request> {
    (0..=most).prop_flat_map(move |count| {
        let drawn = (
            0..5_u64,
            0..8_usize,
            prop::bool::weighted(0.2),
            prop::bool::weighted(0.15),
        );
        let indices: Vec<u32> = (0..count as u32).collect();
        (
            vec(drawn, count),
            Just(indices.clone()).prop_shuffle(),
            Just(indices.clone()).prop_shuffle(),
            vec(any::<(Index, Index)>(), 0..=count * 4),
            subsequence(indices, 0..=count),
            1..=count as u32 + 2,
        )
            .prop_map(move |(paths, hashes, order, edges, roots, limit)| {
                let references = references(shape, &order, &edges);
                let paths = (0..).zip(paths.iter().zip(&hashes).zip(references));
                let excluded = paths
                    .clone()
                    .filter(|(_, (((.., excluded), _), _))| *excluded);
                Request {
                    roots: roots.clone(),
                    excluded: excluded.map(|(i, _)| i).collect(),
                    max_layers: Some(limit),
                    ..with_paths(
                        paths
                            .map(|(i, ((drawn, hash), to))| path(i, *drawn, *hash, to))
                            .collect(),
                    )
                }
            })
    })
}

/// The same with a name of its own for each path.
pub(crate) fn with_unique_names(mut request: Request) -> Request {
    for (i, path) in request.paths.iter_mut().enumerate() {
        let (hash, _) = path.path.split_once('-').unwrap();
        // Names in another order than the indices.
        path.name = format!("{}-{}", path.name, i * 7 % 31);
        path.path = format!("{hash}-{}", path.name);
    }
    request
}

fn path(
    own: u32,
    (size, name, itself, _): Drawn,
    hash: u32,
    mut references: Vec<u32>,
) -> StorePath {
    if itself {
        references.push(own);
    }
    store_path(
        &format!("{hash:04}"),
        &format!("name{name}"),
        size,
        references,
    )
}

/// Returns the references of each path: along `order` if there are to be no circles.
fn references(shape: Shape, order: &[u32], edges: &[(Index, Index)]) -> Vec<Vec<u32>> {
    let mut references = vec![vec![]; order.len()];
    for (from, to) in edges.iter().filter(|_| !order.is_empty()) {
        let (mut from, mut to) = (from.index(order.len()), to.index(order.len()));
        if shape == Shape::Acyclic && from > to {
            (from, to) = (to, from);
        }
        let (from, to) = (order[from], order[to]);
        if from != to && !references[from as usize].contains(&to) {
            references[from as usize].push(to);
        }
    }
    references
}
