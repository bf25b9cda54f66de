//! Packages joined at the root by links, as `lndir` does.

use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Arc;

use super::entry::Node;
use super::list::{Child, check_directory, children, failed};
use super::tree::{Twice, normalise};
use super::{Error, Origin, Root};

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
        check_directory(source, &origin)?;
        let origin = Arc::new(origin);
        // Directories that are still to be listed, below the root and below `source`.
        let mut open = vec![Vec::new()];
        while let Some(directory) = open.pop() {
            let place = below(source, &directory);
            for child in children(&place)?
                .into_iter()
                .filter(|child| !is_left_out(child))
            {
                let path = [&directory[..], b"/", child.name.as_bytes()].concat();
                if child.kind.is_dir() {
                    if self.place(path.clone(), Node::implied(&origin), Twice::Keep)? {
                        open.push(path);
                    }
                    continue;
                }
                let target = if child.kind.is_symlink() {
                    read_link(&place.join(&child.name))?
                } else {
                    [at.as_bytes(), &path].concat()
                };
                self.place(path, Node::symlink(&target, &origin), Twice::Keep)?;
            }
        }
        Ok(())
    }
}

/// A path of the root as it is in `source`.
fn below(source: &Path, path: &[u8]) -> std::path::PathBuf {
    source.join(std::ffi::OsStr::from_bytes(
        path.strip_prefix(b"/").unwrap_or(path),
    ))
}

fn is_left_out(child: &Child) -> bool {
    let name = child.name.as_bytes();
    name.ends_with(b"~") || (child.kind.is_dir() && VERSION_CONTROL.contains(&name))
}

pub(super) fn read_link(path: &Path) -> Result<Vec<u8>, Error> {
    let target = fs::read_link(path).map_err(|error| failed("reading", path, error))?;
    Ok(target.into_os_string().into_vec())
}

#[cfg(test)]
mod tests {
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
