//! Layers that are not at the place of their image, but where the `urls` of their descriptors lead.

use std::io::Read;
use std::sync::Arc;

use terrine_oci::{Descriptor, Repository};
use terrine_registry::{self as registry, Client};

use super::{Blobs, Error, FilePart, Opener};

/// Lets an opener's client look for layers that a place does not have.
pub(super) fn with_urls(blobs: Arc<dyn Blobs>, opener: &dyn Opener) -> Arc<dyn Blobs> {
    match opener.client() {
        Some(client) => Arc::new(WithUrls {
            inner: blobs,
            client: Arc::clone(client),
        }),
        None => blobs,
    }
}

/// The blobs of a place, and the layers that can be had elsewhere.
#[derive(Debug)]
struct WithUrls {
    inner: Arc<dyn Blobs>,
    client: Arc<Client>,
}

impl Blobs for WithUrls {
    fn blob(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send + '_>, Error> {
        self.inner.blob(blob)
    }

    fn size(&self, blob: &Descriptor) -> Result<Option<u64>, Error> {
        self.inner.size(blob)
    }

    fn elsewhere(
        &self,
        blob: &Descriptor,
    ) -> Option<Result<Box<dyn Read + Send + '_>, registry::Error>> {
        let read = self.client.blob_elsewhere(blob, self.inner.repository())?;
        Some(read.map(|reader| Box::new(reader) as _))
    }

    fn document(&self, document: &Descriptor) -> Result<Box<dyn Read + Send + '_>, Error> {
        self.inner.document(document)
    }

    fn unknown(&self, document: &Descriptor) -> Option<Result<Box<dyn Read + Send + '_>, Error>> {
        self.inner.unknown(document)
    }

    fn content(&self, blob: &Descriptor) -> Result<Option<FilePart<'_>>, Error> {
        self.inner.content(blob)
    }

    fn repository(&self) -> Option<&Repository> {
        self.inner.repository()
    }
}
