//! The errors that can come up while a layer is made.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use terrine_oci::Digest;
use terrine_support::hint::Hint;

use super::{PatternError, StorePathError};
use crate::pipe::Closed;
use crate::substitute;

/// A file tree that cannot be made a layer. Each names the path where it lies.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A store path that does not exist.
    #[error("`{}` does not exist", path.display())]
    Missing {
        /// The path where it should be.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{action} `{}`", path.display())]
    Io {
        /// The action that was tried: `reading`, `listing`, ...
        action: &'static str,
        /// The path that it was tried on.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// Something that an image does not hold: a socket, a fifo, a device.
    #[error("`{}` is a {kind}, which a layer cannot hold", path.display())]
    Special {
        /// Its path.
        path: PathBuf,
        /// The kind of file that it is.
        kind: &'static str,
    },
    /// A name that means something else in a layer (OCI image specification, "Whiteouts").
    #[error("`{}` has the name of a whiteout, which would remove files of lower layers", path.display())]
    Whiteout {
        /// Its path.
        path: PathBuf,
    },
    /// A path that no system could unpack.
    #[error("`{}...` has {length} bytes, but a path may have at most {limit}", path.display())]
    TooLong {
        /// The start of the path, as it would be in the image.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
        /// The longest allowed.
        limit: usize,
    },
    /// A tree of more entries, or larger, than can be counted.
    #[error("`{}` is too large for a layer", path.display())]
    TooLarge {
        /// The store path.
        path: PathBuf,
    },
    /// A file that is not what it was when the tree was walked.
    #[error("`{}` {change} while the image was made", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// The change that happened to it.
        change: Change,
    },
    /// A given archive that cannot be read.
    #[error("reading the customisation layer `{}`", path.display())]
    Archive {
        /// The archive or its checksum.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A given archive that is not a file.
    #[error("the customisation layer `{}` is not a regular file", path.display())]
    NotAFile {
        /// The archive.
        path: PathBuf,
    },
    /// The checksum of a given archive that is none.
    #[error("`{}` does not hold a sha256 digest of 64 hexadecimal digits", path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
    },
    /// A given archive that has another digest than its checksum says.
    #[error("the customisation layer `{}` has the digest {actual}, but its checksum says {expected}", path.display())]
    Mismatch {
        /// The archive.
        path: PathBuf,
        /// The digest that the checksum says.
        expected: Digest,
        /// The digest of the bytes.
        actual: Digest,
    },
    /// A store path that cannot be had from a binary cache.
    #[error(transparent)]
    Substitute(#[from] substitute::Error),
    /// The receiver of the archive does not want any more of it.
    #[error("the output was closed")]
    Closed,
}

/// The hint on a name that starts with `.wh.`.
pub(crate) const WHITEOUT_HINT: &str = "leave the file out or give it another name: in layers, names that start with `.wh.` are whiteouts";

impl Hint for Error {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Missing { path } if path.to_string_lossy().contains("/nix/store/nix/store/") => {
                Some("`--store-root` is the directory that has `nix/store` in it".into())
            }
            Self::Missing { .. } => Some(
                "build or fetch the path first; for a store below another directory, give `--store-root`".into(),
            ),
            Self::Special { .. } => Some("containers get their devices and sockets when they run; `--exclude` leaves this one out of a directory that is not in the store".into()),
            Self::Whiteout { .. } => Some(WHITEOUT_HINT.into()),
            Self::Substitute(error) => error.hint(),
            Self::Mismatch { .. } => Some("build the customisation layer again".into()),
            Self::Changed { .. } => Some("run again when nothing writes to the path any more".into()),
            _ => None,
        }
    }
}

impl Hint for StorePathError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::NotAbsolute(_) => Some("write the whole path, from `/` on".into()),
            Self::Root { .. } => {
                Some("`--store-root` is the directory that has `nix/store` in it".into())
            }
            _ => None,
        }
    }
}

impl Hint for PatternError {}

impl From<Closed> for Error {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

/// A change of a file between the two looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It has fewer bytes than it had.
    Shrank,
    /// It has more bytes than it had.
    Grew,
    /// It does not exist any more.
    Vanished,
    /// It is not a regular file any more.
    Replaced,
    /// Something in the directory was added, removed or written.
    Written,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Shrank => "shrank",
            Self::Grew => "grew",
            Self::Vanished => "vanished",
            Self::Replaced => "was replaced",
            Self::Written => "was changed",
        })
    }
}
