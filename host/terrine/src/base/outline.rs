//! The files of a base image, kept so that its layers are downloaded once.
//!
//! A base image in a registry is downloaded to look for its links. What it holds is noted then, for the
//! check of images that cannot start: paths, kinds, permissions, owners and targets of links, and the
//! content of the few files that the check reads.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::num::NonZeroUsize;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use terrine_compress::{Compression, Encoder, Pool, Setting};
use terrine_oci::Digest;

use super::merge::{EntryKind, ListedEntry};
use super::{Base, Listed, Listing};
use crate::cache::Cache;
use crate::links::Walk;

/// The kind of fact; the number grows when an outline comes to say other things.
const FACT: &str = "outline of a base image 1";
/// Files whose content is noted: those that the check of users and of shared libraries reads.
const FILES: [&[u8]; 3] = [b"/etc/passwd", b"/etc/group", b"/etc/ld.so.cache"];
/// The largest of them, in bytes.
const MAX_FILE: u64 = 256 << 10;
/// The length of one fact, in bytes of text: what the cache keeps is not longer.
const PIECE: usize = 48 << 10;
/// The most facts that one outline takes: images of some hundred thousand files have one.
const MAX_PIECES: usize = 64;
/// The most bytes that an outline has before it is compressed.
const MAX_TEXT: u64 = 256 << 20;

/// The files of a base image.
#[derive(Debug)]
pub struct Outline {
    listing: Listing,
    files: BTreeMap<Vec<u8>, Vec<u8>>,
    store_dir: String,
}

/// The earlier runs' note of an outline.
pub(super) enum Recalled {
    /// There is none.
    Nothing,
    /// It is larger than what the cache keeps.
    TooLarge,
    /// This one.
    Outline(Outline),
}

/// An entry as it is written: path, kind, permission bits, owner and group, target, and true if it is doubtful.
#[derive(Serialize, Deserialize)]
struct Written(String, EntryKind, u32, Option<(i64, i64)>, String, bool);

/// An outline as it is written.
#[derive(Default, Serialize, Deserialize)]
struct Document {
    entries: Vec<Written>,
    /// Contents in Base64.
    files: BTreeMap<String, String>,
}

impl Outline {
    /// Notes what a base image holds outside of the store. Paths that are not UTF-8 are left out: no configuration names
    /// them.
    pub(super) fn of(base: &Base, listing: &Listing, store_dir: &str) -> Self {
        let mut outline = Self {
            listing: Listing::default(),
            files: BTreeMap::new(),
            store_dir: store_dir.trim_end_matches('/').to_owned(),
        };
        for (path, entry) in listing.entries.below(b"") {
            if !outline.is_in_store(&[b"/", path].concat()) && std::str::from_utf8(path).is_ok() {
                outline.listing.entries.insert(path.into(), entry.clone());
            }
        }
        let paths = FILES.iter().filter_map(|path| listing.file_at(path));
        outline.files = base.read_small(listing, paths, MAX_FILE);
        outline
    }

    /// Returns what is at a path whose directories are directories, and no links.
    pub fn look(&self, path: &[u8]) -> Listed<'_> {
        if self.is_in_store(path) {
            return Listed::Unknown;
        }
        self.listing.look(path)
    }

    /// Returns all entries that were noted.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// Returns the content of the file at a path, up to `limit` bytes; none where it was not noted.
    pub fn read(&self, path: &[u8], limit: usize) -> Option<Vec<u8>> {
        let content = self.files.get(path)?;
        Some(content[..content.len().min(limit)].to_vec())
    }

    fn is_in_store(&self, path: &[u8]) -> bool {
        path.strip_prefix(self.store_dir.as_bytes())
            .is_some_and(|rest| rest.starts_with(b"/"))
    }

    /// Writes the outline to the cache; false if it is larger than what that keeps.
    pub(super) fn remember(&self, cache: &Cache, key: Digest) -> bool {
        let text = self.to_text().unwrap_or_default();
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(PIECE).collect();
        let fits = pieces.len() <= MAX_PIECES;
        let count = if fits { pieces.len() } else { 0 };
        let pieces = pieces.into_iter().take(count).zip(1..);
        let mut facts: Vec<(Digest, String)> = pieces
            .map(|(piece, number)| {
                (
                    numbered(key, number),
                    String::from_utf8_lossy(piece).into_owned(),
                )
            })
            .collect();
        facts.push((numbered(key, 0), count.to_string()));
        cache.remember_facts(FACT, &facts);
        count > 0
    }

    /// Reads what an earlier run wrote to the cache.
    pub(super) fn recall(cache: &Cache, key: Digest, store_dir: &str) -> Recalled {
        let count = cache.facts(FACT, &[numbered(key, 0)]).pop().flatten();
        let Some(count) = count.and_then(|count| count.parse::<usize>().ok()) else {
            return Recalled::Nothing;
        };
        if count == 0 {
            return Recalled::TooLarge;
        }
        let keys: Vec<Digest> = (1..=count.min(MAX_PIECES))
            .map(|number| numbered(key, number))
            .collect();
        let text: Option<String> = cache.facts(FACT, &keys).into_iter().collect();
        match text.and_then(|text| Self::from_text(&text, store_dir)) {
            Some(outline) => Recalled::Outline(outline),
            None => Recalled::Nothing,
        }
    }

    fn to_text(&self) -> io::Result<String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let entry = |(path, entry): (&[u8], &ListedEntry)| {
            let link = text(&entry.link);
            Written(
                text(path),
                entry.kind,
                entry.mode,
                entry.owner,
                link,
                entry.doubtful,
            )
        };
        let files = self.files.iter();
        let document = Document {
            entries: self.listing.entries.below(b"").map(entry).collect(),
            files: files
                .map(|(path, content)| (text(path), STANDARD.encode(content)))
                .collect(),
        };
        let pool = Pool::new(NonZeroUsize::MIN);
        let mut encoder = Encoder::new(&Setting::ZSTD, &pool, vec![])?;
        encoder.write_all(&serde_json::to_vec(&document)?)?;
        Ok(STANDARD.encode(encoder.finish()?))
    }

    fn from_text(text: &str, store_dir: &str) -> Option<Self> {
        let compressed = STANDARD.decode(text).ok()?;
        let mut document = vec![];
        let decoder = Compression::Zstd.decoder(compressed.as_slice()).ok()?;
        decoder.take(MAX_TEXT).read_to_end(&mut document).ok()?;
        let document: Document = serde_json::from_slice(&document).ok()?;
        let mut listing = Listing::default();
        for Written(path, kind, mode, owner, link, doubtful) in document.entries {
            let entry = ListedEntry {
                mode,
                owner,
                link: link.into_bytes().into(),
                doubtful,
                ..ListedEntry::new(kind)
            };
            listing.entries.insert(path.into_bytes().into(), entry);
        }
        let files = document.files.into_iter();
        let files =
            files.map(|(path, content)| Some((path.into_bytes(), STANDARD.decode(content).ok()?)));
        Some(Self {
            listing,
            files: files.collect::<Option<_>>()?,
            store_dir: store_dir.trim_end_matches('/').to_owned(),
        })
    }
}

impl Listing {
    /// Returns the path without links of the regular file that a path leads to.
    fn file_at(&self, path: &[u8]) -> Option<Vec<u8>> {
        let mut walk = Walk::along(path);
        while let Some(at) = walk.step() {
            match self.look(at) {
                Listed::Directory => {}
                Listed::Link(target) => walk.follow(target)?,
                Listed::File { .. } if walk.is_at_end() => return Some(walk.end()),
                _ => return None,
            }
        }
        None
    }
}

/// The key of one fact of an outline.
fn numbered(key: Digest, number: usize) -> Digest {
    let mut hash = Sha256::new_with_prefix(key.as_bytes());
    hash.update((number as u64).to_le_bytes());
    hash.into()
}

#[cfg(test)]
mod tests;
