//! The way to a directory of the root: links that lie on it are followed, as a file system does.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::OFlags;

use super::entry::{Node, NodeContent};
use super::tree::{Key, Twice};
use super::{Error, Origin, Root, list};
use crate::beneath::Found;
use crate::layer;
use crate::links::Walk;

/// Directories of a base image and links to them.
#[derive(Debug, Clone, Default)]
pub struct BaseLinks {
    /// The targets of links to directories by their absolute paths.
    pub targets: BTreeMap<String, String>,
    /// Absolute paths of directories with something in them.
    pub directories: BTreeSet<String>,
    /// True if files are put where the links lead; otherwise a directory takes the place of a link.
    pub followed: bool,
}

impl BaseLinks {
    /// Returns the target of the link at a path.
    pub fn get(&self, path: &[u8]) -> Option<&str> {
        self.targets
            .get(std::str::from_utf8(path).ok()?)
            .map(String::as_str)
    }

    /// Returns the path without links to directories that a path of the base leads to, if it leads anywhere.
    pub fn end(&self, path: &[u8]) -> Option<Vec<u8>> {
        let mut walk = Walk::along(path);
        while let Some(at) = walk.step() {
            if let Some(target) = self.get(at) {
                walk.follow(target.as_bytes())?;
            }
        }
        Some(walk.end())
    }

    /// Says whether the base has a directory with something in it at a path, or a link to a directory.
    pub fn has_directory(&self, path: &[u8]) -> bool {
        let is_directory = |path| self.directories.contains(path);
        self.get(path).is_some() || std::str::from_utf8(path).is_ok_and(is_directory)
    }
}

/// The end of the way to a directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// At this path of the root, where a directory is or can be made.
    Here(Vec<u8>),
    /// In the store, where nothing can be put.
    Store {
        /// The path there.
        at: Vec<u8>,
        /// The last link that is not in the store itself.
        link: Option<Vec<u8>>,
    },
    /// At a file, or at a link that leads back to itself: the first entry of the root by which the way leads there.
    Blocked(Vec<u8>),
}

/// An entry on the way.
enum Step {
    /// A directory, or nothing yet.
    Passable,
    Link(Vec<u8>),
    /// Something that nothing can lie below.
    File,
}

impl Root {
    /// Follows the links on a path, the last component included.
    pub(super) fn way(&self, path: &[u8]) -> Way {
        let mut walk = Walk::along(path);
        let (mut link, mut first) = (None, None);
        while let Some(at) = walk.step() {
            match self.step(at) {
                Step::Passable => {}
                Step::Link(target) => {
                    if !self.is_in_store(at) {
                        link = Some(at.to_vec());
                    }
                    if first.is_none() && self.node(at).is_some() {
                        first = Some(at.to_vec());
                    }
                    if walk.follow(&target).is_none() {
                        let at = || walk.at().to_vec();
                        return Way::Blocked(first.or(link).unwrap_or_else(at));
                    }
                }
                Step::File => {
                    return Way::Blocked(first.or(link).unwrap_or_else(|| at.to_vec()));
                }
            }
        }
        let at = walk.end();
        if self.is_in_store(&at) {
            Way::Store { at, link }
        } else {
            Way::Here(at)
        }
    }

    fn step(&self, at: &[u8]) -> Step {
        if let Some(node) = self.node(at) {
            return match &node.content {
                NodeContent::Directory(_) => Step::Passable,
                NodeContent::Symlink(target) => Step::Link(target.to_vec()),
                _ => Step::File,
            };
        }
        let Some(store) = self.store.as_ref().filter(|_| self.is_in_store(at)) else {
            let link = self.base_links.get(at).filter(|_| self.base_links.followed);
            return link.map_or(Step::Passable, |target| Step::Link(target.into()));
        };
        let place = store.locate(Path::new(OsStr::from_bytes(at)));
        match fs::symlink_metadata(&place) {
            Ok(found) if found.is_symlink() => fs::read_link(&place).map_or(Step::File, |target| {
                Step::Link(target.into_os_string().into_encoded_bytes())
            }),
            Ok(found) if found.is_file() => Step::File,
            _ => Step::Passable,
        }
    }

    /// Says whether a path lies in the store, and not in what the root itself has there.
    fn is_in_store(&self, path: &[u8]) -> bool {
        let below = |dir: &str| path.strip_prefix(dir.as_bytes())?.strip_prefix(b"/");
        let Some(below) = self.store.as_ref().and_then(|store| below(store.dir())) else {
            return false;
        };
        let rest = below.iter().position(|&byte| byte == b'/');
        let top = path.len() - rest.map_or(0, |slash| below.len() - slash);
        !below.is_empty() && self.node(&path[..top]).is_none()
    }

    /// Lists a directory of the store, if there is one at this path of the image.
    pub(super) fn list_store(&self, at: &[u8]) -> Result<Option<Vec<Found>>, layer::Error> {
        let Some(store) = &self.store else {
            return Ok(None);
        };
        let Ok(directory) = store.open_at(at, OFlags::DIRECTORY) else {
            return Ok(None);
        };
        let place = store.locate(Path::new(OsStr::from_bytes(at)));
        let mut found = list::sorted(&directory, &place)?;
        store.select(at, &mut found);
        Ok(Some(found))
    }

    /// Returns the directory of the store that a path in it leads to, if it leads to one.
    pub(super) fn directory_in_store(&self, path: &[u8]) -> Option<Vec<u8>> {
        let Way::Store { at, .. } = self.way(path) else {
            return None;
        };
        let store = self.store.as_ref()?;
        store.open_at(&at, OFlags::DIRECTORY).ok().map(|_| at)
    }

    /// Makes the directory that a path leads to, and those that it lies in, and returns its path
    /// without links. A link into the store, where nothing can be put, becomes a directory of
    /// links to what lies there. The error is the path at which something is in the way.
    pub(super) fn directory(
        &mut self,
        path: &[u8],
        node: Node,
        twice: Twice,
    ) -> Result<Result<Vec<u8>, Vec<u8>>, Error> {
        let at = loop {
            match self.way(path) {
                Way::Here(at) => break at,
                Way::Store { link: None, at } => break at,
                Way::Store {
                    link: Some(link), ..
                } => {
                    if !self.spread(&link)? {
                        return Ok(Err(link));
                    }
                }
                Way::Blocked(at) if self.node(&at).is_some() => return Ok(Err(at)),
                // Links of the base image alone that lead nowhere are covered.
                Way::Blocked(_) => break path.to_vec(),
            }
        };
        for (slash, _) in at
            .iter()
            .enumerate()
            .skip(1)
            .filter(|(_, byte)| **byte == b'/')
        {
            if self.node(&at[..slash]).is_none() {
                let implied = Node::implied(&node.origin);
                self.place(at[..slash].into(), implied, Twice::Refuse)?;
            }
        }
        let is_root = at.is_empty();
        if !is_root || path.is_empty() {
            self.place(at.clone(), node, twice)?;
        }
        Ok(Ok(at))
    }

    /// Puts a directory of links to what lies in a directory of the store in the place of a link to it. Says
    /// whether the link leads to one.
    fn spread(&mut self, link: &[u8]) -> Result<bool, Error> {
        let Some(directory) = self.directory_in_store(link) else {
            return Ok(false);
        };
        let Some(children) = self.list_store(&directory)? else {
            return Ok(false);
        };
        let Some(node) = self.nodes.get_mut(&Key(link.to_vec())) else {
            return Ok(false);
        };
        let origin: Arc<Origin> = Arc::clone(&node.origin);
        *node = Node::implied(&origin);
        for child in children {
            let target = [&directory[..], b"/", &child.name].concat();
            let path = [link, b"/", &child.name].concat();
            self.place(path, Node::symlink(&target, &origin), Twice::Refuse)?;
        }
        Ok(true)
    }

    pub(super) fn node(&self, at: &[u8]) -> Option<&Node> {
        self.nodes.get(&Key(at.to_vec()))
    }
}

#[cfg(test)]
mod tests;
