//! Images in registries, and in the storage of other programs.

use std::io::Read;
use std::sync::Arc;

use terrine_oci::{Descriptor, Reference, Repository, Selector};
use terrine_registry::Client;

use super::image_index::open_document;
use super::open::Elsewhere;
use super::{Blobs, DockerArchive, Error, Opened};
use crate::daemon::Loader;

/// Opens images wherever a reference leads.
#[derive(Debug, Clone)]
pub struct Everywhere {
    client: Arc<Client>,
}

impl Everywhere {
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

impl Elsewhere for Everywhere {
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

/// The blobs of a repository.
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
