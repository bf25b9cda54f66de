//! Code that was compiled before, in a folder.

use std::fs;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use terrine_oci::Digest;
use wasmtime::Engine;

/// The folder within the one for compiled planners.
const FOLDER: &str = "components";
/// The most files that are kept: those that were made last.
const MAX_FILES: usize = 32;
/// The largest file that is read, in bytes.
const MAX_SIZE: u64 = 1 << 30;

/// A folder of compiled components. The caller makes sure that nobody else can write to it.
#[derive(Debug)]
pub(crate) struct Kept {
    folder: PathBuf,
}

impl Kept {
    /// Keeps code below a folder.
    pub(crate) fn below(folder: &Path) -> Self {
        Self {
            folder: folder.join(FOLDER),
        }
    }

    /// Returns the name of code: it depends on the component, this version, and all settings of the engine.
    pub(super) fn key(&self, engine: &Engine, bytes: &[u8]) -> String {
        let mut settings = Settings(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut settings);
        let settings = Digest::from(settings.0);
        let version = env!("CARGO_PKG_VERSION");
        let text = format!("{version} {settings} {}", Digest::of(bytes));
        Digest::of(text.as_bytes()).hex().to_owned()
    }

    /// Reads what was kept.
    pub(super) fn read(&self, key: &str) -> Option<Vec<u8>> {
        let file = self.folder.join(key);
        let metadata = fs::symlink_metadata(&file).ok()?;
        if !metadata.is_file() || metadata.len() > MAX_SIZE {
            return None;
        }
        fs::read(file).ok()
    }

    /// Keeps code. That it cannot be kept costs time, and is no fault.
    pub(super) fn keep(&self, key: &str, code: &[u8]) {
        if self.write(key, code).is_ok() {
            self.make_room();
        }
    }

    fn write(&self, key: &str, code: &[u8]) -> std::io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        // Under its name when it is whole.
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(code)?;
        file.persist(self.folder.join(key))?;
        Ok(())
    }

    /// Removes the oldest files beyond those that are kept.
    fn make_room(&self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut files: Vec<(SystemTime, PathBuf)> = entries
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        files.sort_unstable();
        let excess = files.len().saturating_sub(MAX_FILES);
        for (_, file) in files.into_iter().take(excess) {
            // Somebody else may have removed it.
            let _ = fs::remove_file(file);
        }
    }
}

/// A hasher whose result does not depend on the version of Rust.
struct Settings(Sha256);

impl Hasher for Settings {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::below(folder.path());
        assert_eq!(kept.read("a"), None);
        kept.keep("a", b"code");
        assert_eq!(kept.read("a"), Some(b"code".to_vec()));
        let old = SystemTime::UNIX_EPOCH;
        let file = fs::File::options()
            .write(true)
            .open(folder.path().join("components/a"))
            .unwrap();
        file.set_modified(old).unwrap();
        for number in 0..MAX_FILES {
            kept.keep(&number.to_string(), b"x");
        }
        assert_eq!(kept.read("a"), None);
        assert!(kept.read("0").is_some());
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::below(folder.path());
        kept.keep("a", b"code");
        std::os::unix::fs::symlink("a", folder.path().join("components/b")).unwrap();
        assert_eq!(kept.read("b"), None);
    }
}
