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

    /// The part of the store path that is hashed.
    pub(crate) fn method(&self) -> Method {
        self.method
    }

    /// The hash of that part.
    pub(crate) fn hash(&self) -> &Hash {
        &self.hash
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Paths that Nix 2.8 made: `nix-store --add` and `--add-fixed`, `builtins.toFile`, and
    /// `nix store make-content-addressed`.
    const MADE: [(&str, &str, &[&str]); 13] = [
        (
            "/nix/store/jbfqqzm5lml2dlh8p7lmvbq3vs9g1swl-tree",
            "fixed:r:sha256:0q35kd6l3wkqkx3h79flh1rz4zrf8zc1laxvfci0rx7yz0gdcnwc",
            &[],
        ),
        (
            "/nix/store/xfp2hphvk98rkk9ywlqpp587rjdcgnc2-hello.txt",
            "fixed:r:sha256:0sg9f58l1jj88w6pdrfdpj5x9b1zrwszk84j81zvby36q9whhhqa",
            &[],
        ),
        (
            "/nix/store/xrn0zyxmklyp6b1nzkclvxf8g9zhrsz5-tree",
            "fixed:r:sha1:cqyhlrjfbgf7zjr9w8csb6a8dys4ccix",
            &[],
        ),
        (
            "/nix/store/50gjyac3sa0ybqbpqklg2sp0gl8jsfh7-tree",
            "fixed:r:sha512:3i19xgj2rfwlvpi7lkhqcp2w4igs2p89r9qpyhacv60jjh3n9fpibyvlc7h62zc3xyzmmm1szr8cmj1jap010l1q44b2xzh03i8h2y7",
            &[],
        ),
        (
            "/nix/store/wqsgvca0sq2iy53rbqvh3dws26ri9pyk-tree",
            "fixed:r:md5:6658b25kw5rnlvmj7nddssil3s",
            &[],
        ),
        (
            "/nix/store/iixxin28s82lrxs8v4lcf7nha2dkwprm-hello.txt",
            "fixed:sha256:094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic",
            &[],
        ),
        (
            "/nix/store/bl4cpnz7cwz57jcydmc1ylp7y584axbs-hello.txt",
            "fixed:sha1:9m1skbnr5i43n3yypvda5s65vhfwdx5a",
            &[],
        ),
        (
            "/nix/store/8wyqp5vyydvckami85sghchxjldmk33b-hello.txt",
            "fixed:sha512:11w1pmwfdpz9pisbhp5qiv38q6dmidq2ipcqykw3p0sb6yrqcij79rwcwcjbxyzwbdal349qbxrncbk7pmd6snljrfpiwv2pljd4wcv",
            &[],
        ),
        (
            "/nix/store/kckpqk5dy7g82i6w9vjmp4n2ilz1m9sk-hello.txt",
            "fixed:md5:4jqlbi14cxf6wpcajbphm40hax",
            &[],
        ),
        (
            "/nix/store/16jynfqxmmcn06gwm9msvf63fkg5zxda-a.txt",
            "text:sha256:0x84z5jxhhafpx5r0zf36j3aqllgv07x65rklhs7f86n8vnwj5m1",
            &[],
        ),
        (
            "/nix/store/yx0a6sx7wwfv7b5n00mngn1y51lvfjgj-b.txt",
            "text:sha256:1xpny47bcg3il23pfqm0nf401h3f8gjc1ps44hgjz8jrrgr4m3hs",
            &["/nix/store/16jynfqxmmcn06gwm9msvf63fkg5zxda-a.txt"],
        ),
        (
            "/tmp/t1v/st/mx3042x8bfzkgh9n6xwhvh2lmihlji7z-dep",
            "fixed:r:sha256:13w19wwvpfqyfq1fixzqjphj7dil4vlv9gada02f9kpl04qnmkw4",
            &[],
        ),
        (
            "/tmp/t1v/st/dbp0fc9xzdl83z4mv50z42i5kjwqmmrw-self",
            "fixed:r:sha256:1xrqvckpx9v0ifx4lsy8hp7lz9f2bp3njz0m27p0y4sa2sa0sh5j",
            &[
                "/tmp/t1v/st/dbp0fc9xzdl83z4mv50z42i5kjwqmmrw-self",
                "/tmp/t1v/st/mx3042x8bfzkgh9n6xwhvh2lmihlji7z-dep",
            ],
        ),
    ];

    fn set(paths: &[&str]) -> BTreeSet<String> {
        paths.iter().map(|&path| path.to_owned()).collect()
    }

    #[test]
    fn paths_are_those_of_nix() {
        for (path, address, references) in MADE {
            let address = ContentAddress::parse(address).unwrap();
            assert!(address.makes(path, &set(references)), "{path}");
        }
    }

    #[test]
    fn all_that_a_path_is_made_from_counts() {
        for (path, text, references) in MADE {
            let address = ContentAddress::parse(text).unwrap();
            let mut more = set(references);
            more.insert("/nix/store/094qif9n4cq4fdg459qzbhg1c6wywaww-x".to_owned());
            assert!(!address.makes(path, &more), "{path}");
            assert!(
                !address.makes(&format!("{path}x"), &set(references)),
                "{path}"
            );
            let other = path
                .replace("/store/", "/other/")
                .replace("/st/", "/other/");
            assert!(!address.makes(&other, &set(references)), "{path}");
            for (_, other, _) in MADE.iter().filter(|(_, other, _)| *other != text) {
                let other = ContentAddress::parse(other).unwrap();
                assert!(!other.makes(path, &set(references)), "{path}");
            }
        }
        let (path, address, references) = MADE[12];
        let address = ContentAddress::parse(address).unwrap();
        assert!(!address.makes(path, &set(&references[1..])));
        for path in ["", "/", "x", "/nix/store/x"] {
            assert!(!address.makes(path, &set(&[])), "{path}");
        }
    }

    #[test]
    fn other_texts_are_no_addresses() {
        for text in [
            "",
            "text:",
            "fixed:r:",
            "source:sha256:094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic",
            "fixed:094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic",
            "fixed:sha256-LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
            "fixed:sha256:sha256:094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic",
        ] {
            assert!(ContentAddress::parse(text).is_err(), "{text}");
        }
    }
}
