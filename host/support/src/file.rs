//! Files that are read whole, up to the size that any of them may have.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::hint::Hint;

/// A file that cannot be read whole.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused.
    #[error("reading `{}`", path.display())]
    Io {
        /// The file, or the folder that it is in.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// Larger than any that is meant.
    #[error("`{}` has more than {} MiB, which is the limit", path.display(), limit >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read, in bytes.
        limit: u64,
    },
}

impl Hint for FileError {}

impl FileError {
    /// Returns a function that makes an error out of the system's error about a file.
    pub fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// Reads a file that has at most `limit` bytes.
///
/// # Errors
///
/// A file that cannot be read or has more.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    read_from(File::open(path).map_err(FileError::io(path))?, path, limit)
}

/// The same for anything that has bytes. Errors call it `name`.
///
/// # Errors
///
/// As [`read`].
pub fn read_from(reader: impl Read, name: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    reader
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(FileError::io(name))?;
    if bytes.len() as u64 > limit {
        Err(FileError::TooLarge {
            path: name.to_owned(),
            limit,
        })
    } else {
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_has_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let missing = read(&path, 4).unwrap_err();
        assert!(matches!(missing, FileError::Io { path: named, .. } if named == path));
        std::fs::write(&path, "four").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"four");
        assert_eq!(read(&path, u64::MAX).unwrap(), b"four");
        assert!(matches!(
            read(&path, 3),
            Err(FileError::TooLarge { limit: 3, .. })
        ));
        let folder = read(folder.path(), 4).unwrap_err();
        assert!(matches!(folder, FileError::Io { .. }), "{folder}");
    }
}
