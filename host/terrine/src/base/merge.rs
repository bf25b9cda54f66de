//! Layers on top of each other: what they add, replace and take away.
//!
//! A layer is read whole before it is put on those below it, because what it takes away is
//! always theirs, wherever in its archive it says so.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use serde::{Deserialize, Serialize};

use crate::source::Fault;
use crate::source::changes::{Budget, parent};

/// The kind of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum EntryKind {
    File,
    Directory,
    Symlink,
    /// A device, a fifo, or something that cannot be told.
    Other,
}

/// An entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListedEntry {
    pub(super) kind: EntryKind,
    /// The size of a file in bytes, else 0.
    pub(super) size: u64,
    /// The target of a symbolic link, else empty.
    pub(super) link: Box<[u8]>,
    /// Permission bits.
    pub(super) mode: u32,
    /// Numeric owner and group; none of a directory that no archive has an entry for.
    pub(super) owner: Option<(i64, i64)>,
    /// Time of last modification, in seconds since 1970.
    pub(super) mtime: i64,
    /// The layer that it is from, counted from the bottom.
    pub(super) layer: u32,
    /// True if tools do not agree on what is there or below, or a layer put something else in
    /// the place of what a lower one has.
    pub(super) doubtful: bool,
}

/// Entries by their paths, which have no slash at either end. The parents of every entry are
/// there, as directories.
#[derive(Debug, Clone, Default)]
pub(super) struct Entries(BTreeMap<Box<[u8]>, ListedEntry>);

/// A layer, whole.
#[derive(Debug, Clone, Default)]
pub(super) struct ListedLayer {
    pub(super) entries: Entries,
    /// Paths that are taken away from the layers below.
    removed: BTreeSet<Box<[u8]>>,
    /// Directories whose content is.
    emptied: BTreeSet<Box<[u8]>>,
}

impl ListedEntry {
    pub(super) fn new(kind: EntryKind) -> Self {
        Self {
            kind,
            size: 0,
            link: Box::default(),
            mode: 0,
            owner: None,
            mtime: 0,
            layer: 0,
            doubtful: false,
        }
    }

    /// Returns true if two entries say the same of all but their layer.
    fn says(&self, other: &Self) -> bool {
        (self.kind, self.size, &self.link, self.mtime)
            == (other.kind, other.size, &other.link, other.mtime)
    }
}

impl Entries {
    /// The entry at a path.
    pub(super) fn get(&self, path: &[u8]) -> Option<&ListedEntry> {
        self.0.get(path)
    }

    /// Puts an entry at a path, whatever is there.
    pub(super) fn insert(&mut self, path: Box<[u8]>, entry: ListedEntry) {
        self.0.insert(path, entry);
    }

    /// Returns true if there is nothing but directories.
    pub(super) fn has_only_directories(&self) -> bool {
        let mut entries = self.0.values();
        entries.all(|entry| entry.kind == EntryKind::Directory)
    }

    /// Everything below a path, in the order of the bytes. The root has no name.
    pub(super) fn below(&self, path: &[u8]) -> impl Iterator<Item = (&[u8], &ListedEntry)> {
        // A slash, and what comes after it: all paths below have the one and not the other.
        let bounds = (!path.is_empty()).then(|| ([path, b"/"].concat(), [path, b"0"].concat()));
        let range = match &bounds {
            None => self.0.range::<[u8], _>(..),
            Some((start, end)) => self
                .0
                .range::<[u8], _>((Bound::Excluded(&**start), Bound::Excluded(&**end))),
        };
        range.map(|(path, entry)| (&**path, entry))
    }

    /// Puts a layer on top of what is there.
    pub(super) fn apply(&mut self, layer: ListedLayer, number: u32) {
        layer
            .emptied
            .iter()
            .for_each(|path| self.remove_below(path));
        layer.removed.iter().for_each(|path| self.remove(path));
        for (path, entry) in layer.entries.0 {
            // Its parents come before it.
            self.put(
                path,
                ListedEntry {
                    layer: number,
                    ..entry
                },
            );
        }
    }

    /// Puts an entry into a directory that is there. What was at its path is replaced, unless
    /// both are directories: their content becomes one.
    fn put(&mut self, path: Box<[u8]>, mut entry: ListedEntry) {
        if let Some(old) = self.0.get(&path) {
            let both = old.kind == EntryKind::Directory && entry.kind == EntryKind::Directory;
            let replaces = !both && old.layer != entry.layer && !entry.says(old);
            entry.doubtful |= old.doubtful || replaces;
            if both && entry.owner.is_none() {
                (entry.mode, entry.owner) = (old.mode, old.owner);
            }
            if old.kind == EntryKind::Directory && !both {
                self.remove_below(&path);
            }
        }
        self.0.insert(path, entry);
    }

    fn remove(&mut self, path: &[u8]) {
        let removed = self.0.remove(path);
        if removed.is_some_and(|removed| removed.kind == EntryKind::Directory) {
            self.remove_below(path);
        }
    }

    fn remove_below(&mut self, path: &[u8]) {
        let paths: Vec<Box<[u8]>> = self.below(path).map(|(path, _)| path.into()).collect();
        for path in paths {
            self.0.remove(&path);
        }
    }
}

impl ListedLayer {
    /// Adds an entry, and the directories that it needs.
    pub(super) fn add(
        &mut self,
        path: Box<[u8]>,
        entry: ListedEntry,
        budget: &mut Budget,
    ) -> Result<(), Fault> {
        budget.take(path.len() + entry.link.len())?;
        self.ensure_parents(&path, budget)?;
        self.entries.put(path, entry);
        Ok(())
    }

    /// Makes the directories above a path, as far as they are missing. One that has to take
    /// the place of something else is doubtful: some tools would go through a link.
    fn ensure_parents(&mut self, mut path: &[u8], budget: &mut Budget) -> Result<(), Fault> {
        while let Some(parent) = parent(path) {
            let old = self.entries.get(parent);
            if old.is_some_and(|old| old.kind == EntryKind::Directory) {
                break;
            }
            budget.take(parent.len())?;
            let doubtful = old.is_some();
            let directory = ListedEntry {
                doubtful,
                ..ListedEntry::new(EntryKind::Directory)
            };
            self.entries.0.insert(parent.into(), directory);
            path = parent;
        }
        Ok(())
    }

    /// Takes a path away from the layers below.
    pub(super) fn remove(&mut self, path: Box<[u8]>, budget: &mut Budget) -> Result<(), Fault> {
        budget.take(path.len())?;
        self.removed.insert(path);
        Ok(())
    }

    /// Takes the content of a directory away from the layers below; empty for the root.
    pub(super) fn empty(&mut self, path: Box<[u8]>, budget: &mut Budget) -> Result<(), Fault> {
        budget.take(path.len())?;
        self.emptied.insert(path);
        Ok(())
    }

    /// Returns true if it takes anything away from the layers below.
    pub(super) fn takes_away(&self) -> bool {
        !self.removed.is_empty() || !self.emptied.is_empty()
    }

    /// A copy, which needs as much memory again.
    pub(super) fn copy(&self, budget: &mut Budget) -> Result<Self, Fault> {
        for (path, entry) in &self.entries.0 {
            budget.take(path.len() + entry.link.len())?;
        }
        self.removed
            .iter()
            .chain(&self.emptied)
            .try_for_each(|path| budget.take(path.len()))?;
        Ok(self.clone())
    }

    /// To be called when everything is there. Tools do not agree on what a layer means that
    /// has a path and takes it away as well.
    pub(super) fn finish(&mut self) {
        for path in &self.removed {
            if let Some(entry) = self.entries.0.get_mut(path) {
                entry.doubtful = true;
            }
        }
    }
}
