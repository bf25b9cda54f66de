//! Entries of a repository of layers: one small artifact for each key and compression.
//!
//! An entry is an OCI image manifest that is no image (OCI image specification, "Guidelines for Artifact
//! Usage"): its config is empty, and its only layer is the blob, so that garbage collection of the
//! registry keeps the blob. Its tag follows from the key and the setting, so that it is found by one
//! request.

use terrine_binary_cache::{PublicKey, SecretKey};
use terrine_oci::{
    Annotations, Content, Descriptor, Digest, Document, Manifest, MediaType, annotation,
};

use super::claimed;
use crate::cache::{LayerKey, Plain};

/// The artifact type of an entry.
pub const ENTRY_TYPE: &str = "application/vnd.dev.terrine.layer.v1+json";
/// The media type of the empty config (OCI image specification, "Guidance for an Empty
/// Descriptor").
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
/// The empty config.
pub(super) const EMPTY: &[u8] = b"{}";
/// On an entry: its author.
const AUTHOR: &str = "dev.terrine.layer.author";
/// On an entry: its signature, `NAME:BASE64`.
const SIGNATURE: &str = "dev.terrine.layer.signature";
/// The number of digits of a digest that a tag has.
const TAG_DIGITS: usize = 40;

/// A claim about a layer that a repository of layers keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key of the layer.
    pub key: Digest,
    /// The setting that the blob is compressed with, as [`terrine_compress::Setting::describe`] names it.
    pub setting: String,
    /// The layer before it is compressed.
    pub plain: Plain,
    /// The blob: media type, digest and size.
    pub blob: Descriptor,
    /// The author, as the writer of the entry is called.
    pub author: Option<String>,
    /// The signature of [`Entry::signed_text`], `NAME:BASE64`.
    pub signature: Option<String>,
}

impl Entry {
    /// Returns the tag of the entry for a key and a setting.
    pub fn tag(key: Digest, setting: &str) -> String {
        format!("layer-{}", tag_digits(key, setting))
    }

    /// Returns the text that a signature is of: everything that is claimed, each field on a line of its
    /// own. The first line is the version of this form.
    pub fn signed_text(&self) -> String {
        let Self {
            key,
            setting,
            plain: Plain { diff_id, size },
            blob,
            author,
            signature: _,
        } = self;
        // No field has a line break, so no two entries have the same text.
        let (digest, stored, kind) = (blob.digest, blob.size, &blob.media_type);
        let author = author.as_deref().unwrap_or_default();
        format!(
            "terrine layer 1\n{key}\n{setting}\n{kind}\n{digest}\n{stored}\n{diff_id}\n{size}\n{author}\n"
        )
    }

    /// Signs the entry.
    #[must_use]
    pub fn signed(self, key: &SecretKey) -> Self {
        let signature = Some(key.sign(&self.signed_text()));
        Self { signature, ..self }
    }

    /// Returns true if one of these keys has signed the entry, or if there are no keys.
    pub fn is_trusted(&self, keys: &[PublicKey]) -> bool {
        let text = self.signed_text();
        let signature = self.signature.as_deref().unwrap_or_default();
        keys.is_empty() || keys.iter().any(|key| key.verifies(&text, signature))
    }

    /// Returns true if both entries make the same claim. Their authors may differ.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let claim = |entry: &Self| (entry.key, entry.plain, entry.blob.digest, entry.blob.size);
        claim(self) == claim(other) && self.setting == other.setting
    }

    /// Returns the author as messages name it: the reference of the entry, and the name of the author
    /// or of the key that has signed it.
    pub fn author_at(&self, reference: &str) -> String {
        let signer = || self.signature.as_deref()?.split(':').next();
        match self.author.as_deref().or_else(signer) {
            Some(name) => format!("{reference} by {name}"),
            None => reference.to_owned(),
        }
    }

    /// Returns the manifest of the entry.
    pub fn to_document(&self) -> Document {
        let mut annotations = Annotations::new();
        let mut add = |name: &str, value: String| annotations.insert(name.to_owned(), value);
        add(annotation::LAYER_KEY, self.key.to_string());
        add(annotation::LAYER_DIFF_ID, self.plain.diff_id.to_string());
        add(annotation::LAYER_SIZE, self.plain.size.to_string());
        add(annotation::COMPRESSION, self.setting.clone());
        if let Some(author) = &self.author {
            add(AUTHOR, author.clone());
        }
        if let Some(signature) = &self.signature {
            add(SIGNATURE, signature.clone());
        }
        artifact(ENTRY_TYPE, self.blob.clone(), annotations)
    }

    /// Reads the manifest of an entry; none if it is something else.
    pub fn parse(document: &Document) -> Option<Self> {
        let (blob, annotations) = parts(document, ENTRY_TYPE)?;
        let (key, plain) = claimed(annotations)?;
        let is_usable = blob.size > 0 && !blob.media_type.is_foreign();
        let get = |name: &str| annotations.get(name).cloned();
        let texts = [annotation::COMPRESSION, AUTHOR, SIGNATURE].map(get);
        // Messages show them, and each is one line of the signed text.
        let is_plain = |text: &String| !text.contains(char::is_control);
        let kind = blob.media_type.to_string();
        if !is_plain(&kind) || !is_usable || !texts.iter().flatten().all(is_plain) {
            return None;
        }
        let [setting, author, signature] = texts;
        Some(Self {
            key,
            setting: setting?,
            plain,
            blob: Descriptor::new(blob.media_type.to_oci(), blob.digest, blob.size),
            author,
            signature,
        })
    }
}

/// Returns digits for a tag that is about a key and a setting.
pub(super) fn tag_digits(key: Digest, setting: &str) -> String {
    let name = LayerKey::builder("tag of an entry 1")
        .digest("key", key)
        .field("setting", setting)
        .finish();
    let mut digits = name.digest().hex();
    digits.truncate(TAG_DIGITS);
    digits
}

/// Returns an artifact with one layer.
pub(super) fn artifact(kind: &str, layer: Descriptor, annotations: Annotations) -> Document {
    let manifest = Manifest {
        artifact_type: Some(kind.to_owned()),
        ..Manifest::new(empty(), vec![layer], annotations)
    };
    manifest.to_document()
}

/// Returns the layer and the annotations of an artifact; none of one of another kind.
pub(super) fn parts<'d>(
    document: &'d Document,
    kind: &str,
) -> Option<(&'d Descriptor, &'d Annotations)> {
    let Content::Manifest(manifest) = &document.content else {
        return None;
    };
    let [layer] = &manifest.layers[..] else {
        return None;
    };
    let is_kind = manifest.artifact_type.as_deref() == Some(kind);
    is_kind.then_some((layer, &manifest.annotations))
}

/// Returns the descriptor of the empty config.
pub(super) fn empty() -> Descriptor {
    Descriptor::of(MediaType::parse(EMPTY_TYPE), EMPTY)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `nix-store --generate-binary-cache-key` of Nix 2.8.
    const SECRET: &str = "test-1:gquWGDNuKyzZ4rDw1R17JctBLhqzC2YjQeHHvBzcO0wDQxuJkgUPdC4zhLISbw+Pe6/RC2bN94oAEquiU+bN3g==";

    fn entry() -> Entry {
        Entry {
            key: Digest::of(b"key"),
            setting: "gzip level 4".to_owned(),
            plain: Plain {
                diff_id: Digest::of(b"plain"),
                size: 5,
            },
            blob: Descriptor::of(MediaType::OciLayerGzip, b"blob"),
            author: None,
            signature: None,
        }
    }

    fn manifest() -> Manifest {
        match entry().to_document().content {
            Content::Manifest(manifest) => manifest,
            Content::Index(_) => panic!("no manifest"),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let full = Entry {
            author: Some("ci".to_owned()),
            signature: Some("k:c2ln".to_owned()),
            ..entry()
        };
        for entry in [entry(), full] {
            let document = entry.to_document();
            let read = Document::parse(document.bytes.clone(), None).unwrap();
            assert_eq!(Entry::parse(&read), Some(entry));
        }
        let json: serde_json::Value = serde_json::from_slice(&entry().to_document().bytes).unwrap();
        assert_eq!(json["artifactType"], ENTRY_TYPE);
        // The digest and the size that the specification gives.
        let empty = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(json["config"]["digest"], empty);
        assert_eq!(json["config"]["size"], 2);
        assert_eq!(json["layers"][0]["digest"], Digest::of(b"blob").to_string());
    }

    #[test]
    fn what_is_no_entry_is_not_read() {
        let set = |name: &'static str, value: &'static str| {
            move |manifest: &mut Manifest| {
                let pair = (name.to_owned(), value.to_owned());
                manifest.annotations.extend([pair]);
            }
        };
        let changes: [&dyn Fn(&mut Manifest); 9] = [
            &|manifest| manifest.artifact_type = None,
            &|manifest| manifest.layers.clear(),
            &|manifest| manifest.layers.push(manifest.layers[0].clone()),
            &|manifest| manifest.layers[0].size = 0,
            &|manifest| {
                manifest.annotations.remove(annotation::LAYER_DIFF_ID);
            },
            &|manifest| {
                manifest.annotations.remove(annotation::COMPRESSION);
            },
            &set(annotation::COMPRESSION, "gzip\nlevel 4"),
            &set(AUTHOR, "\u{1b}[2J"),
            &set(SIGNATURE, "k:\n"),
        ];
        for (number, change) in changes.iter().enumerate() {
            let mut manifest = manifest();
            change(&mut manifest);
            assert_eq!(Entry::parse(&manifest.to_document()), None, "{number}");
        }
        assert!(Entry::parse(&manifest().to_document()).is_some());
    }

    #[test]
    fn a_tag_is_of_one_key_and_one_setting() {
        let tag = Entry::tag(Digest::of(b"key"), "gzip");
        assert_eq!(tag.len(), "layer-".len() + TAG_DIGITS);
        assert_ne!(tag, Entry::tag(Digest::of(b"key"), "zstd"));
        assert_ne!(tag, Entry::tag(Digest::of(b"other"), "gzip"));
        // Pinned: with another spelling no entry would be found.
        assert_eq!(tag, "layer-37983722b31117e0103e27aa9cdee7ffd184f93a");
    }

    #[test]
    fn a_signature_covers_all_that_is_claimed() {
        let secret = SecretKey::parse(SECRET).unwrap();
        let keys = [secret.public_key()];
        let signed = entry().signed(&secret);
        assert!(signed.is_trusted(&keys) && signed.is_trusted(&[]));
        assert!(entry().is_trusted(&[]) && !entry().is_trusted(&keys));
        let changes: [&dyn Fn(&mut Entry); 8] = [
            &|entry| entry.key = Digest::of(b"x"),
            &|entry| entry.setting.push(' '),
            &|entry| entry.plain.diff_id = Digest::of(b"x"),
            &|entry| entry.plain.size = 6,
            &|entry| entry.blob.digest = Digest::of(b"x"),
            &|entry| entry.blob.size = 6,
            &|entry| entry.blob.media_type = MediaType::OciLayerZstd,
            &|entry| entry.author = Some("x".to_owned()),
        ];
        for (number, change) in changes.iter().enumerate() {
            let mut changed = signed.clone();
            change(&mut changed);
            assert!(!changed.is_trusted(&keys), "{number}");
            // The last two are no part of what the key stands for.
            let agrees = number + 2 >= changes.len();
            assert_eq!(changed.agrees_with(&signed), agrees, "{number}");
        }
    }
}
