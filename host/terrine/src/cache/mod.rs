//! The facts known of layers already, so that an unchanged one is neither read nor compressed
//! nor sent a second time.
//!
//! The cache is a database in a folder of the user's, shared by all processes, and only ever an
//! optimisation: without it every output is the same, byte for byte. So nothing that goes wrong
//! with it is an error of a build. A look-up that fails finds nothing, what cannot be written
//! is not remembered, and [`Cache::complaint`] tells the first thing that went wrong.
//!
//! Each row carries a checksum over its name and its value. A row that was altered or mixed up
//! is removed and not believed; a database that is damaged as a whole is begun again.
//!
//! What is remembered is written in batches, at [`Cache::flush`] and when the cache is dropped:
//! a process that is killed loses the last batch. The entries least recently used go when there
//! are too many. Their times are days that the caller tells, because no clock is read here.

pub mod agreed;
mod error;
mod file;
mod key;
mod prune;
mod report;
mod row;
#[cfg(test)]
mod tests;
mod transfer;

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

pub use error::Error;
use error::is_damage;
use file::{File, Lookup, RowChange};
pub use key::{LayerKey, LayerKeyBuilder};
pub use prune::{PruneLimits, prune};
pub use report::{Cleared, Info, SCHEMA_VERSION, TREES, clear, info};
use row::{Id, Value};
pub use transfer::{EXPORT_VERSION, ImportError, Transferred, export, import};

use terrine_oci::Digest;

/// The number of repositories that are remembered for a blob of a registry.
pub const LOCATIONS: usize = 8;
/// The longest value that is kept, in bytes. A longer one is not remembered.
pub const LONGEST: usize = 64 << 10;
/// The most entries that are written at once: so many are lost when a process is killed.
const BATCH: usize = 32;
/// The number of marks of use that wait to be written.
const MARKS: usize = 4096;
/// The time to wait in order to write marks of use alone.
const LITTLE_PATIENCE: Duration = Duration::from_millis(100);

/// The options for using a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheOptions {
    /// The current day, counted from 1970.
    pub now_days: u64,
    /// The number of entries that there may be.
    pub max_rows: u64,
    /// The number of bytes that they may take on disk. One batch more may be written before there is
    /// room made.
    pub max_bytes: u64,
    /// True if everything that it says of layers is to be checked, by making them.
    pub check_all: bool,
}

impl CacheOptions {
    /// The usual bounds on a day, counted from 1970: 200,000 entries and 64 MiB.
    pub fn on(now_days: u64) -> Self {
        Self {
            now_days,
            max_rows: 200_000,
            max_bytes: 64 << 20,
            check_all: false,
        }
    }
}

/// A layer before it is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plain {
    /// The digest of its bytes.
    pub diff_id: Digest,
    /// The number of these.
    pub size: u64,
}

/// A layer as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// The digest of the compressed bytes.
    pub digest: Digest,
    /// The number of these.
    pub size: u64,
}

/// The cache. It can be shared by threads.
#[derive(Debug)]
pub struct Cache {
    options: CacheOptions,
    state: Mutex<Inner>,
    complaint: OnceLock<String>,
}

/// The part that changes while a cache is used.
#[derive(Debug)]
struct Inner {
    /// None where there is no cache, or no more.
    file: Option<File>,
    /// The changes that are not written yet.
    changes: BTreeMap<Id, RowChange>,
    /// The number of the changes that are more than marks of use.
    weighty: usize,
    /// True if anything can be written.
    writable: bool,
}

impl Cache {
    /// Opens the cache of a folder, which is made if need be. One that is damaged or of another version is begun
    /// again.
    ///
    /// # Errors
    ///
    /// A folder that cannot be made or read, or that is not the user's own; something else in the place of the
    /// database, a link to one included; and one that another process holds for seconds.
    pub fn open(directory: &Path, options: CacheOptions) -> Result<Self, Error> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|source| Error::Io {
                path: directory.to_owned(),
                source,
            })?;
        report::check(directory)?;
        let (file, damaged) = File::create(directory)?;
        let cache = Self::with(Some(file), options);
        if damaged {
            cache.complain_of_damage(&directory.join(file::NAME));
        }
        Ok(cache)
    }

    /// The same, or [`Cache::none`] and a complaint.
    pub fn open_or_none(directory: &Path, options: CacheOptions) -> Self {
        Self::open(directory, options).unwrap_or_else(|error| {
            let cache = Self::none();
            cache.complain(error.line());
            cache
        })
    }

    /// A cache that holds nothing and remembers nothing.
    pub fn none() -> Self {
        Self::with(None, CacheOptions::on(0))
    }

    fn with(file: Option<File>, options: CacheOptions) -> Self {
        let inner = Inner {
            file,
            changes: BTreeMap::new(),
            weighty: 0,
            writable: true,
        };
        Self {
            options,
            state: Mutex::new(inner),
            complaint: OnceLock::new(),
        }
    }

    /// The first thing that went wrong with the cache, in one line, for a warning.
    pub fn complaint(&self) -> Option<&str> {
        self.complaint.get().map(String::as_str)
    }

    /// Returns what a layer is, by what it is made of.
    pub fn plain(&self, key: &LayerKey) -> Option<Plain> {
        self.get(Id::plain(key.digest()))
    }

    /// Remembers what a layer is.
    pub fn remember_plain(&self, key: &LayerKey, plain: &Plain) {
        self.put([(Id::plain(key.digest()), plain)]);
    }

    /// Forgets what a layer is, because it turned out to be something else.
    pub fn forget_plain(&self, key: &LayerKey) {
        self.forget(Id::plain(key.digest()));
    }

    /// Returns what a layer is compressed to. `setting` names library, version, level and whatever
    /// else makes the bytes others.
    pub fn blob(&self, diff_id: Digest, setting: &str) -> Option<Stored> {
        self.get(Id::blob(diff_id, setting))
    }

    /// Remembers what a layer is compressed to.
    pub fn remember_blob(&self, diff_id: Digest, setting: &str, stored: &Stored) {
        self.put([(Id::blob(diff_id, setting), stored)]);
    }

    /// Forgets what a layer is compressed to, because it turned out to be something else.
    pub fn forget_blob(&self, diff_id: Digest, setting: &str) {
        self.forget(Id::blob(diff_id, setting));
    }

    /// The repositories of a registry that had a blob, the one that was seen last first: at
    /// most [`LOCATIONS`]. It may be there no more.
    pub fn locations(&self, registry: &str, digest: Digest) -> Vec<String> {
        self.get(Id::location(registry, digest)).unwrap_or_default()
    }

    /// Remembers that a repository of a registry has a blob.
    pub fn remember_location(&self, registry: &str, repository: &str, digest: Digest) {
        let mut names = self.locations(registry, digest);
        if names.first().is_some_and(|first| first == repository) {
            return;
        }
        names.retain(|name| name != repository);
        names.insert(0, repository.to_owned());
        names.truncate(LOCATIONS);
        self.put([(Id::location(registry, digest), &names)]);
    }

    /// Forgets that a repository of a registry has a blob.
    pub fn forget_location(&self, registry: &str, repository: &str, digest: Digest) {
        let mut names = self.locations(registry, digest);
        let count = names.len();
        names.retain(|name| name != repository);
        if names.is_empty() {
            self.forget(Id::location(registry, digest));
        } else if names.len() < count {
            self.put([(Id::location(registry, digest), &names)]);
        }
    }

    /// Small facts about what never changes, one for each key, none where it is not known.
    /// `kind` tells facts of different parts and versions apart.
    pub fn facts(&self, kind: &str, keys: &[Digest]) -> Vec<Option<String>> {
        let ids: Vec<Id> = keys.iter().map(|key| Id::fact(kind, *key)).collect();
        self.get_all(&ids)
    }

    /// Remembers facts. One longer than [`LONGEST`] is not kept.
    pub fn remember_facts(&self, kind: &str, facts: &[(Digest, String)]) {
        self.put(facts.iter().map(|(key, fact)| (Id::fact(kind, *key), fact)));
    }

    /// Notes that entries were found that cannot all be right.
    pub(crate) fn contradicts_itself(&self) {
        let path = self
            .lock()
            .file
            .as_ref()
            .map(|file| file.path().display().to_string())
            .unwrap_or_default();
        self.complain(format!(
            "the layer cache `{path}` has entries that contradict each other; they are ignored"
        ));
    }

    /// Takes note that a layer is not what an entry says.
    pub(crate) fn was_wrong(&self) {
        self.complain("a layer was not what its entry said; the entry is replaced".to_owned());
    }

    /// Returns whether there is one: without, nothing is known or remembered.
    pub(crate) fn is_there(&self) -> bool {
        self.lock().file.is_some()
    }

    /// Returns whether everything that it says of layers is to be checked.
    pub fn checks_all(&self) -> bool {
        self.options.check_all
    }

    /// Writes what is not written yet.
    pub fn flush(&self) {
        self.write(&mut self.lock());
    }

    /// Returns what is in the cache.
    ///
    /// # Errors
    ///
    /// A database that cannot be read.
    pub fn info(&self) -> Result<Info, Error> {
        let mut inner = self.lock();
        self.write(&mut inner);
        inner
            .file
            .as_ref()
            .map_or_else(|| Ok(Info::empty(Path::new(""))), report::of)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing is left half changed by a panic that matters to a cache.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get<T: Value>(&self, id: Id) -> Option<T> {
        self.get_all(&[id]).pop().flatten()
    }

    fn get_all<T: Value>(&self, ids: &[Id]) -> Vec<Option<T>> {
        let mut inner = self.lock();
        let Some(file) = &inner.file else {
            return ids.iter().map(|_| None).collect();
        };
        let found = match file.get(ids) {
            Ok(found) => found,
            Err(error) => {
                self.failed(&mut inner, error);
                return ids.iter().map(|_| None).collect();
            }
        };
        let values = ids
            .iter()
            .zip(found)
            .map(|(id, found)| self.value(&mut inner, *id, found))
            .collect();
        if inner.changes.len() - inner.weighty >= MARKS {
            self.write(&mut inner);
        }
        values
    }

    /// The value of what was found, if it is right and nothing else is about to be written.
    fn value<T: Value>(&self, inner: &mut Inner, id: Id, found: Lookup) -> Option<T> {
        match inner.changes.get(&id) {
            Some(RowChange::Put(value)) => return T::decode(value),
            Some(RowChange::Remove) => return None,
            Some(RowChange::Touch) | None => {}
        }
        let (value, used) = match found {
            Lookup::Nothing => return None,
            Lookup::Wrong => (None, 0),
            Lookup::Value(bytes, used) => (T::decode(&bytes), used),
        };
        if value.is_none() {
            let path = inner
                .file
                .as_ref()
                .map(|file| file.path().display().to_string())
                .unwrap_or_default();
            self.complain(format!(
                "the layer cache `{path}` has entries that were altered; they are ignored"
            ));
            inner.change(id, RowChange::Remove);
        } else if used != self.options.now_days {
            inner.change(id, RowChange::Touch);
        }
        value
    }

    fn put<'v, T: Value + 'v>(&self, values: impl IntoIterator<Item = (Id, &'v T)>) {
        let mut inner = self.lock();
        if inner.file.is_none() || !inner.writable {
            return;
        }
        for (id, value) in values {
            let value = value.encode();
            if value.len() <= LONGEST {
                inner.change(id, RowChange::Put(value));
            }
        }
        if inner.weighty >= BATCH {
            self.write(&mut inner);
        }
    }

    fn forget(&self, id: Id) {
        let mut inner = self.lock();
        if inner.file.is_some() {
            // Even where it cannot be written, it is not to be found again in this run.
            inner.change(id, RowChange::Remove);
        }
    }

    /// Writes all changes in one transaction.
    fn write(&self, inner: &mut Inner) {
        let Some(file) = &inner.file else { return };
        if inner.changes.is_empty() || !inner.writable {
            return;
        }
        // Marks are not worth waiting for, nor a complaint where they cannot be made.
        let marks_only = inner.weighty == 0;
        if marks_only {
            file.wait_for(LITTLE_PATIENCE);
        }
        let CacheOptions {
            now_days,
            max_rows,
            max_bytes,
            ..
        } = self.options;
        let written = file.change(inner.changes.iter(), now_days, max_rows, max_bytes);
        if marks_only {
            file.wait_for(file::PATIENCE);
        }
        match written {
            Ok(()) => inner.forget_changes(),
            Err(error) if is_damage(&error) => self.failed(inner, error),
            Err(_) if marks_only => inner.forget_changes(),
            Err(error) => {
                self.complain(
                    Error::Database {
                        path: file.path().to_owned(),
                        reason: error,
                    }
                    .line(),
                );
                // What was taken back stays so for this run.
                inner.writable = false;
            }
        }
    }

    /// Deals with a database that refuses: a damaged one is begun again, and without
    /// any other the run goes on.
    fn failed(&self, inner: &mut Inner, error: rusqlite::Error) {
        let Some(file) = inner.file.take() else {
            return;
        };
        let path = file.path().to_owned();
        if !is_damage(&error) {
            self.complain(
                Error::Database {
                    path,
                    reason: error,
                }
                .line(),
            );
        } else {
            self.complain_of_damage(&path);
            // What is being done when it fails is lost with the rest.
            inner.forget_changes();
            inner.file = file.reset().is_ok().then_some(file);
        }
    }

    fn complain(&self, text: String) {
        // Only the first counts.
        let _ = self.complaint.set(text);
    }

    fn complain_of_damage(&self, path: &Path) {
        self.complain(format!(
            "the layer cache `{}` was damaged and is recreated",
            path.display()
        ));
    }
}

impl Inner {
    fn change(&mut self, id: Id, change: RowChange) {
        let weighs = |change: &RowChange| usize::from(*change != RowChange::Touch);
        self.weighty += weighs(&change);
        if let Some(before) = self.changes.insert(id, change) {
            self.weighty -= weighs(&before);
        }
    }

    fn forget_changes(&mut self) {
        self.changes.clear();
        self.weighty = 0;
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.flush();
    }
}
