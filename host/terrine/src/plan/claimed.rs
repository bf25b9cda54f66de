//! The architecture of an existing image that has the same programs.
//!
//! A manifest of terrine's names the store paths of each layer. An image with all paths that a
//! specification names has the programs that the new image is for, so nobody has to look at these.

use std::collections::BTreeSet;

use terrine_oci::{Content, Platform, Reference, annotation};

use super::context::Context;
use crate::layer::StorePath;
use crate::source::{self, Error, Image, Opened, Opener};

/// The architecture of an existing image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claimed {
    /// The architecture in Go's terms.
    pub(super) architecture: String,
    /// The reference to the image.
    pub(super) image: String,
}

/// Returns the architecture of the first image of `--layers-from` that has all of `named`; none if no
/// image has. Images that are missing, or cannot be read, are skipped: they are reported when their
/// layers are used.
pub(super) fn architecture(context: &Context<'_, '_>, named: &[&StorePath]) -> Option<Claimed> {
    let options = context.options;
    options.layers_from.iter().find_map(|reference| {
        let images = images(reference, options.images).ok()?;
        let architecture = images.iter().find_map(|image| of_image(image, named))?;
        Some(Claimed {
            architecture,
            image: reference.to_string(),
        })
    })
}

/// Opens the images that a reference leads to: those of all platforms.
fn images(reference: &Reference, opener: &dyn Opener) -> Result<Vec<Image>, Error> {
    Ok(match source::open(reference, opener)? {
        Opened::Image(image) => vec![image],
        Opened::Index(index) | Opened::Choice { images: index, .. } => index
            .images()?
            .into_iter()
            .map(|(_, image)| image)
            .collect(),
    })
}

/// Returns the architecture of an image for Linux that has all of `named` in layers with keys.
fn of_image(image: &Image, named: &[&StorePath]) -> Option<String> {
    let Content::Manifest(manifest) = &image.manifest.as_ref()?.content else {
        return None;
    };
    let annotations = manifest.layers.iter().map(|layer| &layer.annotations);
    let with_key = annotations.filter(|all| all.contains_key(annotation::LAYER_KEY));
    let paths: BTreeSet<String> = with_key
        .filter_map(annotation::store_paths)
        .flatten()
        .collect();
    let has_all = named.iter().all(|path| paths.contains(path.as_str()));
    let Platform {
        os, architecture, ..
    } = image.configuration.platform().normalized();
    (has_all && os == "linux" && !architecture.is_empty()).then_some(architecture)
}
