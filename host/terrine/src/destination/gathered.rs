//! Layers that wait for a docker-archive, where they go to other destinations as well.
//!
//! A docker-archive lists its layers from bottom to top. Several destinations get them in the
//! order in which they are made, so the archive is written when all are there.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Mutex, PoisonError};

use terrine_oci::{Descriptor, Digest, Document, Platform, Repository};

use super::{Destination, Error, Staged};
use crate::source::Spool;

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

    /// Returns the bytes of a layer that was kept.
    pub(crate) fn content(&self, blob: &Descriptor) -> Result<impl Read + '_, Error> {
        let offset = self.lock().get(&blob.digest).copied();
        let offset = offset.ok_or_else(|| Error::Output(std::io::ErrorKind::NotFound.into()))?;
        self.spool.content(offset, blob.size).map_err(Error::Output)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Digest, u64>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Destination for GatheredLayers {
    fn holds(&self, blob: &Descriptor, _: &[Repository]) -> Result<bool, Error> {
        Ok(self.lock().contains_key(&blob.digest))
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
        let offset = offset.map_err(|source| Error::Staging {
            place: std::env::temp_dir().display().to_string(),
            source,
        })?;
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
