//! Stores to stream from.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A store below a folder of its own, as Nix's chroot stores lie.
#[derive(Debug)]
pub struct TestStore {
    root: tempfile::TempDir,
    dir: &'static str,
}

impl Default for TestStore {
    fn default() -> Self {
        Self::new("/nix/store")
    }
}

impl TestStore {
    /// An empty store that is `dir` in the image.
    pub fn new(dir: &'static str) -> Self {
        let store = Self {
            root: super::temporary(),
            dir,
        };
        fs::create_dir_all(store.host("")).unwrap();
        store
    }

    /// The folder that stands for `/`.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The store's directory in the image.
    pub fn dir(&self) -> &'static str {
        self.dir
    }

    /// The path of an entry in the image.
    pub fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.dir)
    }

    /// Returns the place of an entry of the store on this machine.
    pub fn host(&self, name: &str) -> PathBuf {
        let path = self.root().join(&self.dir[1..]);
        if name.is_empty() {
            path
        } else {
            path.join(name)
        }
    }

    /// Makes a file, and the directories that it needs, with Nix's permissions.
    pub fn file(&self, name: &str, content: &[u8]) -> &Self {
        self.file_with_mode(name, content, 0o444)
    }

    /// Makes a file with these permissions.
    pub fn file_with_mode(&self, name: &str, content: &[u8], mode: u32) -> &Self {
        let path = self.host(name);
        self.parents(name);
        // One that is there may be read-only, and only root may write to it then.
        let _ = fs::remove_file(&path);
        fs::write(&path, content).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        self
    }

    /// Makes a directory, and those that it needs.
    pub fn directory(&self, name: &str) -> &Self {
        self.parents(&format!("{name}/x"));
        self
    }

    /// Makes a symbolic link.
    pub fn link(&self, name: &str, target: impl AsRef<Path>) -> &Self {
        self.parents(name);
        symlink(target, self.host(name)).unwrap();
        self
    }

    /// Makes the directories that a name needs, with fixed permissions: those of a
    /// checkout depend on the user's mask.
    fn parents(&self, name: &str) {
        let mut path = self.host("");
        let mut components: Vec<&str> = name.split('/').collect();
        components.pop();
        for component in components {
            path.push(component);
            if !path.exists() {
                fs::create_dir(&path).unwrap();
                fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
            }
        }
    }
}
