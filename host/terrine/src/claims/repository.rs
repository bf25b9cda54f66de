//! A repository of layers: a repository of a registry where the machines of a fleet keep layers for
//! each other.

use std::io::{self, Cursor, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use terrine_binary_cache::{PublicKey, SecretKey};
use terrine_oci::{Digest, Document, Reference, Repository};
use terrine_registry::{self as registry, Client};

use super::entry::{EMPTY, empty};
use super::{Claim, Entry, EntryError, Holder, Leased};
use crate::source::{self, RemoteOpener};

/// The shortest time between two looks at a lease.
const LEAST_WAIT: Duration = Duration::from_millis(5);
/// The first wait after a registry refuses an artifact. Each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest wait after which it is tried again.
const LAST_WAIT: Duration = Duration::from_millis(800);

/// A repository of layers.
#[derive(Debug)]
pub struct LayerRepository {
    client: Arc<Client>,
    repository: Repository,
    /// The keys of which one must have signed an entry; none if entries need no signature.
    trusted: Vec<PublicKey>,
    /// True once the repository has the empty config of artifacts.
    has_config: Mutex<bool>,
}

/// The machine that makes a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// This one.
    Own,
    /// Another one, which holds a lease.
    Other(Holder),
}

impl LayerRepository {
    /// A repository of a registry. With `trusted`, an entry is used only if one of these keys has
    /// signed it.
    pub fn new(client: Arc<Client>, repository: &Repository, trusted: Vec<PublicKey>) -> Self {
        let repository = Repository {
            tag: None,
            digest: None,
            ..repository.clone()
        };
        Self {
            client,
            repository,
            trusted,
            has_config: Mutex::new(false),
        }
    }

    /// Returns the registry and the name of the repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Returns the reference of the repository.
    pub fn name(&self) -> String {
        Reference::Registry(self.repository.clone()).to_string()
    }

    /// Looks up the claim about the layer with a key, compressed with a setting.
    ///
    /// # Errors
    ///
    /// A registry that does not answer, and an entry that is something else or is not signed.
    pub(super) fn find(&self, key: Digest, setting: &str) -> Result<Option<Claim>, EntryError> {
        let at = self.tagged(Entry::tag(key, setting));
        let name = Reference::Registry(at.clone()).to_string();
        let Some(document) = self.document(&at)? else {
            return Ok(None);
        };
        let is_for = |entry: &Entry| entry.key == key && entry.setting == setting;
        let entry = Entry::parse(&document).filter(is_for);
        let entry = entry.ok_or_else(|| EntryError::Other(name.clone()))?;
        if !entry.is_trusted(&self.trusted) {
            return Err(EntryError::Untrusted(name));
        }
        let author = entry.author_at(&name);
        let blobs = RemoteOpener::new(Arc::clone(&self.client)).blobs(&self.repository);
        let diff_id = entry.plain.diff_id;
        let layer = source::layer_of_blob(&blobs, &author, &entry.blob, diff_id)?;
        Ok(Some(Claim {
            author,
            plain: entry.plain,
            blob: entry.blob,
            setting: entry.setting,
            layer,
        }))
    }

    /// Writes an entry, unless the repository has one with the same claim. Its blob has to be there.
    /// Returns the author of the entry with another claim that it replaces, as messages name it.
    ///
    /// # Errors
    ///
    /// A registry that does not take it.
    pub fn write(
        &self,
        entry: Entry,
        key: Option<&SecretKey>,
    ) -> Result<Option<String>, registry::Error> {
        let entry = match key {
            Some(key) => entry.signed(key),
            None => entry,
        };
        let at = self.tagged(Entry::tag(entry.key, &entry.setting));
        let known = self.document(&at)?;
        let known = known.as_ref().and_then(Entry::parse);
        let mut trusted = self.trusted.clone();
        trusted.extend(key.map(SecretKey::public_key));
        let agrees = |known: &Entry| known.agrees_with(&entry);
        // An entry without a signature is no better than one that is there.
        let is_enough = |known: &Entry| key.is_none() || known.is_trusted(&trusted);
        if known
            .as_ref()
            .is_some_and(|known| agrees(known) && is_enough(known))
        {
            return Ok(None);
        }
        self.put_artifact(&at, &entry.to_document())?;
        let replaced = known.filter(|known| !agrees(known));
        let name = Reference::Registry(at).to_string();
        Ok(replaced.map(|replaced| replaced.author_at(&name)))
    }

    /// Takes the lease of a layer, unless another machine has it.
    ///
    /// # Errors
    ///
    /// A registry that does not take it.
    pub fn lease(&self, leased: Leased<'_>, holder: Holder) -> Result<Turn, registry::Error> {
        let at = self.tagged(leased.tag());
        let other = |document: &Document| {
            let held = leased.holder(document, SystemTime::now());
            held.filter(|by| *by != holder)
        };
        if let Some(other) = self.document(&at)?.as_ref().and_then(other) {
            return Ok(Turn::Other(other));
        }
        let begun = Instant::now();
        self.put_artifact(&at, &leased.to_document(holder, SystemTime::now()))?;
        // Another machine that did not see this lease has written its own by then.
        thread::sleep(begun.elapsed().max(LEAST_WAIT));
        let other = self.document(&at)?.as_ref().and_then(other);
        Ok(other.map_or(Turn::Own, Turn::Other))
    }

    /// Puts an artifact and its empty config.
    fn put_artifact(&self, at: &Repository, document: &Document) -> Result<(), registry::Error> {
        let mut wait = FIRST_WAIT;
        loop {
            match self.put_once(at, document) {
                // Registries do that while another machine uploads the same config.
                Err(error) if error.is_refusal() && wait <= LAST_WAIT => {
                    thread::sleep(wait);
                    wait *= 2;
                }
                put => return put,
            }
        }
    }

    fn put_once(&self, at: &Repository, document: &Document) -> Result<(), registry::Error> {
        {
            let mut has_config = self
                .has_config
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if !*has_config {
                self.put_config()?;
                *has_config = true;
            }
        }
        self.client.put_document(at, document)
    }

    /// Uploads the empty config of artifacts, unless it exists.
    fn put_config(&self) -> Result<(), registry::Error> {
        let config = empty();
        if self.client.blob_size(&self.repository, config.digest)? == Some(config.size) {
            return Ok(());
        }
        let open = || -> io::Result<Box<dyn Read + Send>> { Ok(Box::new(Cursor::new(EMPTY))) };
        self.client
            .upload(&self.repository, &config, &open, &|_| {})
    }

    /// Fetches the document with a tag; none if there is none.
    fn document(&self, at: &Repository) -> Result<Option<Document>, registry::Error> {
        match self.client.document(at) {
            Err(error) if error.is_not_found() => Ok(None),
            document => document.map(Some),
        }
    }

    fn tagged(&self, tag: String) -> Repository {
        Repository {
            tag: Some(tag),
            ..self.repository.clone()
        }
    }
}
