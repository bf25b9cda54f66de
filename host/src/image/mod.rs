//! The nouns of the container image formats.

mod digest;
mod manifest;

pub use digest::{Digest, ParseDigestError};
pub use manifest::ArchiveManifest;
