//! The nouns of the container image formats.

pub mod annotation;
mod archive_manifest;
mod config_types;
mod configuration;
mod descriptor;
mod digest;
mod document;
pub mod history;
mod login;
mod loose;
mod media_type;
mod message;
mod other_fields;
mod platform;
mod reference;
mod repository;
mod run_config;
mod transport;
mod variant;

pub use archive_manifest::ArchiveManifest;
pub use config_types::{Mistyped, mistyped};
pub use configuration::{Configuration, ConfigurationError, HistoryEntry, MAX_CONFIGURATION};
pub use descriptor::{Annotations, Descriptor};
pub use digest::{Digest, ParseDigestError};
pub use document::{Content, Document, DocumentError, Index, MAX_DOCUMENT, Manifest};
pub use history::{ROOT_COMMENT, store_paths};
pub use login::{without_login, without_login_of};
pub use media_type::MediaType;
pub use message::without_logins;
pub use other_fields::OtherFields;
pub use platform::{ParsePlatformError, Platform};
pub use reference::{ParseReferenceError, Reference, Selector};
pub use repository::Repository;
pub use run_config::{Empty, Names, RunConfig};
pub use transport::MissingTransport;

/// A value as JSON text, indented, with a newline at the end. For values whose maps have
/// strings as keys, which do not fail to serialize.
pub fn to_json_text(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}
