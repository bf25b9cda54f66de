//! Packages copied to the root, as `rsync -ak` does.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::entry::{Content, Node, Strength};
use super::join::read_link;
use super::list::{Child, check_directory, children, describe, failed};
use super::tree::{Twice, shown};
use super::{Error, Origin, Root};
use crate::layer::{self, Store};

impl Root {
    /// Copies what a directory holds to the root, with its permissions, for 0:0. Links to
    /// directories become directories if these are in the store or in `source`; other
    /// links are kept. Files are read when the archive is written.
    ///
    /// What comes twice is taken from the last package. The root itself stays as it is.
    ///
    /// # Errors
    ///
    /// What is not a directory or can not be listed, what a layer can not hold, a link to
    /// a directory that it lies in, a directory against something else, and a path that
    /// something other than a copied package has.
    pub fn copy(&mut self, source: &Path, store: &Store, origin: Origin) -> Result<(), Error> {
        check_directory(source, &origin)?;
        let in_store = store.locate(Path::new(store.dir()));
        let source = if source.starts_with(&in_store) {
            source.to_owned()
        } else {
            fs::canonicalize(source).map_err(|error| failed("looking at", source, error))?
        };
        Copy { root: self, store, in_store, source: &source, origin: Arc::new(origin) }.run()
    }
}

/// A walk through one directory that is copied.
struct Copy<'a> {
    root: &'a mut Root,
    store: &'a Store,
    /// The store's directory on this machine.
    in_store: PathBuf,
    source: &'a Path,
    origin: Arc<Origin>,
}

/// A directory that the walk is in.
struct Level {
    /// Its path in the image; empty for the root.
    path: Vec<u8>,
    /// Where it is on this machine.
    place: PathBuf,
    /// What tells it from every other directory.
    id: (u64, u64),
    children: std::vec::IntoIter<Child>,
}

impl Copy<'_> {
    fn run(mut self) -> Result<(), Error> {
        let mut open = Vec::new();
        self.enter(Vec::new(), self.source.to_owned(), &mut open)?;
        while let Some(level) = open.last_mut() {
            let Some(child) = level.children.next() else {
                open.pop();
                continue;
            };
            let path = [&level.path[..], b"/", child.name.as_bytes()].concat();
            let place = level.place.join(&child.name);
            if child.kind.is_dir() {
                self.enter(path, place, &mut open)?;
            } else if child.kind.is_symlink() {
                let target = read_link(&place)?;
                match self.follow(&level.place, &target) {
                    Some(directory) => self.enter(path, directory, &mut open)?,
                    None => self.put(path, Node::symlink(&target, &self.origin))?,
                }
            } else {
                self.file(path, place, &child)?;
            }
        }
        Ok(())
    }

    /// Adds a directory and lists it, unless it is one of those that lead to it.
    fn enter(&mut self, path: Vec<u8>, place: PathBuf, open: &mut Vec<Level>) -> Result<(), Error> {
        let found = fs::metadata(&place).map_err(|error| failed("looking at", &place, error))?;
        let id = (found.dev(), found.ino());
        if let Some(above) = open.iter().find(|level| level.id == id) {
            let (path, target) = (shown(&path), shown(&above.path));
            return Err(Error::Loop { path, target, origin: (*self.origin).clone() });
        }
        if !path.is_empty() {
            let content = Content::Directory(Strength::Copied);
            self.put(path.clone(), Node::root(content, found.mode() & 0o7777, &self.origin))?;
        }
        let children = children(&place)?.into_iter();
        open.push(Level { path, place, id, children });
        Ok(())
    }

    /// The directory that a link leads to, if it is one that is copied in its place. What
    /// lies elsewhere on this machine has no business in an image.
    fn follow(&self, directory: &Path, target: &[u8]) -> Option<PathBuf> {
        let target = Path::new(OsStr::from_bytes(target));
        let found = if target.is_absolute() || directory.starts_with(&self.in_store) {
            let directory = directory.strip_prefix(self.store.locate(Path::new("/"))).ok()?;
            self.store.resolve(&Path::new("/").join(directory).join(target))
        } else {
            fs::canonicalize(directory.join(target)).ok()?
        };
        let is_ours = found.starts_with(&self.in_store) || found.starts_with(self.source);
        (is_ours && fs::symlink_metadata(&found).is_ok_and(|found| found.is_dir())).then_some(found)
    }

    fn file(&mut self, path: Vec<u8>, place: PathBuf, child: &Child) -> Result<(), Error> {
        if !child.kind.is_file() {
            return Err(layer::Error::Special { path: place, kind: describe(child.kind) }.into());
        }
        let found = fs::symlink_metadata(&place).map_err(|error| failed("looking at", &place, error))?;
        let content = Content::Source { path: place, size: found.len() };
        self.put(path, Node::root(content, found.mode() & 0o7777, &self.origin))
    }

    fn put(&mut self, path: Vec<u8>, node: Node) -> Result<(), Error> {
        self.root.place(path, node, Twice::Replace).map(drop)
    }
}
