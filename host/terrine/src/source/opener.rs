//! Openers of images that are in no file: in registries, and in the storage of other programs.

use std::io::Read;
use std::sync::Arc;

use terrine_oci::{Descriptor, Reference, Repository, Selector};
use terrine_registry::Client;

use super::image_index::open_document;
use super::{Blobs, DockerArchive, Error, Fault, Opened};
use crate::daemon::Loader;

/// Opener of images that are in no file: in registries, and in the storage of other programs.
pub trait Opener {
    /// Opens the image of a reference that is neither a path nor a file.
    ///
    /// # Errors
    ///
    /// An image that cannot be had.
    fn open(&self, reference: &Reference) -> Result<Opened, Error>;
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
}

impl RemoteOpener {
    /// Speaks to registries through a client.
    pub fn new(client: Arc<Client>) -> Self {
        Self { client }
    }

    fn registry(&self, repository: &Repository) -> Result<Opened, Error> {
        let name = &Reference::Registry(repository.clone()).to_string();
        let document = self.client.document(repository)?;
        let repository = repository.at(document.digest());
        let blobs: Arc<dyn Blobs> = Arc::new(RegistryBlobs {
            client: Arc::clone(&self.client),
            repository,
        });
        open_document(&blobs, name, document)
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

    fn document(&self, document: &Descriptor) -> Result<Box<dyn Read + Send + '_>, Error> {
        let read = self.client.document(&self.repository.at(document.digest))?;
        Ok(Box::new(std::io::Cursor::new(read.bytes)))
    }

    fn repository(&self) -> Option<&Repository> {
        Some(&self.repository)
    }
}
