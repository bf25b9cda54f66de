//! Trust in narinfos: a signature by a trusted key, or a path that is computed from its content.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use terrine_support::hint::Hint;

use crate::content_address::ContentAddress;
use crate::excerpt::excerpt;
use crate::key::{self, KeyError, PublicKey};
use crate::narinfo::NarInfo;
use crate::nix_conf::NixConf;

/// The key that Nix trusts unless `nix.conf` says otherwise.
pub(crate) const DEFAULT_KEY: &str =
    "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";

/// The public keys whose signatures are trusted. Several may have the same name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedKeys {
    by_name: BTreeMap<String, BTreeSet<PublicKey>>,
}

impl TrustedKeys {
    /// A set without keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key.
    pub fn insert(&mut self, key: PublicKey) {
        let name = key.name().to_owned();
        self.by_name.entry(name).or_default().insert(key);
    }

    /// Adds the keys that Nix trusts by its configuration: those of `trusted-public-keys`, or the one of
    /// cache.nixos.org if that is not set, and those of `extra-trusted-public-keys`.
    ///
    /// # Errors
    ///
    /// A malformed key.
    pub fn extend_from_nix_conf(&mut self, conf: &NixConf) -> Result<(), KeyError> {
        let keys = conf.words(
            "trusted-public-keys",
            &["binary-cache-public-keys"],
            DEFAULT_KEY,
        );
        for key in keys {
            self.insert(PublicKey::parse(key)?);
        }
        Ok(())
    }

    /// Returns whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The keys, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.by_name.values().flatten()
    }

    /// Checks whether a narinfo can be trusted: its path, its references, and the hash and size of its
    /// NAR.
    ///
    /// A signature says all of these. A content address only says what the NAR must contain, so
    /// with [`Trust::Content`] the hash of the NAR is trusted after its content was checked;
    /// [`NarStream`](crate::NarStream) does that.
    ///
    /// # Errors
    ///
    /// A narinfo without a valid signature of a trusted key, whose path does not follow from its
    /// content address either.
    pub fn check(&self, info: &NarInfo) -> Result<Trust, Untrusted> {
        let fingerprint = info.fingerprint();
        let mut invalid = BTreeSet::new();
        for signature in &info.signatures {
            let Some(name) = key::signer(signature) else {
                continue;
            };
            let Some(keys) = self.by_name.get(name) else {
                continue;
            };
            if keys.iter().any(|key| key.verifies(&fingerprint, signature)) {
                return Ok(Trust::Signature {
                    key: name.to_owned(),
                });
            }
            invalid.insert(name.to_owned());
        }
        if is_content_addressed(info) {
            return Ok(Trust::Content);
        }
        Err(Untrusted::new(info, &invalid))
    }
}

impl Extend<PublicKey> for TrustedKeys {
    fn extend<T: IntoIterator<Item = PublicKey>>(&mut self, keys: T) {
        keys.into_iter().for_each(|key| self.insert(key));
    }
}

/// Returns whether the path follows from the content address, which the content can be checked
/// against.
fn is_content_addressed(info: &NarInfo) -> bool {
    info.content_address
        .as_deref()
        .and_then(|text| ContentAddress::parse(text).ok())
        .is_some_and(|address| {
            address.is_checkable() && address.makes(&info.store_path, &info.references)
        })
}

/// The reason to trust a narinfo.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// A signature by the trusted key of this name.
    Signature {
        /// The name of the key.
        key: String,
    },
    /// The path follows from its content address. The NAR must still be checked against it.
    Content,
}

/// A narinfo that cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Untrusted {
    /// Neither a signature nor a content address.
    #[error("`{path}` is not signed")]
    Unsigned {
        /// The store path.
        path: String,
    },
    /// Signatures by other keys than those that are trusted.
    #[error(
        "`{path}` is signed by {}, but no trusted key has this name",
        list(signers)
    )]
    NotTrusted {
        /// The store path.
        path: String,
        /// The names of the keys that signed it.
        signers: BTreeSet<String>,
    },
    /// An invalid signature in the name of a trusted key.
    #[error("the signature of `{path}` by {} is wrong", list(signers))]
    Wrong {
        /// The store path.
        path: String,
        /// The names of the trusted keys that did not make the signatures.
        signers: BTreeSet<String>,
    },
    /// A content address that the path does not follow from, or that cannot be checked, and no signature.
    #[error("`{path}` is not signed, and does not follow from its content address `{address}`")]
    OtherContent {
        /// The store path.
        path: String,
        /// The content address.
        address: String,
    },
}

impl Untrusted {
    fn new(info: &NarInfo, wrong: &BTreeSet<String>) -> Self {
        let path = info.store_path.clone();
        if !wrong.is_empty() {
            let signers = wrong.iter().map(|name| excerpt(name.as_bytes())).collect();
            return Self::Wrong { path, signers };
        }
        let signers: BTreeSet<String> = info
            .signatures
            .iter()
            .filter_map(|signature| key::signer(signature))
            .map(|name| excerpt(name.as_bytes()))
            .collect();
        match &info.content_address {
            _ if !signers.is_empty() => Self::NotTrusted { path, signers },
            Some(address) => Self::OtherContent {
                path,
                address: excerpt(address.as_bytes()),
            },
            None => Self::Unsigned { path },
        }
    }

    /// The store path.
    pub fn path(&self) -> &str {
        match self {
            Self::Unsigned { path }
            | Self::NotTrusted { path, .. }
            | Self::Wrong { path, .. }
            | Self::OtherContent { path, .. } => path,
        }
    }
}

/// Names in backticks.
fn list(names: &BTreeSet<String>) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

impl Hint for Untrusted {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Unsigned { .. } | Self::OtherContent { .. } => "sign it with `nix store sign --recursive`, or accept unsigned paths of this cache with `--no-check-sigs`".into(),
            Self::NotTrusted { .. } => "if you trust the cache, give its key: `--trusted-key NAME:BASE64`".into(),
            Self::Wrong { .. } => "the cache's key has changed, or somebody changed the path: ask the cache's owner for the key".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Made by `nix copy` of Nix 2.8, and the key that signed it.
    const UNADDRESSED: &str = "\
StorePath: /tmp/t1v/st/1111111111111111111111111111111b-self
URL: nar/0qwxf1mgg2ban9ix57hycpqykasir9fl8jaxlrg5kfr1fw9qj94b.nar
Compression: none
NarHash: sha256:0qwxf1mgg2ban9ix57hycpqykasir9fl8jaxlrg5kfr1fw9qj94b
NarSize: 904
References: 0000000000000000000000000000000a-dep 1111111111111111111111111111111b-self
Sig: test-1:ICmRwu6RnavXXzNMEGbe8qMD9aMhGcko61LpFn5DNtTU73zDcL7f+4KxesTn0CGlOfANtUdW93eb1w0exWKXCw==
";
    const KEY: &str = "test-1:A0MbiZIFD3QuM4SyEm8Pj3uv0QtmzfeKABKrolPmzd4=";
    const OTHER: &str = "test-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";

    fn info() -> NarInfo {
        NarInfo::parse(UNADDRESSED.as_bytes(), "/tmp/t1v/st").unwrap()
    }

    fn keys(texts: &[&str]) -> TrustedKeys {
        let mut keys = TrustedKeys::new();
        keys.extend(texts.iter().map(|text| PublicKey::parse(text).unwrap()));
        keys
    }

    #[test]
    fn a_signature_of_nix_is_valid() {
        let expected = Trust::Signature {
            key: "test-1".into(),
        };
        assert_eq!(keys(&[KEY]).check(&info()), Ok(expected.clone()));
        assert_eq!(keys(&[OTHER, KEY]).check(&info()), Ok(expected));
    }

    #[test]
    fn all_that_is_signed_counts() {
        let path = info().store_path;
        let changes: [fn(&mut NarInfo); 5] = [
            |info| info.store_path.push('x'),
            |info| info.nar_hash = terrine_oci::Digest::of(b""),
            |info| info.nar_size += 1,
            |info| drop(info.references.pop_first()),
            |info| info.signatures = [info.fingerprint(), "test-1:AAAA".into()].into(),
        ];
        for change in changes {
            let mut changed = info();
            change(&mut changed);
            let error = keys(&[KEY]).check(&changed).unwrap_err();
            assert!(matches!(error, Untrusted::Wrong { .. }), "{error}");
        }
        let error = keys(&[OTHER]).check(&info()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the signature of `{path}` by `test-1` is wrong")
        );
        let error = keys(&[]).check(&info()).unwrap_err();
        assert!(matches!(error, Untrusted::NotTrusted { .. }), "{error}");
        let mut unsigned = info();
        unsigned.signatures.clear();
        let error = keys(&[KEY]).check(&unsigned).unwrap_err();
        assert_eq!(error.to_string(), format!("`{path}` is not signed"));
    }

    #[test]
    fn a_path_that_follows_from_its_content_needs_no_key() {
        let mut info = info();
        info.signatures.clear();
        info.store_path = "/nix/store/iixxin28s82lrxs8v4lcf7nha2dkwprm-hello.txt".into();
        info.references.clear();
        info.content_address =
            Some("fixed:sha256:094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic".into());
        assert_eq!(keys(&[]).check(&info), Ok(Trust::Content));
        info.store_path.push('x');
        let error = keys(&[]).check(&info).unwrap_err();
        assert!(matches!(error, Untrusted::OtherContent { .. }), "{error}");
        // The path follows, but nobody can check content by MD5.
        info.store_path = "/nix/store/kckpqk5dy7g82i6w9vjmp4n2ilz1m9sk-hello.txt".into();
        info.content_address = Some("fixed:md5:4jqlbi14cxf6wpcajbphm40hax".into());
        assert!(keys(&[]).check(&info).is_err());
    }

    #[test]
    fn keys_are_those_of_nix_conf() {
        let names = |text: &str| {
            let mut conf = NixConf::default();
            conf.add(text, Path::new("/etc/nix/nix.conf"), &mut |_| Ok(None))
                .unwrap();
            let mut keys = TrustedKeys::new();
            keys.extend_from_nix_conf(&conf).unwrap();
            keys.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(names(""), [DEFAULT_KEY]);
        let text = format!("trusted-public-keys = {KEY} {OTHER}\n");
        assert_eq!(names(&text), [KEY, OTHER]);
        let text = format!("extra-trusted-public-keys = {KEY}\n");
        assert_eq!(names(&text), [DEFAULT_KEY, KEY]);
        let text = format!("extra-trusted-public-keys = {KEY}\nbinary-cache-public-keys = {OTHER}");
        assert_eq!(names(&text), [OTHER]);
        assert!(names("trusted-public-keys =\n").is_empty());
    }
}
