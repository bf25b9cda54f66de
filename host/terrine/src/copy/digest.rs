//! The manifest of an image that has none where it is.

use terrine_oci::{Annotations, Descriptor, Document, Manifest, MediaType};

use super::Error;
use crate::source::Image;

/// Returns the manifest of an image: its own, or the one that a copy of it has in an OCI layout if
/// its medium has none.
///
/// # Errors
///
/// A layer that cannot be read, or that no manifest can name.
pub fn manifest(image: &Image) -> Result<Document, Error> {
    if let Some(document) = &image.manifest {
        return Ok(document.clone());
    }
    let mut layers = vec![];
    for layer in &image.layers {
        let given = layer.descriptor()?;
        let Some(media_type) = layer.compression().media_type() else {
            return Err(Error::NoManifest {
                image: image.name.clone(),
                layer: layer.name(),
                compression: layer.compression(),
            });
        };
        layers.push(Descriptor {
            annotations: given.annotations,
            ..Descriptor::new(media_type, given.digest, given.size)
        });
    }
    let text = image.configuration.text().as_bytes();
    let config = Descriptor::of(MediaType::OciConfig, text);
    Ok(Manifest::new(config, layers, Annotations::new()).to_document())
}
