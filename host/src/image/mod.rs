//! The nouns of the container image formats.

mod archive_manifest;
mod configuration;
mod descriptor;
mod digest;
mod document;
mod media_type;
mod platform;
mod reference;

pub use archive_manifest::ArchiveManifest;
pub use configuration::{Configuration, ConfigurationError, HistoryEntry, MAX_CONFIGURATION};
pub use descriptor::{Annotations, Descriptor};
pub use digest::{Digest, ParseDigestError};
pub use document::{Content, Document, DocumentError, Index, MAX_DOCUMENT, Manifest};
pub use media_type::MediaType;
pub use platform::{ParsePlatformError, Platform};
pub use reference::{ParseReferenceError, Reference, Repository, Selector};
