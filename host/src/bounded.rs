//! Files that are read whole, up to a size.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A file that was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The system refused.
    #[error("reading `{}`", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Larger than any that is meant.
    #[error("`{}` has more than {} MiB, the most that is read", path.display(), limit >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read, in bytes.
        limit: u64,
    },
}

impl ReadError {
    /// What the system says of a file or folder.
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// Whether there is no such file.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
///
/// A file that can not be read, or is larger: of such a one no more than that is read.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let file = File::open(path).map_err(|source| ReadError::io(path, source))?;
    read_from(file, path, limit)
}

/// As [`read`], from anything; errors call it `name`.
///
/// # Errors
///
/// As [`read`].
pub(crate) fn read_from(reader: impl Read, name: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    let mut reader = reader.take(limit.saturating_add(1));
    reader.read_to_end(&mut bytes).map_err(|source| ReadError::io(name, source))?;
    match bytes.len() as u64 > limit {
        true => Err(ReadError::TooLarge { path: name.to_owned(), limit }),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_the_limit_and_no_further() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "four").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"four");
        assert_eq!(read(&path, u64::MAX).unwrap(), b"four");
        assert!(matches!(read(&path, 3), Err(ReadError::TooLarge { limit: 3, .. })));
        let error = read_from(io::repeat(b'x'), Path::new("-"), 1 << 20).unwrap_err();
        assert_eq!(error.to_string(), "`-` has more than 1 MiB, the most that is read");
    }

    #[test]
    fn what_is_not_there_is_told_from_what_can_not_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let error = read(&folder.path().join("none"), 1).unwrap_err();
        assert!(error.is_not_found() && error.to_string().starts_with("reading `"), "{error}");
        assert!(!read(folder.path(), 1).unwrap_err().is_not_found());
    }
}
