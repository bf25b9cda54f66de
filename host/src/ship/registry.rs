//! A repository of a registry, as a place for images.

use std::cell::Cell;
use std::io::{self, Read};

use super::{Destination, Error, Staged};
use crate::image::{Descriptor, Document, Platform, Repository};
use crate::registry::Client;
use crate::source::Content;

/// A repository, and the tag that an image is to have there.
#[derive(Debug)]
pub struct RegistryDestination<'c> {
    client: &'c Client,
    repository: Repository,
}

impl<'c> RegistryDestination<'c> {
    /// The repository and the tag that `repository` names.
    pub fn new(client: &'c Client, repository: Repository) -> Self {
        // One token for all that is to come.
        client.will_push(&repository);
        Self { client, repository }
    }
}

impl Destination for RegistryDestination<'_> {
    fn holds(&self, blob: &Descriptor, origins: &[Repository]) -> Result<bool, Error> {
        // One of another size is another blob, whatever its digest says.
        if self.client.blob_size(&self.repository, blob.digest)? == Some(blob.size) {
            return Ok(true);
        }
        for origin in origins {
            let same =
                origin.registry == self.repository.registry && origin.name != self.repository.name;
            if same && self.client.mount(&self.repository, blob.digest, &origin.name)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn stage(&self) -> Result<Staged, Error> {
        let place = std::env::temp_dir().display().to_string();
        let file = tempfile::tempfile().map_err(|source| Error::Staging { place, source })?;
        Ok(Staged::File(file))
    }

    fn keep(&self, staged: Staged, blob: &Descriptor, sent: &dyn Fn(u64)) -> Result<(), Error> {
        let Staged::File(file) = staged else {
            return Err(Error::Unsupported {
                what: "a blob that was staged elsewhere".to_owned(),
                place: self.name(),
                hint: "this is a bug in terrine",
            });
        };
        let open = || -> io::Result<Box<dyn Read + Send>> {
            Ok(Box::new(Content::of(file.try_clone()?, blob.size)))
        };
        // It tells how many there are so far, which is fewer when it starts anew.
        let before = Cell::new(0);
        let progress = |so_far: u64| sent(so_far.saturating_sub(before.replace(so_far)));
        Ok(self.client.upload(&self.repository, blob, &open, &progress)?)
    }

    fn put_document(&self, document: &Document) -> Result<(), Error> {
        Ok(self.client.put_document(&self.repository.at(document.digest()), document)?)
    }

    fn publish(&self, document: &Document, _: Option<&Platform>) -> Result<(), Error> {
        Ok(self.client.put_document(&self.repository, document)?)
    }

    fn repository(&self) -> Option<&Repository> {
        Some(&self.repository)
    }

    fn name(&self) -> String {
        format!("docker://{}", self.repository)
    }
}
