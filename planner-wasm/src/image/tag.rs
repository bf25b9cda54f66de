//! Tags for images that were given none.

use sha2::{Digest, Sha256};

use crate::bindings::image::{Inheritance, ResolveRequest};

/// Nix's base 32: digits and letters without e, o, t and u.
const ALPHABET: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";
/// 160 bits, the length of the hash in a store path.
const HASH_BYTES: usize = 20;

/// A tag for the request: 32 characters of Nix's base 32, the same for the same
/// request, and known before anything is built.
pub(super) fn generate(request: &ResolveRequest) -> String {
    let digest = fingerprint(request);
    // Nix's way to shorten a hash: fold it over itself.
    let mut folded = [0; HASH_BYTES];
    for (i, byte) in digest.iter().enumerate() {
        folded[i % HASH_BYTES] ^= byte;
    }
    base32(&folded)
}

/// A digest of every field. Each is preceded by its length, so that no two
/// requests spell the same bytes.
fn fingerprint(request: &ResolveRequest) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut field = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    field(b"terrine tag 1");
    field(request.reference.as_bytes());
    field(request.platform.as_bytes());
    field(request.variant.as_deref().unwrap_or_default().as_bytes());
    field(request.config.as_bytes());
    if let Some(base) = &request.base {
        field(base.configuration.as_bytes());
        field(&base.layers.to_be_bytes());
    } else {
        field(b"");
    }
    field(match request.inherit {
        Inheritance::Environment => b"environment",
        Inheritance::All => b"all",
    });
    field(&(request.labels.len() as u64).to_be_bytes());
    for (name, value) in &request.labels {
        field(name.as_bytes());
        field(value.as_bytes());
    }
    field(&request.max_layers.unwrap_or(0).to_be_bytes());
    field(&request.other_layers.to_be_bytes());
    field(&[request.has_store_paths.into()]);
    for identity in &request.identity {
        field(identity.as_bytes());
    }
    hash.finalize().into()
}

/// Nix's base 32 of a hash: five bits a character, the last bits first.
fn base32(bytes: &[u8]) -> String {
    let characters = (bytes.len() * 8).div_ceil(5);
    (0..characters)
        .rev()
        .map(|n| {
            let (byte, shift) = (n * 5 / 8, n * 5 % 8);
            let high = bytes.get(byte + 1).map_or(0, |&next| u16::from(next) << 8);
            let bits = ((u16::from(bytes[byte]) | high) >> shift) & 31;
            char::from(ALPHABET[usize::from(bits)])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::request;
    use super::*;
    use crate::bindings::image::BaseImage;

    #[test]
    fn base32_is_nixs() {
        // `nix-hash --type sha1 --to-base32` of the SHA-1 of "abc" and of "".
        let abc = [
            0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e, 0x25, 0x71, 0x78, 0x50,
            0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d,
        ];
        assert_eq!(base32(&abc), "kpcd173cq987hw957sx6m0868wv3x6d9");
        assert_eq!(base32(&[0; HASH_BYTES]), "0".repeat(32));
        assert_eq!(base32(&[0xff; HASH_BYTES]), "z".repeat(32));
    }

    #[test]
    fn the_tag_is_pinned() {
        assert_eq!(generate(&request()), "fxy9z505xpfppxp0mz9rrvk240fr3rlg");
    }

    #[test]
    fn every_field_matters() {
        let plain = generate(&request());
        let base = BaseImage {
            configuration: "{}".to_owned(),
            layers: 1,
        };
        let others = [
            ResolveRequest {
                reference: "hallo".to_owned(),
                ..request()
            },
            ResolveRequest {
                platform: "arm64".to_owned(),
                ..request()
            },
            ResolveRequest {
                variant: Some("v2".to_owned()),
                ..request()
            },
            ResolveRequest {
                config: "null".to_owned(),
                ..request()
            },
            ResolveRequest {
                base: Some(base),
                ..request()
            },
            ResolveRequest {
                inherit: Inheritance::All,
                ..request()
            },
            ResolveRequest {
                labels: vec![("a".to_owned(), "b".to_owned())],
                ..request()
            },
            ResolveRequest {
                max_layers: Some(5),
                ..request()
            },
            ResolveRequest {
                other_layers: 0,
                ..request()
            },
            ResolveRequest {
                has_store_paths: false,
                ..request()
            },
            ResolveRequest {
                identity: vec![],
                ..request()
            },
            ResolveRequest {
                identity: vec!["/nix/store".to_owned(), "/a".to_owned()],
                ..request()
            },
        ];
        for other in others {
            assert_ne!(generate(&other), plain, "{other:?}");
        }
    }
}
