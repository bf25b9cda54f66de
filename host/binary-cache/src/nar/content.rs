//! The check of a NAR against the content address of its path.
//!
//! A signature is about the NAR's hash. A path that is trusted for its content address alone is
//! trusted only if the content has the address's hash, which a cache cannot choose.

mod modulo;

use ring::digest::{self, Context};
use terrine_oci::Digest;

use crate::content_address::{ContentAddress, Method};
use crate::hash::Hash;
use modulo::Modulo;

/// The NAR of a file up to its content: each word after its length and padded to eight bytes, and then
/// the size of the content.
const FILE: &[u8; 96] = b"\x0d\0\0\0\0\0\0\0nix-archive-1\0\0\0\
    \x01\0\0\0\0\0\0\0(\0\0\0\0\0\0\0\
    \x04\0\0\0\0\0\0\0type\0\0\0\0\
    \x07\0\0\0\0\0\0\0regular\0\
    \x08\0\0\0\0\0\0\0contents\
    \0\0\0\0\0\0\0\0";
/// The place of the size in it.
const SIZE: usize = 88;

/// A check that reads all bytes of a NAR.
pub(super) struct ContentCheck {
    expected: Hash,
    state: Checked,
}

/// The outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The content has the hash of the address.
    Right,
    /// It has, but other content has the same hash: the address is one of Nix 2.17 to 2.34, which does not cover the
    /// references of the path to itself.
    Weak,
    /// It has another hash.
    Wrong,
}

/// The bytes that are hashed.
enum Checked {
    /// All of them, with SHA-256: the NAR's own hash.
    Nar,
    /// All of them, with another algorithm.
    Whole(Context),
    /// All but the hash part of the path itself.
    Modulo(Box<Modulo>),
    /// The content of the file that the NAR must be.
    File(File),
}

/// The content of a file that is not executable.
struct File {
    /// The bytes before the content, as far as they are read.
    start: Vec<u8>,
    /// The number of bytes of the content that are not read yet.
    left: u64,
    hash: Context,
}

impl ContentCheck {
    /// A check of the content address of a path; nothing if the address cannot be checked. `hash_part` is the one of
    /// the path, and `refers_to_itself` says whether the content may contain it.
    pub(super) fn new(
        address: &ContentAddress,
        hash_part: &str,
        refers_to_itself: bool,
    ) -> Option<Self> {
        let algorithm = algorithm(address)?;
        let state = match address.method() {
            Method::Git => return None,
            Method::Text | Method::Flat => Checked::File(File {
                start: Vec::with_capacity(FILE.len()),
                left: 0,
                hash: Context::new(algorithm),
            }),
            Method::Nar if refers_to_itself => {
                Checked::Modulo(Box::new(Modulo::new(algorithm, hash_part)))
            }
            Method::Nar if address.hash().algorithm() == "sha256" => Checked::Nar,
            Method::Nar => Checked::Whole(Context::new(algorithm)),
        };
        Some(Self {
            expected: address.hash().clone(),
            state,
        })
    }

    /// Takes the next bytes of the NAR.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            Checked::Nar => {}
            Checked::Whole(hash) => hash.update(bytes),
            Checked::Modulo(modulo) => modulo.update(bytes),
            Checked::File(file) => file.update(bytes),
        }
    }

    /// Returns the verdict, after all bytes of a NAR that is well-formed. `nar_hash` is its hash.
    pub(super) fn verdict(&self, nar_hash: Digest) -> Verdict {
        let is_expected = |found: Option<digest::Digest>| {
            found.is_some_and(|found| found.as_ref() == self.expected.as_bytes())
        };
        let is_right = match &self.state {
            Checked::Nar => self.expected == Hash::from(nar_hash),
            Checked::Whole(hash) => is_expected(Some(hash.clone().finish())),
            Checked::Modulo(modulo) => is_expected(modulo.finish()),
            Checked::File(file) => is_expected(file.finish()),
        };
        match &self.state {
            _ if is_right => Verdict::Right,
            Checked::Modulo(modulo) if is_expected(Some(modulo.finish_without_positions())) => {
                Verdict::Weak
            }
            _ => Verdict::Wrong,
        }
    }
}

fn algorithm(address: &ContentAddress) -> Option<&'static digest::Algorithm> {
    match address.hash().algorithm() {
        "sha1" => Some(&digest::SHA1_FOR_LEGACY_USE_ONLY),
        "sha256" => Some(&digest::SHA256),
        "sha512" => Some(&digest::SHA512),
        _ => None,
    }
}

impl File {
    fn update(&mut self, bytes: &[u8]) {
        let missing = FILE.len() - self.start.len();
        let (start, rest) = bytes.split_at(missing.min(bytes.len()));
        self.start.extend(start);
        if missing > 0
            && let Some(size) = self.start.get(SIZE..FILE.len())
        {
            let mut number = [0; FILE.len() - SIZE];
            number.copy_from_slice(size);
            self.left = u64::from_le_bytes(number);
        }
        let most = usize::try_from(self.left).map_or(rest.len(), |left| left.min(rest.len()));
        self.hash.update(&rest[..most]);
        self.left -= most as u64;
    }

    /// The hash of the content; nothing if the NAR is not that of a file, or ends within it.
    fn finish(&self) -> Option<digest::Digest> {
        let is_file = self.start.len() == FILE.len() && self.start[..SIZE] == FILE[..SIZE];
        (is_file && self.left == 0).then(|| self.hash.clone().finish())
    }
}

#[cfg(test)]
mod tests;
