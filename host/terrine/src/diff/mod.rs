//! The layers that a client that has one image pulls for another, and the reasons.

mod config;
mod paths;

use std::collections::BTreeSet;

use serde::Serialize;
use terrine_oci::Digest;

use crate::inspect::{Inspection, LayerFacts, inspect};
use crate::source::{Error, Image};
pub use config::Difference;
pub use paths::{ChangedPath, MovedPath, Paths};

/// The version of the JSON that a [`Diff`] is written as.
pub const SCHEMA_VERSION: u32 = 1;

/// The differences between two images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The image that the client has.
    pub old: Side,
    /// The image that the client pulls.
    pub new: Side,
    /// The number of bytes of layers that a client with the old image pulls for the new one.
    pub pull_bytes: u64,
    /// The number of these layers.
    pub pull_layers: usize,
    /// The layers of the new image, bottom to top.
    pub layers: Vec<LayerDiff>,
    /// Those of the old image that the new one has not, bottom to top.
    pub gone: Vec<Gone>,
    /// The store paths that caused it; none where an image does not name its own.
    pub paths: Option<Paths>,
    /// The differences between the configurations.
    pub config: Vec<Difference>,
}

/// One of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// The image's name.
    pub name: String,
    /// The digest of its configuration.
    pub image_id: Digest,
    /// The number of its layers.
    pub layers: usize,
    /// The size of its layers in bytes, as they are stored. Identical layers count once.
    pub size: u64,
}

/// The state of a layer of the new image at a client that has the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// It has the same bytes, as far as can be told without reading them; or it has the image by its id.
    Shared,
    /// It has the same content, but stored as other bytes: they are pulled again.
    Recompressed,
    /// It has nothing of it.
    New,
    /// It pulls the same bytes for a layer below.
    Repeated,
}

impl Status {
    /// Tells whether a client pulls such a layer.
    pub fn is_pulled(self) -> bool {
        matches!(self, Self::Recompressed | Self::New)
    }
}

/// A layer of the new image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerDiff {
    /// Its number, from 1 at the bottom.
    pub number: usize,
    /// The state of the layer at a client that has the old image.
    pub status: Status,
    /// The number of the old image's layer with the same content.
    pub old_number: Option<usize>,
    /// The digest of what is stored, where it is known.
    pub digest: Option<Digest>,
    /// The digest of the plain layer.
    pub diff_id: Digest,
    /// The number of stored bytes.
    pub size: u64,
    /// Its name in messages, where it has one.
    #[serde(skip)]
    pub label: Option<String>,
}

/// A layer that only the old image has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gone {
    /// Its number, from 1 at the bottom.
    pub number: usize,
    /// The digest of the plain layer.
    pub diff_id: Digest,
    /// The number of stored bytes.
    pub size: u64,
    /// Its name in messages, where it has one.
    #[serde(skip)]
    pub label: Option<String>,
}

/// Compares two images. No layer is read.
///
/// # Errors
///
/// As [`inspect`].
pub fn diff(old: &Image, new: &Image) -> Result<Diff, Error> {
    Ok(compare(&inspect(old)?, &inspect(new)?))
}

/// Compares what is said of two images.
pub fn compare(old: &Inspection, new: &Inspection) -> Diff {
    let mut layers: Vec<LayerDiff> = new
        .layers
        .iter()
        .map(|layer| look(layer, &old.layers))
        .collect();
    if old.image_id == new.image_id {
        // A client knows an image by its id, and pulls none that it has, however its layers are stored.
        layers
            .iter_mut()
            .for_each(|layer| layer.status = Status::Shared);
    }
    let contents: BTreeSet<Digest> = new.layers.iter().map(|layer| layer.diff_id).collect();
    let gone = old
        .layers
        .iter()
        .filter(|layer| !contents.contains(&layer.diff_id));
    let paths = paths::compare(old, new, &layers);
    mark_repeated(&mut layers);
    let (pull_layers, pull_bytes) = pulled(&layers);
    Diff {
        schema_version: SCHEMA_VERSION,
        old: side(old),
        new: side(new),
        pull_bytes,
        pull_layers,
        gone: gone
            .map(|layer| Gone {
                number: layer.number,
                diff_id: layer.diff_id,
                size: layer.size,
                label: layer.label(),
            })
            .collect(),
        paths,
        config: config::compare(old, new),
        layers,
    }
}

impl Diff {
    /// Returns true if only the names differ.
    pub fn is_same(&self) -> bool {
        self.old.image_id == self.new.image_id && self.pull_layers == 0
    }

    /// The difference as JSON text, indented, with a newline at the end.
    pub fn to_json(&self) -> String {
        terrine_oci::to_json_text(self)
    }
}

fn side(image: &Inspection) -> Side {
    let Inspection {
        name,
        image_id,
        layers,
        size,
        ..
    } = image;
    Side {
        name: name.clone(),
        image_id: *image_id,
        layers: layers.len(),
        size: *size,
    }
}

/// Looks for a layer among those of the old image.
fn look(layer: &LayerFacts, old: &[LayerFacts]) -> LayerDiff {
    let content = old.iter().find(|other| other.diff_id == layer.diff_id);
    let found = old.iter().find(|other| match (layer.digest, other.digest) {
        (Some(own), Some(other)) => own == other,
        // In an archive nobody knows the digest of a compressed layer. The same content in as
        // many bytes is taken for the same.
        _ => {
            (layer.diff_id, layer.size, &layer.compression)
                == (other.diff_id, other.size, &other.compression)
        }
    });
    let status = match (found, content) {
        (Some(_), _) => Status::Shared,
        (None, Some(_)) => Status::Recompressed,
        (None, None) => Status::New,
    };
    LayerDiff {
        number: layer.number,
        status,
        old_number: found.or(content).map(|other| other.number),
        digest: layer.digest,
        diff_id: layer.diff_id,
        size: layer.size,
        label: layer.label(),
    }
}

/// Marks layers that are pulled with one below them.
fn mark_repeated(layers: &mut [LayerDiff]) {
    let mut seen = BTreeSet::new();
    for layer in layers {
        if layer.status.is_pulled() && !seen.insert((layer.digest, layer.diff_id)) {
            layer.status = Status::Repeated;
        }
    }
}

/// Returns the number of layers that are pulled, and their size in bytes.
fn pulled(layers: &[LayerDiff]) -> (usize, u64) {
    layers
        .iter()
        .filter(|layer| layer.status.is_pulled())
        .fold((0, 0), |(count, bytes), layer| {
            (count + 1, bytes + layer.size)
        })
}

#[cfg(test)]
mod tests;
