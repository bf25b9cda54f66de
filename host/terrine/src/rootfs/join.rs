//! Packages joined at the root by links, as `lndir` does.

use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FileType, OFlags};

use super::entry::Node;
use super::list::{children, open};
use super::tree::{Twice, normalise};
use super::{Error, Origin, Root};
use crate::beneath::{Beneath, Found};
use crate::layer;

/// What version control leaves in a directory: left out, if it is a directory itself.
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

impl Root {
    /// Joins a directory at the root: its directories are made anew, and what they hold
    /// becomes links to it. A link is made again with the target that it has. `at` is the
    /// directory's absolute path in the image, `source` where it is on this machine.
    ///
    /// As with `lndir`, what ends in `~` and the directories of version control are left
    /// out, and of several packages the first one has a path, whatever it is there.
    ///
    /// # Errors
    ///
    /// What is not a directory or can not be listed, and a path that something other
    /// than a package has as something else.
    pub fn link(&mut self, at: &str, source: &Path, origin: Origin) -> Result<(), Error> {
        let at = normalise(at)?;
        let source = open(source, &origin)?;
        let origin = Arc::new(origin);
        // Directories that are still to be listed, below the root and below `source`.
        let mut open = vec![Vec::new()];
        while let Some(directory) = open.pop() {
            for child in list(&source, &directory)? {
                if is_left_out(&child) {
                    continue;
                }
                let path = [&directory[..], b"/", &child.name].concat();
                if child.kind == FileType::Directory {
                    if self.place(path.clone(), Node::implied(&origin), Twice::Keep)? {
                        open.push(path);
                    }
                    continue;
                }
                let target = if child.kind == FileType::Symlink {
                    child.link.into_vec()
                } else {
                    [at.as_bytes(), &path].concat()
                };
                self.place(path, Node::symlink(&target, &origin), Twice::Keep)?;
            }
        }
        Ok(())
    }
}

/// Lists a directory of a package by its path at the root.
fn list(source: &Beneath, path: &[u8]) -> Result<Vec<Found>, layer::Error> {
    let below = path.strip_prefix(b"/").unwrap_or(path);
    let directory = source
        .open_at(below, OFlags::DIRECTORY)
        .map_err(|errno| layer::opening(&source.place(below), errno))?;
    children(&directory, source, below)
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
        let kinds = "`/link` is a symbolic link in contents `/nix/store/x-base` and a directory in `fakeNss`";
        assert_eq!(with("/link/x", New::file(""), true), Err(kinds.to_owned()));
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
