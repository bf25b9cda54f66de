//! The first look: what is there, in order, without opening a file.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use terrine_binary_cache::{ListingEntry, NarKind};
use terrine_tar::Kind;
use terrine_tar::order::compare;

use super::read::opening;
use super::reorder::{in_layer, is_in_both_orders};
use super::{Attributes, Error, Store, StorePath};
use crate::beneath::{self, Found};

/// The longest path that Linux takes (`PATH_MAX`, without the NUL that ends it). A
/// longer one could be archived, but no container tool could unpack it.
const MAX_PATH: usize = 4095;

/// The permissions of the store's own directories in a layer.
const ANCESTOR_MODE: u16 = 0o755;

/// The entries of a layer in archive order: the store's ancestors, then each path
/// with everything below it.
///
/// An entry takes its name's length and 32 bytes, whatever the depth.
#[derive(Debug, Default)]
pub struct Tree {
    nodes: Vec<Node>,
    /// Names, each followed by its target where it is a symbolic link.
    text: Vec<u8>,
    /// Extended attributes by the numbers of their entries.
    attributes: BTreeMap<usize, Attributes>,
}

/// An entry without its directory, which the nodes before it tell.
#[derive(Debug, Clone, Copy)]
struct Node {
    /// Size of a file, length of a symbolic link's target, else 0.
    size: u64,
    start: u32,
    length: u16,
    depth: u16,
    mode: u16,
    kind: Kind,
}

/// One entry of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeEntry<'a> {
    /// Its absolute path in the image.
    pub path: &'a [u8],
    /// Its kind.
    pub kind: Kind,
    /// Permission bits, 0 to 07777.
    pub mode: u32,
    /// Size of a file in bytes, else 0.
    pub size: u64,
    /// Target of a symbolic link, else empty.
    pub link: &'a [u8],
    /// Extended attributes: names and values.
    pub xattrs: &'a [(Vec<u8>, Vec<u8>)],
}

impl Tree {
    /// Lists the store's ancestors and the given paths with all that is below them.
    ///
    /// # Errors
    ///
    /// A path that is missing or cannot be listed, and one that a layer cannot hold.
    pub fn walk(store: &Store, paths: &[StorePath]) -> Result<Self, Error> {
        let mut tree = Self::default();
        for ancestor in store.ancestors() {
            let directory = Node::new(Kind::Directory, ANCESTOR_MODE, 0, 0);
            tree.push(directory, ancestor.as_bytes(), b"", || {
                store.locate(Path::new(ancestor))
            })?;
        }
        for path in paths {
            if tree.take_listing(store, path)? {
                continue;
            }
            Walk {
                store,
                path: path.as_str().as_bytes().to_vec(),
                tree: &mut tree,
            }
            .run()?;
        }
        Ok(tree)
    }

    /// Lists a path that is in a binary cache with a listing, and returns true if it is one. A path in a cache
    /// without listings is fetched.
    fn take_listing(&mut self, store: &Store, path: &StorePath) -> Result<bool, Error> {
        let (Some(substitutes), Some(substitute)) = (store.substitutes(), store.substituted(path)?)
        else {
            return Ok(false);
        };
        if store.top(path) != *path || substitute.is_whole() {
            return Ok(false);
        }
        let Some(listing) = substitutes.listing(&substitute)? else {
            substitutes.fetch(&substitute)?;
            return Ok(false);
        };
        let mut entries: Vec<ListingEntry<'_>> = listing.entries().collect();
        // A listing has the order of a NAR.
        if entries.iter().any(|entry| !is_in_both_orders(&entry.path)) {
            entries.sort_by(|a, b| in_layer(&a.path, &b.path));
        }
        let top = path.as_str().as_bytes();
        for entry in &entries {
            let whole = match &*entry.path {
                b"" => top.to_vec(),
                below => [top, b"/", below].concat(),
            };
            self.take_entry(&whole, entry)?;
        }
        Ok(true)
    }

    fn take_entry(&mut self, whole: &[u8], entry: &ListingEntry<'_>) -> Result<(), Error> {
        let place = || PathBuf::from(OsStr::from_bytes(whole));
        check(whole, place)?;
        let (kind, size, link) = match entry.kind {
            NarKind::Directory => (Kind::Directory, 0, &[][..]),
            NarKind::Symlink { target } => (Kind::Symlink, target.len() as u64, target),
            NarKind::Regular { size, .. } => (Kind::File, size, &[][..]),
        };
        let name = if entry.depth == 0 {
            whole
        } else {
            let start = whole.iter().rposition(|&byte| byte == b'/');
            &whole[start.map_or(0, |slash| slash + 1)..]
        };
        // A listing is not deeper than a u16 counts.
        let node = Node::new(kind, mode_in_layer(&entry.kind), size, entry.depth as u16);
        self.push(node, name, link, place)
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Returns true if there is none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Calls `visit` with each entry in order, up to the first error.
    ///
    /// # Errors
    ///
    /// What `visit` returns.
    pub fn for_each<E>(
        &self,
        mut visit: impl FnMut(TreeEntry<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut path = Vec::new();
        // The length of the path at each depth.
        let mut lengths: Vec<usize> = Vec::new();
        for (number, node) in self.nodes.iter().enumerate() {
            let depth = usize::from(node.depth);
            lengths.truncate(depth);
            path.truncate(lengths.last().copied().unwrap_or(0));
            if depth > 0 {
                path.push(b'/');
            }
            let start = node.start as usize;
            let end = start + usize::from(node.length);
            path.extend_from_slice(&self.text[start..end]);
            lengths.push(path.len());
            let (size, link) = match node.kind {
                Kind::Symlink => (0, &self.text[end..end + node.size as usize]),
                _ => (node.size, &[][..]),
            };
            visit(TreeEntry {
                path: &path,
                kind: node.kind,
                mode: node.mode.into(),
                size,
                link,
                xattrs: self.attributes.get(&number).map_or(&[], Vec::as_slice),
            })?;
        }
        Ok(())
    }

    /// Adds an entry; `place` is asked for its path if that fails.
    fn push(
        &mut self,
        node: Node,
        name: &[u8],
        link: &[u8],
        place: impl FnOnce() -> PathBuf,
    ) -> Result<(), Error> {
        let start = u32::try_from(self.text.len());
        let (Ok(start), Ok(length)) = (start, u16::try_from(name.len())) else {
            return Err(Error::TooLarge { path: place() });
        };
        self.text.extend_from_slice(name);
        self.text.extend_from_slice(link);
        self.nodes.push(Node {
            start,
            length,
            ..node
        });
        Ok(())
    }
}

impl Node {
    fn new(kind: Kind, mode: u16, size: u64, depth: u16) -> Self {
        Self {
            size,
            start: 0,
            length: 0,
            depth,
            mode,
            kind,
        }
    }
}

/// Returns whether a path is, by the last of its names, one that takes another away in a layer, or all in
/// its directory.
pub(crate) fn is_whiteout(path: &[u8]) -> bool {
    let start = path.iter().rposition(|&byte| byte == b'/');
    path[start.map_or(0, |slash| slash + 1)..].starts_with(b".wh.")
}

/// Checks that a layer can have an entry of a path; `place` is asked for what errors call it.
pub(super) fn check(path: &[u8], place: impl FnOnce() -> PathBuf) -> Result<(), Error> {
    if path.len() > MAX_PATH {
        return Err(Error::TooLong {
            path: PathBuf::from(OsStr::from_bytes(&path[..100])),
            length: path.len(),
            limit: MAX_PATH,
        });
    }
    if is_whiteout(path) {
        return Err(Error::Whiteout { path: place() });
    }
    Ok(())
}

/// Returns the permissions that an entry of a NAR has in a layer: those of every store path. Those of a link are
/// what Linux says of every link.
pub(super) fn mode_in_layer(kind: &NarKind<'_>) -> u16 {
    match kind {
        NarKind::Symlink { .. } => 0o777,
        NarKind::Directory
        | NarKind::Regular {
            executable: true, ..
        } => 0o555,
        NarKind::Regular { .. } => 0o444,
    }
}

/// A walk through one store path.
struct Walk<'a> {
    store: &'a Store,
    /// The place of the walk: an absolute path in the image.
    path: Vec<u8>,
    tree: &'a mut Tree,
}

/// A directory's entry, as it was found.
struct Child {
    name: Box<[u8]>,
    kind: Kind,
    mode: u16,
    size: u64,
    link: Box<[u8]>,
}

impl Walk<'_> {
    /// Walks in order, each directory before its content. Not recursive: a path can
    /// be some two thousand directories deep.
    fn run(mut self) -> Result<(), Error> {
        let first = self.first()?;
        let name = self.path.clone();
        let mut open: Vec<std::vec::IntoIter<Child>> = Vec::new();
        self.add(
            &Child {
                name: name.into(),
                ..first
            },
            0,
            &mut open,
        )?;
        while let Some(children) = open.last_mut() {
            let Some(child) = children.next() else {
                open.pop();
                let parent = self
                    .path
                    .iter()
                    .rposition(|&byte| byte == b'/')
                    .unwrap_or(0);
                self.path.truncate(parent);
                continue;
            };
            let length = self.path.len();
            self.path.push(b'/');
            self.path.extend_from_slice(&child.name);
            let depth = open.len();
            self.add(&child, depth, &mut open)?;
            if open.len() == depth {
                self.path.truncate(length);
            }
        }
        Ok(())
    }

    /// Looks at the path that the walk starts from.
    fn first(&self) -> Result<Child, Error> {
        let slash = self
            .path
            .iter()
            .rposition(|&byte| byte == b'/')
            .unwrap_or(0);
        let (parent, name) = (&self.path[..slash], &self.path[slash + 1..]);
        let failed = |errno| match errno {
            Errno::NOENT => Error::Missing {
                path: place(self.store, &self.path),
            },
            _ => self.failed("examining", b"", errno),
        };
        let looked = if self.store.grafted_path(&self.path) {
            let directory = self
                .store
                .open_at(&self.path, OFlags::DIRECTORY)
                .map_err(failed)?;
            let mut top = beneath::look(directory.as_fd(), b".").map_err(failed)?;
            if let Some(selection) = self.store.selection(&self.path) {
                top.mode = selection.mode(top.kind, top.mode);
            }
            return Ok(Child::from(top));
        } else if parent == self.store.dir().as_bytes() {
            look(self.store.handle(&self.path).map_err(failed)?, name)
        } else {
            let parent = self
                .store
                .open_at(parent, OFlags::DIRECTORY)
                .map_err(failed)?;
            look(parent.as_fd(), name)
        };
        looked
            .map_err(failed)?
            .map_err(|kind| self.special(b"", kind))
    }

    /// Adds the entry at the current path, and opens it if it is a directory.
    fn add(
        &mut self,
        child: &Child,
        depth: usize,
        open: &mut Vec<std::vec::IntoIter<Child>>,
    ) -> Result<(), Error> {
        check(&self.path, || self.place(b""))?;
        // A path of at most MAX_PATH bytes is not deeper than a u16 counts.
        let node = Node::new(child.kind, child.mode, child.size, depth as u16);
        let (store, path) = (self.store, &self.path);
        let attributes = store.attributes(path);
        if !attributes.is_empty() {
            let number = self.tree.nodes.len();
            self.tree.attributes.insert(number, attributes.to_vec());
        }
        self.tree
            .push(node, &child.name, &child.link, || place(store, path))?;
        if child.kind == Kind::Directory {
            open.push(self.list()?.into_iter());
        }
        Ok(())
    }

    /// The entries of the directory at the current path, in order.
    fn list(&self) -> Result<Vec<Child>, Error> {
        let failed = |errno| self.changed("listing", b"", errno);
        let handle = self
            .store
            .open_at(&self.path, OFlags::DIRECTORY)
            .map_err(failed)?;
        let mut found = beneath::list(&handle).map_err(|(name, errno)| match name.as_slice() {
            b"" => failed(errno),
            name => self.changed("examining", name, errno),
        })?;
        self.store.select(&self.path, &mut found);
        let mut children = Vec::with_capacity(found.len());
        for found in found {
            if let Some(kind) = unfit(found.kind) {
                return Err(self.special(&found.name, kind));
            }
            children.push(Child::from(found));
        }
        children.sort_unstable_by(|a, b| compare(&a.name, &b.name));
        Ok(children)
    }

    fn failed(&self, action: &'static str, name: &[u8], errno: Errno) -> Error {
        Error::Io {
            action,
            path: self.place(name),
            source: errno.into(),
        }
    }

    /// The error of something that was there a moment ago.
    fn changed(&self, action: &'static str, name: &[u8], errno: Errno) -> Error {
        match errno {
            // A directory on the way that has become a link, or none any more.
            Errno::LOOP | Errno::XDEV | Errno::NOTDIR => opening(&self.place(name), errno),
            _ => self.failed(action, name, errno),
        }
    }

    fn special(&self, name: &[u8], kind: &'static str) -> Error {
        Error::Special {
            path: self.place(name),
            kind,
        }
    }

    /// Returns where the current path, or an entry of it, is on this machine.
    fn place(&self, name: &[u8]) -> PathBuf {
        let mut path = self.path.clone();
        if !name.is_empty() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        place(self.store, &path)
    }
}

/// Looks at one entry of an open directory. The inner error says what it is that a layer
/// cannot hold.
fn look(directory: BorrowedFd<'_>, name: &[u8]) -> Result<Result<Child, &'static str>, Errno> {
    let found = beneath::look(directory, name)?;
    Ok(unfit(found.kind).map_or_else(|| Ok(Child::from(found)), Err))
}

impl From<Found> for Child {
    fn from(found: Found) -> Self {
        let (kind, size) = match found.kind {
            FileType::Directory => (Kind::Directory, 0),
            FileType::Symlink => (Kind::Symlink, found.link.len() as u64),
            _ => (Kind::File, found.size),
        };
        Self {
            name: found.name,
            kind,
            mode: found.mode,
            size,
            link: found.link,
        }
    }
}

/// Checks that a path is there and can be in a layer, without looking below it.
///
/// # Errors
///
/// A path that is missing, and one that a layer cannot hold.
pub fn check_exists(store: &Store, path: &StorePath) -> Result<(), Error> {
    let path = path.as_str().as_bytes().to_vec();
    Walk {
        store,
        path,
        tree: &mut Tree::default(),
    }
    .first()
    .map(drop)
}

fn place(store: &Store, path: &[u8]) -> PathBuf {
    store.locate(Path::new(OsStr::from_bytes(path)))
}

/// Returns the name of a kind of file that a layer cannot hold, if it is one.
pub(crate) fn unfit(kind: FileType) -> Option<&'static str> {
    match kind {
        FileType::RegularFile | FileType::Directory | FileType::Symlink => None,
        FileType::Fifo => Some("fifo"),
        FileType::Socket => Some("socket"),
        FileType::CharacterDevice => Some("character device"),
        FileType::BlockDevice => Some("block device"),
        FileType::Unknown => Some("file of an unknown kind"),
    }
}
