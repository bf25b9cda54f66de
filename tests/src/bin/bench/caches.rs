//! The layer caches that runs start with.

use std::fs;
use std::path::{Path, PathBuf};

use terrine_tests::{empty_cache, temporary};

use super::Result;
use super::image::Image;
use super::measure;

/// Caches in a folder of their own.
pub(super) struct Caches {
    folder: tempfile::TempDir,
}

impl Caches {
    /// A folder without caches. Compiles the planner for all of them, if terrine does not have it compiled.
    pub(super) fn new() -> Result<Self> {
        measure::startup(&mut Image::empty()?.terrine())?;
        Ok(Self {
            folder: temporary(),
        })
    }

    /// The place of a cache, as the runs before have left it.
    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A cache that knows no layer: it has nothing but the compiled planner.
    pub(super) fn without_layers(&self, name: &str) -> Result<PathBuf> {
        let cache = self.missing(name)?;
        empty_cache(&cache);
        Ok(cache)
    }

    /// The place of a cache that does not exist, as before the first run on a machine.
    pub(super) fn missing(&self, name: &str) -> Result<PathBuf> {
        let cache = self.at(name);
        remove(&cache)?;
        Ok(cache)
    }
}

/// Removes a file or a folder, if it exists, and what is in read-only folders of it, too.
pub(super) fn remove(path: &Path) -> Result<()> {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if metadata.is_dir() {
        terrine_tests::nix::writable(path);
        Ok(fs::remove_dir_all(path)?)
    } else {
        Ok(fs::remove_file(path)?)
    }
}
