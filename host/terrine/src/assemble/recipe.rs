//! How an image's own layers are made, wherever they go.

use terrine_oci::{Digest, ROOT_COMMENT};
use terrine_planner_host::{self as planner, image::LayerRole};

use super::{Customisation, Error, Image, Source, StoreLayer, Top};
use crate::cache::{Cache, LayerKey};
use crate::destination::Plain;
use crate::layer::{self, StorePath, Tree};
use crate::pipe::Feeder;
use crate::rootfs::{self, Root};

/// What a layer's bytes depend on beside its inputs: grows when the same inputs come to make
/// other bytes.
const DIALECT: &str = "1";

/// How one of the image's own layers is made.
#[derive(Debug, Clone, Copy)]
pub(super) enum Recipe<'a> {
    /// Of store paths.
    Store(&'a StoreLayer),
    /// Of a tree in memory.
    Root(&'a Root),
    /// Of an archive that is there already.
    Archive(&'a Customisation),
}

impl<'p> Image<'p> {
    /// The image's own layers, bottom to top.
    pub(super) fn recipes(&self) -> Vec<Recipe<'_>> {
        let top = match &self.top {
            Top::Archive(archive) => Recipe::Archive(archive),
            Top::Root(root) => Recipe::Root(root),
        };
        self.layers.iter().map(Recipe::Store).chain([top]).collect()
    }

    /// What earlier runs know of the image's own layers, bottom to top: none of those whose
    /// inputs do not tell their content.
    ///
    /// # Errors
    ///
    /// A store path that is missing.
    pub fn known(&self, cache: &Cache) -> Result<Vec<Option<Plain>>, Error> {
        let known = |recipe: Recipe<'_>| {
            let Some(key) = self.key(recipe, false)? else {
                return Ok(None);
            };
            let plain = cache.plain(&key);
            Ok(plain.map(|plain| Plain {
                diff_id: plain.diff_id,
                size: plain.size,
            }))
        };
        self.recipes().into_iter().map(known).collect()
    }

    /// How many bytes the archive of a layer of store paths has.
    pub(super) fn measured(&self, layer: &StoreLayer) -> Result<u64, Error> {
        let tree = Tree::walk(&self.store, &layer.paths)?;
        Ok(layer::measure(&tree, &self.ownership)?.size)
    }

    /// Feeds the archive of a layer; `begin` is told its size first.
    pub(super) fn feed(
        &self,
        recipe: Recipe<'_>,
        feeder: &mut Feeder<'_>,
        begin: &dyn Fn(u64),
    ) -> Result<(), Error> {
        match recipe {
            Recipe::Store(layer) => {
                let tree = Tree::walk(&self.store, &layer.paths)?;
                // Also finds what an archive can not count.
                begin(layer::measure(&tree, &self.ownership)?.size);
                layer::write(feeder, &self.store, &tree, &self.ownership)?;
            }
            Recipe::Root(root) => {
                begin(rootfs::measure(root, &self.ownership.permissions)?.size);
                rootfs::write(feeder, root, &self.ownership.permissions)?;
            }
            Recipe::Archive(archive) => {
                begin(archive.size);
                layer::read_exact(feeder, &archive.file, || archive.path.clone(), archive.size)?;
            }
        }
        Ok(())
    }

    /// What the layer's bytes depend on, if that can be told without reading them: where every
    /// path's name carries a hash. With `directories`, others are told by what the file system
    /// says of everything in them.
    pub(super) fn key(
        &self,
        recipe: Recipe<'_>,
        directories: bool,
    ) -> Result<Option<LayerKey>, Error> {
        let Recipe::Store(layer) = recipe else {
            return Ok(None);
        };
        let ownership = &self.ownership;
        let mut key = LayerKey::builder("store layer")
            .field("dialect", DIALECT.as_bytes())
            .field("version", env!("CARGO_PKG_VERSION").as_bytes())
            .field("store", self.store.dir().as_bytes())
            .field("uid", ownership.uid.to_string().as_bytes())
            .field("gid", ownership.gid.to_string().as_bytes())
            .field("uname", ownership.uname.as_bytes())
            .field("gname", ownership.gname.as_bytes())
            .field("mtime", ownership.mtime.to_string().as_bytes())
            .field("permissions", ownership.permissions.describe().as_bytes());
        for path in &layer.paths {
            let immutable = planner::is_hashed(path.as_str()) && !self.store.is_grafted(path);
            let identity = match (immutable, directories) {
                (true, _) => layer::identity(&self.store, path)?,
                (false, true) => layer::identity_of_all(&self.store, path)?,
                (false, false) => return Ok(None),
            };
            key = key
                .field("path", path.as_str().as_bytes())
                .field("identity", identity.as_bytes());
        }
        Ok(Some(key.finish()))
    }
}

impl<'a> Recipe<'a> {
    /// What a person is told that it is.
    pub(super) fn source(self) -> Source<'a> {
        match self {
            Self::Store(layer) => Source::Store(layer.paths.len()),
            Self::Root(_) | Self::Archive(_) => Source::Customisation,
        }
    }

    pub(super) fn role(self) -> LayerRole {
        match self {
            Self::Store(_) => LayerRole::Store,
            Self::Root(_) | Self::Archive(_) => LayerRole::Customisation,
        }
    }

    /// What the history says that the layer is made of, and a comment instead of that.
    pub(super) fn history(self) -> (Vec<String>, Option<String>) {
        match self {
            Self::Store(layer) => (layer.named.clone(), None),
            Self::Archive(layer) => (vec![layer.named.clone()], None),
            Self::Root(_) => (vec![], Some(ROOT_COMMENT.to_owned())),
        }
    }

    /// The store paths that it holds.
    pub(super) fn paths(self) -> impl Iterator<Item = &'a str> {
        let paths = match self {
            Self::Store(layer) => layer.paths.as_slice(),
            Self::Root(_) | Self::Archive(_) => &[],
        };
        paths.iter().map(StorePath::as_str)
    }

    /// The digest that the layer must have, and its size, where they are known beforehand.
    pub(super) fn promised(self) -> Option<(Digest, u64)> {
        match self {
            Self::Archive(layer) => Some((layer.digest, layer.size)),
            Self::Store(_) | Self::Root(_) => None,
        }
    }
}
