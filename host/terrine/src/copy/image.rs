//! The copying of one image to destinations for blobs.

use std::num::NonZeroUsize;

use terrine_compress::Compression;
use terrine_oci::{Annotations, Content, Descriptor, Digest, Document, Manifest, MediaType};
use terrine_oci::{Platform, annotation};

use super::Error;
use super::lanes::{ByLane, Lanes};
use crate::destination::{self, Carried, Carrier, Part, Recompress, Reporter, Shipped};
use crate::layer::LayerOrigin;
use crate::source::{Image, Layer};

/// Settings for copying images to destinations. The source is read once, and compressed once for
/// each compression setting.
#[derive(Clone, Copy)]
pub struct Copying<'a> {
    /// The destinations, and how layers are compressed there. Destinations that are not registries
    /// get only OCI manifests.
    pub carriers: &'a [Carrier<'a>],
    /// The maximum number of layers in progress at once.
    pub jobs: NonZeroUsize,
    /// Annotations to add to the image. An empty value removes one; an empty map changes nothing.
    pub annotations: &'a Annotations,
    /// The receiver of progress reports.
    pub reporter: &'a dyn Reporter,
}

impl Copying<'_> {
    /// Copies an image, and gives it the names of the destinations. Returns its manifest at each of
    /// them. If one destination fails, the image is still copied to the others.
    ///
    /// # Errors
    ///
    /// An image that cannot be read or is not what it should be.
    pub fn image(&self, image: &Image) -> Result<Vec<Result<Document, Error>>, Error> {
        let mut lanes = Lanes::new(self.carriers);
        let brought = self.bring(&mut lanes, image, self.annotations)?;
        let platform = Some(image.configuration.platform()).filter(Platform::is_whole);
        let mut documents = ByLane::new();
        for (lane, document) in brought {
            let destination = lanes.carrier(lane).destination;
            let published = destination.publish(&document, platform.as_ref());
            documents.extend(lanes.step(lane, published).map(|()| (lane, document)));
        }
        Ok(lanes.finish(documents))
    }

    /// Copies all parts of an image except its manifest, which is returned for each destination.
    ///
    /// # Errors
    ///
    /// As [`Copying::image`].
    pub fn parts(&self, image: &Image) -> Result<Vec<Result<Document, Error>>, Error> {
        let mut lanes = Lanes::new(self.carriers);
        let documents = self.bring(&mut lanes, image, self.annotations)?;
        Ok(lanes.finish(documents))
    }

    /// Copies all parts of an image except its manifest to the destinations that have not failed.
    /// Returns the manifest.
    pub(super) fn bring(
        &self,
        lanes: &mut Lanes<'_, '_>,
        image: &Image,
        annotations: &Annotations,
    ) -> Result<ByLane<Document>, Error> {
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
        let (alive, carriers) = lanes.alive();
        let brought = destination::all(&carriers, &parts, self.jobs, self.reporter)?;
        let mut documents = ByLane::new();
        for (lane, layers) in alive.into_iter().zip(brought) {
            let carrier = lanes.carrier(lane);
            let document = layers.map_err(Error::from).and_then(|layers| {
                let document = document(carrier, image, layers, annotations)?;
                self.configuration(carrier, image, &document)?;
                Ok(document)
            });
            documents.extend(lanes.step(lane, document).map(|document| (lane, document)));
        }
        Ok(documents)
    }

    /// Brings the configuration that a manifest names.
    fn configuration(
        &self,
        carrier: &Carrier<'_>,
        image: &Image,
        document: &Document,
    ) -> Result<(), Error> {
        let text = image.configuration.text().as_bytes();
        let config = match &document.content {
            Content::Manifest(manifest) => manifest.config.clone(),
            Content::Index(_) => Descriptor::of(MediaType::OciConfig, text),
        };
        let staged = destination::from_bytes(carrier.destination, text)?;
        carrier.settle(staged, &config, &|bytes| self.reporter.sent(bytes))?;
        Ok(())
    }
}

/// The manifest: the image's own, if it fits what was brought. Else what that says stays, as far as it is still
/// true.
fn document(
    carrier: &Carrier<'_>,
    image: &Image,
    shipped: Vec<Shipped>,
    added: &Annotations,
) -> Result<Document, Error> {
    let Some((document, own)) = own_manifest(image) else {
        let config = Descriptor::of(MediaType::OciConfig, image.configuration.text().as_bytes());
        let layers = shipped.into_iter().map(|shipped| shipped.descriptor);
        let annotations = annotated(Annotations::new(), added);
        return Ok(Manifest::new(config, layers.collect(), annotations).to_document());
    };
    let same = own.layers.iter().map(|layer| layer.digest);
    let same = same.eq(shipped.iter().map(|shipped| shipped.descriptor.digest));
    let allowed = has_docker(carrier) || document.media_type == MediaType::OciManifest;
    if same && allowed && added.is_empty() && is_named(carrier, image, own)? {
        return Ok(document.clone());
    }
    let layers = image.layers.iter().zip(&own.layers).zip(shipped);
    let layers = layers.map(|((layer, old), shipped)| listed(layer.as_ref(), old, shipped));
    let mut layers = layers.collect::<Result<Vec<_>, Error>>()?;
    let mut annotations = own.annotations.clone();
    for (old, new) in own.layers.iter().zip(&layers) {
        annotations = annotation::followed(&annotations, old, new);
    }
    if !same && let Some(named) = annotations.get_mut(annotation::COMPRESSION) {
        let setting = carrier.setting.describe();
        if *named != setting {
            forget_keys_of_kept(&own.layers, &mut layers);
        }
        *named = setting;
    }
    let manifest = Manifest {
        media_type: Some(MediaType::OciManifest),
        config: Descriptor {
            media_type: MediaType::OciConfig,
            ..own.config.clone()
        },
        layers,
        annotations: annotated(annotations, added),
        ..own.clone()
    };
    Ok(manifest.to_document())
}

/// Removes the keys of layers that were not compressed again. Their compression is not the one that the manifest
/// now names.
fn forget_keys_of_kept(old: &[Descriptor], new: &mut [Descriptor]) {
    for (old, new) in old.iter().zip(new) {
        if old.digest == new.digest {
            annotation::remove_key(&mut new.annotations);
        }
    }
}

/// Returns false where a compression was asked for and the manifest calls a layer by the type of another one.
fn is_named(carrier: &Carrier<'_>, image: &Image, own: &Manifest) -> Result<bool, Error> {
    if !matches!(carrier.recompress, Recompress::All | Recompress::Always) {
        return Ok(true);
    }
    let mut layers = image.layers.iter().zip(&own.layers);
    layers.try_fold(true, |are_named, (layer, listed)| {
        let is_named =
            layer.is_foreign() || Compression::of(&listed.media_type) == Some(layer.look()?);
        Ok(are_named && is_named)
    })
}

/// Returns true for a place of manifests of Docker: registries alone.
pub(super) fn has_docker(carrier: &Carrier<'_>) -> bool {
    carrier.destination.repository().is_some()
}

/// Adds the annotations that were asked for. An empty value takes one away.
pub(super) fn annotated(mut annotations: Annotations, added: &Annotations) -> Annotations {
    annotations.extend(added.clone());
    annotations.retain(|_, value| !value.is_empty());
    annotations
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
