//! Content addresses: store paths whose hash part is computed from their content (Nix manual,
//! "Store Path Specification"; `makeFixedOutputPathFromCA` in Nix's `store-dir-config.cc`).

use std::borrow::Cow;
use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};
use terrine_oci::Digest;
use terrine_support::hint::Hint;

use crate::excerpt::excerpt;
use crate::hash::{Hash, nix32_digits};
use crate::store_path::BaseName;

/// The number of bytes that a hash part has in base 32.
const HASH_PART: usize = 20;

/// A content address, the `CA` of a narinfo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentAddress {
    method: Method,
    hash: Hash,
}

/// The part of a store path that a content address hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// The content of a file, which may refer to store paths: `text:`.
    Text,
    /// The content of a file: `fixed:`.
    Flat,
    /// The NAR: `fixed:r:`.
    Nar,
    /// The objects of Git: `fixed:git:`.
    Git,
}

impl ContentAddress {
    /// Parses `text:ALGORITHM:HASH`, `fixed:ALGORITHM:HASH`, `fixed:r:ALGORITHM:HASH` or
    /// `fixed:git:ALGORITHM:HASH`.
    ///
    /// # Errors
    ///
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, ContentAddressError> {
        let methods = [
            ("text:", Method::Text),
            ("fixed:r:", Method::Nar),
            ("fixed:git:", Method::Git),
            ("fixed:", Method::Flat),
        ];
        methods
            .into_iter()
            .find_map(|(prefix, method)| Some((text.strip_prefix(prefix)?, method)))
            // A dash would be of the form `sha256-…`, which content addresses do not have.
            .filter(|(hash, _)| !hash.contains('-'))
            .and_then(|(hash, method)| {
                let hash = Hash::parse_prefixed(hash)?;
                Some(Self { method, hash })
            })
            .ok_or_else(|| ContentAddressError {
                value: excerpt(text.as_bytes()),
            })
    }

    /// Returns whether content can be checked against this address: not by Git's objects, nor by
    /// the algorithms that are broken or rare.
    pub fn is_checkable(&self) -> bool {
        self.method != Method::Git && matches!(self.hash.algorithm(), "sha1" | "sha256" | "sha512")
    }

    /// Computes the store path of this content under a name. `references` are full paths;
    /// `own_path` among them is a reference to the path itself. Nothing if Nix allows no such path.
    pub(crate) fn store_path(
        &self,
        name: &str,
        store_dir: &str,
        references: &BTreeSet<String>,
        own_path: &str,
    ) -> Option<String> {
        let is_sha256 = self.hash.algorithm() == "sha256";
        let refers_to_itself = references.contains(own_path);
        let (kind, hash) = match self.method {
            Method::Text if is_sha256 && !refers_to_itself => ("text", self.hash.to_base16()),
            Method::Text => return None,
            Method::Nar if is_sha256 => ("source", self.hash.to_base16()),
            Method::Flat | Method::Nar | Method::Git if references.is_empty() => {
                ("output:out", self.fixed_output()?)
            }
            Method::Flat | Method::Nar | Method::Git => return None,
        };
        let mut kind = kind.to_owned();
        for reference in references.iter().filter(|path| *path != own_path) {
            kind.push(':');
            kind.push_str(reference);
        }
        if refers_to_itself {
            kind.push_str(":self");
        }
        Some(make_store_path(&kind, &hash, store_dir, name))
    }

    /// The hash of a fixed output that is not a NAR with a SHA-256 hash.
    fn fixed_output(&self) -> Option<String> {
        let prefix = match self.method {
            Method::Nar => "r:",
            Method::Git if matches!(self.hash.algorithm(), "sha1" | "sha256") => "git:",
            Method::Git | Method::Text => return None,
            Method::Flat => "",
        };
        let text = format!("fixed:out:{prefix}{}:", self.hash.to_base16());
        Some(Digest::of(text.as_bytes()).to_string())
    }

    /// Returns whether a narinfo's store path is computed from this address, its name and its
    /// references.
    pub(crate) fn makes(&self, store_path: &str, references: &BTreeSet<String>) -> bool {
        let Some((store_dir, base)) = store_path.rsplit_once('/') else {
            return false;
        };
        let Ok(base) = BaseName::parse(base) else {
            return false;
        };
        self.store_path(base.name(), store_dir, references, store_path)
            .is_some_and(|made| made == store_path)
    }
}

/// Computes a store path (`makeStorePath`): the hash part is 160 bits of a SHA-256 digest.
fn make_store_path(kind: &str, hash: &str, store_dir: &str, name: &str) -> String {
    let fingerprint = format!("{kind}:{hash}:{store_dir}:{name}");
    let mut folded = [0; HASH_PART];
    for (index, byte) in Sha256::digest(fingerprint).iter().enumerate() {
        folded[index % HASH_PART] ^= byte;
    }
    format!("{store_dir}/{}-{name}", nix32_digits(&folded))
}

/// Text that is not a content address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not a content address")]
pub struct ContentAddressError {
    value: String,
}

impl Hint for ContentAddressError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Some("content addresses are `text:ALGORITHM:HASH`, `fixed:ALGORITHM:HASH` and `fixed:r:ALGORITHM:HASH`".into())
    }
}
