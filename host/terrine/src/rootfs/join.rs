//! Packages joined at the root by links, as `lndir` does.

use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FileType, OFlags};

use super::entry::Node;
use super::list::{children, open};
use super::tree::{Twice, normalise};
use super::way::Way;
use super::{Error, Origin, Root};
use crate::beneath::{Beneath, Found};
use crate::layer;

/// Names of what version control leaves in a directory. An entry of such a name is left out if it
/// is a directory itself.
const VERSION_CONTROL: [&[u8]; 8] = [
    b".git",
    b".hg",
    b".svn",
    b"BitKeeper",
    b"CVS",
    b"CVS.adm",
    b"RCS",
    b"SCCS",
];

/// A directory that is being joined.
struct Joined {
    /// Its path in the image.
    path: Vec<u8>,
    from: Directory,
}

/// The place of a directory that is joined.
enum Directory {
    /// In the package, at this path below it, which starts with a slash or is empty.
    InPackage(Vec<u8>),
    /// At this path of the store: a link of the package leads there.
    InStore(Vec<u8>),
}

impl Directory {
    fn child(&self, name: &[u8]) -> Self {
        let child = |directory: &[u8]| [directory, b"/", name].concat();
        match self {
            Self::InPackage(below) => Self::InPackage(child(below)),
            Self::InStore(at) => Self::InStore(child(at)),
        }
    }

    /// Returns its path in the image's store.
    fn in_store(&self, package: &str) -> Vec<u8> {
        match self {
            Self::InPackage(below) => [package.as_bytes(), below].concat(),
            Self::InStore(at) => at.clone(),
        }
    }
}

/// A package that is joined at the root.
struct Join<'a> {
    root: &'a mut Root,
    /// Its path in the image.
    at: String,
    source: Beneath,
    origin: Arc<Origin>,
    /// True for a package; false for a directory of this machine, from which only what the user
    /// names is left out.
    is_package: bool,
    /// The directories that are still to be listed.
    open: Vec<Joined>,
}

impl Root {
    /// Joins a directory at the root: its directories are made anew, and what they hold
    /// becomes links to it. A link is made again with the target that it has. `at` is the
    /// directory's absolute path in the image, `source` where it is on this machine.
    ///
    /// As with `lndir`, what ends in `~` and the directories of version control are left
    /// out of a package, and of several packages the first one has a path, whatever it is there. But where one
    /// of them has a directory and another a link to one, nothing of either is lost: what comes later goes
    /// through the link, and a link into the store becomes a directory of links.
    ///
    /// # Errors
    ///
    /// What is not a directory or cannot be listed, and a path that something other
    /// than a package has as something else.
    pub fn link(&mut self, at: &str, source: &Path, origin: Origin) -> Result<(), Error> {
        let at = normalise(at)?;
        let store = self.store.as_ref();
        let path = store.and_then(|store| Some((store, store.path(&at).ok()?)));
        let mut join = Join {
            is_package: path.is_none_or(|(store, path)| !store.is_grafted(&path)),
            root: self,
            at,
            source: open(source, &origin)?,
            origin: Arc::new(origin),
            open: vec![],
        };
        join.open.push(Joined {
            path: vec![],
            from: Directory::InPackage(vec![]),
        });
        while let Some(directory) = join.open.pop() {
            join.directory(&directory)?;
        }
        Ok(())
    }
}

impl Join<'_> {
    fn directory(&mut self, directory: &Joined) -> Result<(), Error> {
        let (children, moved) = match &directory.from {
            Directory::InPackage(below) => (self.list(below)?, *below != directory.path),
            Directory::InStore(at) => (self.root.list_store(at)?.unwrap_or_default(), true),
        };
        for child in children {
            let path = [&directory.path[..], b"/", &child.name].concat();
            if self.is_package && is_left_out(&child) {
                self.root.lost.leave_out(&path, &self.origin);
                continue;
            }
            let from = directory.from.child(&child.name);
            match child.kind {
                FileType::Directory => self.enter(&path, from)?,
                FileType::Symlink => {
                    let in_store = from.in_store(&self.at);
                    // From elsewhere it would lead elsewhere.
                    let keeps = !moved || child.link.starts_with(b"/");
                    let target = if keeps { &*child.link } else { &in_store };
                    self.link(path, target, &in_store)?;
                }
                _ => self.place(path, &from.in_store(&self.at))?,
            }
        }
        Ok(())
    }

    /// Makes a directory, which is listed later.
    fn enter(&mut self, path: &[u8], from: Directory) -> Result<(), Error> {
        let node = Node::implied(&self.origin);
        match self.root.directory(path, node, Twice::Keep)? {
            Ok(path) => self.open.push(Joined { path, from }),
            // What is there has the path, or is of another kind of source.
            Err(blocked) => {
                let node = Node::implied(&self.origin);
                self.root.place(blocked, node, Twice::Keep)?;
            }
        }
        Ok(())
    }

    /// Makes a link again. Where there is a directory or a link to one already, in the base image too, and this link
    /// leads to another one, what lies in that is joined as well.
    fn link(&mut self, path: Vec<u8>, target: &[u8], in_store: &[u8]) -> Result<(), Error> {
        let Some(old) = self.root.node(&path) else {
            let links = &self.root.base_links;
            let hides = links.followed && links.has_directory(&path);
            let directory = self.root.directory_in_store(in_store);
            return match directory.filter(|_| hides) {
                Some(directory) => self.merge(&path, target, directory),
                None => self.place(path, target),
            };
        };
        let same = old.content == Node::symlink(target, &self.origin).content;
        let directory = self.root.directory_in_store(in_store);
        match directory.filter(|_| !same && old.origin.is_like(&self.origin)) {
            Some(directory) => match self.root.way(&path) {
                Way::Store { at, .. } if at == directory => Ok(()),
                Way::Store { ref at, .. } if self.root.directory_in_store(at).is_none() => {
                    self.place(path, target)
                }
                Way::Blocked(_) => self.place(path, target),
                _ => self.merge(&path, target, directory),
            },
            None => self.place(path, target),
        }
    }

    /// Makes a directory in the place of a link, for what lies in the directory of the store that it leads to. What
    /// others put where it leads at the root comes later.
    fn merge(&mut self, path: &[u8], target: &[u8], directory: Vec<u8>) -> Result<(), Error> {
        self.enter(path, Directory::InStore(directory))?;
        let slash = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        let target = match target {
            [b'/', ..] => target.to_vec(),
            target => [&path[..slash], b"/", target].concat(),
        };
        if let (Way::Here(place), Way::Here(target)) = (self.root.way(path), self.root.way(&target))
        {
            self.root.merged.push((place, target));
        }
        Ok(())
    }

    /// Lists a directory of the package by its path below it.
    fn list(&self, path: &[u8]) -> Result<Vec<Found>, layer::Error> {
        let below = path.strip_prefix(b"/").unwrap_or(path);
        let directory = self
            .source
            .open_at(below, OFlags::DIRECTORY)
            .map_err(|errno| layer::opening(&self.source.place(below), errno))?;
        let mut found = children(&directory, &self.source, below)?;
        if let Some(store) = &self.root.store {
            store.select(&[self.at.as_bytes(), path].concat(), &mut found);
        }
        Ok(found)
    }

    fn place(&mut self, path: Vec<u8>, target: &[u8]) -> Result<(), Error> {
        let node = Node::symlink(target, &self.origin);
        self.root.place(path, node, Twice::Keep).map(drop)
    }
}

fn is_left_out(child: &Found) -> bool {
    let name = &*child.name;
    name.ends_with(b"~") || (child.kind == FileType::Directory && VERSION_CONTROL.contains(&name))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use terrine_support::hint::Hint;
    use terrine_tar::Kind;

    use super::*;
    use crate::rootfs::New;

    /// A folder that holds a directory, a file in it, a link and a file.
    fn package() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("etc")).unwrap();
        fs::write(folder.path().join("etc/passwd"), "root").unwrap();
        std::os::unix::fs::symlink("../up", folder.path().join("link")).unwrap();
        folder
    }

    fn origin() -> Origin {
        Origin::Contents("/nix/store/x-base".into())
    }

    #[test]
    fn links_lead_to_where_the_package_is_in_the_image() {
        let (mut root, package) = (Root::new(), package());
        root.link("/nix/store/x-base/", package.path(), origin())
            .unwrap();
        assert_eq!(root.get(b"/etc").unwrap().kind, Kind::Directory);
        assert_eq!(
            root.get(b"/etc/passwd").unwrap().link,
            b"/nix/store/x-base/etc/passwd"
        );
        assert_eq!(root.get(b"/link").unwrap().link, b"../up");
    }

    #[test]
    fn what_a_package_and_another_source_have_is_an_error_unless_it_is_the_same() {
        let package = package();
        let with = |path: &str, new: New, link_first: bool| {
            let mut root = Root::new();
            let nss = Origin::Helper("fakeNss");
            let outcome = if link_first {
                root.link("/p", package.path(), origin())
                    .and_then(|()| root.add(path, new, nss))
            } else {
                root.add(path, new, nss)
                    .and_then(|()| root.link("/p", package.path(), origin()))
            };
            outcome.map_err(|error| error.to_string())
        };
        let clash = |first, second| {
            Err(format!(
                "`/etc/passwd` comes from both {first} and {second}"
            ))
        };
        let (base, nss) = ("contents `/nix/store/x-base`", "`fakeNss`");
        assert_eq!(
            with("/etc/passwd", New::file("root"), true),
            clash(base, nss)
        );
        assert_eq!(
            with("/etc/passwd", New::file("root"), false),
            clash(nss, base)
        );
        let kinds = "`/etc` is a file in `fakeNss` and a directory in contents `/nix/store/x-base`";
        assert_eq!(with("/etc", New::file(""), false), Err(kinds.to_owned()));
        let kinds = "`/link` is a directory in `fakeNss` and a symbolic link in contents `/nix/store/x-base`";
        assert_eq!(with("/link/x", New::file(""), false), Err(kinds.to_owned()));
        // The link is there, and leads somewhere.
        assert_eq!(with("/link/x", New::file(""), true), Ok(()));
        for link_first in [false, true] {
            assert_eq!(
                with("/etc/passwd", New::symlink("/p/etc/passwd"), link_first),
                Ok(())
            );
            assert_eq!(with("/etc/group", New::file(""), link_first), Ok(()));
            assert_eq!(
                with("/etc", New::directory().mode(0o700), link_first),
                Ok(())
            );
        }
    }

    #[test]
    fn a_package_that_is_a_file_is_an_error_with_a_hint() {
        let package = package();
        let error = Root::new()
            .link("/p", &package.path().join("etc/passwd"), origin())
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "contents `/nix/store/x-base` is not a directory"
        );
        let hint = "give a package that holds the file in a directory, or name the file in `files`";
        assert_eq!(error.hint().as_deref(), Some(hint));
    }
}
