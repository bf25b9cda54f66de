//! Making sequences, closure by closure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::read::{below, one_line, split};
use super::{Fault, Path, Sequence, Step};
use crate::closure::GraphEntry;

impl Sequence {
    /// A sequence of one closure.
    ///
    /// # Errors
    ///
    /// As [`Sequence::add`].
    pub fn new(name: &str, label: &str, closure: &[GraphEntry]) -> Result<Self, Fault> {
        Self::new_known(name, label, closure, &BTreeMap::new())
    }

    /// A sequence of one closure, with what tells the contents of its paths apart.
    ///
    /// # Errors
    ///
    /// As [`Sequence::add`].
    pub fn new_known(
        name: &str,
        label: &str,
        closure: &[GraphEntry],
        contents: &BTreeMap<String, String>,
    ) -> Result<Self, Fault> {
        let first = closure.first();
        one_line(label, || "steps[0].date".to_owned())?;
        let first = first.ok_or_else(|| Fault::EmptyStep {
            number: 1,
            label: label.to_owned(),
        })?;
        let store_dir = split(&first.path)?.to_owned();
        one_line(name, || "name".to_owned())?;
        let mut updates = Self {
            name: name.to_owned(),
            store_dir,
            paths: vec![],
            steps: vec![],
        };
        updates.add_known(label, closure, contents)?;
        Ok(updates)
    }

    /// Calls the sequence something else.
    ///
    /// # Errors
    ///
    /// A name with control characters.
    pub fn rename(&mut self, name: &str) -> Result<(), Fault> {
        one_line(name, || "name".to_owned())?;
        name.clone_into(&mut self.name);
        Ok(())
    }

    /// Adds a closure as the newest step. New paths follow the known ones in the order of their
    /// names. A size that is known already stays, and references add up, because images tell
    /// neither as exactly as a store does; a reference to a path that is not known is left out.
    ///
    /// # Errors
    ///
    /// A closure without a path, with one twice, or with one of another store; a label with
    /// control characters.
    pub fn add(&mut self, label: &str, closure: &[GraphEntry]) -> Result<(), Fault> {
        self.add_known(label, closure, &BTreeMap::new())
    }

    /// Adds a closure with what tells the contents of some of its paths apart: of those whose names have no hash.
    ///
    /// # Errors
    ///
    /// As [`Sequence::add`].
    pub fn add_known(
        &mut self,
        label: &str,
        closure: &[GraphEntry],
        contents: &BTreeMap<String, String>,
    ) -> Result<(), Fault> {
        let content = |path: &str| contents.get(path).map_or("", String::as_str);
        let number = self.steps.len() + 1;
        one_line(label, || format!("steps[{}].date", number - 1))?;
        if closure.is_empty() {
            return Err(Fault::EmptyStep {
                number,
                label: label.to_owned(),
            });
        }
        let sorted: BTreeSet<&str> = closure.iter().map(|entry| entry.path.as_str()).collect();
        let mut seen = BTreeSet::new();
        for entry in closure {
            below(&entry.path, &self.store_dir)?;
            if !seen.insert(entry.path.as_str()) {
                let (label, path) = (label.to_owned(), entry.path.clone());
                return Err(Fault::TwiceInStep {
                    number,
                    label,
                    path,
                });
            }
        }
        let known = self.paths.iter().enumerate();
        let mut indices: HashMap<String, usize> = known
            .filter(|(_, path)| path.content == content(&path.path))
            .map(|(i, path)| (path.path.clone(), i))
            .collect();
        for path in sorted {
            if !indices.contains_key(path) {
                indices.insert(path.to_owned(), self.paths.len());
                self.paths.push(Path {
                    path: path.to_owned(),
                    size: 0,
                    content: content(path).to_owned(),
                    references: vec![],
                });
            }
        }
        for entry in closure {
            let path = &mut self.paths[indices[&entry.path]];
            if path.size == 0 {
                path.size = entry.size;
            }
            let found = entry
                .references
                .iter()
                .filter_map(|path| indices.get(path).copied());
            path.references.extend(found);
            path.references.sort_unstable();
            path.references.dedup();
        }
        let mut paths: Vec<usize> = closure.iter().map(|entry| indices[&entry.path]).collect();
        paths.sort_unstable();
        self.steps.push(Step {
            label: label.to_owned(),
            paths,
        });
        Ok(())
    }
}
