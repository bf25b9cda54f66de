//! Section 3.2, for graphs without circles.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::{Edges, Path};

/// The popularity of each of some paths.
type Popularity = BTreeMap<Path, u128>;

/// The layers of a graph: the paths in the order of their popularity, what is over the
/// limit together.
pub(crate) fn layers(references: &Edges, limit: Option<usize>) -> Vec<Vec<Path>> {
    let mut order = order(references);
    let limit = limit.unwrap_or(usize::MAX);
    let rest = order.split_off(order.len().min(limit - 1));
    let mut layers: Vec<Vec<Path>> = order.into_iter().map(|path| vec![path]).collect();
    if !rest.is_empty() {
        layers.push(rest);
    }
    layers
}

/// The paths of a graph, the most popular first.
pub(crate) fn order(references: &Edges) -> Vec<Path> {
    let referred: BTreeSet<&Path> = references.values().flatten().collect();
    let roots: BTreeSet<Path> = references
        .keys()
        .filter(|path| !referred.contains(path))
        .cloned()
        .collect();
    let mut ranked: Vec<(Path, u128)> = contest(references, &roots, &mut BTreeMap::new())
        .into_iter()
        .collect();
    ranked.sort_by_key(|(path, popularity)| (Reverse(*popularity), path.clone()));
    ranked.into_iter().map(|(path, _)| path).collect()
}

fn contest(
    references: &Edges,
    children: &BTreeSet<Path>,
    memo: &mut BTreeMap<BTreeSet<Path>, Popularity>,
) -> Popularity {
    if let Some(known) = memo.get(children) {
        return known.clone();
    }
    let mut popularity = Popularity::new();
    for child in children {
        *popularity.entry(child.clone()).or_default() += 1;
        for (path, count) in contest(references, &references[child], memo) {
            *popularity.entry(path).or_default() += count + 1;
        }
    }
    memo.insert(children.clone(), popularity.clone());
    popularity
}
