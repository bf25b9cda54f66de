//! An image that is decided on, and the pass that writes it.
//!
//! The code that prepares a [`NewImage`] does everything that can fail before a byte is
//! written; [`NewImage::run`] then writes the archive in one pass, or [`NewImage::ship`] what a
//! layout or a registry does not have.

mod archive;
mod beside;
mod error;
mod gathered;
mod outcome;
mod provenance;
mod ship;
mod total;

use std::io::Write;

use terrine_oci::{Annotations, Digest};
use terrine_planner_host::image::{LayerRole, RenderRequest, RenderedLayer};
use terrine_planner_host::{Planner, image};
use terrine_support::remark::Remark;

use crate::base::{Base, BaseLayer};
use crate::cache::{Cache, Plain, agreed};
pub use crate::destination::Reporter;
use crate::layer::{
    self, LayerHistory, LayerOfStore, NewLayer, Ownership, Store, StorePath, Watch, Watches,
};
pub use crate::layer::{Customisation, StoreLayer};
use crate::rootfs::{Late, LayerOfRoot, Root};
use crate::store_database::LateDatabase;
use crate::{pipe, platform};
pub use error::Error;
pub(crate) use error::FOREIGN_HINT;
pub use outcome::{Outcome, Published, Written};
pub use provenance::{PlanOrigin, labels, provenance};
pub use ship::{Shared, Sharing, Shipping};

/// An image that is about to be written.
#[derive(Debug)]
pub struct NewImage<'p> {
    /// Renders the configuration.
    pub planner: &'p Planner<'p>,
    /// The store that holds its store paths.
    pub store: Store,
    /// Their owners there.
    pub ownership: Ownership,
    /// The time at which the image says that it was created, as it is to be written.
    pub created: String,
    /// The base image that it is built on.
    pub base: Option<Base>,
    /// Name, tag, platform and configuration.
    pub resolved: image::Resolved,
    /// Its layers of store paths, bottom to top.
    pub layers: Vec<StoreLayer>,
    /// Its root layer.
    pub top: Top,
    /// Its other tags.
    pub tags: Vec<String>,
    /// The annotations of its manifest that say how it was made.
    pub provenance: Annotations,
    /// The Nix database at its root, where what it says depends on what goes into layers.
    pub late: Option<LateDatabase>,
    /// The executables that nobody could look at before they go into layers.
    pub unseen: Option<Unseen>,
}

/// Executables in binary caches, which are seen when their layers are made.
#[derive(Debug)]
pub struct Unseen {
    /// The paths that they are in.
    pub passing: platform::Passing,
    /// True if programs that the image's platform cannot run are allowed.
    pub allow_foreign: bool,
}

impl Unseen {
    /// The executables of paths, if there are any.
    ///
    /// # Errors
    ///
    /// A path that is missing.
    pub fn of(
        store: &Store,
        paths: &[StorePath],
        allow_foreign: bool,
    ) -> Result<Option<Self>, layer::Error> {
        if paths.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            passing: platform::Passing::new(store, paths)?,
            allow_foreign,
        }))
    }
}

/// The root layer: everything that is not in a store path.
#[derive(Debug)]
pub enum Top {
    /// An archive that is there already.
    Archive(Customisation),
    /// A tree that is yet to be written.
    Root(Root),
}

impl NewImage<'_> {
    /// Returns the image's own layers, bottom to top: those that are yet to be made.
    pub fn new_layers(&self) -> Vec<Box<dyn NewLayer + '_>> {
        let mut layers: Vec<Box<dyn NewLayer + '_>> = vec![];
        for layer in &self.layers {
            layers.push(Box::new(LayerOfStore {
                layer,
                store: &self.store,
                ownership: &self.ownership,
                watches: self.watches(),
            }));
        }
        layers.push(match &self.top {
            Top::Archive(archive) => Box::new(archive),
            Top::Root(root) => Box::new(LayerOfRoot {
                root,
                permissions: &self.ownership.permissions,
                late: self.late.as_ref().map(|file| Late {
                    file,
                    store: &self.store,
                }),
            }),
        });
        layers
    }

    /// Returns what earlier runs know of the image's own layers, bottom to top: none of those
    /// whose inputs do not tell their content.
    ///
    /// # Errors
    ///
    /// A store path that is missing.
    pub fn known(&self, cache: &Cache) -> Result<Vec<Option<Plain>>, Error> {
        self.new_layers()
            .iter()
            .map(|layer| {
                let names = layer.store_paths().iter().map(StorePath::as_str);
                let key = layer.key(false)?;
                Ok(key.and_then(|key| agreed::plain(cache, &key, names)))
            })
            .collect()
    }

    /// Writes the archive of the root layer. Returns its digest.
    ///
    /// # Errors
    ///
    /// Anything that cannot be read or is not what it was, and an output that does not take it.
    pub fn write_top(&self, out: impl Write + Send) -> Result<Digest, Error> {
        let layers = self.new_layers();
        // There is always one.
        let top = layers.last().map(AsRef::as_ref);
        pipe::run(out, &(), |feeder| {
            feeder.begin_hash()?;
            if let Some(top) = top {
                layer::feed(feeder, top.entries()?.as_ref())?;
            }
            feeder.end_hash()?;
            Ok(feeder
                .digests()?
                .first()
                .copied()
                .unwrap_or(Digest::of(b"")))
        })
    }

    /// Lets the cache remember what was found out while layers were made.
    pub fn remember(&self, cache: &Cache) {
        if let Some(late) = &self.late {
            late.passing().remember(cache);
        }
        if let Some(unseen) = &self.unseen {
            unseen.passing.remember(cache);
        }
    }

    /// Returns everybody who watches store paths on their way into layers.
    fn watches(&self) -> Watches<'_> {
        let late = self.late.as_ref();
        let unseen = self.unseen.as_ref();
        [
            late.map(|late| late.passing() as &dyn Watch),
            unseen.map(|unseen| &unseen.passing as &dyn Watch),
        ]
    }

    /// Checks that the image's platform runs the programs that were seen while layers were made.
    ///
    /// # Errors
    ///
    /// Programs for another platform.
    pub(crate) fn check_seen(&self) -> Result<(), Error> {
        let Some(unseen) = self.unseen.as_ref().filter(|unseen| !unseen.allow_foreign) else {
            return Ok(());
        };
        match unseen
            .passing
            .findings()
            .foreign(&self.resolved.architecture)
        {
            Some(foreign) => Err(Error::Foreign {
                message: foreign.to_string(),
            }),
            None => Ok(()),
        }
    }

    /// The name that the image is loaded under.
    pub fn reference(&self) -> String {
        format!("{}:{}", self.resolved.repository, self.resolved.tag)
    }

    /// The names that the image is loaded under: one for each tag.
    pub fn references(&self) -> Vec<String> {
        let other = self.tags.iter();
        let other = other.map(|tag| format!("{}:{tag}", self.resolved.repository));
        [self.reference()].into_iter().chain(other).collect()
    }

    /// Returns true if the tag in it was generated.
    pub fn tag_is_generated(&self) -> bool {
        self.resolved.tag_generated
    }

    /// Its configuration, when the digests of its layers are known.
    fn render(&self, layers: Vec<RenderedLayer>) -> Result<String, Error> {
        let resolved = &self.resolved;
        Ok(self.planner.render(&RenderRequest {
            created: self.created.clone(),
            author: None,
            os: resolved.os.clone(),
            architecture: resolved.architecture.clone(),
            variant: resolved.variant.clone(),
            config: resolved.config.clone(),
            layers,
        })?)
    }

    /// Returns the image's configuration, given the digests of its own layers, bottom to top.
    ///
    /// # Errors
    ///
    /// A planner that refuses to write it.
    pub fn configuration(&self, own: &[Digest]) -> Result<String, Error> {
        let base = self.base.iter().flat_map(Base::layers);
        let base = base.map(|layer| rendered(base_history(layer), layer.diff_id));
        let new = self.new_layers();
        let own = new.iter().zip(own);
        let own = own.map(|(layer, digest)| rendered(layer.history(), *digest));
        self.render(base.chain(own).collect())
    }

    /// Returns the number of layers that the image has.
    pub fn layer_count(&self) -> usize {
        self.base.as_ref().map_or(0, |base| base.layers().len()) + self.layers.len() + 1
    }

    /// Returns what a person should be told before it is made.
    pub fn remarks(&self) -> Vec<Remark> {
        let remarks = self.resolved.remarks.iter().cloned();
        let mut remarks: Vec<Remark> = remarks.map(Remark::warning).collect();
        if self.layer_count() > DOCKER_MAX_LAYERS {
            let message = format!(
                "the image has {} layers, but Docker takes at most {DOCKER_MAX_LAYERS}",
                self.layer_count()
            );
            remarks.push(Remark::warning(message).hint("lower `maxLayers`"));
        }
        remarks
    }
}

/// The number of layers that an image may have for Docker: 127 in its storage drivers, two of
/// which it needs itself.
const DOCKER_MAX_LAYERS: usize = 125;

/// Returns what the history says of a layer of the base.
fn base_history(layer: &BaseLayer) -> LayerHistory {
    LayerHistory {
        role: LayerRole::Base,
        paths: vec![layer.name.clone()],
        comment: None,
    }
}

/// Returns a layer as the planner renders it.
fn rendered(history: LayerHistory, diff_id: Digest) -> RenderedLayer {
    RenderedLayer {
        role: history.role,
        diff_id: diff_id.to_string(),
        paths: history.paths,
        comment: history.comment,
        created_by: None,
    }
}
