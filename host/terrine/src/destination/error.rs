//! Failures to write an image to its destination.

use std::borrow::Cow;
use std::io;

use terrine_registry as registry;
use terrine_support::hint::Hint;

use crate::{daemon, layout};

/// A failure to write an image to its destination.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An OCI layout.
    #[error(transparent)]
    Layout(#[from] layout::Error),
    /// A registry.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// A storage that is another program's.
    #[error(transparent)]
    Daemon(#[from] daemon::Error),
    /// A blob could not be put where it waits for its digest.
    #[error("keeping a layer in `{place}`")]
    Staging {
        /// The directory or layout in which it should wait.
        place: String,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// An archive could not be written.
    #[error("writing the archive")]
    Output(#[source] io::Error),
    /// Something that the destination has no form for.
    #[error("{what} cannot be copied to {place}")]
    Unsupported {
        /// A description of the thing.
        what: String,
        /// The destination that it should go to.
        place: String,
        /// A hint that says what can be done about it.
        hint: &'static str,
    },
}

impl Error {
    /// The error of a blob that could not be put into a temporary file.
    pub(super) fn temporary(source: io::Error) -> Self {
        Self::Staging {
            place: temporary_place(),
            source,
        }
    }

    /// Returns true if a registry does not accept something because of its kind.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::Registry(error) => error.is_refusal(),
            _ => false,
        }
    }
}

impl Hint for Error {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Layout(error) => error.hint(),
            Self::Registry(error) => error.hint(),
            Self::Daemon(error) => error.hint(),
            Self::Staging { place, source } if is_full(source) => {
                Some(if *place == temporary_place() {
                    "make room there, or set `TMPDIR` to another directory".into()
                } else {
                    "make room there".into()
                })
            }
            Self::Output(source) if is_full(source) => {
                Some("make room where the archive is written to".into())
            }
            Self::Unsupported { hint, .. } => Some((*hint).into()),
            _ => None,
        }
    }
}

/// Returns where blobs wait that do not wait at their destination.
pub(in crate::destination) fn temporary_place() -> String {
    std::env::temp_dir().display().to_string()
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
