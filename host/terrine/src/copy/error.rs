//! Errors of copying an image to a destination.

use std::borrow::Cow;
use std::io;

use terrine_compress::Compression;
use terrine_support::hint::Hint;

use crate::destination::CarryError;
use crate::{daemon, destination, layer, pipe, source};

/// An error of copying an image to a destination.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A failure of the source.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// A failure of the destination.
    #[error(transparent)]
    Destination(#[from] destination::Error),
    /// A layer.
    #[error(transparent)]
    Layer(#[from] layer::Error),
    /// The output ended first; its own error says why.
    #[error(transparent)]
    Closed(#[from] pipe::Closed),
    /// An index without images.
    #[error("an index needs at least one image")]
    NoImages,
    /// Two images of an index for one platform.
    #[error("`{first}` and `{second}` are both for {platform}")]
    SamePlatform {
        /// One image.
        first: String,
        /// The other.
        second: String,
        /// The platform that both are for.
        platform: String,
    },
    /// Two images of an archive with one name.
    #[error("`{first}` and `{second}` are different images, and both are named `{name}`")]
    SameName {
        /// One image.
        first: String,
        /// The other.
        second: String,
        /// Their name.
        name: String,
    },
    /// A layer that no manifest can name.
    #[error(
        "`{image}` has no manifest, and a manifest cannot describe its layer `{layer}`, which is compressed by {compression}"
    )]
    NoManifest {
        /// The image.
        image: String,
        /// The layer.
        layer: String,
        /// The compression of the layer.
        compression: Compression,
    },
    /// An image that does not say what it runs on.
    #[error("`{image}` does not say what platform it is for")]
    NoPlatform {
        /// The image.
        image: String,
    },
}

impl Hint for Error {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Source(error) => error.hint(),
            Self::Layer(error) => error.hint(),
            Self::Destination(error) => error.hint(),
            Self::Closed(error) => error.hint(),
            Self::NoManifest { .. } => {
                Some("copy it to an OCI layout, where it gets a manifest".into())
            }
            Self::SamePlatform { .. } => Some("give one image for each platform".into()),
            Self::SameName { .. } => {
                Some("copy one of them to an archive by another name first".into())
            }
            _ => None,
        }
    }
}

impl Error {
    /// Reports whether the error only says that the reader of the output closed it.
    pub fn is_closed(&self) -> bool {
        let broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
        match self {
            Self::Destination(destination::Error::Output(error)) => broken(error),
            Self::Closed(_) => true,
            _ => false,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Destination(destination::Error::Output(error))
    }
}

impl From<daemon::Error> for Error {
    fn from(error: daemon::Error) -> Self {
        Self::Destination(error.into())
    }
}

impl From<CarryError> for Error {
    fn from(error: CarryError) -> Self {
        match error {
            CarryError::Source(error) => Self::Source(error),
            CarryError::Layer(error) => Self::Layer(error),
            CarryError::Destination(error) => Self::Destination(error),
            CarryError::Closed(closed) => Self::Closed(closed),
        }
    }
}
