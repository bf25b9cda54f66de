//! The third phase: everything that the image holds is there, and where.

use super::commands::Ran;
use super::database::Registered;
use super::items::Items;
use super::paths::{self, Paths};
use crate::base::{Base, Listing};
use crate::layer::Store;
use crate::rootfs::{Resolved, Root};

/// All that the image holds.
#[derive(Debug)]
pub(super) struct Complete {
    pub(super) store: Store,
    /// What the specification names.
    pub(super) items: Items,
    pub(super) base: Option<Base>,
    pub(super) listing: Option<Listing>,
    /// The tree at the root.
    pub(super) root: Root,
    /// The store paths that the image needs.
    pub(super) paths: Paths,
    /// What commands did, where there were any.
    pub(super) ran: Option<Ran>,
    /// Facts about the database at the root.
    pub(super) registered: Registered,
}

impl Complete {
    /// Whether an absolute path leads to anything in the image.
    pub(super) fn has(&self, path: &[u8]) -> bool {
        // A store that is mounted when the image runs has whatever this one has.
        if paths::exists(&self.store, path) {
            return self.holds(path);
        }
        match self.root.resolve(path) {
            Resolved::Here(_) => true,
            Resolved::Elsewhere(target) => {
                paths::exists(&self.store, &target) && self.holds(&target) || self.in_base(&target)
            }
            Resolved::Nowhere => self.in_base(path),
        }
    }

    /// Whether a store path is in the image for no other reason than what commands left.
    pub(super) fn has_joined(&self, path: &str) -> bool {
        self.ran
            .as_ref()
            .is_some_and(|ran| !ran.before.contains(path))
    }

    /// Whether a path of the store is in the image.
    fn holds(&self, path: &[u8]) -> bool {
        let text = String::from_utf8_lossy(path);
        let Ok(path) = self.store.path(&text) else {
            return false;
        };
        let top = self.store.top(&path);
        !self.paths.included
            || self.paths.graph.find(top.as_str()).is_some()
            || self.in_base(text.as_bytes())
    }

    fn in_base(&self, path: &[u8]) -> bool {
        self.listing.as_ref().is_some_and(|base| base.exists(path))
    }
}
