//! Keys that sign store paths: Ed25519, in Nix's form `NAME:BASE64` (`local-keys.cc` of Nix).

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use terrine_support::hint::Hint;

use crate::excerpt::excerpt;

/// The number of bytes of a public key, and of the seed of a secret one.
const KEY: usize = 32;
/// The length of a public key in base 64.
const DIGITS: usize = 44;
/// Base 64 that may lack its padding, as Nix reads it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A key that checks signatures.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey {
    name: String,
    bytes: [u8; KEY],
}

impl PublicKey {
    /// Parses `NAME:BASE64`, with the base 64 of 32 bytes. White space around it is ignored.
    ///
    /// # Errors
    ///
    /// A missing name, malformed base 64, and another number of bytes.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (name, bytes) = split(text.trim()).map_err(|fault| KeyError::Public {
            value: shown(text),
            fault,
        })?;
        let bytes = bytes
            .as_slice()
            .try_into()
            .map_err(|_| public_length(text, bytes.len()))?;
        Ok(Self {
            name: name.to_owned(),
            bytes,
        })
    }

    /// The name, such as `cache.example.org-1`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether `signature`, which is `NAME:BASE64`, is one of `text` by this key.
    pub fn verifies(&self, text: &str, signature: &str) -> bool {
        split(signature).is_ok_and(|(name, bytes)| {
            name == self.name
                && UnparsedPublicKey::new(&ED25519, &self.bytes)
                    .verify(text.as_bytes(), &bytes)
                    .is_ok()
        })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, BASE64.encode(self.bytes))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A key that makes signatures. No message shows it.
pub struct SecretKey {
    name: String,
    pair: Ed25519KeyPair,
}

impl SecretKey {
    /// Parses `NAME:BASE64`, with the base 64 of 64 bytes: a seed and the public key. White space
    /// around it is ignored. `nix-store --generate-binary-cache-key` makes such a file.
    ///
    /// # Errors
    ///
    /// A missing name, malformed base 64, another number of bytes, and two halves that do not belong
    /// together. No error shows any of the key but its name.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (name, bytes) = split(text.trim()).map_err(|fault| KeyError::Secret {
            // Without a colon the text may be nothing but the secret.
            name: String::new(),
            fault,
        })?;
        let error = |fault| KeyError::Secret {
            name: excerpt(name.as_bytes()),
            fault,
        };
        let (seed, public) = bytes
            .split_at_checked(KEY)
            .filter(|(_, public)| public.len() == KEY)
            .ok_or_else(|| {
                error(KeyFault::Length {
                    found: bytes.len(),
                    expected: 2 * KEY,
                })
            })?;
        let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public)
            .map_err(|_| error(KeyFault::Inconsistent))?;
        Ok(Self {
            name: name.to_owned(),
            pair,
        })
    }

    /// The name, such as `cache.example.org-1`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key that checks the signatures of this one.
    pub fn public_key(&self) -> PublicKey {
        let mut bytes = [0; KEY];
        bytes.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey {
            name: self.name.clone(),
            bytes,
        }
    }

    /// Signs a text. Returns `NAME:BASE64`, always the same for the same text.
    pub fn sign(&self, text: &str) -> String {
        let signature = self.pair.sign(text.as_bytes());
        format!("{}:{}", self.name, BASE64.encode(signature))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Returns the name of a signature; none of text that is no signature.
pub(crate) fn signer(signature: &str) -> Option<&str> {
    split(signature).ok().map(|(name, _)| name)
}

/// The name and the bytes of a key or a signature.
fn split(text: &str) -> Result<(&str, Vec<u8>), KeyFault> {
    let (name, digits) = text
        .split_once(':')
        .filter(|(name, _)| !name.is_empty())
        .ok_or(KeyFault::NoName)?;
    let bytes = BASE64.decode(digits).map_err(|_| KeyFault::NotBase64)?;
    Ok((name, bytes))
}

/// Returns what should be a public key for a message. Without its end if that is longer than one: it may be secret.
fn shown(text: &str) -> String {
    let text = text.trim();
    let (name, digits) = text.split_once(':').unwrap_or(("", text));
    if name.len().max(digits.len()) <= DIGITS {
        return excerpt(text.as_bytes());
    }
    if name.is_empty() || name.len() > DIGITS {
        return "…".to_owned();
    }
    format!("{}:…", excerpt(name.as_bytes()))
}

fn public_length(text: &str, found: usize) -> KeyError {
    if found == 2 * KEY {
        // It is probably secret, so the message does not show it.
        return KeyError::SecretAsPublic {
            name: excerpt(text.trim().split(':').next().unwrap_or_default().as_bytes()),
        };
    }
    KeyError::Public {
        value: shown(text),
        fault: KeyFault::Length {
            found,
            expected: KEY,
        },
    }
}

/// Text that is not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Text that is not a public key.
    #[error("`{value}` is not a public key")]
    Public {
        /// The text.
        value: String,
        /// The fault in it.
        #[source]
        fault: KeyFault,
    },
    /// A secret key in the place of a public one.
    #[error("the key `{name}` is a secret key, not a public one")]
    SecretAsPublic {
        /// The name of the key.
        name: String,
    },
    /// Text that is not a secret key.
    #[error("the text is not a secret key{}", if name.is_empty() { String::new() } else { format!(": `{name}`") })]
    Secret {
        /// The name of the key, empty if it is unknown.
        name: String,
        /// The fault in it.
        #[source]
        fault: KeyFault,
    },
}

impl Hint for KeyError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Public { .. } => "a public key is `NAME:BASE64`, such as `cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=`".into(),
            Self::SecretAsPublic { .. } => "give the other file that `nix-store --generate-binary-cache-key` wrote, and keep this one secret".into(),
            Self::Secret { .. } => "`nix-store --generate-binary-cache-key NAME SECRET PUBLIC` makes a secret key, in the file `SECRET`".into(),
        })
    }
}

/// The fault of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFault {
    /// There is no name before a colon.
    #[error("it has no name and `:` before the base 64")]
    NoName,
    /// Something else than base 64 after the name.
    #[error("it is not base 64 after the name")]
    NotBase64,
    /// Another number of bytes.
    #[error("it has {found} bytes, not {expected}")]
    Length {
        /// The number of bytes in the base 64.
        found: usize,
        /// The number of bytes of such a key.
        expected: usize,
    },
    /// A secret key that does not belong to its public half.
    #[error("its secret and its public half do not belong together")]
    Inconsistent,
}

impl Hint for KeyFault {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `nix-store --generate-binary-cache-key` of Nix 2.8.
    const SECRET: &str = "test-1:gquWGDNuKyzZ4rDw1R17JctBLhqzC2YjQeHHvBzcO0wDQxuJkgUPdC4zhLISbw+Pe6/RC2bN94oAEquiU+bN3g==";
    const PUBLIC: &str = "test-1:A0MbiZIFD3QuM4SyEm8Pj3uv0QtmzfeKABKrolPmzd4=";
    /// A signature by it, and what it signs.
    const SIGNED: &str = "1;/tmp/t1v/st/0000000000000000000000000000000a-dep;sha256:13w19wwvpfqyfq1fixzqjphj7dil4vlv9gada02f9kpl04qnmkw4;128;";
    const SIGNATURE: &str = "test-1:mD1/nheYJg4A/RyStBdFplgz4/fMLZ9q7KsdqPTa3n5a2JePyBIiv58kXOKLE0UxrathelaVWpZkWqp4c4reDw==";

    #[test]
    fn signatures_are_those_of_nix() {
        let secret = SecretKey::parse(&format!("{SECRET}\n")).unwrap();
        let public = PublicKey::parse(PUBLIC).unwrap();
        assert_eq!(secret.public_key(), public);
        assert_eq!(secret.sign(SIGNED), SIGNATURE);
        assert!(public.verifies(SIGNED, SIGNATURE));
        assert_eq!(public.to_string(), PUBLIC);
        assert_eq!(PublicKey::parse(PUBLIC.trim_end_matches('=')), Ok(public));
    }

    #[test]
    fn other_texts_and_names_are_not_signed() {
        let public = PublicKey::parse(PUBLIC).unwrap();
        let renamed = SIGNATURE.replace("test-1", "test-2");
        assert!(!public.verifies(SIGNED, &renamed));
        assert!(!public.verifies(&SIGNED[1..], SIGNATURE));
        for signature in ["", ":", "test-1", "test-1:", "test-1:AAAA", "test-1:!"] {
            assert!(!public.verifies(SIGNED, signature), "{signature}");
        }
    }

    #[test]
    fn no_message_shows_a_secret() {
        let secret = SecretKey::parse(SECRET).unwrap();
        let (_, digits) = SECRET.split_once(':').unwrap();
        let (start, end) = SECRET.split_at(SECRET.len() - 5);
        let wrong = [
            PublicKey::parse(start).unwrap_err(),
            PublicKey::parse(&format!("{start}A{end}")).unwrap_err(),
            PublicKey::parse(&SECRET.replace(':', " ")).unwrap_err(),
            PublicKey::parse(&format!("{digits}:test-1")).unwrap_err(),
            PublicKey::parse(digits).unwrap_err(),
            PublicKey::parse(SECRET).unwrap_err(),
            SecretKey::parse(&SECRET[..40]).unwrap_err(),
            SecretKey::parse(digits).unwrap_err(),
            SecretKey::parse(&SECRET.replace("gqu", "gqv")).unwrap_err(),
        ];
        let mut shown = vec![format!("{secret:?}")];
        for error in wrong {
            shown.push(format!("{error} {error:?} {:?}", error.hint()));
        }
        for text in shown {
            assert!(!text.contains("quW") && !text.contains("qvW"), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_keys() {
        for text in [
            "",
            "a",
            "a:",
            ":AAAA",
            "a:AAAA",
            "a:!",
            &PUBLIC[..30],
            "a b",
        ] {
            assert!(PublicKey::parse(text).is_err(), "{text}");
            assert!(SecretKey::parse(text).is_err(), "{text}");
        }
        assert!(SecretKey::parse(PUBLIC).is_err());
    }
}
