//! Openers of images that are in no file: in registries, and in the storage of other programs.

use std::io::Read;
use std::sync::Arc;

use terrine_oci::{Descriptor, Reference, Repository, Selector};
use terrine_registry::Client;

use super::image_index::open_document;
use super::{Blobs, DockerArchive, Error, Fault, Opened, elsewhere};
use crate::daemon::Loader;

/// Opener of images that are in no file: in registries, and in the storage of other programs.
pub trait Opener {
    /// Opens the image of a reference that is neither a path nor a file.
    ///
    /// # Errors
    ///
    /// An image that cannot be had.
    fn open(&self, reference: &Reference) -> Result<Opened, Error>;

    /// Returns what fetches layers from the URLs that their descriptors have, where that is wanted.
    fn client(&self) -> Option<&Arc<Client>> {
        None
    }
}

/// Opener where files and directories are all that can be opened: it refuses everything else.
#[derive(Debug, Clone, Copy)]
pub struct LocalOpener;

impl Opener for LocalOpener {
    fn open(&self, reference: &Reference) -> Result<Opened, Error> {
        Err(Error::fault(
            &reference.to_string(),
            Fault::NotAFileReference,
        ))
    }
}

/// Opener of images wherever a reference leads.
#[derive(Debug, Clone)]
pub struct RemoteOpener {
    client: Arc<Client>,
    follows_urls: bool,
}

impl RemoteOpener {
    /// Speaks to registries through a client.
    pub fn new(client: Arc<Client>) -> Self {
        Self {
            client,
            follows_urls: false,
        }
    }

    /// Fetches layers that are not at the place of their image from the URLs that their descriptors have.
    #[must_use]
    pub fn following_urls(self) -> Self {
        Self {
            follows_urls: true,
            ..self
        }
    }

    /// Returns the blobs of a repository.
    pub(crate) fn blobs(&self, repository: &Repository) -> Arc<dyn Blobs> {
        Arc::new(RegistryBlobs {
            client: Arc::clone(&self.client),
            repository: repository.clone(),
        })
    }

    fn registry(&self, repository: &Repository) -> Result<Opened, Error> {
        let name = &Reference::Registry(repository.clone()).to_string();
        let document = self.client.document(repository)?;
        let blobs = self.blobs(&repository.at(document.digest()));
        open_document(&elsewhere::with_urls(blobs, self), name, document)
    }
}

impl Opener for RemoteOpener {
    fn open(&self, reference: &Reference) -> Result<Opened, Error> {
        let name = reference.to_string();
        let saved = |loader: Loader, image: &str| {
            let archive = DockerArchive::read(&name, loader.save(image)?)?;
            archive.image(&Selector::Only).map(Opened::Image)
        };
        match reference {
            Reference::Registry(repository) => self.registry(&repository.or_latest()),
            Reference::DockerDaemon(image) => saved(Loader::Docker, image),
            Reference::ContainersStorage(image) => saved(Loader::Podman, image),
            _ => super::open(reference, self),
        }
    }

    fn client(&self) -> Option<&Arc<Client>> {
        Some(&self.client).filter(|_| self.follows_urls)
    }
}

/// Blobs of a repository.
#[derive(Debug)]
struct RegistryBlobs {
    client: Arc<Client>,
    repository: Repository,
}

impl Blobs for RegistryBlobs {
    fn blob(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send + '_>, Error> {
        Ok(Box::new(self.client.blob(&self.repository, blob)?))
    }

    fn size(&self, blob: &Descriptor) -> Result<Option<u64>, Error> {
        let media_type = &blob.media_type;
        if media_type.is_manifest() || media_type.is_index() {
            let head = self
                .client
                .head_document(&self.repository.at(blob.digest))?;
            return Ok(head.map(|head| head.size));
        }
        Ok(self.client.blob_size(&self.repository, blob.digest)?)
    }

    fn document(&self, document: &Descriptor) -> Result<Box<dyn Read + Send + '_>, Error> {
        let read = self.client.document(&self.repository.at(document.digest))?;
        Ok(Box::new(std::io::Cursor::new(read.bytes)))
    }

    fn unknown(&self, document: &Descriptor) -> Option<Result<Box<dyn Read + Send + '_>, Error>> {
        let at = self.repository.at(document.digest);
        let read = self.client.document_bytes(&at, &document.media_type);
        Some(
            read.map(|bytes| Box::new(std::io::Cursor::new(bytes)) as _)
                .map_err(Error::Registry),
        )
    }

    fn repository(&self) -> Option<&Repository> {
        Some(&self.repository)
    }
}
