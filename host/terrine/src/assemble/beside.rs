//! Layers on their way into an archive: listed ahead of it, and some of them hashed beside it.
//!
//! The bytes of an archive leave one after the other, which leaves processors idle. So layers of large files are hashed
//! beside the archive, several at once, the layer that leaves and those after it. Both read these files: the
//! archive moves them to its output without looking at them, and the hash reads them. [`Stamps`] tell of a file that changes in
//! between. The archive itself hashes layers of small files, which are costly to open, and those whose files may change.
//!
//! A layer that the cache knows need not be hashed. Because a cache may be wrong, one of [`SAMPLE`] is hashed all the same,
//! which one nobody can tell, and if it is not what the cache says, all others are.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use terrine_oci::Digest;

use super::Error;
use crate::cache::{Cache, LayerKey, Plain, agreed};
use crate::layer::{self, Entries, Measure, NewLayer, StorePath};
use crate::pipe::{Stamps, here};

/// Of so many layers that the cache knows, one is hashed.
const SAMPLE: u64 = 16;
/// The size of a layer for each of its files, in bytes, from which on the layer is hashed beside the archive. To open and read
/// smaller files twice takes longer than what is saved.
const WORTHWHILE: u64 = 128 << 10;
/// The most layers that are listed and not yet written.
const LAYERS: usize = 8;
/// The most bytes of layers that are hashed ahead of the archive. With a reader that is slow, more than that would be gone
/// from memory before it is written.
const BYTES: u64 = 1 << 30;
/// The number of threads that hash for each processor: two streams are hashed by one thread while others read.
const THREADS: usize = 2;
/// The most threads that hash. More than so many streams come out of no pipe.
const MOST_THREADS: usize = 8;

/// Layers, listed ahead of the archive that they are written to, and hashed beside it.
pub(super) struct Beside<'l> {
    parts: Vec<Part<'l>>,
    cache: &'l Cache,
    /// True if the output takes bytes of files that nobody reads.
    moves_files: bool,
    state: Mutex<State<'l>>,
    changed: Condvar,
    /// True when the archive cannot be completed any more.
    stop: AtomicBool,
    /// True when the cache has turned out to be wrong.
    is_cache_wrong: AtomicBool,
}

/// A layer, and what is known of it before it is read.
struct Part<'l> {
    layer: &'l dyn NewLayer,
    key: Option<LayerKey>,
    plain: Option<Plain>,
}

/// A layer whose entries are known.
pub(super) struct Listed<'l> {
    pub(super) entries: Box<dyn Entries + 'l>,
    pub(super) hashed: Hashed,
}

/// The way to the digest of a layer.
#[derive(Debug, Clone)]
pub(super) enum Hashed {
    /// The archive hashes what it writes.
    InArchive,
    /// Another pass over the files does, which compares their stamps with those of the archive's.
    Beside(Arc<Stamps>),
    /// Nobody does: the cache knows it.
    Known(Digest),
}

struct State<'l> {
    /// The number of layers that are in the archive.
    written: usize,
    /// The layers that are listed, and not yet asked for.
    listed: Vec<Option<Arc<Listed<'l>>>>,
    /// The layers that are to be hashed beside the archive: their numbers, in order.
    to_hash: VecDeque<(usize, Arc<Listed<'l>>)>,
    /// The sizes of layers that were begun to be hashed and are not in the archive, in bytes, by number.
    ahead: BTreeMap<usize, u64>,
    /// The number of layers that are to be hashed and are not yet.
    unhashed: usize,
    /// True when all layers are listed.
    is_listed: bool,
    /// The digests of layers that are not hashed in the archive.
    digests: Vec<Option<Digest>>,
    failure: Option<Error>,
}

/// Ends the threads when it is dropped.
pub(super) struct Stopping<'b, 'l>(&'b Beside<'l>);

impl Drop for Stopping<'_, '_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
        // So that nobody goes to sleep in between.
        drop(self.0.lock());
        self.0.changed.notify_all();
    }
}

impl<'l> Beside<'l> {
    /// Prepares to list `layers`, and, if the output takes bytes of files that nobody reads, to hash some.
    ///
    /// # Errors
    ///
    /// A store path that is missing.
    pub(super) fn new(
        layers: &'l [Box<dyn NewLayer + 'l>],
        cache: &'l Cache,
        moves_files: bool,
    ) -> Result<Self, layer::Error> {
        let parts = layers.iter().map(|layer| Part::new(layer.as_ref(), cache));
        let parts: Vec<Part<'l>> = parts.collect::<Result<_, _>>()?;
        let state = State {
            written: 0,
            listed: parts.iter().map(|_| None).collect(),
            to_hash: VecDeque::new(),
            ahead: BTreeMap::new(),
            unhashed: 0,
            is_listed: false,
            digests: vec![None; parts.len()],
            failure: None,
        };
        Ok(Self {
            parts,
            cache,
            moves_files,
            state: Mutex::new(state),
            changed: Condvar::new(),
            stop: AtomicBool::new(false),
            is_cache_wrong: AtomicBool::new(false),
        })
    }

    /// Starts the threads, which end when what this returns is dropped.
    pub(super) fn start<'s>(&'s self, scope: &'s thread::Scope<'s, '_>) -> Stopping<'s, 'l> {
        scope.spawn(|| self.until_failure(Self::list));
        if self.moves_files && self.parts.iter().any(|part| part.layer.is_immutable()) {
            let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
            for _ in 0..(THREADS * processors).min(MOST_THREADS) {
                scope.spawn(|| self.until_failure(Self::hash_all));
            }
        }
        Stopping(self)
    }

    /// Returns a layer as soon as it is listed. Each is asked for once, in order.
    ///
    /// # Errors
    ///
    /// A failure to list or to hash one of the layers.
    pub(super) fn listed(&self, number: usize) -> Result<Arc<Listed<'l>>, Error> {
        let mut state = self.lock();
        loop {
            if let Some(failure) = state.failure.take() {
                return Err(failure);
            }
            if let Some(listed) = state.listed[number].take() {
                return Ok(listed);
            }
            state = self.wait(state);
        }
    }

    /// Takes note that the archive has a layer.
    pub(super) fn written(&self) {
        let mut state = self.lock();
        let number = state.written;
        state.written += 1;
        state.ahead.remove(&number);
        drop(state);
        self.changed.notify_all();
    }

    /// Takes note of the digest of a layer that was hashed in the archive.
    pub(super) fn found(&self, number: usize, plain: Plain) {
        let part = &self.parts[number];
        let Some(key) = &part.key else {
            return;
        };
        if part.plain.is_some_and(|known| known != plain) {
            self.is_cache_wrong.store(true, Ordering::Relaxed);
            self.cache.was_wrong();
        }
        agreed::remember_plain(self.cache, key, names(part.layer), &plain);
    }

    /// Returns the digests of the layers that were not hashed in the archive, by number.
    ///
    /// # Errors
    ///
    /// A failure to hash one of them.
    pub(super) fn digests(&self) -> Result<Vec<Option<Digest>>, Error> {
        let mut state = self.lock();
        while state.failure.is_none() && state.unhashed > 0 {
            state = self.wait(state);
        }
        if let Some(failure) = state.failure.take() {
            return Err(failure);
        }
        let digests = std::mem::take(&mut state.digests);
        drop(state);
        if self.is_cache_wrong.load(Ordering::Relaxed) {
            return self.all_again(&digests);
        }
        Ok(digests)
    }

    /// Hashes all layers of which only the cache has a digest, because it was wrong about another.
    fn all_again(&self, digests: &[Option<Digest>]) -> Result<Vec<Option<Digest>>, Error> {
        let again = |(number, digest): (usize, &Option<Digest>)| match digest {
            Some(_) if self.parts[number].plain.is_some() => {
                let entries = self.parts[number].layer.entries()?;
                self.hash(number, entries.as_ref(), None).map(Some)
            }
            digest => Ok(*digest),
        };
        digests.iter().enumerate().map(again).collect()
    }

    /// Does some work, and keeps its failure for the archive.
    fn until_failure(&self, work: impl Fn(&Self) -> Result<(), Error>) {
        let Err(failure) = work(self) else {
            return;
        };
        let mut state = self.lock();
        // A layer that was given up because of the archive's own failure says nothing.
        if !self.stop.swap(true, Ordering::Relaxed) {
            state.failure = Some(failure);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Lists one layer after the other, ahead of the archive, and not too far, or memory would grow with the image.
    fn list(&self) -> Result<(), Error> {
        let most = if self.moves_files { LAYERS } else { 2 };
        for number in 0..self.parts.len() {
            let mut state = self.lock();
            while number >= state.written + most && !self.is_stopped() {
                state = self.wait(state);
            }
            drop(state);
            // The archive lists the last ones when all others are there.
            if self.is_stopped() || self.parts[number].layer.comes_last() {
                break;
            }
            let entries = self.parts[number].layer.entries()?;
            let hashed = self.way(number, entries.as_ref());
            self.add(number, Arc::new(Listed { entries, hashed }));
        }
        self.lock().is_listed = true;
        self.changed.notify_all();
        Ok(())
    }

    fn add(&self, number: usize, listed: Arc<Listed<'l>>) {
        let mut state = self.lock();
        match &listed.hashed {
            Hashed::InArchive => {}
            Hashed::Beside(_) => {
                state.unhashed += 1;
                state.to_hash.push_back((number, Arc::clone(&listed)));
            }
            Hashed::Known(digest) => state.digests[number] = Some(*digest),
        }
        state.listed[number] = Some(listed);
        drop(state);
        self.changed.notify_all();
    }

    /// Returns the way to the digest of a layer.
    fn way(&self, number: usize, entries: &dyn Entries) -> Hashed {
        let part = &self.parts[number];
        if !self.moves_files || !part.layer.is_immutable() {
            return Hashed::InArchive;
        }
        let Measure { size, files, .. } = entries.measure();
        match part.plain {
            Some(plain) if plain.size == size && !self.doubts(number) => {
                Hashed::Known(plain.diff_id)
            }
            _ if size / files.max(1) >= WORTHWHILE => Hashed::Beside(Arc::default()),
            _ => Hashed::InArchive,
        }
    }

    /// Hashes one layer after the other: the body of the other threads.
    fn hash_all(&self) -> Result<(), Error> {
        while let Some((number, listed)) = self.next() {
            let Hashed::Beside(stamps) = &listed.hashed else {
                continue;
            };
            let digest = self.hash(number, listed.entries.as_ref(), Some(Arc::clone(stamps)))?;
            let mut state = self.lock();
            state.digests[number] = Some(digest);
            state.unhashed -= 1;
            drop(state);
            self.changed.notify_all();
        }
        Ok(())
    }

    /// Returns the next layer to hash, when its turn has come.
    fn next(&self) -> Option<(usize, Arc<Listed<'l>>)> {
        let mut state = self.lock();
        loop {
            if self.is_stopped() || (state.is_listed && state.to_hash.is_empty()) {
                return None;
            }
            if let Some((number, listed)) = state.to_hash.front()
                && (*number <= state.written || state.ahead.values().sum::<u64>() < BYTES)
            {
                let (number, size) = (*number, listed.entries.measure().size);
                if number >= state.written {
                    state.ahead.insert(number, size);
                }
                return state.to_hash.pop_front();
            }
            state = self.wait(state);
        }
    }

    /// Returns whether a layer is hashed although the cache knows it.
    fn doubts(&self, number: usize) -> bool {
        self.cache.checks_all()
            || self.is_cache_wrong.load(Ordering::Relaxed)
            || RandomState::new().hash_one(number).is_multiple_of(SAMPLE)
    }

    /// Hashes a layer.
    fn hash(
        &self,
        number: usize,
        entries: &dyn Entries,
        stamps: Option<Arc<Stamps>>,
    ) -> Result<Digest, Error> {
        let digests = here(io::sink(), &(), &self.stop, |feeder| {
            feeder.compare(stamps);
            feeder.begin_hash()?;
            layer::feed(feeder, entries)?;
            feeder.end_hash()?;
            Ok::<_, Error>(feeder.digests()?)
        })?;
        let diff_id = digests.first().copied().unwrap_or_else(|| Digest::of(b""));
        let size = entries.measure().size;
        self.parts[number].layer.verify(diff_id)?;
        self.found(number, Plain { diff_id, size });
        Ok(diff_id)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State<'l>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'g>(&self, state: MutexGuard<'g, State<'l>>) -> MutexGuard<'g, State<'l>> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'l> Part<'l> {
    fn new(layer: &'l dyn NewLayer, cache: &Cache) -> Result<Self, layer::Error> {
        let key = if cache.is_there() && layer.is_immutable() {
            layer.key(false)?
        } else {
            None
        };
        let plain = key.as_ref();
        let plain = plain.and_then(|key| agreed::plain(cache, key, names(layer)));
        Ok(Self { layer, key, plain })
    }
}

/// Returns the names of the store paths in a layer.
fn names(layer: &dyn NewLayer) -> impl Iterator<Item = &str> {
    layer.store_paths().iter().map(StorePath::as_str)
}

#[cfg(test)]
mod tests;
