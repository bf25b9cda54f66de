//! The tree, and what happens where two sources have the same path.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::entry::{Content, Metadata, NewContent, Node, Strength};
use super::{Entry, Error, New, Origin};
use crate::layer::{self, Kind};

/// The longest path, and the longest target of a link, that Linux takes.
pub(super) const MAX_PATH: usize = 4095;
/// More than any image holds outside of the store. Links to directories of links to
/// directories can make a small package that many.
const MAX_ENTRIES: usize = 1 << 22;

/// Everything that lies at the image's root and is not a store path.
#[derive(Debug)]
pub struct Root {
    nodes: BTreeMap<Key, Node>,
    limit: usize,
}

/// An absolute path without a slash at its end, so empty for the root.
#[derive(Debug, PartialEq, Eq)]
struct Key(Vec<u8>);

impl Ord for Key {
    /// By components, so that a directory's content follows it. No name holds a byte
    /// that comes before a slash then.
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
        self.0.iter().map(rank).cmp(other.0.iter().map(rank))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What is done where sources of one kind have a path twice. Those of different kinds
/// never settle that between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Twice {
    /// The first one stays, whatever it is.
    Keep,
    /// The last one replaces what is no directory.
    Replace,
    /// Neither is right.
    Refuse,
}

impl Default for Root {
    fn default() -> Self {
        Self::new()
    }
}

impl Root {
    /// A root with nothing in it.
    pub fn new() -> Self {
        // Nobody clashes with that, so nobody reads who made it.
        let node = Node::implied(&Arc::new(Origin::Files));
        Self { nodes: BTreeMap::from([(Key(Vec::new()), node)]), limit: MAX_ENTRIES }
    }

    /// Adds an entry, and the directories that it lies in.
    ///
    /// # Errors
    ///
    /// A path that is not absolute, one that another source has as something else, and a
    /// file on this machine that is none.
    pub fn add(&mut self, path: &str, entry: New, origin: Origin) -> Result<(), Error> {
        let plain = normalise(path)?;
        let origin = Arc::new(origin);
        let node = prepare(&plain, entry, &origin)?;
        for (end, _) in plain.match_indices('/').skip(1) {
            self.place(plain[..end].into(), Node::implied(&origin), Twice::Refuse)?;
        }
        self.place(plain.into_bytes(), node, Twice::Refuse).map(drop)
    }

    /// Calls `visit` with each entry in archive order, up to the first error: a directory
    /// before its content, names in the order of their bytes.
    ///
    /// # Errors
    ///
    /// What `visit` returns.
    pub fn for_each<E>(&self, mut visit: impl FnMut(Entry<'_>) -> Result<(), E>) -> Result<(), E> {
        self.entries().try_for_each(&mut visit)
    }

    /// All entries in archive order; the first one is the root itself.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.nodes.iter().map(|(key, node)| node.entry(&key.0))
    }

    /// The entry at an absolute path, if it is here. No link is followed.
    pub fn get(&self, path: &[u8]) -> Option<Entry<'_>> {
        let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |last| last + 1);
        let found = self.nodes.get_key_value(&Key(path[..end].into()));
        found.map(|(key, node)| node.entry(&key.0))
    }

    /// What may mention store paths and is not in a file of this machine: targets of links
    /// and contents.
    pub fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.nodes.values().filter_map(|node| match &node.content {
            Content::Symlink(text) | Content::Inline(text) => Some(&**text),
            Content::Directory(_) | Content::Source { .. } => None,
        })
    }

    /// The directories below the root, each of which would hide a link of a base image.
    pub fn directories(&self) -> impl Iterator<Item = Entry<'_>> {
        self.entries().skip(1).filter(|entry| entry.kind == Kind::Directory)
    }

    /// Puts a node at a path whose directory is there. Says whether a node of that kind
    /// is there now, and not one that was first.
    pub(super) fn place(&mut self, path: Vec<u8>, node: Node, twice: Twice) -> Result<bool, Error> {
        if path.len() > MAX_PATH {
            let (start, length) = (shown(&path[..100]).into(), path.len());
            return Err(layer::Error::TooLong { path: start, length, limit: MAX_PATH }.into());
        }
        let full = self.nodes.len() >= self.limit;
        match self.nodes.entry(Key(path)) {
            Slot::Vacant(_) if full => {
                Err(Error::TooMany { origin: (*node.origin).clone(), limit: self.limit })
            }
            Slot::Vacant(slot) => {
                slot.insert(node);
                Ok(true)
            }
            Slot::Occupied(mut slot) => {
                let path = slot.key().0.clone();
                meet(slot.get_mut(), node, twice, &path)
            }
        }
    }
}

/// What becomes of a node when another comes to its path.
fn meet(old: &mut Node, new: Node, twice: Twice, path: &[u8]) -> Result<bool, Error> {
    let alike = old.origin.is_like(&new.origin);
    match (&old.content, &new.content) {
        (Content::Directory(was), Content::Directory(is)) => {
            let same = was == is && old.metadata != new.metadata;
            if same && *is == Strength::Given {
                return Err(clash(path, old, &new));
            }
            if is > was || (same && *is == Strength::Copied) {
                *old = new;
            }
            Ok(true)
        }
        _ if alike && twice == Twice::Keep => Ok(false),
        (Content::Directory(_), _) | (_, Content::Directory(_)) => Err(kinds(path, old, &new)),
        _ if old.content == new.content && old.metadata == new.metadata => Ok(true),
        _ if alike && twice == Twice::Replace => {
            *old = new;
            Ok(true)
        }
        _ => Err(clash(path, old, &new)),
    }
}

fn clash(path: &[u8], old: &Node, new: &Node) -> Error {
    let (path, first, second) = (shown(path), (*old.origin).clone(), (*new.origin).clone());
    if first == second {
        return Error::Twice { path, origin: first };
    }
    Error::Clash { path, first, second }
}

fn kinds(path: &[u8], old: &Node, new: &Node) -> Error {
    Error::Kinds {
        path: shown(path),
        first: (*old.origin).clone(),
        first_kind: old.kind(),
        second: (*new.origin).clone(),
        second_kind: new.kind(),
    }
}

/// A path as messages show it.
pub(super) fn shown(path: &[u8]) -> String {
    if path.is_empty() { "/".to_owned() } else { String::from_utf8_lossy(path).into_owned() }
}

/// An absolute path without repeated slashes, `.` and a slash at the end.
pub(super) fn normalise(path: &str) -> Result<String, Error> {
    let error = || Error::Path(path.to_owned());
    let mut plain = String::with_capacity(path.len());
    for component in path.strip_prefix('/').ok_or_else(error)?.split('/') {
        match component {
            "" | "." => {}
            ".." => return Err(error()),
            _ if component.contains('\0') => return Err(error()),
            _ => plain.extend(["/", component]),
        }
    }
    Ok(plain)
}

/// Checks what can be checked without looking at the tree.
fn prepare(path: &str, new: New, origin: &Arc<Origin>) -> Result<Node, Error> {
    let New { content, mode, uid, gid } = new;
    if path.is_empty() && !matches!(content, NewContent::Directory) {
        return Err(Error::NotRoot);
    }
    if mode > 0o7777 {
        return Err(Error::Mode { path: shown(path.as_bytes()), mode });
    }
    let content = match content {
        NewContent::Directory => Content::Directory(Strength::Given),
        NewContent::Symlink(target) => Content::Symlink(check_target(path, target)?.into()),
        NewContent::Inline(bytes) => Content::Inline(bytes.into()),
        NewContent::Source(source) => look(path, &source)?,
    };
    Ok(Node { content, metadata: Metadata { mode, uid, gid }, origin: Arc::clone(origin) })
}

fn check_target(path: &str, target: Vec<u8>) -> Result<Vec<u8>, Error> {
    if target.is_empty() || target.len() > MAX_PATH || target.contains(&0) {
        let target = String::from_utf8_lossy(&target[..target.len().min(100)]).into_owned();
        return Err(Error::Target { path: path.to_owned(), target });
    }
    Ok(target)
}

/// Looks at a file that the user names, which may be a link to it.
fn look(path: &str, source: &Path) -> Result<Content, Error> {
    let failed = |error| super::list::failed("looking at", source, error);
    let metadata = fs::metadata(source).map_err(failed)?;
    if !metadata.is_file() {
        return Err(Error::NotFile { path: path.to_owned(), source_path: source.to_owned() });
    }
    let is_link = fs::symlink_metadata(source).map_err(failed)?.is_symlink();
    // No link is followed when it is read.
    let source = if is_link { fs::canonicalize(source).map_err(failed)? } else { source.to_owned() };
    Ok(Content::Source { path: source, size: metadata.len() })
}
