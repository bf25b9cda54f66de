//! Layers that wait for a docker-archive, where they go to other destinations as well.
//!
//! A docker-archive lists its layers from bottom to top. Several destinations get them in the
//! order in which they are made, so the archive is written when all are there.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use terrine_compress::Compression;
use terrine_oci::{Content, Descriptor, Digest, Document, Platform, Repository};

use super::{Destination, Error, Presence, Staged};
use crate::source::{self, Image, Layer, Spool};

/// Layers of an image that wait for its docker-archive.
#[derive(Debug)]
pub struct GatheredLayers {
    name: String,
    spool: Spool,
    /// By digest, with the offset in the spool.
    blobs: Mutex<BTreeMap<Digest, u64>>,
}

impl GatheredLayers {
    /// None yet, of the archive that people know as `name`.
    pub fn new(name: String) -> Self {
        Self {
            name,
            spool: Spool::default(),
            blobs: Mutex::default(),
        }
    }

    /// Returns an image that was brought here, of which `document` is the manifest here.
    pub fn image(self: Arc<Self>, image: &Image, document: &Document) -> Image {
        let Content::Manifest(manifest) = &document.content else {
            return image.clone();
        };
        let layers = image.layers.iter().zip(&manifest.layers);
        let layers = layers.map(|(layer, descriptor)| {
            let layer: Arc<dyn Layer> = Arc::new(GatheredLayer {
                from: Arc::clone(&self),
                diff_id: layer.diff_id(),
                descriptor: descriptor.clone(),
            });
            layer
        });
        Image {
            layers: layers.collect(),
            manifest: None,
            ..image.clone()
        }
    }

    /// Returns the bytes of a layer that was kept.
    pub(crate) fn content(&self, blob: &Descriptor) -> Result<impl Read + Send + '_, Error> {
        let offset = self.lock().get(&blob.digest).copied();
        let offset = offset.ok_or_else(|| Error::Output(io::ErrorKind::NotFound.into()))?;
        self.spool.content(offset, blob.size).map_err(Error::Output)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Digest, u64>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A layer of an existing image that was kept.
#[derive(Debug)]
struct GatheredLayer {
    from: Arc<GatheredLayers>,
    diff_id: Digest,
    descriptor: Descriptor,
}

impl Layer for GatheredLayer {
    fn name(&self) -> String {
        self.descriptor.digest.to_string()
    }

    fn diff_id(&self) -> Digest {
        self.diff_id
    }

    fn descriptor(&self) -> Result<Descriptor, source::Error> {
        Ok(self.descriptor.clone())
    }

    fn stored_size(&self) -> u64 {
        self.descriptor.size
    }

    fn compression(&self) -> Compression {
        Compression::of(&self.descriptor.media_type).unwrap_or(Compression::None)
    }

    fn open(&self) -> Result<Box<dyn Read + Send + '_>, source::Error> {
        let content = self.from.content(&self.descriptor);
        let content = content.map_err(|error| source::Error::Io {
            image: self.from.name.clone(),
            source: io::Error::other(error),
        })?;
        Ok(Box::new(content))
    }
}

impl Destination for GatheredLayers {
    fn holds(&self, blob: &Descriptor, _: &[Repository]) -> Result<Presence, Error> {
        Ok(Presence::of_held(self.lock().contains_key(&blob.digest)))
    }

    fn stage(&self) -> Result<Staged, Error> {
        Staged::temporary()
    }

    fn keep(&self, staged: Staged, blob: &Descriptor, _: &dyn Fn(u64)) -> Result<(), Error> {
        if self.lock().contains_key(&blob.digest) {
            return Ok(());
        }
        let file = staged.into_file(self.name())?;
        let offset = self.spool.append(&file, blob.size);
        let offset = offset.map_err(Error::temporary)?;
        self.lock().insert(blob.digest, offset);
        Ok(())
    }

    fn put_document(&self, _: &Document) -> Result<(), Error> {
        Ok(())
    }

    fn publish(&self, _: &Document, _: Option<&Platform>) -> Result<(), Error> {
        Ok(())
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}
