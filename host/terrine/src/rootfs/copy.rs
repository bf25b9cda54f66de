//! Packages copied to the root, as `rsync -ak` does.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

use super::entry::{Node, NodeContent, Strength, Xattrs};
use super::list::{children, failed, open};
use super::tree::{Twice, shown};
use super::{Error, Origin, Root};
use crate::beneath::{Beneath, Found, identity};
use crate::layer::{self, Selection, Store};

impl Root {
    /// Copies what is selected of a directory to the root, with its permissions, for 0:0. Links to
    /// directories become directories if these are in the store or in `source`; other
    /// links are kept. Files are read when the archive is written.
    ///
    /// What comes twice is taken from the last package. Links to directories that the root has already are
    /// followed. The root itself stays as it is.
    ///
    /// # Errors
    ///
    /// What is not a directory or cannot be listed, what a layer cannot hold, a link to
    /// a directory that it lies in, a directory against something else, and a path that
    /// something other than a copied package has.
    pub fn copy(
        &mut self,
        source: &Path,
        store: &Store,
        selection: &Selection,
        origin: Origin,
    ) -> Result<(), Error> {
        let in_store = store.locate(Path::new(store.dir()));
        let opened = open(source, &origin)?;
        let source = if source.starts_with(&in_store) {
            source.to_owned()
        } else {
            opened.real(b"")
        };
        Copy {
            root: self,
            store,
            in_store,
            source: &source,
            opened: Arc::new(opened),
            opened_store: None,
            selection,
            origin: Arc::new(origin),
        }
        .run()
    }
}

/// A walk through one directory that is copied.
struct Copy<'a> {
    root: &'a mut Root,
    store: &'a Store,
    /// The store's directory on this machine.
    in_store: PathBuf,
    source: &'a Path,
    /// The directory `source`, which nothing leads out of while it is read.
    opened: Arc<Beneath>,
    /// The store's, once a link leads there.
    opened_store: Option<Arc<Beneath>>,
    /// The part of the directory that is copied.
    selection: &'a Selection,
    origin: Arc<Origin>,
}

/// A directory of this machine that the walk can reach: in one that is open, and below it.
#[derive(Clone)]
struct Reached {
    at: Arc<Beneath>,
    below: Vec<u8>,
}

impl Reached {
    fn place(&self) -> PathBuf {
        self.at.place(&self.below)
    }

    fn child(&self, name: &[u8]) -> Self {
        let at = Arc::clone(&self.at);
        let below = match self.below.as_slice() {
            b"" => name.to_vec(),
            below => [below, b"/", name].concat(),
        };
        Self { at, below }
    }
}

/// A directory that the walk is in.
struct Level {
    /// Its path in the image; empty for the root.
    path: Vec<u8>,
    /// Its path below the directory that is copied, by the links that lead there.
    named: Vec<u8>,
    reached: Reached,
    /// The numbers that tell the directory from every other one.
    id: (u64, u64),
    children: std::vec::IntoIter<Found>,
}

impl Copy<'_> {
    fn run(mut self) -> Result<(), Error> {
        let mut open = Vec::new();
        let source = Reached {
            at: Arc::clone(&self.opened),
            below: vec![],
        };
        self.enter(Vec::new(), Vec::new(), source, &mut open)?;
        while let Some(level) = open.last_mut() {
            let Some(child) = level.children.next() else {
                open.pop();
                continue;
            };
            let path = [&level.path[..], b"/", &child.name].concat();
            let reached = level.reached.child(&child.name);
            let named = match level.named.as_slice() {
                b"" => child.name.to_vec(),
                named => [named, b"/", &child.name].concat(),
            };
            let is_directory = child.kind == FileType::Directory;
            if reached.below != named && self.selection.leaves_out_alias(&named, is_directory) {
                continue;
            }
            match child.kind {
                FileType::Directory => self.enter(path, named, reached, &mut open)?,
                FileType::Symlink => {
                    let place = level.reached.place();
                    match self.follow(&place, &child.link)? {
                        Some(directory) => self.enter(path, named, directory, &mut open)?,
                        None => self.put(path, Node::symlink(&child.link, &self.origin))?,
                    }
                }
                _ => self.file(path, reached, &child)?,
            }
        }
        Ok(())
    }

    /// Adds a directory and lists it, unless it is one of those that lead to it.
    fn enter(
        &mut self,
        path: Vec<u8>,
        named: Vec<u8>,
        reached: Reached,
        open: &mut Vec<Level>,
    ) -> Result<(), Error> {
        let failed = |errno: Errno| layer::opening(&reached.place(), errno);
        let directory = reached
            .at
            .open_at(&reached.below, OFlags::DIRECTORY)
            .map_err(failed)?;
        let (id, mode) = identity(&directory).map_err(failed)?;
        let is_own = Arc::ptr_eq(&reached.at, &self.opened);
        let mode = if is_own {
            self.selection.mode(FileType::Directory, mode as u16).into()
        } else {
            mode
        };
        if let Some(above) = open.iter().find(|level| level.id == id) {
            let (path, target) = (shown(&path), shown(&above.path));
            return Err(Error::Loop {
                path,
                target,
                origin: (*self.origin).clone(),
            });
        }
        let path = if path.is_empty() {
            path
        } else {
            let content = NodeContent::Directory(Strength::Copied);
            let mut node = Node::root(content, mode, &self.origin);
            node.xattrs = self.attributes(&reached);
            self.root.make(&path, node)?
        };
        let mut children = children(&directory, &reached.at, &reached.below)?;
        if is_own {
            self.selection.apply(&reached.below, &mut children);
        }
        let children = children.into_iter();
        open.push(Level {
            path,
            named,
            reached,
            id,
            children,
        });
        Ok(())
    }

    /// The directory that a link leads to, if it is one that is copied in its place. What
    /// lies elsewhere on this machine has no business in an image. Whatever the link leads to a
    /// moment later, the directory is opened in the one that it is to be in.
    fn follow(&mut self, directory: &Path, target: &[u8]) -> Result<Option<Reached>, Error> {
        let Some(found) = self.target(directory, target) else {
            return Ok(None);
        };
        let (at, below) = if let Ok(below) = found.strip_prefix(self.source) {
            let mut whole = below.ancestors();
            if whole.any(|path| self.selection.leaves_out(path.as_os_str().as_bytes())) {
                return Ok(None);
            }
            (Arc::clone(&self.opened), below)
        } else if let Ok(below) = found.strip_prefix(&self.in_store) {
            (self.store_directory()?, below)
        } else {
            return Ok(None);
        };
        let is_directory = fs::symlink_metadata(&found).is_ok_and(|found| found.is_dir());
        let below = below.as_os_str().as_bytes().to_vec();
        Ok(is_directory.then_some(Reached { at, below }))
    }

    /// Returns the place that a link in a directory leads to.
    fn target(&self, directory: &Path, target: &[u8]) -> Option<PathBuf> {
        let target = Path::new(OsStr::from_bytes(target));
        if target.is_absolute() {
            return Some(self.store.resolve(target));
        }
        if directory.starts_with(&self.in_store) {
            let root = self.store.locate(Path::new("/"));
            let directory = directory.strip_prefix(root).ok()?;
            let path = Path::new("/").join(directory).join(target);
            return Some(self.store.resolve(&path));
        }
        let directory = self
            .source
            .join(directory.strip_prefix(self.opened.place(b"")).ok()?);
        fs::canonicalize(directory.join(target)).ok()
    }

    fn store_directory(&mut self) -> Result<Arc<Beneath>, Error> {
        if let Some(opened) = &self.opened_store {
            return Ok(Arc::clone(opened));
        }
        let opened = Beneath::open(&self.in_store)
            .map_err(|error| failed("opening", &self.in_store, error))?;
        let opened = Arc::new(opened);
        self.opened_store = Some(Arc::clone(&opened));
        Ok(opened)
    }

    fn file(&mut self, path: Vec<u8>, reached: Reached, child: &Found) -> Result<(), Error> {
        if let Some(kind) = layer::unfit(child.kind) {
            return Err(layer::Error::Special {
                path: reached.place(),
                kind,
            }
            .into());
        }
        let xattrs = self.attributes(&reached);
        let content = NodeContent::Source {
            at: reached.at,
            below: reached.below.into(),
            size: child.size,
        };
        let mut node = Node::root(content, child.mode.into(), &self.origin);
        node.xattrs = xattrs;
        self.put(path, node)
    }

    /// Returns the extended attributes of what is in the directory that is copied.
    fn attributes(&self, reached: &Reached) -> Xattrs {
        if Arc::ptr_eq(&reached.at, &self.opened) {
            self.selection.attributes(&reached.below).to_vec()
        } else {
            vec![]
        }
    }

    fn put(&mut self, path: Vec<u8>, node: Node) -> Result<(), Error> {
        self.root.place(path, node, Twice::Replace).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use terrine_support::hint::Hint;

    use super::*;
    use crate::rootfs::Data;

    /// A store below a root of its own, with two packages, and links between them.
    fn machine() -> (tempfile::TempDir, Store) {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        for directory in [
            "nix/store/p/d",
            "nix/store/q/e",
            "nix/store/bad/d",
            "etc",
            "home/d",
        ] {
            fs::create_dir_all(path(directory)).unwrap();
        }
        for file in [
            "nix/store/p/d/f",
            "nix/store/q/e/g",
            "etc/secret",
            "home/d/h",
        ] {
            fs::write(path(file), file).unwrap();
        }
        for (link, target) in [
            ("nix/store/p/in-item", "d"),
            ("nix/store/p/in-store", "/nix/store/q/e"),
            ("nix/store/p/relative", "../q/e"),
            ("nix/store/p/twice", "in-store"),
            ("nix/store/p/to-file", "/nix/store/q/e/g"),
            ("nix/store/p/outside", "/etc"),
            ("nix/store/p/up-and-outside", "../../../etc"),
            ("nix/store/p/dangling", "nowhere"),
            ("nix/store/p/round", "round"),
            ("nix/store/bad/d/up", ".."),
            ("home/in-item", "d"),
            ("home/in-store", "/nix/store/q/e"),
            ("home/outside", "../etc"),
        ] {
            symlink(target, path(link)).unwrap();
        }
        let store = Store::open("/nix/store", root.path()).unwrap();
        (root, store)
    }

    fn copy(place: &str) -> Result<Root, Error> {
        let (machine, store) = machine();
        let mut root = Root::new();
        let origin = Origin::CopyToRoot(format!("/{place}"));
        let selection = Selection::all();
        root.copy(&machine.path().join(place), &store, &selection, origin)
            .map(|()| root)
    }

    /// Lists the root: paths, and the target of a link or the source of a file.
    fn listing(root: &Root) -> Vec<String> {
        root.entries()
            .skip(1)
            .map(|entry| {
                let path = shown(entry.path);
                match entry.data {
                    Data::Source(_) => path,
                    _ if entry.link.is_empty() => format!("{path}/"),
                    _ => format!("{path} -> {}", shown(entry.link)),
                }
            })
            .collect()
    }

    #[test]
    fn links_to_directories_become_directories_where_these_are_the_users() {
        let expected = [
            "/d/",
            "/d/f",
            "/dangling -> nowhere",
            "/in-item/",
            "/in-item/f",
            "/in-store/",
            "/in-store/g",
            "/outside -> /etc",
            "/relative/",
            "/relative/g",
            "/round -> round",
            "/to-file -> /nix/store/q/e/g",
            "/twice/",
            "/twice/g",
            "/up-and-outside -> ../../../etc",
        ];
        assert_eq!(listing(&copy("nix/store/p").unwrap()), expected);
        let expected = [
            "/d/",
            "/d/h",
            "/in-item/",
            "/in-item/h",
            "/in-store/",
            "/in-store/g",
            "/outside -> ../etc",
        ];
        assert_eq!(listing(&copy("home").unwrap()), expected);
    }

    #[test]
    fn patterns_are_for_paths_in_the_image_too() {
        let (machine, store) = machine();
        for (patterns, gone) in [
            (&["in-item/f"][..], &["/in-item/f"][..]),
            (
                &["in-store/g", "d/f"],
                &["/in-store/g", "/d/f", "/in-item/f"],
            ),
            (&["**/f", "!in-item/f"], &["/d/f", "/in-item/f"]),
        ] {
            let exclude = layer::Exclude::new(patterns.iter().copied()).unwrap();
            let place = machine.path().join("nix/store/p");
            let selection = Selection::of(&place, &exclude, true).unwrap();
            let mut root = Root::new();
            let origin = Origin::CopyToRoot("p".into());
            root.copy(&place, &store, &selection, origin).unwrap();
            let found = listing(&root);
            for path in ["/d/f", "/in-item/f", "/in-store/g"] {
                let is_gone = gone.contains(&path);
                assert_eq!(
                    !found.contains(&path.to_owned()),
                    is_gone,
                    "{patterns:?} {path}"
                );
            }
        }
    }

    #[test]
    fn a_link_to_where_it_lies_is_an_error() {
        let error = copy("nix/store/bad").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`/d/up` in copyToRoot `/nix/store/bad` leads back to `/`"
        );
    }

    #[test]
    fn what_is_no_directory_is_an_error_with_a_hint() {
        let error = copy("nix/store/p/d/f").unwrap_err();
        assert_eq!(
            error.to_string(),
            "copyToRoot `/nix/store/p/d/f` is not a directory"
        );
        assert_eq!(
            error.hint().as_deref(),
            Some("name a single file in `files`")
        );
        assert!(
            copy("nix/store/missing")
                .unwrap_err()
                .to_string()
                .ends_with("missing` does not exist")
        );
    }

    #[test]
    fn what_a_layer_cannot_hold_is_an_error() {
        let (machine, store) = machine();
        let _socket =
            std::os::unix::net::UnixListener::bind(machine.path().join("home/socket")).unwrap();
        let origin = Origin::CopyToRoot("/home".into());
        let error = Root::new()
            .copy(
                &machine.path().join("home"),
                &store,
                &Selection::all(),
                origin,
            )
            .unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("home/socket` is a socket, which a layer cannot hold"),
            "{error}"
        );
    }
}
