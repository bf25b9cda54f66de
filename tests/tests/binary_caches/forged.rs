//! Caches of one path with any NAR, which a trusted key signed.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use terrine::binary_cache::{NarInfo, SecretKey};
use terrine::oci::Digest;

/// The key that signs, made by `nix key generate-secret`.
const SECRET: &str = "forged-1:iZW3M9fkOSv/2wZLJf0yZ21EsfFNjbdAu7DRI5D5De+iSTOz2jssE+rcn9kGgvi7z5bbgaEYHJftydHlPAkl5A==";
/// The public part of it.
pub(super) const PUBLIC: &str = "forged-1:okkzs9o7LBPq3J/ZBoL4u8+W24GhGByX7cnR5TwJJeQ=";
/// The hash part of the path.
const HASH_PART: &str = "00000000000000000000000000000000";

/// A cache of one path, as it is written.
pub(super) struct Forged {
    /// The file at the NAR's URL.
    pub(super) file: Vec<u8>,
    pub(super) compression: &'static str,
    /// The hash and the size of the NAR that the narinfo has.
    pub(super) hash: Digest,
    pub(super) size: u64,
    /// Further lines of the narinfo.
    pub(super) more: String,
}

impl Forged {
    /// A cache with a NAR that is what its narinfo says.
    pub(super) fn new(nar: Vec<u8>) -> Self {
        Self {
            compression: "none",
            hash: Digest::of(&nar),
            size: nar.len() as u64,
            file: nar,
            more: String::new(),
        }
    }

    /// Writes it below a folder, and returns its directory.
    pub(super) fn write(&self, folder: &Path) -> PathBuf {
        let place = tempfile::Builder::new().tempdir_in(folder).unwrap().keep();
        self.write_as(&place, HASH_PART, "forged");
        place
    }

    /// Writes the path of a name and a hash part into a cache. Returns its store path.
    pub(super) fn write_as(&self, place: &Path, hash_part: &str, name: &str) -> String {
        let Self {
            compression,
            hash,
            size,
            more,
            ..
        } = self;
        let path = format!("/nix/store/{hash_part}-{name}");
        let mut text = format!(
            "StorePath: {path}\nURL: {hash_part}.nar\nCompression: {compression}\nNarHash: {hash}\nNarSize: {size}\n{more}"
        );
        let info = NarInfo::parse(text.as_bytes(), "/nix/store").unwrap();
        let signature = SecretKey::parse(SECRET).unwrap().sign(&info.fingerprint());
        text += &format!("Sig: {signature}\n");
        fs::write(place.join(format!("{hash_part}.narinfo")), text).unwrap();
        fs::write(place.join(format!("{hash_part}.nar")), &self.file).unwrap();
        path
    }
}

/// The store path.
pub(super) fn path() -> String {
    format!("/nix/store/{HASH_PART}-forged")
}

/// A specification of an image with the path.
pub(super) fn spec() -> Value {
    let env = format!("FORGED={}", path());
    json!({"name": "x:1", "architecture": "amd64", "config": {"Env": [env]}})
}

/// Words of a NAR, each after its length and padded to eight bytes.
pub(super) fn words(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![];
    for word in words {
        bytes.extend((word.len() as u64).to_le_bytes());
        bytes.extend(*word);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    }
    bytes
}

/// The NAR of a directory that is inside a number of others, with empty files of these names.
pub(super) fn directory(depth: usize, names: &[&[u8]]) -> Vec<u8> {
    let entry = |name: &[u8]| words(&[b"entry", b"(", b"name", name, b"node", b"(", b"type"]);
    let mut start = words(&[b"nix-archive-1", b"(", b"type", b"directory"]);
    for _ in 0..depth {
        start.extend(entry(b"d"));
        start.extend(words(&[b"directory"]));
    }
    for name in names {
        start.extend(entry(name));
        start.extend(words(&[b"regular", b"contents", b"", b")", b")"]));
    }
    let end = words(&[b")", b")"]).repeat(depth);
    [start, end, words(&[b")"])].concat()
}

/// The NAR of a file.
pub(super) fn file(content: &[u8]) -> Vec<u8> {
    words(&[
        b"nix-archive-1",
        b"(",
        b"type",
        b"regular",
        b"contents",
        content,
        b")",
    ])
}
