//! The reasons why an image could not be made.

use std::borrow::Cow;
use std::io;

use terrine_planner_host as planner;
use terrine_support::hint::Hint;

use crate::destination::CarryError;
use crate::layer::StorePathError;
use crate::{daemon, destination, layer, pipe, source};

/// A reason why an image could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A path that is not one of the store.
    #[error(transparent)]
    Store(#[from] StorePathError),
    /// A store path that lies inside another one.
    #[error("`{inner}` is part of `{outer}`, and would be in the image twice")]
    Overlap {
        /// The path inside.
        inner: String,
        /// The path around it.
        outer: String,
    },
    /// The base image.
    #[error(transparent)]
    Base(#[from] source::Error),
    /// The planner, or what it refuses.
    #[error(transparent)]
    Planner(#[from] planner::Error),
    /// A layer of store paths.
    #[error(transparent)]
    Layer(#[from] layer::Error),
    /// The destination of the image.
    #[error(transparent)]
    Ship(#[from] destination::Error),
    /// A field of `conf.json` that cannot be meant.
    #[error("`{field}`: {why}")]
    Conf {
        /// The field.
        field: String,
        /// The fault.
        why: String,
    },
    /// Programs that the image's platform cannot run.
    #[error("{message}")]
    Foreign {
        /// The programs, and the platforms that they are for.
        message: String,
    },
    /// The archive could not be written.
    #[error("writing the archive")]
    Output(#[source] io::Error),
}

impl Hint for Error {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Base(error) => error.hint(),
            Self::Planner(error) => error.hint(),
            Self::Layer(error) => error.hint(),
            Self::Ship(error) => error.hint(),
            Self::Output(error) if error.kind() == io::ErrorKind::StorageFull => {
                Some("make room where the archive is written to".into())
            }
            Self::Foreign { .. } => Some(FOREIGN_HINT.into()),
            _ => None,
        }
    }
}

/// The hint on programs for another platform.
pub(crate) const FOREIGN_HINT: &str = "build the image for that platform with `architecture`, or give `--allow-foreign` if it is never run";

impl Error {
    /// Returns true if it only says that the reader of the output does not want it.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl From<daemon::Error> for Error {
    fn from(error: daemon::Error) -> Self {
        Self::Ship(error.into())
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<pipe::Closed> for Error {
    fn from(_: pipe::Closed) -> Self {
        Self::Layer(layer::Error::Closed)
    }
}

impl From<pipe::FileFailure> for Error {
    fn from(failure: pipe::FileFailure) -> Self {
        Self::Layer(failure.into())
    }
}

impl From<CarryError> for Error {
    fn from(error: CarryError) -> Self {
        match error {
            CarryError::Source(error) => Self::Base(error),
            CarryError::Layer(error) => Self::Layer(error),
            CarryError::Destination(error) => Self::Ship(error),
            CarryError::Closed(closed) => closed.into(),
        }
    }
}
