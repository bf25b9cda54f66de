//! The reasons why history cannot be had.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use terrine_support::hint::Hint;

use crate::{sequence, source};

/// A reason why the history of an image cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file of earlier closures.
    #[error(transparent)]
    Sequence(#[from] sequence::Error),
    /// Earlier closures of another store.
    #[error("the store paths of `{}` are in `{theirs}`, but those of the image are in `{ours}`", path.display())]
    StoreDir {
        /// The file.
        path: PathBuf,
        /// The directory of its paths.
        theirs: String,
        /// The directory of the image's.
        ours: String,
    },
    /// The previous image.
    #[error(transparent)]
    Image(#[from] source::Error),
    /// An image that says nothing of store paths.
    #[error("the image `{0}` does not say which store paths are in its layers")]
    NoRecord(String),
    /// A previous plan that cannot be read.
    #[error("reading `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// JSON that is no plan.
    #[error("`{}` is neither an image nor a plan: {why}", path.display())]
    NotAPlan {
        /// The file.
        path: PathBuf,
        /// The fault in it.
        why: String,
    },
}

impl Hint for Error {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Sequence(error) => error.hint(),
            Self::Image(error) if error.is_missing() => {
                Some("for the first image, give `--allow-missing-previous`".into())
            }
            Self::Image(error) => error.hint(),
            Self::NoRecord(_) => Some(
                "images made by terrine or dockerTools do; for other images, give the plan that `build --summary` wrote".into(),
            ),
            Self::NotAPlan { .. } => {
                Some("give what `terrine plan --format json` or `terrine build --summary` wrote".into())
            }
            Self::StoreDir { .. } | Self::Io { .. } => None,
        }
    }
}
