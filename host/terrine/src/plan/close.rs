//! The second phase: the closure, and the tree at the root as far as the specification tells.

use std::collections::BTreeMap;

use terrine_planner_host::is_hashed;

use super::complete::Complete;
use super::context::Context;
use super::database::Registered;
use super::items::Items;
use super::paths::Paths;
use super::{Error, hidden, tree};
use crate::base::{Base, Listing};
use crate::closure::Graph;
use crate::history;
use crate::layer::{Store, StorePath};
use crate::rootfs::Root;

/// An image to which all belongs that its parts refer to.
#[derive(Debug)]
pub(super) struct Closed {
    pub(super) store: Store,
    /// The items that the specification names.
    pub(super) items: Items,
    pub(super) base: Option<Base>,
    pub(super) listing: Option<Listing>,
    /// The tree at the root, but for what has to be looked for in the closure.
    pub(super) root: Root,
    /// The store paths that the image needs.
    pub(super) paths: Paths,
}

impl Closed {
    /// The store paths that would go into layers, and what they refer to.
    pub(super) fn graph(&self) -> Graph {
        let own: Vec<usize> = (0..self.paths.paths.len())
            .filter(|index| self.paths.excluded.binary_search(index).is_err())
            .collect();
        self.paths.graph.restrict(&own)
    }

    /// Returns texts that tell contents apart, for the paths whose names have no hash.
    pub(super) fn contents(&self) -> Result<BTreeMap<String, String>, Error> {
        let is_named = |path: &&StorePath| is_hashed(path.as_str()) && !self.store.is_grafted(path);
        let unnamed = self.paths.own().filter(|path| !is_named(path));
        let content = |path: &StorePath| {
            let content = history::of_store(&self.store, path)?;
            Ok((path.as_str().to_owned(), content))
        };
        unnamed.map(content).collect()
    }

    /// Completes the root by what only a closed image tells: the programs that links at the root
    /// lead to wherever they are.
    ///
    /// Commands that change the root follow this phase: they need all that the image holds, and it
    /// can be named only after them.
    pub(super) fn complete(self, context: &Context<'_, '_>) -> Result<Complete, Error> {
        let Self {
            store,
            items,
            base,
            listing,
            mut root,
            paths,
        } = self;
        tree::add_found(context.spec, &store, &paths, &mut root)?;
        let mut lost = root.remarks();
        lost.extend(hidden::by_store(&store, &paths, listing.as_ref()));
        lost.extend(hidden::by_others(&root, listing.as_ref()));
        Ok(Complete {
            lost,
            store,
            items,
            base,
            listing,
            root,
            paths,
            ran: None,
            registered: Registered::default(),
        })
    }
}
