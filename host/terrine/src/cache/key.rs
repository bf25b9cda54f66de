//! The key that a layer is known by, before its bytes are.

use sha2::{Digest as _, Sha256};

use terrine_oci::Digest;

/// Everything that a layer's bytes depend on, as one digest. Two layers with the same key have
/// the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerKey {
    digest: Digest,
    portable: bool,
}

impl LayerKey {
    /// Begins a key. `what` says what kind of layer it is, and has the version of what writes
    /// it: another version may write other bytes.
    pub fn builder(what: &str) -> LayerKeyBuilder {
        LayerKeyBuilder(Fields::new("terrine layer key").field("what", what.as_bytes()))
    }

    /// The key as a digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns true if the key is made of content alone, and so is the same on every machine.
    pub fn is_portable(&self) -> bool {
        self.portable
    }
}

/// A [`LayerKey`] in the making.
///
/// Fields are told apart by their labels, lengths and order, so that no two lists of fields
/// are spelt the same.
#[derive(Debug, Clone)]
#[must_use = "a builder makes nothing before it is finished"]
pub struct LayerKeyBuilder(Fields);

impl LayerKeyBuilder {
    /// Adds bytes, of any length.
    pub fn field(self, label: &str, bytes: impl AsRef<[u8]>) -> Self {
        Self(self.0.field(label, bytes.as_ref()))
    }

    /// Adds a number.
    pub fn number(self, label: &str, number: u64) -> Self {
        self.field(label, number.to_le_bytes())
    }

    /// Adds a digest.
    pub fn digest(self, label: &str, digest: Digest) -> Self {
        self.field(label, digest.as_bytes())
    }

    /// The key of all that was added.
    pub fn finish(self) -> LayerKey {
        LayerKey {
            digest: self.0.finish(),
            portable: false,
        }
    }

    /// The same, of fields that are the same on every machine: content, and nothing that depends
    /// on a machine or a release.
    pub fn finish_portable(self) -> LayerKey {
        LayerKey {
            portable: true,
            ..self.finish()
        }
    }
}

/// Labelled fields, hashed as they come: each label and each value after its length.
#[derive(Debug, Clone)]
pub(super) struct Fields(Sha256);

impl Fields {
    /// Begins a list. Lists of different domains have nothing in common.
    pub(super) fn new(domain: &str) -> Self {
        Self(Sha256::new()).part(domain.as_bytes())
    }

    pub(super) fn field(self, label: &str, bytes: &[u8]) -> Self {
        self.part(label.as_bytes()).part(bytes)
    }

    pub(super) fn finish(self) -> Digest {
        self.0.into()
    }

    fn part(mut self, bytes: &[u8]) -> Self {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_lists_are_spelt_the_same() {
        let begin = || LayerKey::builder("w");
        let keys = [
            begin(),
            LayerKey::builder("wa"),
            LayerKey::builder(""),
            begin().field("a", "b"),
            begin().field("", "ab"),
            begin().field("ab", ""),
            begin().field("a", "b").field("", ""),
            begin().field("a", "").field("b", ""),
            begin().field("b", "").field("a", ""),
            begin().field("a", "bc"),
            begin().field("a", "b").field("c", ""),
            begin().field("a", "b\0"),
            begin().field("a", 1u64.to_le_bytes()).number("b", 1),
            begin().number("a", 1),
            begin().number("a", 256),
            begin().digest("a", Digest::of(b"")),
            begin().field("a", Digest::of(b"").to_string()),
        ];
        let count = keys.len();
        let different: BTreeSet<LayerKey> = keys.into_iter().map(LayerKeyBuilder::finish).collect();
        assert_eq!(different.len(), count);
    }

    #[test]
    fn the_same_fields_make_the_same_key() {
        let key = || {
            LayerKey::builder("store")
                .number("mtime", 1)
                .field("paths", "a")
                .finish()
        };
        assert_eq!(key(), key());
        // Pinned: with another spelling every cache would be forgotten.
        assert_eq!(&key().digest().hex()[..6], "3ea84a");
    }
}
