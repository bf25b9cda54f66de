//! Hashes as Nix writes them: base 16, its own base 32, or base 64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use terrine_oci::Digest;

/// The digits of Nix's base 32.
const DIGITS: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";
/// The algorithms, and how many bytes their hashes have.
const ALGORITHMS: [(&str, usize); 5] = [
    ("blake3", 32),
    ("md5", 16),
    ("sha1", 20),
    ("sha256", 32),
    ("sha512", 64),
];

/// A hash with its algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hash {
    algorithm: &'static str,
    bytes: Vec<u8>,
}

impl Hash {
    /// Parses `sha256:` and digits, or `sha256-` and base 64. The number of digits decides
    /// which base they are in. Text without an algorithm is of the algorithm `default`.
    pub fn parse(text: &str, default: &str) -> Option<Self> {
        if let Some((algorithm, digits)) = text.split_once('-') {
            let (algorithm, size) = known(algorithm)?;
            let bytes = STANDARD.decode(digits).ok()?;
            return (bytes.len() == size).then_some(Self { algorithm, bytes });
        }
        let (algorithm, digits) = text.split_once(':').unwrap_or((default, text));
        let (algorithm, size) = known(algorithm)?;
        let bytes = decode(digits, size)?;
        Some(Self { algorithm, bytes })
    }

    /// Parses `sha256:` and digits, or `sha256-` and base 64. Text without an algorithm is no
    /// hash.
    pub fn parse_prefixed(text: &str) -> Option<Self> {
        Self::parse(text, "")
    }

    /// The hash as Nix writes it into a content address: its algorithm, and base 32.
    pub fn to_nix32(&self) -> String {
        format!("{}:{}", self.algorithm, nix32_digits(&self.bytes))
    }

    /// The name of the algorithm, such as `sha256`.
    pub fn algorithm(&self) -> &'static str {
        self.algorithm
    }

    /// The bytes of the hash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The hash in base 16 after its algorithm, as store paths are computed from it.
    pub(crate) fn to_base16(&self) -> String {
        let digits = self.bytes.iter().map(|byte| format!("{byte:02x}"));
        format!("{}:{}", self.algorithm, digits.collect::<String>())
    }

    /// The hash as a digest, if it is one of SHA-256.
    pub fn sha256(&self) -> Option<Digest> {
        let bytes: [u8; 32] = self.bytes.as_slice().try_into().ok()?;
        (self.algorithm == "sha256").then(|| bytes.into())
    }
}

impl From<Digest> for Hash {
    fn from(digest: Digest) -> Self {
        Self {
            algorithm: "sha256",
            bytes: digest.as_bytes().to_vec(),
        }
    }
}

/// Returns whether Nix's base 32 has this digit.
pub(crate) fn is_nix32_digit(byte: u8) -> bool {
    DIGITS.contains(&byte)
}

/// Returns the digits of some bytes in Nix's base 32: five bits each, the most significant first, of
/// the number whose first byte is the least significant.
pub(crate) fn nix32_digits(bytes: &[u8]) -> String {
    let digit = |position: usize| {
        let (byte, shift) = (position * 5 / 8, position * 5 % 8);
        let next = bytes.get(byte + 1).copied().unwrap_or(0);
        let pair = u16::from_le_bytes([bytes[byte], next]);
        char::from(DIGITS[usize::from(pair >> shift & 31)])
    };
    (0..nix32_length(bytes.len())).rev().map(digit).collect()
}

fn known(name: &str) -> Option<(&'static str, usize)> {
    ALGORITHMS.into_iter().find(|(known, _)| *known == name)
}

fn nix32_length(bytes: usize) -> usize {
    (bytes * 8).div_ceil(5)
}

/// The bytes of digits in the base that their number stands for.
fn decode(digits: &str, size: usize) -> Option<Vec<u8>> {
    let bytes = if digits.len() == size * 2 {
        base16(digits)?
    } else if digits.len() == nix32_length(size) {
        nix32(digits, size)?
    } else {
        STANDARD.decode(digits).ok()?
    };
    (bytes.len() == size).then_some(bytes)
}

fn base16(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::try_from(digit(pair[0])? << 4 | digit(*pair.get(1)?)?).ok())
        .collect()
}

fn nix32(digits: &str, size: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; size];
    for (position, digit) in digits.bytes().rev().enumerate() {
        let value = DIGITS.iter().position(|&known| known == digit)?;
        let (byte, shift) = (position * 5 / 8, position * 5 % 8);
        let [low, high] = u16::try_from(value << shift).ok()?.to_le_bytes();
        bytes[byte] |= low;
        match bytes.get_mut(byte + 1) {
            Some(next) => *next |= high,
            // The first digit has bits that belong to no byte.
            None if high != 0 => return None,
            None => {}
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One hash of `hello` for each algorithm, in each of its forms (`nix-hash` of Nix 2.8).
    const SHA256: [&str; 3] = [
        "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        "sha256:094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic",
        "sha256-LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
    ];

    #[test]
    fn every_form_is_the_same_hash() {
        let digest = Digest::of(b"hello");
        for text in SHA256 {
            let hash = Hash::parse(text, "md5").unwrap();
            assert_eq!(hash.sha256(), Some(digest), "{text}");
            assert_eq!(hash.to_nix32(), SHA256[1]);
        }
        for bare in [&SHA256[0][7..], &SHA256[1][7..], &SHA256[2][7..]] {
            let hash = Hash::parse(bare, "sha256").unwrap();
            assert_eq!(hash.sha256(), Some(digest), "{bare}");
        }
        let upper = SHA256[0][7..].to_uppercase();
        assert!(Hash::parse(&upper, "sha256").is_some());
        let sha1 = Hash::parse("sha1:aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d", "").unwrap();
        assert_eq!(sha1.to_nix32(), "sha1:9m1skbnr5i43n3yypvda5s65vhfwdx5a");
        assert_eq!(sha1.sha256(), None);
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        for text in [
            "",
            "sha256:",
            "sha256-",
            "sha256:x",
            "sha256:0",
            "sha256-m7o=",
            "sha3:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
            // An `e` is no digit of base 32, and the first digit of 52 has one bit only.
            "sha256:094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwie",
            "sha256:z94qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic",
            "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b982g",
            "sha1:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
            "\u{e9}\u{e9}",
        ] {
            assert_eq!(Hash::parse(text, "sha256"), None, "{text}");
        }
    }
}
