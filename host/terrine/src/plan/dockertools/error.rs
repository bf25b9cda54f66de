//! The reasons why an image that a `conf.json` describes could not be prepared.

use std::borrow::Cow;
use std::path::PathBuf;

use terrine_support::hint::Hint;

use super::ConfError;
use crate::assemble;

/// A reason why an image that a `conf.json` describes could not be prepared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The `conf.json` itself.
    #[error(transparent)]
    Conf(#[from] ConfError),
    /// The image that it describes.
    #[error(transparent)]
    Image(#[from] assemble::Error),
    /// The `conf.json` of the image that it is built on.
    #[error("the base image `{}` cannot be used", path.display())]
    Base {
        /// The base image's `conf.json`.
        path: PathBuf,
        /// The reason.
        #[source]
        source: Box<Error>,
    },
    /// Images that are built on each other without an end.
    #[error("more than {0} images are built on each other")]
    Nested(usize),
}

impl Hint for Error {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Conf(error) => error.hint(),
            Self::Image(error) => error.hint(),
            Self::Base { source, .. } => source.hint(),
            Self::Nested(_) => {
                Some("a conf.json must not lead back to itself by `from_image`".into())
            }
        }
    }
}

impl Error {
    /// The failure of the base image at a path. What is wrong with the chain of base images is said once.
    pub(super) fn of_base(self, path: PathBuf) -> Self {
        match self {
            Self::Nested(_) | Self::Base { .. } => self,
            error => Self::Base {
                path,
                source: Box::new(error),
            },
        }
    }
}
