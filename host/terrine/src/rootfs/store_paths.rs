//! Store paths of the image, which nothing at the root may hide or change.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use terrine_tar::Kind;

use super::entry::{Node, NodeContent};
use super::tree::shown;
use super::{Error, Root};
use crate::layer::{Store, StorePath};

impl Root {
    /// Checks that nothing hides the store, or is in the place of what one of the store paths has that the image holds.
    ///
    /// # Errors
    ///
    /// What is no directory where the store lies, and what lies in a store path and is not the same there.
    pub fn check_store(
        &self,
        store: &Store,
        holds: impl Fn(&StorePath) -> bool,
    ) -> Result<(), Error> {
        for path in store.ancestors() {
            if let Some(node) = self.node(path.as_bytes())
                && node.kind() != Kind::Directory
            {
                return Err(Error::OverStore {
                    path: path.to_owned(),
                    kind: node.kind(),
                    origin: (*node.origin).clone(),
                    store: store.dir().to_owned(),
                });
            }
        }
        for (key, node) in &self.nodes {
            let path = std::str::from_utf8(&key.0).ok();
            let Some(path) = path.and_then(|path| store.path(path).ok()) else {
                continue;
            };
            let top = store.top(&path);
            if holds(&top) && !self.agrees(node, store, &key.0) {
                return Err(Error::InStore {
                    path: shown(&key.0),
                    origin: (*node.origin).clone(),
                    store_path: top.as_str().to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Says whether a store path has the same as the root at a path.
    fn agrees(&self, node: &Node, store: &Store, path: &[u8]) -> bool {
        let place = store.locate(Path::new(OsStr::from_bytes(path)));
        let Ok(there) = fs::symlink_metadata(&place) else {
            return false;
        };
        match &node.content {
            NodeContent::Directory(_) => there.is_dir(),
            NodeContent::Symlink(target) => {
                fs::read_link(&place).is_ok_and(|found| found.as_os_str().as_bytes() == &**target)
            }
            _ => there.is_file() && self.is_same_file(node, &Node::symlink(path, &node.origin)),
        }
    }
}

#[cfg(test)]
mod tests {
    use terrine_support::hint::Hint;

    use super::*;
    use crate::rootfs::{New, Origin};

    #[test]
    fn nothing_hides_the_store_or_changes_its_paths() {
        let machine = tempfile::tempdir().unwrap();
        let place = machine.path().join("nix/store/foo");
        fs::create_dir_all(place.join("d")).unwrap();
        fs::write(place.join("d/f"), "f").unwrap();
        std::os::unix::fs::symlink("d", place.join("l")).unwrap();
        let store = Store::open("/nix/store", machine.path()).unwrap();
        let check = |path: &str, new: New| {
            let mut root = Root::new().within(&store);
            root.add(path, new, Origin::Files).unwrap();
            let checked = root.check_store(&store, |path| path.as_str() == "/nix/store/foo");
            checked.map_err(|error| {
                assert!(error.hint().is_some());
                error.to_string()
            })
        };
        let over = |path: &str, kind: &str| {
            Err(format!(
                "`{path}` is a {kind} in `files`, and store paths of the image are in `/nix/store`"
            ))
        };
        let within = |path: &str| {
            Err(format!(
                "`{path}` comes from both `files` and the store path `/nix/store/foo`"
            ))
        };
        assert_eq!(
            check("/nix", New::symlink("/opt")),
            over("/nix", "symbolic link")
        );
        assert_eq!(
            check("/nix/store", New::file("")),
            over("/nix/store", "file")
        );
        assert_eq!(
            check("/nix/store/foo", New::symlink("bar")),
            within("/nix/store/foo")
        );
        assert_eq!(
            check("/nix/store/foo/g", New::file("")),
            within("/nix/store/foo/g")
        );
        assert_eq!(
            check("/nix/store/foo/d/f/g", New::file("")),
            within("/nix/store/foo/d/f")
        );
        assert_eq!(
            check("/nix/store/foo/l", New::symlink("e")),
            within("/nix/store/foo/l")
        );
        for (path, new) in [
            ("/nix/var/x", New::file("")),
            ("/nix/store/bar", New::file("")),
            ("/nix/store/foo/d", New::directory()),
            ("/nix/store/foo/d/f", New::copy_of(place.join("d/f"))),
            ("/nix/store/foo/l", New::symlink("d")),
            ("/nix", New::directory().mode(0o700)),
        ] {
            assert_eq!(check(path, new), Ok(()), "{path}");
        }
    }
}
