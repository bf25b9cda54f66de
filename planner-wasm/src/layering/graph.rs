//! The closure as a graph, in an order that does not depend on the request's.

use std::collections::BTreeSet;

use crate::bindings::layering::Request;

/// The store paths of a request, or some of them. Vertices are the request's indices;
/// nothing refers to itself.
#[derive(Debug, Clone)]
pub(super) struct Graph {
    /// The paths that each path refers to, ascending.
    pub(super) references: Vec<Vec<u32>>,
    /// The paths that refer to each path, ascending.
    pub(super) referrers: Vec<Vec<u32>>,
}

impl Graph {
    /// The graph of all paths.
    pub(super) fn new(request: &Request) -> Self {
        Self::without(request, &BTreeSet::new())
    }

    /// The graph without some paths, and without references from or to them.
    pub(super) fn without(request: &Request, removed: &BTreeSet<u32>) -> Self {
        let count = request.paths.len();
        let mut graph = Self {
            references: vec![vec![]; count],
            referrers: vec![vec![]; count],
        };
        for (i, path) in (0_u32..)
            .zip(&request.paths)
            .filter(|(i, _)| !removed.contains(i))
        {
            let references = path.references.iter().copied();
            let mut references: Vec<u32> = references
                .filter(|other| *other != i && !removed.contains(other))
                .collect();
            references.sort_unstable();
            references.dedup();
            for &other in &references {
                graph.referrers[other as usize].push(i);
            }
            graph.references[i as usize] = references;
        }
        graph
    }

    /// Returns the number of paths of the request.
    pub(super) fn len(&self) -> usize {
        self.references.len()
    }

    /// Everything that `from` reaches along `edges`, itself included.
    pub(super) fn reach(edges: &[Vec<u32>], from: &[u32]) -> Vec<bool> {
        let mut reached = vec![false; edges.len()];
        let mut open = from.to_vec();
        while let Some(current) = open.pop() {
            if !std::mem::replace(&mut reached[current as usize], true) {
                open.extend(&edges[current as usize]);
            }
        }
        reached
    }
}

/// The place of each path in the order that settles every tie: by name, then by path.
/// A rebuild changes hashes and so paths, but no names.
pub(super) fn ranks(request: &Request) -> Vec<u32> {
    let mut order: Vec<u32> = (0..).take(request.paths.len()).collect();
    let key = |i: &u32| {
        let path = &request.paths[*i as usize];
        (path.name.as_str(), path.path.as_str())
    };
    order.sort_unstable_by(|a, b| key(a).cmp(&key(b)));
    let mut ranks = vec![0; order.len()];
    for (rank, i) in (0..).zip(order) {
        ranks[i as usize] = rank;
    }
    ranks
}

/// The paths of a graph in groups that refer to each other in circles (strongly
/// connected components); most groups are of one path.
#[derive(Debug)]
pub(super) struct Components {
    /// The group of each path. A group's number is above those of all that it refers to.
    pub(super) of: Vec<u32>,
    /// The paths of each group.
    pub(super) members: Vec<Vec<u32>>,
}

impl Components {
    /// Finds the groups, by Tarjan's algorithm without recursion: a chain of references
    /// can be as long as the closure is large.
    pub(super) fn new(references: &[Vec<u32>]) -> Self {
        let unseen = u32::MAX;
        let mut search = Search {
            index: vec![unseen; references.len()],
            low: vec![0; references.len()],
            of: vec![unseen; references.len()],
            stack: vec![],
            members: vec![],
            next: 0,
        };
        for start in (0..).take(references.len()) {
            if search.index[start as usize] == unseen {
                search.run(references, start);
            }
        }
        Self {
            of: search.of,
            members: search.members,
        }
    }

    /// Returns the number of groups.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Returns the groups that each group refers to, itself left out; ascending.
    pub(super) fn references(&self, references: &[Vec<u32>]) -> Vec<Vec<u32>> {
        let others = |(group, members): (u32, &Vec<u32>)| {
            let all = members
                .iter()
                .flat_map(|&member| &references[member as usize]);
            let groups = all
                .map(|&other| self.of[other as usize])
                .filter(|&other| other != group);
            let mut groups: Vec<u32> = groups.collect();
            groups.sort_unstable();
            groups.dedup();
            groups
        };
        (0..).zip(&self.members).map(others).collect()
    }
}

struct Search {
    /// The number by which each path was seen.
    index: Vec<u32>,
    /// The lowest number that each path leads back to.
    low: Vec<u32>,
    of: Vec<u32>,
    /// Paths whose group is not known yet.
    stack: Vec<u32>,
    members: Vec<Vec<u32>>,
    next: u32,
}

impl Search {
    fn run(&mut self, references: &[Vec<u32>], start: u32) {
        // A path, and how many of its references have been looked at.
        let mut calls = vec![(start, 0)];
        self.enter(start);
        while let Some((current, position)) = calls.last_mut() {
            let i = *current as usize;
            if let Some(&other) = references[i].get(*position) {
                *position += 1;
                let o = other as usize;
                if self.index[o] == u32::MAX {
                    self.enter(other);
                    calls.push((other, 0));
                } else if self.of[o] == u32::MAX {
                    self.low[i] = self.low[i].min(self.index[o]);
                }
                continue;
            }
            self.leave(i);
            calls.pop();
            if let Some((parent, _)) = calls.last() {
                let p = *parent as usize;
                self.low[p] = self.low[p].min(self.low[i]);
            }
        }
    }

    fn enter(&mut self, path: u32) {
        self.index[path as usize] = self.next;
        self.low[path as usize] = self.next;
        self.next += 1;
        self.stack.push(path);
    }

    /// Closes the group that a path is the first of.
    fn leave(&mut self, i: usize) {
        if self.low[i] != self.index[i] {
            return;
        }
        let start = self
            .stack
            .iter()
            .rposition(|&path| path as usize == i)
            .unwrap_or(0);
        let group = self.stack.split_off(start);
        // As many groups as a u32 counts paths.
        let number = self.members.len() as u32;
        for &member in &group {
            self.of[member as usize] = number;
        }
        self.members.push(group);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::request;
    use super::*;

    #[test]
    fn groups_are_numbered_from_what_is_referred_to() {
        let references = vec![vec![1], vec![2], vec![1, 3], vec![], vec![0]];
        let components = Components::new(&references);
        assert_eq!(components.of, [2, 1, 1, 0, 3]);
        assert_eq!(components.members, [vec![3], vec![1, 2], vec![0], vec![4]]);
        assert_eq!(
            components.references(&references),
            [vec![], vec![0], vec![1], vec![2]]
        );
    }

    #[test]
    fn a_long_chain_takes_no_stack() {
        let count = 200_000;
        let chain: Vec<Vec<u32>> = (1..=count)
            .map(|next| if next < count { vec![next] } else { vec![] })
            .collect();
        assert_eq!(Components::new(&chain).len(), count as usize);
        let ring: Vec<Vec<u32>> = (1..=count).map(|next| vec![next % count]).collect();
        assert_eq!(Components::new(&ring).len(), 1);
    }

    #[test]
    fn ties_go_by_name_and_then_by_path() {
        let request = request(&[("/s/1-b", 0, ""), ("/s/3-a", 0, ""), ("/s/2-a", 0, "")]);
        assert_eq!(ranks(&request), [2, 1, 0]);
    }

    #[test]
    fn a_graph_without_some_paths_has_no_references_to_them() {
        let request = request(&[("a", 0, "a b c b"), ("b", 0, "c"), ("c", 0, "a")]);
        let whole = Graph::new(&request);
        assert_eq!(whole.references, [vec![1, 2], vec![2], vec![0]]);
        assert_eq!(whole.referrers, [vec![2], vec![0], vec![0, 1]]);
        let graph = Graph::without(&request, &BTreeSet::from([1]));
        assert_eq!(graph.references, [vec![2], vec![], vec![0]]);
        assert_eq!(graph.referrers, [vec![2], vec![], vec![0]]);
    }
}
