//! Counting how often packages changed.

use std::collections::{BTreeSet, HashMap};

use terrine_planner_host::layering::{HeldImage, History, Observation, StorePath};
use terrine_planner_host::store_path;

use crate::sequence::{Path, Step};

/// Counts closures, the oldest first, into what the contract carries of them.
///
/// A path is found again by its package, of which a closure may have several paths: the outputs
/// of one build, or two versions side by side. A package has changed from one closure to the
/// next if paths of it are gone and others have come. If paths only came or only went, nothing
/// was replaced, and that is no change; neither is it one for a path of the request that was in
/// both closures itself. Where a package was in one of the two alone, there is nothing to
/// compare. It is a change of the version if in the same way names are gone and others have
/// come.
#[derive(Debug, Default)]
pub struct Counter {
    steps: u32,
    packages: HashMap<String, Package>,
    /// In which closures each path was, ascending.
    paths: HashMap<String, Vec<u32>>,
}

/// The record of what was seen of a package.
#[derive(Debug, Default)]
struct Package {
    closures: u32,
    changes: Vec<u32>,
    version_changes: Vec<u32>,
    /// The last closure that it was in, and its paths there with their names.
    last: Option<(u32, Paths)>,
}

/// Paths and their names.
type Paths = BTreeSet<(String, String)>;

impl Counter {
    /// Counts the next closure, given by its paths.
    pub fn add<'a>(&mut self, closure: impl IntoIterator<Item = &'a str>) {
        self.add_known(closure.into_iter().map(|path| (path, "")));
    }

    /// Counts the next closure, given by its paths and what tells their contents apart, which is nothing where their
    /// names do.
    pub fn add_known<'a>(&mut self, closure: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let now = self.steps;
        self.steps += 1;
        let mut packages: HashMap<String, Paths> = HashMap::new();
        for (path, content) in closure {
            let StorePath {
                path,
                name,
                package,
                ..
            } = store_path(path, 0, vec![]);
            // No path holds a NUL.
            let path = match content {
                "" => path,
                content => format!("{path}\0{content}"),
            };
            self.paths.entry(path.clone()).or_default().push(now);
            packages.entry(package).or_default().insert((path, name));
        }
        for (package, paths) in packages {
            self.packages.entry(package).or_default().see(now, paths);
        }
    }

    /// Counts the next closure of a sequence with these paths.
    pub fn add_step(&mut self, paths: &[Path], step: &Step) {
        let paths = step.paths.iter().map(|&index| &paths[index]);
        self.add_known(paths.map(|path| (path.path.as_str(), path.content.as_str())));
    }

    /// The history of a request for these paths, whose clients hold these images.
    pub fn history(&self, paths: &[StorePath], held: Vec<HeldImage>) -> History {
        let observations = match self.steps {
            0 => vec![],
            _ => paths.iter().map(|path| self.observation(path)).collect(),
        };
        History {
            steps: self.steps,
            observations,
            held,
        }
    }

    fn observation(&self, path: &StorePath) -> Observation {
        let Some(package) = self.packages.get(&path.package) else {
            return Observation {
                closures: 0,
                changes: vec![],
                version_changes: vec![],
            };
        };
        let own = self.paths.get(&path.path).map_or(&[][..], Vec::as_slice);
        let stayed = |&step: &u32| {
            own.binary_search(&step)
                .is_ok_and(|place| place > 0 && own[place - 1] + 1 == step)
        };
        let replaced = |steps: &[u32]| steps.iter().copied().filter(|step| !stayed(step)).collect();
        Observation {
            closures: package.closures,
            changes: replaced(&package.changes),
            version_changes: replaced(&package.version_changes),
        }
    }
}

impl Package {
    fn see(&mut self, now: u32, paths: Paths) {
        self.closures += 1;
        if let Some((step, before)) = &self.last
            && step + 1 == now
            && replaced(
                before.iter().map(|(path, _)| path),
                paths.iter().map(|(path, _)| path),
            )
        {
            self.changes.push(now);
            if replaced(
                before.iter().map(|(_, name)| name),
                paths.iter().map(|(_, name)| name),
            ) {
                self.version_changes.push(now);
            }
        }
        self.last = Some((now, paths));
    }
}

/// Returns true if some are gone and others have come.
fn replaced<'a>(
    before: impl Iterator<Item = &'a String>,
    after: impl Iterator<Item = &'a String>,
) -> bool {
    let (before, after): (BTreeSet<_>, BTreeSet<_>) = (before.collect(), after.collect());
    !before.is_subset(&after) && !after.is_subset(&before)
}
