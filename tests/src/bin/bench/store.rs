//! Directories of store paths, as they are found.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Result;

/// Some store paths below one directory.
#[derive(Debug)]
pub(super) struct Store {
    /// Its name in the table.
    title: String,
    /// The directory that stands for `/`, without links on the way to it.
    pub(super) root: PathBuf,
    /// The directory that the store paths lie in, as the image has it.
    pub(super) dir: String,
    /// The store paths, the biggest first.
    pub(super) paths: Vec<StorePath>,
}

/// One store path.
#[derive(Debug, Default)]
pub(super) struct StorePath {
    /// Its name in the store.
    pub(super) name: String,
    /// The number of directories, files and links that it is made of.
    entries: u64,
    /// The number of bytes that its files have.
    pub(super) bytes: u64,
    /// The number of these in files that were counted before under other names: `tar`
    /// writes a link instead, and terrine, as images want it, the file.
    again: u64,
}

impl Store {
    /// A directory of store paths that was made elsewhere.
    pub(super) fn at(dir: &Path) -> Result<Self> {
        let absolute =
            fs::canonicalize(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let dir = absolute.to_str().ok_or("the store's path is not UTF-8")?;
        Self::open(dir, "/".into(), dir)
    }

    /// The store that is `dir` below another root.
    pub(super) fn open(title: &str, root: PathBuf, dir: &str) -> Result<Self> {
        let root = fs::canonicalize(root)?;
        let mut store = Self {
            title: title.to_owned(),
            root,
            dir: dir.to_owned(),
            paths: vec![],
        };
        let mut seen = HashSet::new();
        for entry in fs::read_dir(store.host())? {
            let entry = entry?;
            let name = entry
                .file_name()
                .into_string()
                .map_err(|_| "a store path is not UTF-8")?;
            // What is hidden is Nix's own: `.links`.
            if !name.starts_with('.') {
                let mut path = StorePath {
                    name,
                    ..StorePath::default()
                };
                path.add(&entry.path(), &mut seen)?;
                store.paths.push(path);
            }
        }
        store
            .paths
            .sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
        if store.paths.is_empty() {
            Err(format!("`{}` holds no store paths", store.host().display()).into())
        } else {
            Ok(store)
        }
    }

    /// Returns the directory of the store paths on this machine.
    pub(super) fn host(&self) -> PathBuf {
        self.root.join(self.dir.trim_start_matches('/'))
    }

    /// Returns its name, and how much there is of it.
    pub(super) fn summary(&self) -> String {
        let entries: u64 = self.paths.iter().map(|path| path.entries).sum();
        let sum = |bytes: fn(&StorePath) -> u64| {
            let sum: u64 = self.paths.iter().map(bytes).sum();
            format!("{:.1} MB", sum as f64 / 1e6)
        };
        let (title, paths, bytes) = (&self.title, self.paths.len(), sum(|path| path.bytes));
        if self.paths.iter().any(|path| path.again > 0) {
            let again = sum(|path| path.again);
            format!("{title}: {paths} paths, {entries} entries, {bytes} (hard links: {again})")
        } else {
            format!("{title}: {paths} paths, {entries} entries, {bytes}")
        }
    }
}

impl StorePath {
    /// Counts a file, a link, or a directory with everything below it.
    fn add(&mut self, path: &Path, seen: &mut HashSet<(u64, u64)>) -> Result<()> {
        let metadata = fs::symlink_metadata(path)?;
        self.entries += 1;
        if metadata.is_dir() {
            for entry in fs::read_dir(path)? {
                self.add(&entry?.path(), seen)?;
            }
        } else if metadata.is_file() {
            self.bytes += metadata.len();
            if metadata.nlink() > 1 && !seen.insert((metadata.dev(), metadata.ino())) {
                self.again += metadata.len();
            }
        }
        Ok(())
    }
}
