//! Store paths out of binary caches: those of an image that this machine does not have.
//!
//! A store path that is not here is known by its narinfo. What else is needed of it is fetched
//! when somebody asks for it, and once:
//!
//! | what | where it is from | module |
//! |---|---|---|
//! | name, size, references, NAR hash | the narinfo | here |
//! | directories, links, names and sizes of files | the listing, or the NAR where there is none | `outline` |
//! | the files themselves, on disk | the NAR | `unpack` |
//! | the files themselves, as they pass by | the NAR | [`Substitutes::nar`], `read_ahead` |
//!
//! Outlines and files lie in a folder for temporary files, which stands for the store directory
//! and goes when this is dropped.

mod disk;
mod error;
mod outline;
mod read_ahead;
mod unpack;
mod warnings;

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use rustix::fs::{Mode, OFlags, open};
use tempfile::TempDir;
use terrine_binary_cache::{BinaryCaches, Found, Listing, NarError, NarInfo, NarKind, NarStream};
use terrine_support::beneath::SEARCH;

pub use error::Error;
pub(crate) use read_ahead::{Closing, ReadAhead};
pub use warnings::Warnings;

/// Returns whether a path, directly in the store, is on this machine.
pub type IsLocal = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// Binary caches, and the store paths that come from them.
pub struct Substitutes {
    caches: BinaryCaches,
    store_dir: String,
    is_local: IsLocal,
    /// The folder that stands for `/`.
    scratch: TempDir,
    /// The store directory in it.
    store: OwnedFd,
    /// All paths that were asked for; none for those of this machine, and those that no cache has.
    known: RwLock<BTreeMap<String, Option<Arc<Substitute>>>>,
    warnings: Arc<Warnings>,
}

/// A store path out of a binary cache.
#[derive(Debug)]
pub struct Substitute {
    found: Found,
    presence: Mutex<Presence>,
    listing: OnceLock<Option<Listing>>,
}

/// The part of a store path that is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Presence {
    Absent,
    /// Everything but the content of its files.
    Outline,
    Whole,
}

impl Substitute {
    /// Returns what the cache says of the path.
    pub fn info(&self) -> &NarInfo {
        &self.found.info
    }

    fn path(&self) -> &str {
        &self.found.info.store_path
    }

    /// Returns whether the path's files are on disk.
    pub(crate) fn is_whole(&self) -> bool {
        *self.presence.lock().unwrap_or_else(PoisonError::into_inner) == Presence::Whole
    }
}

impl Substitutes {
    /// Takes what `is_local` does not have out of caches. Temporary files lie below `temporary`. Failures
    /// that do not end a build are added to `warnings`.
    ///
    /// # Errors
    ///
    /// A folder for temporary files that cannot be made.
    pub fn new(
        caches: BinaryCaches,
        store_dir: &str,
        temporary: &Path,
        is_local: IsLocal,
        warnings: Arc<Warnings>,
    ) -> Result<Self, Error> {
        let failed = |source| Error::Scratch {
            path: temporary.to_owned(),
            source,
        };
        let scratch = tempfile::Builder::new()
            .prefix("terrine-store-")
            .tempdir_in(temporary)
            .map_err(failed)?;
        let directory = scratch.path().join(store_dir.trim_start_matches('/'));
        fs::create_dir_all(&directory).map_err(failed)?;
        let flags = SEARCH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let store = open(&directory, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
        Ok(Self {
            caches,
            store_dir: store_dir.to_owned(),
            is_local,
            scratch,
            store,
            known: RwLock::default(),
            warnings,
        })
    }

    /// Returns a path, directly in the store, if it comes from a cache: none if this machine has it,
    /// or no cache does.
    ///
    /// # Errors
    ///
    /// A cache that cannot be asked, and one that is not to be trusted.
    pub fn get(&self, path: &str) -> Result<Option<Arc<Substitute>>, Error> {
        if let Some(known) = self.remembered(path) {
            return Ok(known);
        }
        let found = if (self.is_local)(path) {
            None
        } else {
            self.caches.find(path)?
        };
        Ok(self.remember(path, found))
    }

    /// Returns a path, directly in the store, that has to be somewhere: none if this machine has it.
    ///
    /// # Errors
    ///
    /// A path that no cache has either, and as [`Substitutes::get`].
    pub fn require(&self, path: &str) -> Result<Option<Arc<Substitute>>, Error> {
        match self.get(path)? {
            Some(substitute) => Ok(Some(substitute)),
            None if self.is_local(path) => Ok(None),
            None => Err(Error::Nowhere {
                path: path.to_owned(),
                caches: self.names(),
            }),
        }
    }

    /// Returns everything that some paths reach and that comes from caches, the paths themselves
    /// included. What this machine has is not followed: its store knows the closures of its paths.
    ///
    /// # Errors
    ///
    /// A path that nobody has, and as [`Substitutes::get`].
    pub fn closure(&self, roots: &[String]) -> Result<Vec<Arc<Substitute>>, Error> {
        let found = self.caches.closure(roots, &*self.is_local)?;
        let all = found
            .into_iter()
            .filter_map(|(path, found)| self.remember(&path, Some(found)));
        Ok(all.collect())
    }

    /// The locations of the caches.
    fn names(&self) -> Vec<String> {
        let locations = (0..).map_while(|number| self.caches.location(number));
        locations.map(ToString::to_string).collect()
    }

    /// The location of the cache that has a path.
    pub(crate) fn cache(&self, substitute: &Substitute) -> String {
        let location = self.caches.location(substitute.found.cache);
        location.map(ToString::to_string).unwrap_or_default()
    }

    /// The error of a path's NAR.
    pub(crate) fn broken(&self, substitute: &Substitute, source: NarError) -> Error {
        Error::Nar {
            path: substitute.path().to_owned(),
            cache: self.cache(substitute),
            source,
        }
    }

    /// Returns the failures that do not end a build.
    pub fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    /// Returns whether this machine has a path, directly in the store.
    pub fn is_local(&self, path: &str) -> bool {
        (self.is_local)(path)
    }

    /// Returns the caches.
    pub fn caches(&self) -> &BinaryCaches {
        &self.caches
    }

    /// Returns the answer for a path that was asked for before.
    fn remembered(&self, path: &str) -> Option<Option<Arc<Substitute>>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(path).cloned()
    }

    fn remember(&self, path: &str, found: Option<Found>) -> Option<Arc<Substitute>> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let substitute = || {
            found.map(|found| {
                Arc::new(Substitute {
                    found,
                    presence: Mutex::new(Presence::Absent),
                    listing: OnceLock::new(),
                })
            })
        };
        // The first one may have been fetched already.
        known
            .entry(path.to_owned())
            .or_insert_with(substitute)
            .clone()
    }

    /// The directory that stands for `/`.
    pub(crate) fn root(&self) -> &Path {
        self.scratch.path()
    }

    /// The directory that stands for the store directory.
    pub(crate) fn directory(&self) -> BorrowedFd<'_> {
        self.store.as_fd()
    }

    /// Returns the listing of a path; none if its cache has no listings.
    ///
    /// # Errors
    ///
    /// A cache that cannot be asked, and a listing that is none.
    pub(crate) fn listing<'s>(
        &self,
        substitute: &'s Substitute,
    ) -> Result<Option<&'s Listing>, Error> {
        if let Some(listing) = substitute.listing.get() {
            return Ok(listing.as_ref());
        }
        let listing = self.caches.listing(&substitute.found)?;
        let parsed = listing
            .map(|text| {
                let listing = Listing::parse(&text).map_err(|source| Error::Listing {
                    path: substitute.path().to_owned(),
                    cache: self.cache(substitute),
                    source,
                })?;
                self.check_size(substitute, &listing)?;
                Ok::<_, Error>(listing)
            })
            .transpose()?;
        Ok(substitute.listing.get_or_init(|| parsed).as_ref())
    }

    /// Checks that the files of a listing fit into the NAR, before files of their sizes are made.
    fn check_size(&self, substitute: &Substitute, listing: &Listing) -> Result<(), Error> {
        let sizes = listing.entries().map(|entry| match entry.kind {
            NarKind::Regular { size, .. } => size,
            NarKind::Directory | NarKind::Symlink { .. } => 0,
        });
        let size = sizes.fold(0, u64::saturating_add);
        let nar_size = substitute.info().nar_size;
        if size <= nar_size {
            return Ok(());
        }
        Err(Error::ListingSize {
            path: substitute.path().to_owned(),
            cache: self.cache(substitute),
            size,
            nar_size,
        })
    }

    /// Returns the listing of a path, if somebody asked for it.
    pub(crate) fn known_listing<'s>(&self, substitute: &'s Substitute) -> Option<&'s Listing> {
        substitute.listing.get()?.as_ref()
    }

    /// Puts what is known of a path without its files on disk, and all of it where that is not known.
    ///
    /// # Errors
    ///
    /// As [`Substitutes::fetch`] and [`Substitutes::get`].
    pub(crate) fn outline(&self, substitute: &Substitute) -> Result<(), Error> {
        let mut presence = lock(&substitute.presence);
        if *presence >= Presence::Outline {
            return Ok(());
        }
        *presence = match self.listing(substitute)? {
            Some(listing) => {
                outline::write(&self.place(substitute), listing)?;
                Presence::Outline
            }
            None => {
                self.unpack(substitute)?;
                Presence::Whole
            }
        };
        Ok(())
    }

    /// Puts what is known of a path without its files on disk, unless its NAR would have to be fetched for that.
    /// Returns whether it is there.
    ///
    /// # Errors
    ///
    /// As [`Substitutes::get`], and a disk that is full.
    fn outline_of_listing(&self, substitute: &Substitute) -> Result<bool, Error> {
        if *lock(&substitute.presence) >= Presence::Outline {
            return Ok(true);
        }
        if self.listing(substitute)?.is_none() {
            return Ok(false);
        }
        self.outline(substitute)?;
        Ok(true)
    }

    /// Returns a path, directly in the store, whose outline is on disk: none if it comes from elsewhere, cannot be had,
    /// or only its NAR tells what is in it. A failure is reported as a warning, and not tried again.
    pub(crate) fn outlined(&self, path: &str) -> Option<Arc<Substitute>> {
        match self.remembered(path) {
            Some(None) => return None,
            Some(Some(found)) if *lock(&found.presence) >= Presence::Outline => return Some(found),
            _ if self.warnings.has_failed(path) => return None,
            _ => {}
        }
        let outlined = || {
            let found = self.get(path)?;
            Ok(match found {
                Some(found) if self.outline_of_listing(&found)? => Some(found),
                _ => None,
            })
        };
        outlined().unwrap_or_else(|error| {
            self.warnings.look_up(path, &error);
            None
        })
    }

    /// Puts all of a path on disk.
    ///
    /// # Errors
    ///
    /// A NAR that cannot be had or is not what the narinfo says, and a disk that is full.
    pub(crate) fn fetch(&self, substitute: &Substitute) -> Result<(), Error> {
        let mut presence = lock(&substitute.presence);
        if *presence == Presence::Whole {
            return Ok(());
        }
        self.unpack(substitute)?;
        *presence = Presence::Whole;
        Ok(())
    }

    /// Begins to read the NAR of a path.
    ///
    /// # Errors
    ///
    /// A cache that cannot be asked, or that has the narinfo alone.
    pub(crate) fn nar(&self, substitute: &Substitute) -> Result<NarStream, Error> {
        Ok(self.caches.nar(&substitute.found)?)
    }

    fn unpack(&self, substitute: &Substitute) -> Result<(), Error> {
        let place = self.place(substitute);
        // What is not whole never has the path's name.
        let unfinished = self.scratch.path().join(unpack::UNFINISHED);
        let unfinished = tempfile::Builder::new()
            .prefix(unpack::UNFINISHED)
            .tempdir_in(self.scratch.path())
            .map_err(|source| Error::Write {
                path: unfinished,
                source,
            })?;
        let top = unfinished.path().join("top");
        let failed = |source| self.broken(substitute, source);
        unpack::unpack(self.nar(substitute)?, &top, &failed)?;
        disk::replace(&top, &place)
    }

    fn place(&self, substitute: &Substitute) -> PathBuf {
        let path = substitute.path().trim_start_matches('/');
        self.scratch.path().join(path)
    }
}

fn lock(presence: &Mutex<Presence>) -> std::sync::MutexGuard<'_, Presence> {
    presence.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Nobody but the superuser can remove what is in a directory that cannot be written to.
impl Drop for Substitutes {
    fn drop(&mut self) {
        disk::make_removable(self.scratch.path());
    }
}

impl std::fmt::Debug for Substitutes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Substitutes")
            .field("store_dir", &self.store_dir)
            .field("scratch", &self.scratch)
            .finish_non_exhaustive()
    }
}
