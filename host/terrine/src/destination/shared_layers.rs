//! A repository of layers, as a destination of the layers that this machine makes.

use std::sync::atomic::{AtomicBool, Ordering};

use terrine_binary_cache::SecretKey;
use terrine_oci::{Descriptor, Digest, Document, Platform, Repository};
use terrine_registry::Client;

use super::{Destination, Error, Presence, RegistryDestination, Staged};
use crate::cache::Plain;
use crate::claims::{Entry, Holder, LayerRepository, Leased, Turn};

/// The name of a machine, and the key that it signs entries with.
#[derive(Debug, Default)]
pub struct Author {
    /// The name, if entries are to have one.
    pub name: Option<String>,
    /// The key, if entries are to be signed.
    pub key: Option<SecretKey>,
}

/// A repository of layers that layers are written to.
#[derive(Debug)]
pub struct SharedLayers<'c> {
    blobs: RegistryDestination<'c>,
    entries: &'c LayerRepository,
    /// The repositories that may have a blob already: the destinations of the image.
    siblings: Vec<Repository>,
    author: Author,
    /// This run, if others that are at work on the same layers are waited for.
    holder: Option<Holder>,
    /// True once the registry does not take leases.
    has_no_leases: AtomicBool,
}

impl<'c> SharedLayers<'c> {
    /// A repository of layers. Blobs are mounted from `siblings` where that is possible.
    pub fn new(
        client: &'c Client,
        entries: &'c LayerRepository,
        siblings: Vec<Repository>,
        author: Author,
    ) -> Self {
        let blobs = RegistryDestination::new(client, entries.repository().clone());
        Self {
            blobs,
            entries,
            siblings,
            author,
            holder: None,
            has_no_leases: AtomicBool::new(false),
        }
    }

    /// Waits for layers that other machines are making, in place of making them as well. Their
    /// entries have to be read.
    #[must_use]
    pub fn taking_turns(self) -> Self {
        let holder = Some(Holder::random());
        Self { holder, ..self }
    }

    /// Returns this run, if it takes turns with others.
    pub fn holder(&self) -> Option<Holder> {
        self.holder
    }

    /// Tells if this machine makes a layer, or if another one is at work on it.
    ///
    /// # Errors
    ///
    /// A registry that does not take the lease.
    pub fn turn(&self, leased: Leased<'_>) -> Result<Turn, Error> {
        let holder = self.holder;
        match holder.filter(|_| !self.has_no_leases.load(Ordering::Relaxed)) {
            None => Ok(Turn::Own),
            Some(holder) => Ok(self.entries.lease(leased, holder)?),
        }
    }

    /// Takes no more turns. Returns true the first time.
    pub fn stop_turns(&self) -> bool {
        !self.has_no_leases.swap(true, Ordering::Relaxed)
    }

    /// Returns true if entries are signed.
    pub fn is_signing(&self) -> bool {
        self.author.key.is_some()
    }

    /// Writes the entry of a layer whose blob is there. Returns the author of the entry with
    /// another claim that it replaces, as messages name it.
    ///
    /// # Errors
    ///
    /// A registry that does not take it.
    pub fn announce(
        &self,
        key: Digest,
        setting: &str,
        plain: Plain,
        blob: &Descriptor,
    ) -> Result<Option<String>, Error> {
        let entry = Entry {
            key,
            setting: setting.to_owned(),
            plain,
            blob: Descriptor::new(blob.media_type.clone(), blob.digest, blob.size),
            author: self.author.name.clone(),
            signature: None,
        };
        Ok(self.entries.write(entry, self.author.key.as_ref())?)
    }
}

impl Destination for SharedLayers<'_> {
    fn holds(&self, blob: &Descriptor, origins: &[Repository]) -> Result<Presence, Error> {
        let all: Vec<Repository> = self.siblings.iter().chain(origins).cloned().collect();
        self.blobs.holds(blob, &all)
    }

    fn ready(&self) -> Result<(), Error> {
        self.blobs.ready()
    }

    fn stage(&self) -> Result<Staged, Error> {
        self.blobs.stage()
    }

    fn keep(&self, staged: Staged, blob: &Descriptor, sent: &dyn Fn(u64)) -> Result<(), Error> {
        self.blobs.keep(staged, blob, sent)
    }

    fn put_document(&self, document: &Document) -> Result<(), Error> {
        self.blobs.put_document(document)
    }

    fn publish(&self, document: &Document, _: Option<&Platform>) -> Result<(), Error> {
        // Images have no names here.
        self.put_document(document)
    }

    fn repository(&self) -> Option<&Repository> {
        self.blobs.repository()
    }

    fn name(&self) -> String {
        self.blobs.name()
    }
}
