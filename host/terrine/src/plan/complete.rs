//! The third phase: everything that the image holds is there, and where.

use std::convert::Infallible;

use terrine_support::remark::Remark;
use terrine_tar::Kind;

use super::commands::Ran;
use super::database::Registered;
use super::items::Items;
use super::paths::Paths;
use crate::base::{Base, Listing};
use crate::layer::{Store, StorePath, Tree};
use crate::rootfs::{Root, RootEntry};

/// All that the image holds.
#[derive(Debug)]
pub(super) struct Complete {
    pub(super) store: Store,
    /// The items that the specification names.
    pub(super) items: Items,
    pub(super) base: Option<Base>,
    pub(super) listing: Option<Listing>,
    /// The tree at the root.
    pub(super) root: Root,
    /// The store paths that the image needs.
    pub(super) paths: Paths,
    /// The remarks for the user about files that are not in the image.
    pub(super) lost: Vec<Remark>,
    /// The result of the commands, if there were any.
    pub(super) ran: Option<Ran>,
    /// Facts about the database at the root.
    pub(super) registered: Registered,
}

impl Complete {
    /// Reports whether the image has no files from any source.
    pub(super) fn is_empty(&self) -> bool {
        let is_directory = |entry: RootEntry<'_>| entry.kind == Kind::Directory;
        self.base.is_none()
            && self.paths.included
            && self.root.entries().all(is_directory)
            && self.paths.paths.iter().all(|path| self.has_no_files(path))
    }

    /// Reports whether a store path is a directory of this machine that contains only directories.
    fn has_no_files(&self, path: &StorePath) -> bool {
        let mut is_empty = self.store.is_grafted(path);
        if let Some(tree) = is_empty
            .then(|| Tree::walk(&self.store, std::slice::from_ref(path)).ok())
            .flatten()
        {
            let walked: Result<(), Infallible> = tree.for_each(|entry| {
                is_empty &= entry.kind == Kind::Directory;
                Ok(())
            });
            debug_assert!(walked.is_ok());
        }
        is_empty
    }

    /// Reports whether a store path is in the image only because of what commands left.
    pub(super) fn has_joined(&self, path: &str) -> bool {
        self.ran
            .as_ref()
            .is_some_and(|ran| !ran.before.contains(path))
    }
}
