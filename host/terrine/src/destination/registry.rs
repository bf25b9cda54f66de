//! A repository of a registry, as a place for images.

use std::cell::Cell;
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use terrine_oci::{Descriptor, Document, Platform, Repository};
use terrine_registry::Client;

use super::{Destination, Error, Presence, Staged};
use crate::source::FilePart;

/// A repository, and the tags that an image is to have there.
#[derive(Debug)]
pub struct RegistryDestination<'c> {
    client: &'c Client,
    repository: Repository,
    /// The tags beside the one of `repository`.
    more: Vec<String>,
    /// True if the registry has answered.
    ready: Mutex<bool>,
}

impl<'c> RegistryDestination<'c> {
    /// The repository and the tag that `repository` names.
    pub fn new(client: &'c Client, repository: Repository) -> Self {
        // One token for all that is to come.
        client.will_push(&repository);
        Self {
            client,
            repository,
            more: vec![],
            ready: Mutex::new(false),
        }
    }

    /// Gives the image these tags as well.
    #[must_use]
    pub fn with_more_tags(self, more: Vec<String>) -> Self {
        Self { more, ..self }
    }
}

impl Destination for RegistryDestination<'_> {
    fn holds(&self, blob: &Descriptor, origins: &[Repository]) -> Result<Presence, Error> {
        // One of another size is another blob, whatever its digest says.
        if self.client.blob_size(&self.repository, blob.digest)? == Some(blob.size) {
            return Ok(Presence::Present);
        }
        for origin in origins {
            let same =
                origin.registry == self.repository.registry && origin.name != self.repository.name;
            // One that cannot be had is made or sent, which then tells what is wrong.
            let mount = || {
                self.client
                    .mount(&self.repository, blob.digest, &origin.name)
            };
            if same && mount().unwrap_or(false) {
                return Ok(Presence::Mounted);
            }
        }
        Ok(Presence::Missing)
    }

    fn ready(&self) -> Result<(), Error> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if !*ready {
            self.client.reach(&self.repository)?;
            *ready = true;
        }
        Ok(())
    }

    fn stage(&self) -> Result<Staged, Error> {
        Staged::temporary()
    }

    fn keep(&self, staged: Staged, blob: &Descriptor, sent: &dyn Fn(u64)) -> Result<(), Error> {
        let file = staged.into_file(self.name())?;
        let open = || -> io::Result<Box<dyn Read + Send>> {
            Ok(Box::new(FilePart::of(file.try_clone()?, blob.size)))
        };
        // It tells how many there are so far, which is fewer when it starts anew.
        let before = Cell::new(0);
        let progress = |so_far: u64| sent(so_far.saturating_sub(before.replace(so_far)));
        Ok(self
            .client
            .upload(&self.repository, blob, &open, &progress)?)
    }

    fn put_document(&self, document: &Document) -> Result<(), Error> {
        Ok(self
            .client
            .put_document(&self.repository.at(document.digest()), document)?)
    }

    fn put_unknown(&self, document: &Descriptor, bytes: &[u8]) -> Option<Result<(), Error>> {
        let at = self.repository.at(document.digest);
        let put = self.client.put_bytes(&at, &document.media_type, bytes);
        Some(put.map_err(Error::Registry))
    }

    fn publish(&self, document: &Document, _: Option<&Platform>) -> Result<(), Error> {
        self.client.put_document(&self.repository, document)?;
        for tag in &self.more {
            let named = Repository {
                tag: Some(tag.clone()),
                ..self.repository.clone()
            };
            self.client.put_document(&named, document)?;
        }
        Ok(())
    }

    fn repository(&self) -> Option<&Repository> {
        Some(&self.repository)
    }

    fn name(&self) -> String {
        format!("docker://{}", self.repository)
    }
}
