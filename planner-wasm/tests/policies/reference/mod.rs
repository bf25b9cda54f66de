//! The policies as the specification has them, for closures that are small.

pub(crate) mod auto;
pub(crate) mod pipeline;
pub(crate) mod popularity;

use std::collections::{BTreeMap, BTreeSet};

use terrine_planner::bindings::layering::Request;

/// A store path: its name and its path, which is the order that settles ties.
pub(crate) type Path = (String, String);

/// A path of a request.
pub(crate) fn path(request: &Request, index: u32) -> Path {
    let path = &request.paths[index as usize];
    (path.name.clone(), path.path.clone())
}

/// The paths that a request excludes.
pub(crate) fn excluded(request: &Request) -> BTreeSet<Path> {
    request.excluded.iter().map(|&i| path(request, i)).collect()
}

/// The references of each path.
pub(crate) type Edges = BTreeMap<Path, BTreeSet<Path>>;

/// A closure by its paths; nothing refers to itself.
#[derive(Debug, Clone)]
pub(crate) struct Closure {
    pub(crate) sizes: BTreeMap<Path, u64>,
    pub(crate) references: Edges,
}

impl Closure {
    /// All paths of a request.
    pub(crate) fn new(request: &Request) -> Self {
        let mut closure = Self {
            sizes: BTreeMap::new(),
            references: BTreeMap::new(),
        };
        for (i, entry) in (0..).zip(&request.paths) {
            let own = path(request, i);
            let others = entry.references.iter().map(|&other| path(request, other));
            closure
                .references
                .insert(own.clone(), others.filter(|other| *other != own).collect());
            closure.sizes.insert(own, entry.size);
        }
        closure
    }

    /// The paths that a request does not exclude, as if the others had never been.
    pub(crate) fn without_excluded(request: &Request) -> Self {
        let mut closure = Self::new(request);
        let excluded = excluded(request);
        closure.sizes.retain(|path, _| !excluded.contains(path));
        closure
            .references
            .retain(|path, _| !excluded.contains(path));
        for references in closure.references.values_mut() {
            references.retain(|path| !excluded.contains(path));
        }
        closure
    }
}

/// Edges turned around.
pub(crate) fn reversed(edges: &Edges) -> Edges {
    let mut reversed: Edges = edges
        .keys()
        .map(|path| (path.clone(), BTreeSet::new()))
        .collect();
    for (path, others) in edges {
        for other in others {
            reversed.get_mut(other).unwrap().insert(path.clone());
        }
    }
    reversed
}

/// Returns the paths that some paths lead to, themselves included.
pub(crate) fn reach<'a>(edges: &Edges, from: impl IntoIterator<Item = &'a Path>) -> BTreeSet<Path> {
    let mut reached = BTreeSet::new();
    for path in from {
        walk(edges, path, &mut reached);
    }
    reached
}

fn walk(edges: &Edges, path: &Path, reached: &mut BTreeSet<Path>) {
    if reached.insert(path.clone()) {
        edges[path]
            .iter()
            .for_each(|other| walk(edges, other, reached));
    }
}
