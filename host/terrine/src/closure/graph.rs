//! Store paths and what they refer to.

use std::collections::HashMap;

use super::Fault;

/// A graph of store paths, sorted by path, each there once. It is closed: whatever a
/// path refers to is there as well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    nodes: Vec<Node>,
}

/// A store path in a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The path.
    pub path: String,
    /// Size of the path's NAR in bytes, at most `i64::MAX`; 0 where it is not known.
    pub size: u64,
    /// Indices of the paths that it refers to, ascending, each once. It may be one itself.
    pub references: Vec<usize>,
}

/// A store path that is to be in a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphEntry {
    /// The path.
    pub path: String,
    /// Size of the path's NAR in bytes, at most `i64::MAX`; 0 where it is not known.
    pub size: u64,
    /// The paths that it refers to, in any order.
    pub references: Vec<String>,
}

impl Graph {
    /// Makes a graph of entries in any order. An entry may be there more than once if all
    /// say the same. Paths may refer to themselves and to each other.
    ///
    /// # Errors
    ///
    /// A reference to a missing path, and entries that contradict each other.
    pub fn build(mut entries: Vec<GraphEntry>) -> Result<Self, Fault> {
        for entry in &mut entries {
            entry.references.sort_unstable();
            entry.references.dedup();
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        let conflict = entries
            .windows(2)
            .find(|pair| pair[0].path == pair[1].path && pair[0] != pair[1]);
        if let Some([a, b]) = conflict {
            let what = if a.size == b.size {
                "references"
            } else {
                "sizes"
            };
            return Err(Fault::Conflict {
                path: a.path.clone(),
                what,
            });
        }
        entries.dedup_by(|a, b| a.path == b.path);
        let indices: HashMap<&str, usize> = entries
            .iter()
            .enumerate()
            .map(|(index, entry)| (entry.path.as_str(), index))
            .collect();
        let references = entries
            .iter()
            .map(|entry| resolve(entry, &indices))
            .collect::<Result<Vec<_>, _>>()?;
        let nodes = entries
            .into_iter()
            .zip(references)
            .map(|(GraphEntry { path, size, .. }, references)| Node {
                path,
                size,
                references,
            })
            .collect();
        Ok(Self { nodes })
    }

    /// The paths, ascending.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The index of a path.
    pub fn find(&self, path: &str) -> Option<usize> {
        self.nodes
            .binary_search_by(|node| node.path.as_str().cmp(path))
            .ok()
    }

    /// The indices of everything that `roots` reach, themselves included, ascending.
    ///
    /// # Panics
    ///
    /// If a root is not an index of the graph.
    pub fn closure(&self, roots: &[usize]) -> Vec<usize> {
        let mut reached = vec![false; self.nodes.len()];
        let mut open = roots.to_vec();
        while let Some(index) = open.pop() {
            if !std::mem::replace(&mut reached[index], true) {
                let references = &self.nodes[index].references;
                open.extend(references.iter().filter(|&&reference| !reached[reference]));
            }
        }
        (0..reached.len()).filter(|&index| reached[index]).collect()
    }

    /// The indices of everything that `roots` reach, by distance: first the roots, then what these refer to, and so on. Each is there once,
    /// in ascending order.
    ///
    /// # Panics
    ///
    /// If a root is not an index of the graph.
    pub fn by_distance(&self, roots: &[usize]) -> Vec<Vec<usize>> {
        let mut reached = vec![false; self.nodes.len()];
        let mut all = vec![];
        let mut next = roots.to_vec();
        loop {
            next.retain(|&index| !std::mem::replace(&mut reached[index], true));
            if next.is_empty() {
                return all;
            }
            next.sort_unstable();
            let references = next.iter().flat_map(|&index| &self.nodes[index].references);
            let further = references.copied().collect();
            all.push(std::mem::replace(&mut next, further));
        }
    }

    /// The indices of the paths that nothing else refers to, ascending.
    pub fn roots(&self) -> Vec<usize> {
        let mut referred = vec![false; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            node.references
                .iter()
                .filter(|&&other| other != index)
                .for_each(|&other| referred[other] = true);
        }
        (0..referred.len())
            .filter(|&index| !referred[index])
            .collect()
    }

    /// The graph of the given nodes alone, by their indices, ascending and each once.
    /// References to others are dropped.
    ///
    /// # Panics
    ///
    /// If one is not an index of the graph.
    #[must_use]
    pub fn restrict(&self, keep: &[usize]) -> Self {
        Self {
            nodes: keep
                .iter()
                .map(|&index| {
                    let Node {
                        path,
                        size,
                        references,
                    } = &self.nodes[index];
                    let references = references
                        .iter()
                        .filter_map(|reference| keep.binary_search(reference).ok());
                    Node {
                        path: path.clone(),
                        size: *size,
                        references: references.collect(),
                    }
                })
                .collect(),
        }
    }

    /// The graph of both graphs' paths.
    ///
    /// # Errors
    ///
    /// A path that is in both, and not the same.
    pub fn merge(self, other: Self) -> Result<Self, Fault> {
        let mut entries = self.into_entries();
        entries.extend(other.into_entries());
        Self::build(entries)
    }

    /// The graph's paths with the paths that they refer to, in the graph's order.
    pub fn into_entries(self) -> Vec<GraphEntry> {
        self.nodes
            .iter()
            .map(|node| GraphEntry {
                path: node.path.clone(),
                size: node.size,
                references: node
                    .references
                    .iter()
                    .map(|&i| self.nodes[i].path.clone())
                    .collect(),
            })
            .collect()
    }
}

/// The indices of what an entry refers to. They are ascending, because its references
/// are sorted as the entries are.
fn resolve(entry: &GraphEntry, indices: &HashMap<&str, usize>) -> Result<Vec<usize>, Fault> {
    entry
        .references
        .iter()
        .map(|reference| {
            indices
                .get(reference.as_str())
                .copied()
                .ok_or_else(|| Fault::MissingReference {
                    path: entry.path.clone(),
                    reference: reference.clone(),
                })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use terrine_support::hint::Hint;

    use super::*;

    fn entry(path: &str, size: u64, references: &str) -> GraphEntry {
        let references = references.split_whitespace().map(str::to_owned).collect();
        GraphEntry {
            path: path.to_owned(),
            size,
            references,
        }
    }

    fn graph(entries: &[(&str, &str)]) -> Graph {
        Graph::build(
            entries
                .iter()
                .map(|(path, references)| entry(path, 1, references))
                .collect(),
        )
        .unwrap()
    }

    #[test]
    fn nodes_are_sorted_and_refer_by_index() {
        let graph = graph(&[("c", "b a c b"), ("a", ""), ("b", "a")]);
        let nodes: Vec<_> = graph
            .nodes()
            .iter()
            .map(|n| (n.path.as_str(), &n.references[..]))
            .collect();
        assert_eq!(nodes, [("a", &[][..]), ("b", &[0]), ("c", &[0, 1, 2])]);
        assert_eq!((graph.find("b"), graph.find("bb")), (Some(1), None));
    }

    #[test]
    fn everything_that_is_reached_is_in_the_closure() {
        // A cycle of a and b, and a self reference.
        let graph = graph(&[("a", "b"), ("b", "a c"), ("c", "c"), ("d", "c"), ("e", "")]);
        for (roots, expected) in [
            (&[][..], &[][..]),
            (&[0], &[0, 1, 2]),
            (&[1], &[0, 1, 2]),
            (&[2], &[2]),
            (&[4, 3, 4], &[2, 3, 4]),
        ] {
            assert_eq!(graph.closure(roots), expected, "{roots:?}");
        }
    }

    #[test]
    fn what_is_near_comes_before_what_is_further_away() {
        let graph = graph(&[
            ("a", "b"),
            ("b", "a"),
            ("c", "e"),
            ("d", "b c d"),
            ("e", ""),
        ]);
        for (roots, expected) in [
            (&[][..], &[][..]),
            (&[3], &[&[3][..], &[1, 2], &[0, 4]]),
            (&[4, 0, 4], &[&[0, 4], &[1]]),
        ] {
            assert_eq!(graph.by_distance(roots), expected, "{roots:?}");
        }
    }

    #[test]
    fn roots_are_what_nothing_else_refers_to() {
        assert_eq!(
            graph(&[("a", "a b"), ("b", ""), ("c", "d"), ("d", "c"), ("e", "")]).roots(),
            [0, 4]
        );
    }

    #[test]
    fn a_long_chain_takes_no_stack() {
        let path = |i: usize| format!("{i:06}");
        let entries = (0..200_000)
            .map(|i| entry(&path(i), 0, &path((i + 1) % 200_000)))
            .collect();
        assert_eq!(Graph::build(entries).unwrap().closure(&[7]).len(), 200_000);
    }

    #[test]
    fn a_restricted_graph_refers_to_nothing_else() {
        let whole = graph(&[("a", "b"), ("b", "c"), ("c", "a c")]);
        assert_eq!(whole.restrict(&[0, 2]), graph(&[("a", ""), ("c", "a c")]));
        assert_eq!(whole.restrict(&[0, 1, 2]), whole);
        assert_eq!(whole.restrict(&[]), Graph::default());
    }

    #[test]
    fn a_reference_that_is_not_there_is_named() {
        let fault = Graph::build(vec![entry("a", 0, ""), entry("b", 0, "a x")]).unwrap_err();
        assert_eq!(fault.to_string(), "`b` refers to `x`, which is missing");
        assert!(fault.hint().unwrap().contains("--recursive"));
    }

    #[test]
    fn a_path_may_be_there_twice_if_it_is_the_same() {
        let twice = Graph::build(vec![
            entry("b", 1, "a b"),
            entry("a", 1, ""),
            entry("b", 1, "b a"),
        ]);
        assert_eq!(twice, Ok(graph(&[("a", ""), ("b", "a b")])));
        for (size, references, what) in [
            (2, "a b", "sizes"),
            (0, "a b", "sizes"),
            (1, "a", "references"),
        ] {
            let entries = vec![
                entry("b", 1, "a b"),
                entry("a", 1, ""),
                entry("b", size, references),
            ];
            assert_eq!(
                Graph::build(entries),
                Err(Fault::Conflict {
                    path: "b".to_owned(),
                    what
                })
            );
        }
    }

    #[test]
    fn graphs_with_paths_in_common_are_merged() {
        let merged = graph(&[("a", ""), ("c", "a")]).merge(graph(&[("a", ""), ("b", "a b")]));
        assert_eq!(merged, Ok(graph(&[("a", ""), ("b", "a b"), ("c", "a")])));
        let merged = graph(&[("a", "")]).merge(graph(&[("a", "a")]));
        assert_eq!(
            merged,
            Err(Fault::Conflict {
                path: "a".to_owned(),
                what: "references"
            })
        );
    }
}
