//! Failures to read the claims of images and of repositories of layers.

use std::borrow::Cow;

use terrine_registry as registry;
use terrine_support::hint::Hint;

use crate::source;

/// An image whose claims about layers cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("reading the layer keys of `{image}`")]
pub struct Error {
    /// The image, as it was named.
    pub image: String,
    /// The failure to read the image.
    #[source]
    pub source: source::Error,
}

impl Error {
    /// Returns true if the image, its repository or its file does not exist.
    pub fn is_missing(&self) -> bool {
        self.source.is_missing()
    }
}

impl Hint for Error {
    fn hint(&self) -> Option<Cow<'_, str>> {
        if self.is_missing() {
            return Some(
                "push that image first, or leave it out; `--layers-from target` reads the destination, and may be used before the first push"
                    .into(),
            );
        }
        self.source.hint()
    }
}

/// An entry of a repository of layers that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// The registry.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// A tag that has something else than the entry that belongs there.
    #[error("`{0}` is not an entry for this layer")]
    Other(String),
    /// An entry without a signature by a trusted key.
    #[error("the entry `{0}` has no signature by a trusted key")]
    Untrusted(String),
    /// A blob that is not one of a layer.
    #[error(transparent)]
    Layer(#[from] source::Error),
}

impl EntryError {
    /// Returns true if other entries of the repository cannot be read either.
    pub fn is_of_registry(&self) -> bool {
        use registry::Cause;
        match self {
            Self::Registry(error) => {
                !matches!(error.cause(), Cause::Document(_) | Cause::Digest { .. })
            }
            _ => false,
        }
    }
}

impl Hint for EntryError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Registry(error) => error.hint(),
            Self::Layer(error) => error.hint(),
            Self::Other(_) => {
                Some("give `--layers-to` a repository that has nothing else in it".into())
            }
            Self::Untrusted(_) => Some(
                "sign entries by `--layers-key` where layers are made, or trust another key by `--trusted-layers-key`"
                    .into(),
            ),
        }
    }
}
