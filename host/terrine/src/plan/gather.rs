//! The first phase: what the specification names, and where that is.

use super::close::Closed;
use super::context::Context;
use super::items::{self, Items};
use super::{Error, base, caches, database, paths, tree};
use crate::base::{Base, Listing};
use crate::layer::{Store, StorePath, StorePathError};

/// The store, items and base image that the specification names.
#[derive(Debug)]
pub(super) struct Gathered {
    /// The store, which locates store paths.
    pub(super) store: Store,
    /// The items that `contents` and similar fields name.
    pub(super) items: Items,
    /// The image that it is built on.
    pub(super) base: Option<Base>,
    /// The store paths of that image, and the entries at its root.
    pub(super) listing: Option<Listing>,
}

impl Gathered {
    /// Finds everything that the specification names.
    pub(super) fn of(context: &Context<'_, '_>, may_fetch: bool) -> Result<Self, Error> {
        let Context { spec, options, .. } = context;
        let mut store = Store::open(
            spec.store_dir.as_deref().unwrap_or("/nix/store"),
            &options.store_root,
        )
        .map_err(|error| match error {
            error @ StorePathError::NotAbsolute(_) => Error::value("storeDir", &error),
            error => error.into(),
        })?;
        caches::connect(context, &mut store)?;
        database::check(spec, &store)?;
        let items = items::find(spec, &mut store)?;
        let base = base::open(context, &store, &items, may_fetch)?;
        let listing = base
            .as_ref()
            .map(|base| {
                if spec.include_nix_db {
                    // Its own database has to be looked for.
                    base.listing()
                } else {
                    base.holdings(store.dir())
                }
            })
            .transpose()?;
        Ok(Self {
            store,
            items,
            base,
            listing,
        })
    }

    /// Closes the image: all that its parts refer to belongs to it.
    pub(super) fn close(self, context: &Context<'_, '_>) -> Result<Closed, Error> {
        let Self {
            store,
            items,
            base,
            listing,
        } = self;
        let root = tree::grow_on(context, &store, &items, base.as_ref().zip(listing.as_ref()))?;
        let mut paths = paths::find(context, &store, &items, &root, listing.as_ref(), &[])?;
        paths.exclude_held(&store, listing.as_ref())?;
        let holds = |path: &StorePath| paths.paths.contains(path);
        if !paths.paths.is_empty() {
            root.check_store(&store, holds)?;
        }
        Ok(Closed {
            store,
            items,
            base,
            listing,
            root,
            paths,
        })
    }
}
