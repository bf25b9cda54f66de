//! Recorded sequences of closures: what an image was made of, update by update.
//!
//! A sequence is a JSON file. Its paths are listed once; a step is a label, which is a date
//! or a tag, and the indices of the paths that made up the closure then, the oldest step first:
//!
//! ```json
//! {"name": "web",
//!  "paths": [{"path": "/nix/store/...-libc-1", "narSize": 1000, "references": []},
//!            {"path": "/nix/store/...-web-1", "narSize": 50, "references": [0]}],
//!  "steps": [{"date": "2024-01-01", "paths": [0, 1]}]}
//! ```
//!
//! A path whose name has no hash may have a `content`, a text that is another one for another content, and may be listed
//! again with another.
//!
//! Steps are counted from 1 where people read of them.

mod error;
mod read;
mod record;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;

use terrine_planner_host::is_hashed;

pub use error::{Error, Fault};
pub use read::read;

/// A recorded sequence of closures. Its indices are valid, its paths are all there once and
/// in one directory, and no step is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    name: String,
    store_dir: String,
    paths: Vec<Path>,
    steps: Vec<Step>,
}

/// A store path of a sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// The path.
    pub path: String,
    /// Its NAR size in bytes where that is known, else the sum of its files' sizes, else 0.
    pub size: u64,
    /// A text that tells its content apart from others under the same path, where its name has no hash and that is known;
    /// empty otherwise.
    pub content: String,
    /// The references, as indices of the sequence's paths, ascending. Those that are not
    /// in a step's closure do not count there: something else has them, such as a base image.
    pub references: Vec<usize>,
}

/// A closure of a sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its label, for people: a date or a tag.
    pub label: String,
    /// The closure, as indices of the sequence's paths, ascending. Not empty.
    pub paths: Vec<usize>,
}

impl Sequence {
    /// Returns the name of the sequence.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The directory of its paths.
    pub fn store_dir(&self) -> &str {
        &self.store_dir
    }

    /// All paths of all steps.
    pub fn paths(&self) -> &[Path] {
        &self.paths
    }

    /// The closures, the oldest first.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The paths of which nobody can tell whether they changed: their names have no hash, and of at least one of several
    /// steps nothing is known of their content.
    pub fn uncertain(&self) -> Vec<&str> {
        let mut seen: BTreeMap<&str, (usize, bool)> = BTreeMap::new();
        for &index in self.steps.iter().flat_map(|step| &step.paths) {
            let path = &self.paths[index];
            if !is_hashed(&path.path) {
                let (count, is_known) = seen.entry(&path.path).or_insert((0, true));
                *count += 1;
                *is_known &= !path.content.is_empty();
            }
        }
        let uncertain = seen
            .into_iter()
            .filter(|&(_, (count, known))| count > 1 && !known);
        uncertain.map(|(path, _)| path).collect()
    }

    /// Counts the references, over all steps, to paths that are not in the step's closure.
    /// They are left out, so policies see less of the graph than there was.
    pub fn lost_references(&self) -> usize {
        let mut alive = vec![0; self.paths.len()];
        let mut lost = 0;
        for (number, step) in (1..).zip(&self.steps) {
            step.paths.iter().for_each(|&index| alive[index] = number);
            let references = step
                .paths
                .iter()
                .flat_map(|&index| &self.paths[index].references);
            lost += references
                .filter(|&&reference| alive[reference] != number)
                // The step has the same path with another content.
                .filter(|&&reference| self.paths[reference].content.is_empty())
                .count();
        }
        lost
    }
}
