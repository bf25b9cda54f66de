//! Errors of databases in images.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use terrine_support::hint::Hint;

/// A database that cannot be written, or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// SQLite refuses to write.
    #[error("writing the Nix database")]
    Write(#[source] rusqlite::Error),
    /// A record refers to a path that has none.
    #[error("`{path}` refers to `{reference}`, which is not registered")]
    MissingReference {
        /// The path.
        path: String,
        /// Its reference.
        reference: String,
    },
    /// A derivation without the list of its outputs.
    #[error("`{0}` is not a derivation")]
    Derivation(String),
    /// The temporary folder that a database is read in cannot be used.
    #[error("copying the Nix database of `{image}` to `{}`", directory.display())]
    Spool {
        /// The image.
        image: String,
        /// The folder for temporary files.
        directory: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// SQLite cannot read the database of an image.
    #[error("reading the Nix database of `{image}`")]
    Read {
        /// The image.
        image: String,
        /// SQLite's error.
        #[source]
        source: rusqlite::Error,
    },
    /// The database of an image says what Nix would not.
    #[error("the Nix database of `{image}` cannot be used: {why}")]
    Invalid {
        /// The image.
        image: String,
        /// The fault.
        why: String,
    },
}

impl Hint for Error {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Spool { .. } => {
                Some("set `TMPDIR` to a folder that can be written to and has the room".into())
            }
            Self::Read { .. } | Self::Invalid { .. } => Some(
                "`nix-store --verify` in a container of the base image shows more; without `includeNixDB` the database is left as it is".into(),
            ),
            Self::Write(_) | Self::MissingReference { .. } | Self::Derivation(_) => None,
        }
    }
}
