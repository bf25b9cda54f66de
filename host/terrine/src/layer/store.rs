//! The places of store paths, in the image and on this machine.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, open};
use rustix::io::Errno;

use super::{Error, Given, Selection};
use crate::beneath::{Found, SEARCH, open_beneath};
use crate::links::Walk;
use crate::substitute::{Substitute, Substitutes};

/// A directory of store paths: `/nix/store`, `/gnu/store`, or one of these below
/// another root, as Nix's chroot stores lie.
#[derive(Debug, Clone)]
pub struct Store {
    dir: String,
    root: PathBuf,
    /// The store's directory on this machine; none if there is none, which is as good
    /// as an empty one.
    handle: Option<Arc<OwnedFd>>,
    /// Directories that lie elsewhere on this machine, by their paths in the image.
    grafts: BTreeMap<String, Graft>,
    /// The source of paths that this machine does not have.
    substitutes: Option<Arc<Substitutes>>,
}

/// A directory that is a store path in the image and lies elsewhere on this machine.
#[derive(Debug, Clone)]
struct Graft {
    place: PathBuf,
    handle: Arc<OwnedFd>,
    selection: Arc<Selection>,
    given: Given,
}

impl Store {
    /// Opens the store that is `dir` in the image and `root` + `dir` on this machine.
    ///
    /// # Errors
    ///
    /// A `dir` that is not an absolute path in its plainest form, and a `root` that
    /// cannot be opened.
    pub fn open(dir: &str, root: &Path) -> Result<Self, StorePathError> {
        let plain = normalise(dir).ok_or_else(|| StorePathError::NotAbsolute(dir.to_owned()))?;
        let failed = |source| StorePathError::Root {
            root: root.to_owned(),
            source,
        };
        if !fs::metadata(root).map_err(failed)?.is_dir() {
            return Err(failed(io::ErrorKind::NotADirectory.into()));
        }
        let path = root.join(plain.trim_start_matches('/'));
        let flags = SEARCH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = match open(&path, flags, Mode::empty()) {
            Ok(handle) => Some(Arc::new(handle)),
            Err(Errno::NOENT) => None,
            Err(errno) => {
                return Err(StorePathError::Root {
                    root: path,
                    source: errno.into(),
                });
            }
        };
        Ok(Self {
            dir: plain,
            root: root.to_owned(),
            handle,
            grafts: BTreeMap::new(),
            substitutes: None,
        })
    }

    /// Takes the paths that this machine does not have out of binary caches.
    pub fn substitute(&mut self, substitutes: Arc<Substitutes>) {
        self.substitutes = Some(substitutes);
    }

    /// Returns the source of paths that this machine does not have.
    pub fn substitutes(&self) -> Option<&Arc<Substitutes>> {
        self.substitutes.as_ref()
    }

    /// Returns what a binary cache has of the store path that a path is or lies in, if that comes from one.
    ///
    /// # Errors
    ///
    /// A cache that cannot be asked or used.
    pub fn substituted(&self, path: &StorePath) -> Result<Option<Arc<Substitute>>, Error> {
        match &self.substitutes {
            Some(substitutes) if !self.is_grafted(path) => {
                Ok(substitutes.get(self.top(path).as_str())?)
            }
            _ => Ok(None),
        }
    }

    /// Fetches a store path if it comes from a binary cache.
    ///
    /// # Errors
    ///
    /// A path that neither this machine nor a cache has, a cache that cannot be used, and a disk that is full.
    pub(crate) fn fetch(&self, path: &StorePath, what: Fetch) -> Result<(), Error> {
        let Some(substitutes) = &self.substitutes else {
            return Ok(());
        };
        if self.is_grafted(path) {
            return Ok(());
        }
        let Some(substitute) = substitutes.require(self.top(path).as_str())? else {
            return Ok(());
        };
        match what {
            Fetch::Outline => substitutes.outline(&substitute)?,
            Fetch::Whole => substitutes.fetch(&substitute)?,
        }
        Ok(())
    }

    /// The store's directory in the image, without a trailing slash; empty for `/`.
    pub fn dir(&self) -> &str {
        &self.dir
    }

    /// The directory that stands for `/` when store paths are looked for.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The store's own ancestors and itself, outermost first: `/nix`, `/nix/store`.
    pub fn ancestors(&self) -> impl Iterator<Item = &str> {
        self.dir
            .match_indices('/')
            .skip(1)
            .map(|(i, _)| &self.dir[..i])
            .chain((!self.dir.is_empty()).then_some(self.dir.as_str()))
    }

    /// Checks that a path lies in the store.
    ///
    /// # Errors
    ///
    /// A path that is not absolute, holds `..`, or lies elsewhere.
    pub fn path(&self, path: &str) -> Result<StorePath, StorePathError> {
        let plain = normalise(path).ok_or_else(|| StorePathError::NotAbsolute(path.to_owned()))?;
        match plain.strip_prefix(&self.dir) {
            Some(rest) if rest.starts_with('/') => Ok(StorePath(plain)),
            _ => Err(StorePathError::Outside {
                path: path.to_owned(),
                dir: self.dir.clone(),
            }),
        }
    }

    /// The store path that a path in the store is, or lies in: its first component.
    pub fn top(&self, path: &StorePath) -> StorePath {
        let below = &path.0[self.dir.len() + 1..];
        let end = below.find('/').unwrap_or(below.len());
        StorePath(path.0[..self.dir.len() + 1 + end].to_owned())
    }

    /// The path in the store that a path of this machine is, if it is one.
    pub fn within(&self, real: &Path) -> Option<StorePath> {
        let root = fs::canonicalize(&self.root).ok()?;
        let dir = fs::canonicalize(self.root.join(self.dir.trim_start_matches('/')))
            .unwrap_or_else(|_| root.join(self.dir.trim_start_matches('/')));
        let below = real.strip_prefix(dir).ok()?.to_str()?;
        self.path(&format!("{}/{below}", self.dir)).ok()
    }

    /// Makes what is selected of a directory of this machine, wherever that lies, the store path `name`.
    ///
    /// # Errors
    ///
    /// A `name` that is none, and a directory that cannot be opened.
    pub fn graft(
        &mut self,
        name: &str,
        place: &Path,
        selection: Selection,
        given: Given,
    ) -> Result<StorePath, StorePathError> {
        let path = self.path(&format!("{}/{name}", self.dir))?;
        let flags = SEARCH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle =
            open(place, flags, Mode::empty()).map_err(|errno| StorePathError::Directory {
                path: place.to_owned(),
                source: errno.into(),
            })?;
        self.grafts.insert(
            path.0.clone(),
            Graft {
                place: place.to_owned(),
                handle: Arc::new(handle),
                selection: Arc::new(selection),
                given,
            },
        );
        Ok(path)
    }

    /// Returns true if a store path lies elsewhere on this machine. Its name then says nothing
    /// about its content.
    pub fn is_grafted(&self, path: &StorePath) -> bool {
        self.grafts.contains_key(path.as_str())
    }

    /// Returns the words of the input for a store path that lies elsewhere on this machine.
    pub fn given(&self, path: &StorePath) -> Option<&Given> {
        Some(&self.grafts.get(path.as_str())?.given)
    }

    /// Takes from the entries of a directory what is not selected of it, and settles their permissions. Those of
    /// store paths stay as they are.
    pub(crate) fn select(&self, directory: &[u8], found: &mut Vec<Found>) {
        if let Some((graft, below)) = self.grafted(directory) {
            graft.selection.apply(below, found);
        }
    }

    /// Returns what a binary cache has of the store path that a path of the image lies in. Its outline is on this
    /// machine by then. None if the path comes from elsewhere, cannot be had, or only its NAR tells what is in it.
    fn fetched(&self, path: &[u8]) -> Option<(&Substitutes, Arc<Substitute>)> {
        let substitutes = self.substitutes.as_deref()?;
        let top = self.top_name(path)?;
        if self.grafts.contains_key(top) {
            return None;
        }
        Some((substitutes, substitutes.outlined(top)?))
    }

    /// The store path that a path of the image is or lies in.
    fn top_name<'a>(&self, path: &'a [u8]) -> Option<&'a str> {
        let below = path.strip_prefix(self.dir.as_bytes())?.strip_prefix(b"/")?;
        let end = below.iter().position(|&byte| byte == b'/');
        let length = path.len() - below.len() + end.unwrap_or(below.len());
        std::str::from_utf8(&path[..length]).ok()
    }

    /// Returns the extended attributes of a path, where it lies elsewhere on this machine. Store paths have none.
    pub(super) fn attributes(&self, path: &[u8]) -> &[(Vec<u8>, Vec<u8>)] {
        self.grafted(path)
            .map_or(&[], |(graft, below)| graft.selection.attributes(below))
    }

    /// Returns the permissions of an entry in the image, given those that it has on this machine.
    pub(crate) fn mode(&self, path: &[u8], kind: FileType, mode: u16) -> u16 {
        self.selection(path)
            .map_or(mode, |selection| selection.mode(kind, mode))
    }

    /// Returns how a path is selected, if it lies elsewhere on this machine.
    pub(super) fn selection(&self, path: &[u8]) -> Option<&Selection> {
        self.grafted(path).map(|(graft, _)| &*graft.selection)
    }

    /// Returns where an absolute path of the image is on this machine.
    pub fn locate(&self, path: &Path) -> PathBuf {
        match self.grafted(path.as_os_str().as_bytes()) {
            Some((graft, b"")) => graft.place.clone(),
            Some((graft, below)) => graft.place.join(OsStr::from_bytes(below)),
            None => {
                let fetched = self.fetched(path.as_os_str().as_bytes());
                let root = fetched.map_or(&*self.root, |(substitutes, _)| substitutes.root());
                root.join(path.strip_prefix("/").unwrap_or(path))
            }
        }
    }

    /// Returns true if a path is itself one that lies elsewhere on this machine.
    pub(super) fn grafted_path(&self, path: &[u8]) -> bool {
        self.grafted(path)
            .is_some_and(|(_, below)| below.is_empty())
    }

    /// The graft that a path of the image lies in, and its path below it.
    fn grafted<'a>(&self, path: &'a [u8]) -> Option<(&Graft, &'a [u8])> {
        if self.grafts.is_empty() {
            return None;
        }
        let top = self.top_name(path)?;
        let below = path.get(top.len() + 1..).unwrap_or_default();
        Some((self.grafts.get(top)?, below))
    }

    /// Returns where an absolute path of the image leads on this machine, links resolved as the
    /// image would: an absolute target starts at the root again. A path that leads nowhere
    /// is returned as far as it goes.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        let here = |at: &[u8]| {
            let fetched = self.fetched(at);
            let root = fetched.map_or(&*self.root, |(substitutes, _)| substitutes.root());
            root.join(OsStr::from_bytes(at.get(1..).unwrap_or_default()))
        };
        let mut walk = Walk::along(path.as_os_str().as_bytes());
        while let Some(at) = walk.step() {
            // How the store itself is reached is this machine's business.
            if Path::new(&self.dir).starts_with(OsStr::from_bytes(at)) {
                continue;
            }
            let Ok(target) = fs::read_link(here(at)) else {
                continue;
            };
            if walk.follow(target.as_os_str().as_bytes()).is_none() {
                break;
            }
        }
        here(walk.at())
    }

    /// The directory on this machine in which a path lies that is directly in the store.
    pub(super) fn handle(&self, path: &[u8]) -> Result<BorrowedFd<'_>, Errno> {
        match self.fetched(path) {
            Some((substitutes, _)) => Ok(substitutes.directory()),
            None => self.handle.as_deref().map(AsFd::as_fd).ok_or(Errno::NOENT),
        }
    }

    /// Opens an absolute path of the image, for reading. The store's directory itself may
    /// be reached through links; from there on none is followed. A file that is still in a binary cache is
    /// [`Errno::REMOTE`].
    pub(crate) fn open_at(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let (directory, below) = self.start(path)?;
        let opened = open_beneath(directory, below, flags)?;
        let has_content = |opened: &OwnedFd| match self.fetched(path) {
            Some((_, substitute)) if !substitute.is_whole() => fstat(opened)
                .map(|stat| FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile),
            _ => Ok(true),
        };
        if flags.intersects(OFlags::PATH | OFlags::DIRECTORY) || has_content(&opened)? {
            Ok(opened)
        } else {
            Err(Errno::REMOTE)
        }
    }

    /// Looks at an absolute path of the image, which need not be one that may be read. Links are
    /// followed no more than by [`Self::open_at`].
    #[cfg(target_os = "linux")]
    pub(super) fn stat_at(&self, path: &[u8]) -> Result<Stat, Errno> {
        self.open_at(path, OFlags::PATH).and_then(fstat)
    }

    /// Elsewhere nothing is opened without the right to read it.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn stat_at(&self, path: &[u8]) -> Result<Stat, Errno> {
        use rustix::fs::{AtFlags, statat};
        let (directory, below) = self.start(path)?;
        statat(directory, below, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// The open directory that an absolute path of the image lies in, and the path below it.
    fn start<'a>(&'a self, path: &'a [u8]) -> Result<(BorrowedFd<'a>, &'a [u8]), Errno> {
        Ok(match self.grafted(path) {
            Some((graft, b"")) => (graft.handle.as_fd(), b"."),
            Some((graft, below)) => (graft.handle.as_fd(), below),
            None => (self.handle(path)?, &path[self.dir.len() + 1..]),
        })
    }
}

/// The part of a store path that is fetched from a binary cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fetch {
    /// Its directories, its links, and the names and sizes of its files.
    Outline,
    /// The content of its files, too.
    Whole,
}

/// An absolute path in a store, in its plainest form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StorePath(String);

impl StorePath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns true if `self` is `other` or lies below it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0
            .strip_prefix(&other.0)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// A path that cannot be one of the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorePathError {
    /// Not absolute, or with `..` or a NUL in it.
    #[error("`{0}` is not an absolute path without `..`")]
    NotAbsolute(String),
    /// Not below the store's directory.
    #[error("`{path}` is outside the store `{dir}`")]
    Outside {
        /// The path.
        path: String,
        /// The store's directory.
        dir: String,
    },
    /// A directory that is to be a store path cannot be opened.
    #[error("opening the directory `{}`", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The store's directory, or the root that it is below, cannot be opened.
    #[error("opening `{}` to look for store paths", root.display())]
    Root {
        /// That directory.
        root: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

/// An absolute path without repeated slashes, `.` and a slash at the end; `None` for
/// a path that is not absolute, or that holds `..` or a NUL.
fn normalise(path: &str) -> Option<String> {
    let components = path
        .strip_prefix('/')?
        .split('/')
        .filter(|component| !matches!(*component, "" | "."));
    let mut plain = String::with_capacity(path.len());
    for component in components {
        if component == ".." || component.contains('\0') {
            return None;
        }
        plain.push('/');
        plain.push_str(component);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(dir: &str) -> Store {
        Store::open(dir, Path::new("/")).unwrap()
    }

    #[test]
    fn ancestors_come_outermost_first() {
        let ancestors = |dir| {
            store(dir)
                .ancestors()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(ancestors("/nix/store"), ["/nix", "/nix/store"]);
        assert_eq!(ancestors("/gnu/store/"), ["/gnu", "/gnu/store"]);
        assert_eq!(ancestors("/a/b/c"), ["/a", "/a/b", "/a/b/c"]);
        assert_eq!(ancestors("/"), Vec::<String>::new());
    }

    #[test]
    fn only_paths_below_the_store_are_in_it() {
        let nix = store("/nix/store");
        let path = |path: &str| {
            nix.path(path)
                .map(|p| p.as_str().to_owned())
                .map_err(|e| e.to_string())
        };
        assert_eq!(path("/nix/store/a-b"), Ok("/nix/store/a-b".to_owned()));
        assert_eq!(path("//nix/./store//a-b/"), Ok("/nix/store/a-b".to_owned()));
        assert_eq!(
            path("/nix/store2/a"),
            Err("`/nix/store2/a` is outside the store `/nix/store`".to_owned())
        );
        assert_eq!(
            path("/nix/store"),
            Err("`/nix/store` is outside the store `/nix/store`".to_owned())
        );
        assert_eq!(
            path("/etc"),
            Err("`/etc` is outside the store `/nix/store`".to_owned())
        );
        for bad in ["", "nix/store/a", "/nix/store/../../etc", "/nix/store/a\0"] {
            assert!(
                path(bad).unwrap_err().contains("is not an absolute path"),
                "{bad}"
            );
        }
        assert!(store("/").path("/x").is_ok());
    }

    #[test]
    fn links_are_resolved_within_the_root() {
        let root = tempfile::tempdir().unwrap();
        let link = |target: &str, name: &str| {
            std::os::unix::fs::symlink(target, root.path().join(name)).unwrap();
        };
        fs::create_dir_all(root.path().join("nix/store/a")).unwrap();
        link("/nix/store/a", "nix/store/absolute");
        link("a", "nix/store/relative");
        link("../../../../nix/store/absolute", "nix/store/up");
        link("loop", "nix/store/loop");
        let store = Store::open("/nix/store", root.path()).unwrap();
        let resolve = |name: &str| {
            let path = store.resolve(Path::new(&format!("/nix/store/{name}/file")));
            path.strip_prefix(root.path()).unwrap().to_owned()
        };
        for name in ["a", "absolute", "relative", "up"] {
            assert_eq!(resolve(name), Path::new("nix/store/a/file"), "{name}");
        }
        assert_eq!(resolve("missing"), Path::new("nix/store/missing/file"));
        assert!(resolve("loop").starts_with("nix/store"));
    }

    #[test]
    fn a_directory_elsewhere_can_be_a_store_path() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("file"), "x").unwrap();
        let mut store = store("/nix/store");
        let mut graft = |name: &str, place: &Path| {
            let given = Given {
                path: "./site".to_owned(),
                name: None,
            };
            store.graft(name, place, Selection::all(), given)
        };
        assert!(graft("..", place.path()).is_err());
        assert!(graft("gone", &place.path().join("gone")).is_err());
        let site = graft("site", place.path()).unwrap();
        assert_eq!(site.as_str(), "/nix/store/site");
        assert!(store.is_grafted(&site));
        assert_eq!(
            store.locate(Path::new("/nix/store/site/file")),
            place.path().join("file")
        );
        assert_eq!(
            store.locate(Path::new("/nix/store/site2")),
            Path::new("/nix/store/site2")
        );
        assert!(store.open_at(b"/nix/store/site", OFlags::DIRECTORY).is_ok());
        assert!(
            store
                .open_at(b"/nix/store/site/file", OFlags::empty())
                .is_ok()
        );
    }

    #[test]
    fn paths_within_each_other_are_told() {
        let nix = store("/nix/store");
        let path = |name: &str| nix.path(&format!("/nix/store/{name}")).unwrap();
        assert!(path("a").is_within(&path("a")));
        assert!(path("a/b").is_within(&path("a")));
        assert!(!path("a-b").is_within(&path("a")));
        assert!(!path("a").is_within(&path("a/b")));
    }
}
