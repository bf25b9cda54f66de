//! An image that is decided on, and the pass that writes it.
//!
//! Whoever prepares an [`Image`] has done everything that can fail before a byte is
//! written; [`Image::run`] then writes the archive in one pass, or [`Image::ship`] what a
//! layout or a registry does not have.

mod customisation;
mod error;
mod outcome;
mod provenance;
mod recipe;
mod run;
mod ship;

use terrine_oci::Annotations;
use terrine_planner_host::image::{RenderRequest, RenderedLayer};
use terrine_planner_host::{Planner, image};

use crate::base::Base;
pub use crate::destination::{Reporter, Source};
use crate::layer::{Ownership, Store, StorePath};
use crate::rootfs::Root;
pub use customisation::Customisation;
pub use error::Error;
pub use outcome::{Outcome, Published, Written};
pub use provenance::{PlanOrigin, labels, provenance};
pub use ship::Shipping;

/// An image that is about to be written.
#[derive(Debug)]
pub struct Image<'p> {
    /// Renders the configuration.
    pub planner: &'p Planner<'p>,
    /// Where its store paths are.
    pub store: Store,
    /// Who owns them there.
    pub ownership: Ownership,
    /// When the image says that it was created, as it is to be written.
    pub created: String,
    /// What it is built on.
    pub base: Option<Base>,
    /// Name, tag, platform and configuration.
    pub resolved: image::Resolved,
    /// Its layers of store paths, bottom to top.
    pub layers: Vec<StoreLayer>,
    /// Its uppermost layer.
    pub top: Top,
    /// What its manifest says of how it was made.
    pub provenance: Annotations,
}

/// A layer of store paths.
#[derive(Debug)]
pub struct StoreLayer {
    /// The paths as the history writes them.
    pub named: Vec<String>,
    /// Where they are.
    pub paths: Vec<StorePath>,
    /// How many bytes they have, about; 0 where nobody knows. The large ones are begun first,
    /// so that none is left alone at the end.
    pub weight: u64,
}

/// The layer of everything that is no store path.
#[derive(Debug)]
pub enum Top {
    /// An archive that is there already.
    Archive(Customisation),
    /// A tree that is yet to be written.
    Root(Root),
}

impl Image<'_> {
    /// The name that the image is loaded under.
    pub fn reference(&self) -> String {
        format!("{}:{}", self.resolved.repository, self.resolved.tag)
    }

    /// Whether the tag in it was generated.
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

    /// How many layers the image has.
    pub fn layer_count(&self) -> usize {
        self.base.as_ref().map_or(0, |base| base.layers().len()) + self.layers.len() + 1
    }

    /// What a person should be told before it is made.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = self.resolved.remarks.clone();
        if self.layer_count() > DOCKER_MAX_LAYERS {
            remarks.push(format!(
                "the image has {} layers, and Docker takes {DOCKER_MAX_LAYERS}",
                self.layer_count()
            ));
        }
        remarks
    }
}

/// How many layers an image may have for Docker: 127 in its storage drivers, two of
/// which it needs itself.
const DOCKER_MAX_LAYERS: usize = 125;
