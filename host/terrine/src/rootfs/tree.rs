//! The tree, and what happens where two sources have the same path.

use std::any::Any;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;
use terrine_support::remark::Remark;
use terrine_tar::Kind;

use super::entry::{Metadata, NewContent, Node, NodeContent, Strength};
use super::lost::Lost;
use super::way::BaseLinks;
use super::{Error, New, Origin, RootEntry};
use crate::beneath::Beneath;
use crate::layer::{self, Store};
use crate::pipe::Stamp;

/// The longest path, and the longest target of a link, that Linux takes.
pub(super) const MAX_PATH: usize = 4095;
/// More than any image holds outside of the store. Links to directories of links to
/// directories can make a small package that many.
const MAX_ENTRIES: usize = 1 << 22;

/// Everything that lies at the image's root and is not a store path.
#[derive(Debug)]
pub struct Root {
    pub(super) nodes: BTreeMap<Key, Node>,
    limit: usize,
    /// The store that links of the root lead into, where it is known.
    pub(super) store: Option<Store>,
    /// Links of the base image to directories.
    pub(super) base_links: BaseLinks,
    /// Directories in the places of links, and the directories of the root that those lead to.
    pub(super) merged: Vec<(Vec<u8>, Vec<u8>)>,
    /// Files that packages have and the image does not.
    pub(super) lost: Lost,
    /// The directory `/` of this machine, for files that the description names.
    top: Option<Arc<Beneath>>,
    /// The guard that keeps files of the root where they are, for as long as the root exists.
    held: Held,
    /// The state of files of this machine that were read before the layer is made, by their paths in the image.
    pub(super) expected: BTreeMap<Vec<u8>, Stamp>,
}

/// Something whose only use is to live as long as a root.
struct Held(#[expect(dead_code, reason = "it is held")] Option<Arc<dyn Any + Send + Sync>>);

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Held")
    }
}

/// An absolute path without a slash at its end, so empty for the root.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key(pub(super) Vec<u8>);

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

/// The rule for a path that sources of one kind have twice. Sources of different kinds never settle
/// that between them.
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
        Self {
            nodes: BTreeMap::from([(Key(Vec::new()), node)]),
            limit: MAX_ENTRIES,
            store: None,
            base_links: BaseLinks::default(),
            merged: vec![],
            lost: Lost::default(),
            top: None,
            held: Held(None),
            expected: BTreeMap::new(),
        }
    }

    /// The same in an image with a store. A link that leads into it becomes a directory of links where
    /// something else is put into the directory that it leads to.
    pub fn within(mut self, store: &Store) -> Self {
        self.store = Some(store.clone());
        self
    }

    /// Expects files of this machine, by their paths in the image, to stay what they are until the layer is made.
    pub(crate) fn expect(&mut self, stamps: BTreeMap<Vec<u8>, Stamp>) {
        self.expected = stamps;
    }

    /// The same on a base image with links to directories.
    pub fn on(mut self, links: BaseLinks) -> Self {
        self.base_links = links;
        self
    }

    /// Returns the links of the base image.
    pub fn base_links(&self) -> &BaseLinks {
        &self.base_links
    }

    /// Holds what keeps files of the root where they are for as long as the root is there.
    pub fn keep(&mut self, held: Arc<dyn Any + Send + Sync>) {
        self.held = Held(Some(held));
    }

    /// Adds an entry whose directory is there, at an absolute path that may be any bytes.
    ///
    /// # Errors
    ///
    /// As [`Root::add`].
    pub fn put(&mut self, path: &[u8], entry: New, origin: &Arc<Origin>) -> Result<(), Error> {
        let end = path
            .iter()
            .rposition(|&byte| byte != b'/')
            .map_or(0, |last| last + 1);
        let path = path[..end].to_vec();
        let node = self.prepare(&String::from_utf8_lossy(&path), entry, origin)?;
        self.place(path, node, Twice::Refuse).map(drop)
    }

    /// Adds an entry, and the directories that it lies in. Links to directories are followed, as a
    /// file system does.
    ///
    /// # Errors
    ///
    /// A path that is not absolute, one that another source has as something else, and a
    /// file on this machine that is none.
    pub fn add(&mut self, path: &str, entry: New, origin: Origin) -> Result<(), Error> {
        let plain = normalise(path)?;
        let origin = Arc::new(origin);
        let node = self.prepare(&plain, entry, &origin)?;
        if node.kind() == Kind::Directory {
            return self.make(plain.as_bytes(), node).map(drop);
        }
        let slash = plain.rfind('/').unwrap_or(0);
        let directory = self.make(&plain.as_bytes()[..slash], Node::implied(&origin))?;
        let path = [&directory[..], &plain.as_bytes()[slash..]].concat();
        self.place(path, node, Twice::Refuse).map(drop)
    }

    /// Makes the directory that a path leads to, and returns its path without links.
    pub(super) fn make(&mut self, path: &[u8], node: Node) -> Result<Vec<u8>, Error> {
        let origin = Arc::clone(&node.origin);
        match self.directory(path, node, Twice::Refuse)? {
            Ok(at) => Ok(at),
            Err(blocked) => {
                let old = self.node(&blocked);
                let new = Node::implied(&origin);
                Err(old.map_or_else(|| Error::NotRoot, |old| kinds(&blocked, old, &new)))
            }
        }
    }

    /// Gives a file that is there another content. Owner, permissions and attributes stay.
    pub fn replace_content(&mut self, path: &[u8], content: Vec<u8>) {
        if let Some(node) = self.nodes.get_mut(&Key(path.to_vec()))
            && node.kind() == Kind::File
        {
            node.content = NodeContent::Inline(content.into());
        }
    }

    /// Calls `visit` with each entry in archive order, up to the first error: a directory
    /// before its content, names in the order of their bytes.
    ///
    /// # Errors
    ///
    /// What `visit` returns.
    pub fn for_each<E>(
        &self,
        mut visit: impl FnMut(RootEntry<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.entries().try_for_each(&mut visit)
    }

    /// All entries in archive order; the first one is the root itself.
    pub fn entries(&self) -> impl Iterator<Item = RootEntry<'_>> {
        self.nodes.iter().map(|(key, node)| node.entry(&key.0))
    }

    /// The entry at an absolute path, if it is here. No link is followed.
    pub fn get(&self, path: &[u8]) -> Option<RootEntry<'_>> {
        let end = path
            .iter()
            .rposition(|&byte| byte != b'/')
            .map_or(0, |last| last + 1);
        self.nodes
            .get_key_value(&Key(path[..end].into()))
            .map(|(key, node)| node.entry(&key.0))
    }

    /// Returns the texts that may mention store paths and are not in a file of this machine:
    /// targets of links and contents.
    pub fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.nodes.values().filter_map(|node| match &node.content {
            NodeContent::Symlink(text) | NodeContent::Inline(text) => Some(&**text),
            _ => None,
        })
    }

    /// Says for people what is not in the image although a package has it.
    pub fn remarks(&self) -> Vec<Remark> {
        self.lost.remarks()
    }

    /// Says whether there is nothing but the root itself.
    pub fn is_empty(&self) -> bool {
        self.nodes.len() <= 1
    }

    /// The directories below the root, each of which would hide a link of a base image.
    pub fn directories(&self) -> impl Iterator<Item = RootEntry<'_>> {
        self.entries()
            .skip(1)
            .filter(|entry| entry.kind == Kind::Directory)
    }

    /// Puts a node at a path whose directory is there. Says whether a node of that kind
    /// is there now, and not one that was first.
    pub(super) fn place(&mut self, path: Vec<u8>, node: Node, twice: Twice) -> Result<bool, Error> {
        if path.len() > MAX_PATH {
            let (start, length) = (shown(&path[..100]).into(), path.len());
            return Err(layer::Error::TooLong {
                path: start,
                length,
                limit: MAX_PATH,
            }
            .into());
        }
        if layer::is_whiteout(&path) && node.content != NodeContent::Whiteout {
            return Err(Error::Whiteout {
                path: shown(&path),
                origin: (*node.origin).clone(),
            });
        }
        let full = self.nodes.len() >= self.limit;
        // What both have is not lost.
        let is_same = twice != Twice::Refuse
            && self
                .node(&path)
                .is_some_and(|old| old.origin.is_like(&node.origin) && self.is_same(old, &node));
        match self.nodes.entry(Key(path)) {
            Slot::Vacant(_) if full => Err(Error::TooMany {
                origin: (*node.origin).clone(),
                limit: self.limit,
            }),
            Slot::Vacant(slot) => {
                slot.insert(node);
                Ok(true)
            }
            Slot::Occupied(mut slot) => {
                let path = slot.key().0.clone();
                let lost = (!is_same).then_some(&mut self.lost);
                meet(slot.get_mut(), node, twice, &path, lost)
            }
        }
    }

    /// Checks what can be checked without looking at the tree.
    fn prepare(&mut self, path: &str, new: New, origin: &Arc<Origin>) -> Result<Node, Error> {
        let New {
            content,
            mode,
            uid,
            gid,
            xattrs,
        } = new;
        if path.is_empty() && !matches!(content, NewContent::Directory) {
            return Err(Error::NotRoot);
        }
        if mode > 0o7777 {
            return Err(Error::Mode {
                path: shown(path.as_bytes()),
                mode,
            });
        }
        let content = match content {
            NewContent::Directory => NodeContent::Directory(Strength::Given),
            NewContent::Symlink(target) => NodeContent::Symlink(check_target(path, target)?.into()),
            NewContent::Inline(bytes) => NodeContent::Inline(bytes.into()),
            NewContent::Source(source) => self.look(path, &source)?,
            NewContent::Beneath(at, below) => look_beneath(path, at, below)?,
            NewContent::Device {
                block,
                major,
                minor,
            } => NodeContent::Device {
                block,
                major,
                minor,
            },
            NewContent::Fifo => NodeContent::Fifo,
            NewContent::Whiteout => NodeContent::Whiteout,
        };
        Ok(Node {
            content,
            metadata: Metadata { mode, uid, gid },
            origin: Arc::clone(origin),
            xattrs,
        })
    }

    /// Looks at a file that the user names, which may be a link to it. What that leads to now is what is read.
    fn look(&mut self, path: &str, source: &Path) -> Result<NodeContent, Error> {
        let failed = |error| super::list::failed("examining", source, error);
        if !fs::metadata(source).map_err(failed)?.is_file() {
            return Err(not_file(path, source));
        }
        let real = fs::canonicalize(source).map_err(failed)?;
        let top = match &self.top {
            Some(top) => Arc::clone(top),
            None => {
                let top = Beneath::open(Path::new("/")).map_err(failed)?;
                Arc::clone(self.top.insert(Arc::new(top)))
            }
        };
        let below = real.as_os_str().as_bytes()[1..].to_vec();
        look_beneath(path, top, below)
    }
}

/// Settles which node stays when another one comes to its path. Notes the node that is lost, if
/// any.
fn meet(
    old: &mut Node,
    new: Node,
    twice: Twice,
    path: &[u8],
    lost: Option<&mut Lost>,
) -> Result<bool, Error> {
    let alike = old.origin.is_like(&new.origin);
    let same = old.content == new.content && old.metadata == new.metadata;
    match (&old.content, &new.content) {
        (NodeContent::Directory(was), NodeContent::Directory(is)) => {
            let differ = was == is && old.metadata != new.metadata;
            if differ && *is == Strength::Given {
                return Err(clash(path, old, &new));
            }
            if is > was || (differ && *is == Strength::Copied) {
                *old = new;
            }
            Ok(true)
        }
        _ if alike && twice == Twice::Keep => {
            if let Some(lost) = lost.filter(|_| !same) {
                lost.note(path, old, &new);
            }
            Ok(false)
        }
        (NodeContent::Directory(_), _) | (_, NodeContent::Directory(_)) => {
            Err(kinds(path, old, &new))
        }
        _ if same => Ok(true),
        _ if alike && twice == Twice::Replace => {
            if let Some(lost) = lost {
                lost.note(path, &new, old);
            }
            *old = new;
            Ok(true)
        }
        _ => Err(clash(path, old, &new)),
    }
}

fn clash(path: &[u8], old: &Node, new: &Node) -> Error {
    let (path, first, second) = (shown(path), (*old.origin).clone(), (*new.origin).clone());
    if first == second {
        return Error::Twice {
            path,
            origin: first,
        };
    }
    Error::Clash {
        path,
        first,
        second,
    }
}

pub(super) fn kinds(path: &[u8], old: &Node, new: &Node) -> Error {
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
    if path.is_empty() {
        "/".to_owned()
    } else {
        String::from_utf8_lossy(path).into_owned()
    }
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

fn check_target(path: &str, target: Vec<u8>) -> Result<Vec<u8>, Error> {
    if target.is_empty() || target.len() > MAX_PATH || target.contains(&0) {
        let target = String::from_utf8_lossy(&target[..target.len().min(100)]).into_owned();
        return Err(Error::Target {
            path: path.to_owned(),
            target,
        });
    }
    Ok(target)
}

/// Looks at a file in a directory.
fn look_beneath(path: &str, at: Arc<Beneath>, below: Vec<u8>) -> Result<NodeContent, Error> {
    let failed = |errno: Errno| super::list::failed("examining", &at.place(&below), errno.into());
    let size = at.size(&below).map_err(failed)?;
    let Some(size) = size else {
        return Err(not_file(path, &at.place(&below)));
    };
    Ok(NodeContent::Source {
        at,
        below: below.into(),
        size,
    })
}

fn not_file(path: &str, source: &Path) -> Error {
    Error::NotFile {
        path: path.to_owned(),
        source_path: source.to_owned(),
    }
}

#[cfg(test)]
mod tests;
