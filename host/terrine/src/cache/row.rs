//! The content of a row, and how it is known to be right.

use terrine_oci::Digest;

use super::key::Fields;
use super::{Plain, Stored};

/// The subject of a row. The numbers are those in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A layer key's [`Plain`].
    Plain = 1,
    /// A diff id's [`Stored`], for one setting.
    Blob = 2,
    /// The repositories of a registry that have a blob.
    Location = 3,
    /// A small fact.
    Fact = 4,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Plain, Self::Blob, Self::Location, Self::Fact];

    pub(super) fn number(self) -> i64 {
        self as i64
    }
}

/// The name of a row. The key is a digest of all that the row is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) kind: Kind,
    pub(super) key: Digest,
}

impl Id {
    pub(super) fn plain(key: Digest) -> Self {
        Self {
            kind: Kind::Plain,
            key,
        }
    }

    pub(super) fn blob(diff_id: Digest, setting: &str) -> Self {
        let fields = Fields::new("terrine cache blob")
            .field("diff id", diff_id.as_bytes())
            .field("setting", setting.as_bytes());
        Self {
            kind: Kind::Blob,
            key: fields.finish(),
        }
    }

    pub(super) fn location(registry: &str, digest: Digest) -> Self {
        let fields = Fields::new("terrine cache location")
            .field("registry", registry.as_bytes())
            .field("blob", digest.as_bytes());
        Self {
            kind: Kind::Location,
            key: fields.finish(),
        }
    }

    pub(super) fn fact(kind: &str, key: Digest) -> Self {
        let fields = Fields::new("terrine cache fact")
            .field("kind", kind.as_bytes())
            .field("key", key.as_bytes());
        Self {
            kind: Kind::Fact,
            key: fields.finish(),
        }
    }

    /// The checksum of a row. It covers all but the time of last use, which is nothing that
    /// anybody relies on.
    ///
    /// It is against accidents, and not against somebody who may write to the cache: such a
    /// one may write to the user's files as well.
    pub(super) fn seal(&self, value: &[u8]) -> Digest {
        Fields::new("terrine cache row 1")
            .field("kind", &[self.kind as u8])
            .field("key", self.key.as_bytes())
            .field("value", value)
            .finish()
    }
}

/// A value as it is in a row.
pub(super) trait Value: Sized {
    fn encode(&self) -> Vec<u8>;
    /// None if the bytes are not such a value.
    fn decode(bytes: &[u8]) -> Option<Self>;
}

fn encode(digest: Digest, size: u64) -> Vec<u8> {
    [digest.as_bytes().as_slice(), &size.to_le_bytes()].concat()
}

fn decode(bytes: &[u8]) -> Option<(Digest, u64)> {
    let (digest, size) = bytes.split_first_chunk::<32>()?;
    Some((
        Digest::from(*digest),
        u64::from_le_bytes(size.try_into().ok()?),
    ))
}

impl Value for Plain {
    fn encode(&self) -> Vec<u8> {
        encode(self.diff_id, self.size)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        decode(bytes).map(|(diff_id, size)| Self { diff_id, size })
    }
}

impl Value for Stored {
    fn encode(&self) -> Vec<u8> {
        encode(self.digest, self.size)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        decode(bytes).map(|(digest, size)| Self { digest, size })
    }
}

/// Bytes, whatever they mean.
impl Value for Vec<u8> {
    fn encode(&self) -> Vec<u8> {
        self.clone()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(bytes.to_vec())
    }
}

impl Value for String {
    fn encode(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Self::from_utf8(bytes.to_vec()).ok()
    }
}

/// Names of repositories, each after its length.
impl Value for Vec<String> {
    fn encode(&self) -> Vec<u8> {
        self.iter()
            .map(|name| [&(name.len() as u64).to_le_bytes(), name.as_bytes()].concat())
            .collect::<Vec<_>>()
            .concat()
    }

    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut names = Vec::new();
        while !bytes.is_empty() {
            let (length, rest) = bytes.split_first_chunk::<8>()?;
            let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
            let (name, rest) = rest.split_at_checked(length)?;
            names.push(String::decode(name)?);
            bytes = rest;
        }
        Some(names)
    }
}
