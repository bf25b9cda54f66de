//! Manifests and indexes: the documents that make blobs an image.
//!
//! They are kept as the bytes that their digest covers; what is parsed is a view of them.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use terrine_support::hint::Hint;
use terrine_support::json::read_object;

use super::descriptor::null_as_default;
use super::loose;
use super::other_fields::{self, OtherFields};
use super::{Annotations, Descriptor, Digest, MediaType};

/// The largest manifest or index that is read, in bytes: what registries take
/// (OCI distribution specification, "Pushing Manifests").
pub const MAX_DOCUMENT: u64 = 4 << 20;

/// An image manifest (OCI image specification, "Image Manifest").
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2, but for who writes it loosely.
    pub schema_version: u32,
    /// The manifest's own media type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// The artifact type, if it is more than an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The image configuration.
    pub config: Descriptor,
    /// The layers, bottom to top.
    pub layers: Vec<Descriptor>,
    /// The manifest that it says something of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Box<Descriptor>>,
    /// The annotations of the manifest.
    #[serde(skip_serializing_if = "Annotations::is_empty")]
    pub annotations: Annotations,
    /// The fields of the manifest that terrine does not know.
    #[serde(flatten)]
    pub other: OtherFields,
}

/// A list of manifests (OCI image specification, "Image Index").
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2, but for who writes it loosely.
    pub schema_version: u32,
    /// The index's own media type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// The artifact type, if it is more than a list of images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The manifests, and possibly other indexes.
    pub manifests: Vec<Descriptor>,
    /// The manifest that it says something of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Box<Descriptor>>,
    /// The annotations of the index.
    #[serde(skip_serializing_if = "Annotations::is_empty")]
    pub annotations: Annotations,
    /// The fields of the index that terrine does not know.
    #[serde(flatten)]
    pub other: OtherFields,
}

/// A manifest or an index as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The media type.
    pub media_type: MediaType,
    /// The parsed content.
    pub content: Content,
}

/// The content of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there are never many of them")]
pub enum Content {
    /// One image.
    Manifest(Manifest),
    /// Several.
    Index(Index),
}

/// A document that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// It is larger than registries take.
    #[error("it has {0} bytes, but at most {MAX_DOCUMENT} are allowed")]
    TooLarge(u64),
    /// It is not what it should be.
    #[error("it is neither an image manifest nor an index: {0}")]
    Json(String),
    /// Manifest and index at once, which readers understand in different ways
    /// (CVE-2021-41190).
    #[error("it is an image manifest and an index at once")]
    Ambiguous,
    /// A media type in the document that differs from the one that refers to it.
    #[error("its media type is `{own}`, but the descriptor that refers to it says `{given}`")]
    MediaType {
        /// Its own word.
        own: MediaType,
        /// That of others.
        given: MediaType,
    },
    /// A document of another type than the header of its answer says.
    #[error("its media type is `{own}`, but the `Content-Type` of the answer is `{given}`")]
    ContentType {
        /// Its kind.
        own: MediaType,
        /// The header's word.
        given: MediaType,
    },
    /// A name that is not that of its fields.
    #[error("its media type is `{media_type}`, but it has no field `{missing}`")]
    Fields {
        /// Its own word, or that of others.
        media_type: MediaType,
        /// A field of such documents.
        missing: &'static str,
    },
    /// A kind that is not supported.
    #[error("it is `{0}`, which is not supported")]
    Unsupported(String),
}

impl Hint for DocumentError {}

/// The fields that distinguish manifests from indexes, whatever media type they state.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outline {
    #[serde(default, deserialize_with = "version")]
    schema_version: Option<u32>,
    #[serde(default, deserialize_with = "loose::or_default")]
    media_type: MediaType,
    config: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
    #[serde(default, deserialize_with = "or_null")]
    manifests: Option<Option<serde::de::IgnoredAny>>,
}

impl Outline {
    /// Tells whether it is an index: it lists manifests, or says null where they would be and has nothing of a manifest.
    fn is_index(&self) -> Result<bool, DocumentError> {
        let (config, layers) = (self.config.is_some(), self.layers.is_some());
        match self.manifests {
            Some(Some(_)) if config || layers => Err(DocumentError::Ambiguous),
            Some(Some(_)) => Ok(true),
            Some(None) => Ok(!config && !layers),
            None => Ok(false),
        }
    }
}

/// Reads a field that is there, if only as null.
fn or_null<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<serde::de::IgnoredAny>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl Document {
    /// Reads a document; `given` is the type that whoever refers to it says it has.
    ///
    /// # Errors
    ///
    /// Whatever is no manifest and no index, is both, or is not what others say it is.
    pub fn parse(bytes: Vec<u8>, given: Option<&MediaType>) -> Result<Self, DocumentError> {
        if bytes.len() as u64 > MAX_DOCUMENT {
            return Err(DocumentError::TooLarge(bytes.len() as u64));
        }
        let outline: Outline = read_object(&bytes).map_err(DocumentError::Json)?;
        // Some write this version without meaning it.
        let is_of_today = outline.config.is_some() || outline.manifests.is_some();
        if outline.schema_version == Some(1) && !is_of_today {
            return Err(DocumentError::Unsupported(
                "a manifest of Docker's schema 1".to_owned(),
            ));
        }
        let is_index = outline.is_index()?;
        let given = given.filter(|given| given.is_index() || given.is_manifest());
        let media_type = match (stated(outline.media_type), given) {
            (Some(own), Some(given)) if own != *given => {
                return Err(DocumentError::MediaType {
                    own,
                    given: given.clone(),
                });
            }
            (Some(own), _) => own,
            (None, Some(given)) => given.clone(),
            (None, None) if is_index => MediaType::OciIndex,
            (None, None) => MediaType::OciManifest,
        };
        if !media_type.is_index() && !media_type.is_manifest() {
            return Err(DocumentError::Unsupported(media_type.to_string()));
        }
        if media_type.is_index() != is_index {
            return Err(DocumentError::Fields {
                media_type,
                missing: if is_index { "config" } else { "manifests" },
            });
        }
        let content = if is_index {
            Content::Index(read_object(&bytes).map_err(DocumentError::Json)?)
        } else {
            Content::Manifest(read_object(&bytes).map_err(DocumentError::Json)?)
        };
        Ok(Self {
            bytes,
            media_type,
            content,
        })
    }

    /// The digest of its bytes.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// Returns the descriptor that other documents refer to it by.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::of(self.media_type.clone(), &self.bytes)
    }
}

/// The fields of [`Known`].
const FIELDS: &[&str] = &[
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "subject",
    "annotations",
];

/// The known fields of manifests and indexes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    #[serde(default, deserialize_with = "version")]
    schema_version: Option<u32>,
    #[serde(default, deserialize_with = "loose::or_default")]
    media_type: MediaType,
    #[serde(default, deserialize_with = "loose::or_default")]
    artifact_type: Option<String>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default, deserialize_with = "null_as_default")]
    layers: Vec<Descriptor>,
    #[serde(default, deserialize_with = "null_as_default")]
    manifests: Vec<Descriptor>,
    #[serde(default)]
    subject: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "loose::texts_by_name")]
    annotations: Annotations,
}

/// The version of what is rewritten, where nobody says another.
const VERSION: u32 = 2;

/// Reads a version. What is none is as good as missing.
fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    loose::or_default(deserializer)
}

/// Reads what a document says something of. What refers to nothing stays as it is.
fn subject(text: Option<Box<RawValue>>, other: &mut OtherFields) -> Option<Box<Descriptor>> {
    let text = text?;
    let subject = serde_json::from_str(text.get()).ok();
    if subject.is_none() {
        other.insert("subject", text);
    }
    subject
}

fn stated(media_type: MediaType) -> Option<MediaType> {
    Some(media_type).filter(|media_type| !media_type.is_empty())
}

impl<'de> Deserialize<'de> for Manifest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (known, mut other) = other_fields::split::<Known, D>(deserializer, FIELDS)?;
        let missing = || serde::de::Error::missing_field("config");
        Ok(Self {
            schema_version: known.schema_version.unwrap_or(VERSION),
            media_type: stated(known.media_type),
            artifact_type: known.artifact_type,
            config: known.config.ok_or_else(missing)?,
            layers: known.layers,
            subject: subject(known.subject, &mut other),
            annotations: known.annotations,
            other,
        })
    }
}

impl<'de> Deserialize<'de> for Index {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (known, mut other) = other_fields::split::<Known, D>(deserializer, FIELDS)?;
        Ok(Self {
            schema_version: known.schema_version.unwrap_or(VERSION),
            media_type: stated(known.media_type),
            artifact_type: known.artifact_type,
            manifests: known.manifests,
            subject: subject(known.subject, &mut other),
            annotations: known.annotations,
            other,
        })
    }
}

impl Manifest {
    /// An OCI manifest.
    pub fn new(config: Descriptor, layers: Vec<Descriptor>, annotations: Annotations) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(MediaType::OciManifest),
            artifact_type: None,
            config,
            layers,
            subject: None,
            annotations,
            other: OtherFields::default(),
        }
    }

    /// The document, as terrine writes it.
    pub fn to_document(&self) -> Document {
        let media_type = self.media_type.clone().unwrap_or(MediaType::OciManifest);
        Document {
            bytes: to_json(self),
            media_type,
            content: Content::Manifest(self.clone()),
        }
    }
}

impl Index {
    /// An OCI index.
    pub fn new(manifests: Vec<Descriptor>, annotations: Annotations) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(MediaType::OciIndex),
            artifact_type: None,
            manifests,
            subject: None,
            annotations,
            other: OtherFields::default(),
        }
    }

    /// The document, as terrine writes it.
    pub fn to_document(&self) -> Document {
        let media_type = self.media_type.clone().unwrap_or(MediaType::OciIndex);
        Document {
            bytes: to_json(self),
            media_type,
            content: Content::Index(self.clone()),
        }
    }
}

/// JSON without spaces, fields in the order of the specification and maps in that of their
/// keys.
fn to_json(value: &impl Serialize) -> Vec<u8> {
    // Strings, numbers, and maps whose keys are strings do not fail to serialize.
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests;
