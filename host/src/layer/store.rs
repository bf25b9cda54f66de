//! Where store paths are, in the image and on this machine.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

/// A directory of store paths: `/nix/store`, `/gnu/store`, or one of these below
/// another root, as Nix's chroot stores lie.
#[derive(Debug)]
pub struct Store {
    dir: String,
    root: PathBuf,
    handle: File,
}

impl Store {
    /// Opens the store that is `dir` in the image and `root` + `dir` on this machine.
    ///
    /// # Errors
    ///
    /// A `dir` that is not an absolute path in its plainest form, and a `root` that
    /// can not be opened.
    pub fn open(dir: &str, root: &Path) -> Result<Self, StorePathError> {
        let plain = normalise(dir).ok_or_else(|| StorePathError::NotAbsolute(dir.to_owned()))?;
        let handle = File::open(root)
            .and_then(|handle| match handle.metadata()?.is_dir() {
                true => Ok(handle),
                false => Err(io::ErrorKind::NotADirectory.into()),
            })
            .map_err(|source| StorePathError::Root { root: root.to_owned(), source })?;
        Ok(Self { dir: plain, root: root.to_owned(), handle })
    }

    /// The store's directory in the image, without a trailing slash; empty for `/`.
    pub fn dir(&self) -> &str {
        &self.dir
    }

    /// The store's own ancestors and itself, outermost first: `/nix`, `/nix/store`.
    pub fn ancestors(&self) -> impl Iterator<Item = &str> {
        let slashes = self.dir.match_indices('/').skip(1).map(|(i, _)| &self.dir[..i]);
        slashes.chain((!self.dir.is_empty()).then_some(self.dir.as_str()))
    }

    /// Checks that a path lies in the store.
    ///
    /// # Errors
    ///
    /// A path that is not absolute, holds `..`, or lies elsewhere.
    pub fn path(&self, path: &str) -> Result<StorePath, StorePathError> {
        let plain = normalise(path).ok_or_else(|| StorePathError::NotAbsolute(path.to_owned()))?;
        match plain.strip_prefix(&self.dir) {
            Some(rest) if rest.starts_with('/') => Ok(StorePath(plain)),
            _ => Err(StorePathError::Outside { path: path.to_owned(), dir: self.dir.clone() }),
        }
    }

    /// Where an absolute path of the image is on this machine.
    pub fn locate(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The directory that stands for the image's `/`.
    pub(super) fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

/// An absolute path in a store, in its plainest form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StorePath(String);

impl StorePath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `self` is `other` or lies below it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.strip_prefix(&other.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// A path that can not be one of the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorePathError {
    /// Not absolute, or with `..` or a NUL in it.
    #[error("`{0}` is not an absolute path without `..`")]
    NotAbsolute(String),
    /// Not below the store's directory.
    #[error("`{path}` is outside the store `{dir}`")]
    Outside {
        /// The path.
        path: String,
        /// The store's directory.
        dir: String,
    },
    /// The root of the store can not be opened.
    #[error("opening the store root `{}`", root.display())]
    Root {
        /// The root.
        root: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// An absolute path without repeated slashes, `.` and a slash at the end; `None` for
/// a path that is not absolute, or that holds `..` or a NUL.
fn normalise(path: &str) -> Option<String> {
    let components =
        path.strip_prefix('/')?.split('/').filter(|component| !matches!(*component, "" | "."));
    let mut plain = String::with_capacity(path.len());
    for component in components {
        if component == ".." || component.contains('\0') {
            return None;
        }
        plain.push('/');
        plain.push_str(component);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(dir: &str) -> Store {
        Store::open(dir, Path::new("/")).unwrap()
    }

    #[test]
    fn ancestors_come_outermost_first() {
        let ancestors = |dir| store(dir).ancestors().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(ancestors("/nix/store"), ["/nix", "/nix/store"]);
        assert_eq!(ancestors("/gnu/store/"), ["/gnu", "/gnu/store"]);
        assert_eq!(ancestors("/a/b/c"), ["/a", "/a/b", "/a/b/c"]);
        assert_eq!(ancestors("/"), Vec::<String>::new());
    }

    #[test]
    fn only_paths_below_the_store_are_in_it() {
        let nix = store("/nix/store");
        let path = |path: &str| nix.path(path).map(|p| p.as_str().to_owned()).map_err(|e| e.to_string());
        assert_eq!(path("/nix/store/a-b"), Ok("/nix/store/a-b".to_owned()));
        assert_eq!(path("//nix/./store//a-b/"), Ok("/nix/store/a-b".to_owned()));
        assert_eq!(
            path("/nix/store2/a"),
            Err("`/nix/store2/a` is outside the store `/nix/store`".to_owned())
        );
        assert_eq!(path("/nix/store"), Err("`/nix/store` is outside the store `/nix/store`".to_owned()));
        assert_eq!(path("/etc"), Err("`/etc` is outside the store `/nix/store`".to_owned()));
        for bad in ["", "nix/store/a", "/nix/store/../../etc", "/nix/store/a\0"] {
            assert!(path(bad).unwrap_err().contains("is not an absolute path"), "{bad}");
        }
        assert!(store("/").path("/x").is_ok());
    }

    #[test]
    fn paths_within_each_other_are_told() {
        let nix = store("/nix/store");
        let path = |name: &str| nix.path(&format!("/nix/store/{name}")).unwrap();
        assert!(path("a").is_within(&path("a")));
        assert!(path("a/b").is_within(&path("a")));
        assert!(!path("a-b").is_within(&path("a")));
        assert!(!path("a").is_within(&path("a/b")));
    }
}
