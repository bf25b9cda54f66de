//! Failures to read or write a layout.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use terrine_oci::Digest;
use terrine_support::hint::Hint;

/// A layout that cannot be used, or not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refused.
    #[error("{action} `{}`", path.display())]
    Io {
        /// The action that failed.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A directory that is no layout.
    #[error("`{}` is not an OCI layout: it has no `{member}`", path.display())]
    Missing {
        /// The directory.
        path: PathBuf,
        /// The missing file, which makes a directory a layout.
        member: &'static str,
    },
    /// A layout of another version than the only one that there is.
    #[error("`{}` is an OCI layout of version `{version}`, not 1.0.0", path.display())]
    Version {
        /// The directory.
        path: PathBuf,
        /// Its version.
        version: String,
    },
    /// A place where something else is.
    #[error("`{}` is neither empty nor an OCI layout", path.display())]
    Occupied {
        /// The place.
        path: PathBuf,
    },
    /// JSON that is none, or not what is expected.
    #[error("`{}` cannot be read: {why}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The fault in it.
        why: String,
    },
    /// A file that is larger than it can sensibly be.
    #[error("`{}` has {size} bytes, but at most {limit} are allowed", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The largest allowed.
        limit: u64,
    },
    /// A blob that is missing.
    #[error("the OCI layout `{}` has no blob {digest}", path.display())]
    NoBlob {
        /// The layout.
        path: PathBuf,
        /// The blob.
        digest: Digest,
    },
    /// A link, a directory, a device or a fifo where a file has to be.
    #[error("`{}` is not a regular file", path.display())]
    NotAFile {
        /// The path of the link, directory, device or fifo.
        path: PathBuf,
    },
    /// A blob whose size is not what its descriptor says.
    #[error("the blob {digest} of the OCI layout `{}` has {actual} bytes, not {expected}", path.display())]
    Size {
        /// The layout.
        path: PathBuf,
        /// The blob.
        digest: Digest,
        /// The size that the descriptor states, in bytes.
        expected: u64,
        /// The size of the file, in bytes.
        actual: u64,
    },
    /// Another writer that does not come to its end.
    #[error("`{}` is locked by {holder}: waited for {} s", path.display(), waited.as_secs())]
    Locked {
        /// The file.
        path: PathBuf,
        /// The holder of the lock.
        holder: super::Holder,
        /// The time that was spent waiting for the lock.
        waited: Duration,
    },
    /// A name that other tools do not take.
    #[error("`{0}` cannot be the name of an image in an OCI layout")]
    Name(String),
}

impl Error {
    /// A refusal of the system.
    pub(super) fn io(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source: source.into(),
        }
    }
}

impl Hint for Error {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Missing { .. } => {
                Some("an OCI layout is made by `terrine copy` and `terrine build`".into())
            }
            Self::Occupied { .. } => Some("name an empty directory, or one that does not exist yet".into()),
            Self::Version { .. } => Some("write it again with a tool that makes version 1.0.0".into()),
            Self::Size { .. } | Self::NoBlob { .. } => Some("write the image to the layout again".into()),
            Self::Name(_) => Some(
                "names consist of letters and digits, separated by single characters of `-._:@+/`: `web`, `1.2`".into(),
            ),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("make room there; the previous content of the layout is still valid".into())
            }
            Self::Locked { .. } => Some(
                "run again when that process has finished, or wait longer with `--lock-timeout`; all blobs are already in the layout".into(),
            ),
            Self::Io {
                action: super::LOCKING,
                ..
            } => Some("the file system does not support locks: write the layout to another one".into()),
            _ => None,
        }
    }
}
