//! One image, brought to a destination for blobs.

use std::num::NonZeroUsize;

use terrine_compress::Compression;
use terrine_oci::{Annotations, Content, Descriptor, Digest, Document, Manifest, MediaType};
use terrine_oci::{Platform, annotation};

use super::Error;
use crate::destination::{self, Carried, Carrier, Part, Recompress, Reporter, Shipped};
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
        let platform = Some(image.configuration.platform()).filter(Platform::is_whole);
        self.carrier
            .destination
            .publish(&document, platform.as_ref())?;
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
        let document = self.document(image, shipped)?;
        let config = match &document.content {
            Content::Manifest(manifest) => manifest.config.clone(),
            Content::Index(_) => Descriptor::of(MediaType::OciConfig, text),
        };
        let staged = destination::from_bytes(self.carrier.destination, text)?;
        self.carrier
            .settle(staged, &config, &|bytes| self.reporter.sent(bytes))?;
        Ok(document)
    }

    /// The manifest: the image's own, if it fits what was brought. Else what that says stays, as far as it is still
    /// true.
    fn document(&self, image: &Image, shipped: Vec<Shipped>) -> Result<Document, Error> {
        let Some((document, own)) = own_manifest(image) else {
            let config =
                Descriptor::of(MediaType::OciConfig, image.configuration.text().as_bytes());
            let layers = shipped.into_iter().map(|shipped| shipped.descriptor);
            let annotations = self.annotated(Annotations::new());
            return Ok(Manifest::new(config, layers.collect(), annotations).to_document());
        };
        let same = own.layers.iter().map(|layer| layer.digest);
        let same = same.eq(shipped.iter().map(|shipped| shipped.descriptor.digest));
        let allowed = !self.only_oci || document.media_type == MediaType::OciManifest;
        if same && allowed && self.annotations.is_empty() && self.is_named(image, own)? {
            return Ok(document.clone());
        }
        let layers = image.layers.iter().zip(&own.layers).zip(shipped);
        let layers = layers.map(|((layer, old), shipped)| listed(layer.as_ref(), old, shipped));
        let layers = layers.collect::<Result<Vec<_>, Error>>()?;
        let mut annotations = own.annotations.clone();
        for (old, new) in own.layers.iter().zip(&layers) {
            annotations = annotation::followed(&annotations, old, new);
        }
        if !same && annotations.contains_key(annotation::COMPRESSION) {
            let setting = self.carrier.setting.describe();
            annotations.insert(annotation::COMPRESSION.to_owned(), setting);
        }
        let manifest = Manifest {
            media_type: Some(MediaType::OciManifest),
            config: Descriptor {
                media_type: MediaType::OciConfig,
                ..own.config.clone()
            },
            layers,
            annotations: self.annotated(annotations),
            ..own.clone()
        };
        Ok(manifest.to_document())
    }

    /// Returns false where a compression was asked for and the manifest calls a layer by the type of another one.
    fn is_named(&self, image: &Image, own: &Manifest) -> Result<bool, Error> {
        if !matches!(
            self.carrier.recompress,
            Recompress::All | Recompress::Always
        ) {
            return Ok(true);
        }
        let mut layers = image.layers.iter().zip(&own.layers);
        layers.try_fold(true, |are_named, (layer, listed)| {
            let is_named =
                layer.is_foreign() || Compression::of(&listed.media_type) == Some(layer.look()?);
            Ok(are_named && is_named)
        })
    }

    /// Adds the annotations that were asked for. An empty value takes one away.
    pub(super) fn annotated(&self, mut annotations: Annotations) -> Annotations {
        annotations.extend(self.annotations.clone());
        annotations.retain(|_, value| !value.is_empty());
        annotations
    }
}

/// Returns the manifest of an image that has one.
fn own_manifest(image: &Image) -> Option<(&Document, &Manifest)> {
    let document = image.manifest.as_ref()?;
    match &document.content {
        Content::Manifest(manifest) => Some((document, manifest)),
        Content::Index(_) => None,
    }
}

/// Returns the descriptor of a layer for a manifest that is written here.
fn listed(layer: &dyn Layer, old: &Descriptor, shipped: Shipped) -> Result<Descriptor, Error> {
    let Descriptor {
        mut media_type,
        digest,
        size,
        ..
    } = shipped.descriptor;
    if digest == old.digest && !layer.is_foreign() {
        // Nobody has read one that was there.
        media_type = layer.look()?.media_type().unwrap_or(media_type);
    }
    Ok(old.replaced(media_type, digest, size))
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
