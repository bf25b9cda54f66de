//! Explanations of why a path is in an image, and in its layer.

use std::collections::VecDeque;

use serde::Serialize;
use terrine_planner_host as planner;

use super::Error;
use super::facts::{Facts, to_json};

/// The maximum number of paths that are listed for a name that matches none, or more than one.
const MAX_LISTED: usize = 5;

/// The reason why a store path is in the image, and the layer that contains it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The path.
    pub path: String,
    /// The directory of this machine that becomes this path, as the user named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Its NAR size in bytes, 0 where it is not known.
    pub size: u64,
    /// The number of its layer, from 1 at the bottom; none if the base image has it, or
    /// if it was left out.
    pub layer: Option<usize>,
    /// The reason why it is in that layer.
    pub reason: String,
    /// True if the image names it directly.
    pub asked_for: bool,
    /// The chain that brings it into the image: from a path that was asked for, reference by
    /// reference, to the path itself.
    pub chain: Vec<String>,
    /// The paths that refer to it directly.
    pub referrers: Vec<String>,
    /// The number of paths that need it, directly or not.
    pub dependents: usize,
    /// The paths that it refers to directly.
    pub references: Vec<String>,
    /// The number of paths that it needs, directly or not.
    pub dependencies: usize,
}

impl Facts {
    /// Explains a store path, given whole, without its directory, or without its hash.
    ///
    /// # Errors
    ///
    /// A path that is not in the image, and a name that several have.
    pub fn explain(&self, path: &str) -> Result<Explanation, Error> {
        let index = self.find(path)?;
        let nodes = self.graph.nodes();
        let name = |index: usize| nodes[index].path.clone();
        let others = |list: Vec<usize>| list.into_iter().filter(|&other| other != index).map(name);
        let refers = |other: &usize| nodes[*other].references.contains(&index);
        let referrers = (0..nodes.len()).filter(refers).collect();
        let layer = self
            .layers
            .iter()
            .find(|layer| layer.paths.iter().any(|path| path.path == name(index)));
        let reason = match layer {
            Some(layer) => layer.reason.clone(),
            None if self.held.contains(&index) => "the base image has it already".to_owned(),
            None => "left out by the policy's options".to_owned(),
        };
        Ok(Explanation {
            path: name(index),
            directory: self.directory(&name(index)).map(str::to_owned),
            size: nodes[index].size,
            layer: layer.map(|layer| layer.number),
            reason,
            asked_for: self.roots.contains(&index),
            chain: self.chain(index).into_iter().map(name).collect(),
            referrers: others(referrers).collect(),
            dependents: self.dependents(index),
            references: others(nodes[index].references.clone()).collect(),
            dependencies: self.graph.closure(&[index]).len() - 1,
        })
    }

    fn find(&self, path: &str) -> Result<usize, Error> {
        let nodes = self.graph.nodes();
        let plain = path.trim_end_matches('/');
        // A file in a store path stands for it.
        let whole = |node: &str| {
            plain == node
                || plain
                    .strip_prefix(node)
                    .is_some_and(|rest| rest.starts_with('/'))
        };
        let as_given = |node: &str| {
            let given = self.directory(node);
            given.is_some_and(|given| without_dot(given) == without_dot(plain))
        };
        if let Some(index) = nodes
            .iter()
            .position(|node| whole(&node.path) || as_given(&node.path))
        {
            return Ok(index);
        }
        let last =
            |node: &str| node.rsplit('/').next() == Some(plain) || planner::name(node) == plain;
        let named: Vec<usize> = (0..nodes.len()).filter(|&i| last(&nodes[i].path)).collect();
        match named.as_slice() {
            [index] => Ok(*index),
            [] => Err(Error::hinted(
                "--explain",
                format!("`{path}` is not a store path of the image"),
                self.similar(plain),
            )),
            several => {
                let list: Vec<&str> = several
                    .iter()
                    .take(MAX_LISTED)
                    .map(|&i| nodes[i].path.as_str())
                    .collect();
                let why = format!("{} store paths are called `{path}`", several.len());
                Err(Error::hinted(
                    "--explain",
                    why,
                    format!(
                        "give the whole path of one of them: `{}`",
                        list.join("`, `")
                    ),
                ))
            }
        }
    }

    /// Returns the directory of this machine that becomes a store path of the image.
    fn directory(&self, store_path: &str) -> Option<&str> {
        let mut paths = self.layers.iter().flat_map(|layer| &layer.paths);
        let found = paths.find(|path| path.path == store_path)?;
        found.directory.as_deref()
    }

    fn similar(&self, text: &str) -> String {
        let alike = self
            .graph
            .nodes()
            .iter()
            .filter(|node| node.path.contains(text));
        let alike: Vec<&str> = alike
            .take(MAX_LISTED)
            .map(|node| node.path.as_str())
            .collect();
        if alike.is_empty() {
            "`terrine plan` lists them".to_owned()
        } else {
            format!("there are `{}`", alike.join("`, `"))
        }
    }

    /// The shortest way from a path that was asked for.
    fn chain(&self, index: usize) -> Vec<usize> {
        let nodes = self.graph.nodes();
        let mut from: Vec<Option<usize>> = vec![None; nodes.len()];
        let mut queue: VecDeque<usize> = self.roots.iter().copied().collect();
        for &root in &self.roots {
            from[root] = Some(root);
        }
        while let Some(current) = queue.pop_front() {
            for &next in &nodes[current].references {
                if from[next].is_none() {
                    from[next] = Some(current);
                    queue.push_back(next);
                }
            }
        }
        let mut chain = vec![index];
        let mut current = index;
        while let Some(before) = from[current].filter(|&before| before != current) {
            chain.push(before);
            current = before;
        }
        chain.reverse();
        chain
    }

    /// Counts the paths that need a path, directly or not.
    fn dependents(&self, index: usize) -> usize {
        let nodes = self.graph.nodes();
        let mut referrers: Vec<Vec<usize>> = vec![vec![]; nodes.len()];
        for (i, node) in nodes.iter().enumerate() {
            node.references
                .iter()
                .for_each(|&reference| referrers[reference].push(i));
        }
        let mut seen = vec![false; nodes.len()];
        let mut open = vec![index];
        while let Some(current) = open.pop() {
            if !std::mem::replace(&mut seen[current], true) {
                open.extend(&referrers[current]);
            }
        }
        seen.into_iter().filter(|&seen| seen).count() - 1
    }
}

/// Returns a path without what makes no difference at its start and its end.
fn without_dot(path: &str) -> &str {
    path.trim_end_matches('/').trim_start_matches("./")
}

impl Explanation {
    /// The explanation as JSON text, indented, with a newline at the end.
    pub fn to_json(&self) -> String {
        to_json(self)
    }
}
