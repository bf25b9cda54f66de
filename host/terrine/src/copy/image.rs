//! One image, brought to a destination for blobs.

use std::num::NonZeroUsize;

use terrine_oci::{Annotations, Content, Descriptor, Digest, Document, Manifest, MediaType};

use super::Error;
use crate::destination::{self, Carried, Carrier, Part, Reporter, Shipped};
use crate::layer::LayerOrigin;
use crate::source::{Image, Layer};

/// How images are brought to a destination.
#[derive(Clone, Copy)]
pub struct Copying<'a> {
    /// Where to, and how layers are compressed.
    pub carrier: Carrier<'a>,
    /// How many layers are under way at once.
    pub jobs: NonZeroUsize,
    /// Whether manifests of Docker are made into ones of OCI: layouts want that.
    pub only_oci: bool,
    /// What else is said of the image; nothing leaves its manifest as it is.
    pub annotations: &'a Annotations,
    /// Who is told.
    pub reporter: &'a dyn Reporter,
}

impl Copying<'_> {
    /// Brings an image, and gives it the destination's name. Returns its manifest.
    ///
    /// # Errors
    ///
    /// An image that can not be read or is not what it should be, and a destination that does
    /// not take it.
    pub fn image(&self, image: &Image) -> Result<Document, Error> {
        let document = self.bring(image)?;
        self.carrier
            .destination
            .publish(&document, Some(&image.configuration.platform()))?;
        Ok(document)
    }

    /// Brings all that an image is made of, but not its manifest, which is returned.
    pub(super) fn bring(&self, image: &Image) -> Result<Document, Error> {
        let names: Vec<String> = image.layers.iter().map(|layer| layer.name()).collect();
        let parts: Vec<Part<'_>> = image
            .layers
            .iter()
            .zip(&names)
            .map(|(layer, name)| Part {
                layer: Carried::Existing(&image.name, layer),
                origin: LayerOrigin::Existing(name),
                key: Some(key(layer.as_ref())),
            })
            .collect();
        let shipped = self.carrier.all(&parts, self.jobs, self.reporter)?;
        let text = image.configuration.text().as_bytes();
        let document = self.document(image, &shipped);
        let config = match &document.content {
            Content::Manifest(manifest) => manifest.config.clone(),
            Content::Index(_) => Descriptor::of(MediaType::OciConfig, text),
        };
        let staged = destination::from_bytes(self.carrier.destination, text)?;
        self.carrier
            .settle(staged, &config, &|bytes| self.reporter.sent(bytes))?;
        Ok(document)
    }

    /// The manifest: the image's own, if it fits what was brought.
    fn document(&self, image: &Image, shipped: &[Shipped]) -> Document {
        let own = match &image.manifest {
            Some(
                document @ Document {
                    content: Content::Manifest(manifest),
                    ..
                },
            ) => Some((document, manifest)),
            _ => None,
        };
        if let Some((document, manifest)) = own {
            let same = manifest.layers.iter().map(|layer| layer.digest);
            let same = same.eq(shipped.iter().map(|shipped| shipped.descriptor.digest));
            let allowed = !self.only_oci || document.media_type == MediaType::OciManifest;
            if same && allowed && self.annotations.is_empty() {
                return document.clone();
            }
        }
        let config = Descriptor::of(MediaType::OciConfig, image.configuration.text().as_bytes());
        let layers = shipped.iter().enumerate().map(|(index, shipped)| {
            let mut descriptor = shipped.descriptor.clone();
            if let Some(old) = own.and_then(|(_, manifest)| manifest.layers.get(index)) {
                descriptor.annotations.clone_from(&old.annotations);
            }
            descriptor
        });
        let mut annotations = own.map_or(Annotations::new(), |(_, own)| own.annotations.clone());
        annotations.extend(self.annotations.clone());
        annotations.retain(|_, value| !value.is_empty());
        let mut manifest = Manifest::new(config, layers.collect(), annotations);
        if let Some((_, own)) = own {
            manifest.artifact_type.clone_from(&own.artifact_type);
            manifest.subject.clone_from(&own.subject);
        }
        manifest.to_document()
    }
}

/// Returns a key that two layers of an image share only where nothing else is said of them.
fn key(layer: &dyn Layer) -> Digest {
    let text = format!(
        "{} {} {}",
        layer.diff_id(),
        layer.compression(),
        layer.name()
    );
    Digest::of(text.as_bytes())
}
