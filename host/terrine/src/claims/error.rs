//! Failures to read the claims of an image.

use std::borrow::Cow;

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
