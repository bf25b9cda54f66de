//! The policy `auto`: what dockerTools does since 2025.
//!
//! The largest paths become owners of what they need, one after the other; paths with
//! the same owners share a layer. The original leaves ties open or settles them by
//! hashes; here they go by name and then by path ([`ranks`]):
//!
//! - of paths with the same size the last one becomes an owner first;
//! - layers with closures of the same size come in the order of their first paths.

use std::collections::BTreeMap;

use super::graph::{Components, Graph, ranks};
use super::options::Given;
use super::{Policy, reason, spread};
use crate::bindings::layering::{Error, Layer, Planned, Request};

pub(super) const POLICY: Policy = Policy {
    name: "auto",
    summary: "groups paths by which of the largest ones need them, as dockerTools does",
    options: &[],
    uses_history: false,
    plan,
};

fn plan(request: &Request, _: &Given) -> Result<Planned, Error> {
    let graph = Graph::new(request);
    let ranks = ranks(request);
    let groups = match request.max_layers {
        Some(limit) => owned(request, &graph, &ranks, limit as usize),
        None => apart(&graph),
    };
    Ok(Planned {
        layers: layers(request, &graph, &ranks, groups),
        left_out: vec![],
        remarks: vec![],
    })
}

/// Paths that share a layer, and the owners that they have in common.
struct Group {
    paths: Vec<u32>,
    owners: Vec<u32>,
}

/// Every path its own owner, which is what there is to gain; but paths that refer to each
/// other in circles cannot be told apart.
fn apart(graph: &Graph) -> Vec<Group> {
    let components = Components::new(&graph.references);
    components
        .members
        .into_iter()
        .map(|paths| Group {
            owners: paths.clone(),
            paths,
        })
        .collect()
}

/// As many owners as there may be layers.
fn owned(request: &Request, graph: &Graph, ranks: &[u32], limit: usize) -> Vec<Group> {
    if Components::new(&graph.references).len() <= limit {
        return apart(graph);
    }
    let mut candidates: Vec<u32> = (0..).take(graph.len()).collect();
    candidates.sort_unstable_by_key(|&i| (request.paths[i as usize].size, ranks[i as usize]));
    let mut owners = Owners::new(graph.len());
    // An owner stays one, so there are at most as many rounds as layers, and one more.
    for &candidate in candidates.iter().rev() {
        let next = owners.with(graph, candidate);
        if next.sets.len() > limit {
            break;
        }
        owners = next;
    }
    owners.groups()
}

/// The owners of each path. Few sets of owners are shared by many paths.
#[derive(Clone)]
struct Owners {
    /// The sets, each there once and used by a path at least; owners ascending.
    sets: Vec<Vec<u32>>,
    /// The set of each path.
    of: Vec<u32>,
}

impl Owners {
    fn new(count: usize) -> Self {
        Self {
            sets: vec![vec![]],
            of: vec![0; count],
        }
    }

    /// Makes a path an owner of itself and of what it needs, unless something below it is
    /// closer to that. Whatever needs the path itself is further away, and loses it.
    fn with(&self, graph: &Graph, owner: u32) -> Self {
        let below = Graph::reach(&graph.references, &[owner]);
        let above = Graph::reach(&graph.referrers, &[owner]);
        let is = |reached: &[bool], path: u32| path != owner && reached[path as usize];
        let changed = |set: &Vec<u32>| {
            let mut set: Vec<u32> = set
                .iter()
                .copied()
                .filter(|&other| !is(&above, other))
                .collect();
            let covered = set.iter().any(|&other| is(&below, other));
            if let (false, Err(place)) = (covered, set.binary_search(&owner)) {
                set.insert(place, owner);
            }
            set
        };
        let mut next = Interner::default();
        // The outcome depends on the set alone, so each is looked at once, if at all.
        let (mut kept, mut lost) = (vec![None; self.sets.len()], vec![None; self.sets.len()]);
        let sets = (0..).zip(&self.of).map(|(path, &set)| {
            let old = &self.sets[set as usize];
            if path == owner {
                next.number(vec![owner])
            } else if below[path as usize] {
                *lost[set as usize].get_or_insert_with(|| next.number(changed(old)))
            } else {
                *kept[set as usize].get_or_insert_with(|| next.number(old.clone()))
            }
        });
        let of = sets.collect();
        Self {
            sets: next.sets,
            of,
        }
    }

    fn groups(self) -> Vec<Group> {
        let mut groups: Vec<Group> = self
            .sets
            .into_iter()
            .map(|owners| Group {
                paths: vec![],
                owners,
            })
            .collect();
        for (path, set) in (0..).zip(self.of) {
            groups[set as usize].paths.push(path);
        }
        groups
    }
}

/// Gives each set of owners one number.
#[derive(Default)]
struct Interner {
    sets: Vec<Vec<u32>>,
    numbers: BTreeMap<Vec<u32>, u32>,
}

impl Interner {
    fn number(&mut self, set: Vec<u32>) -> u32 {
        // There are no more sets than paths, which a u32 counts.
        let next = self.sets.len() as u32;
        *self.numbers.entry(set).or_insert_with_key(|set| {
            self.sets.push(set.clone());
            next
        })
    }
}

/// Layers in the order of what their paths need, least first.
fn layers(request: &Request, graph: &Graph, ranks: &[u32], mut groups: Vec<Group>) -> Vec<Layer> {
    for group in &mut groups {
        group.paths.sort_unstable_by_key(|&i| ranks[i as usize]);
        group.owners.sort_unstable_by_key(|&i| ranks[i as usize]);
    }
    let sizes: Vec<u64> = request.paths.iter().map(|path| path.size).collect();
    let starts: Vec<Vec<u32>> = groups.iter().map(|group| group.paths.clone()).collect();
    let closures = spread::closure_sizes(&graph.references, &sizes, &starts);
    let mut order: Vec<(u128, u32, Group)> = groups
        .into_iter()
        .zip(closures)
        .filter_map(|(group, size)| Some((size, ranks[*group.paths.first()? as usize], group)))
        .collect();
    order.sort_unstable_by_key(|&(size, first, _)| (size, first));
    let layers = order.into_iter().map(|(_, _, group)| layer(request, group));
    layers.filter(|layer| !layer.paths.is_empty()).collect()
}

fn layer(request: &Request, mut group: Group) -> Layer {
    let reason = reason::owned(request, &group.paths, &group.owners);
    // Paths that are left out took part in everything up to here, as in the original.
    group
        .paths
        .retain(|path| request.excluded.binary_search(path).is_err());
    Layer {
        paths: group.paths,
        reason,
        cost: None,
    }
}
