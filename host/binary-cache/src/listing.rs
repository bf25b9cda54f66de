//! Listings: the entries of a NAR without their contents, as JSON (Nix manual, "Nix Archive Listing";
//! `.ls` files of a cache).
//!
//! Names and targets that are not UTF-8 are bytes that JSON cannot hold. Nix 2.8 writes them as they are, so
//! they are read as bytes; later versions write no listing for such a path.

mod entries;
mod json;

use std::borrow::Cow;

use terrine_support::hint::Hint;

use crate::nar::NarKind;
use entries::Entries;

/// The largest listing, in bytes.
pub const LARGEST_LISTING: usize = 256 << 20;
/// The most entries.
const MOST_ENTRIES: usize = 10_000_000;
/// The greatest depth of an entry: every level takes two of the 127 that the JSON parser allows, and the
/// document one.
const DEEPEST: usize = 62;

/// A listing of a NAR. Nobody signs it: the NAR decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    entries: Entries,
}

/// An entry of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListingEntry<'a> {
    /// The path relative to the top, of names with slashes between them; empty for the top itself.
    pub path: Vec<u8>,
    /// The number of names in the path.
    pub depth: usize,
    /// The kind.
    pub kind: NarKind<'a>,
}

impl Listing {
    /// Parses a listing of version 1. Unknown fields are ignored.
    ///
    /// # Errors
    ///
    /// Malformed JSON, another version, entries that no NAR has, more than 256 MiB, more than ten million
    /// entries, and more than 62 directories in each other.
    pub fn parse(text: &[u8]) -> Result<Self, ListingError> {
        if text.len() > LARGEST_LISTING {
            return Err(ListingError::TooLarge {
                limit: LARGEST_LISTING,
            });
        }
        let entries =
            json::parse(text).map_err(|error| ListingError::Malformed(error.to_string()))?;
        Ok(Self { entries })
    }

    /// The entries in the order of a NAR: each directory before its entries, and these in the order of
    /// the bytes of their names.
    pub fn entries(&self) -> impl Iterator<Item = ListingEntry<'_>> {
        let mut path: Vec<u8> = vec![];
        let mut ends: Vec<usize> = vec![];
        self.entries.iter().map(move |entry| {
            ends.truncate(entry.depth);
            path.truncate(ends.last().copied().unwrap_or(0));
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend(entry.name);
            ends.push(path.len());
            ListingEntry {
                path: path.clone(),
                depth: entry.depth,
                kind: entry.kind,
            }
        })
    }
}

/// A fault of a listing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListingError {
    /// More bytes than are read.
    #[error("it is larger than {} MiB", limit >> 20)]
    TooLarge {
        /// The largest listing, in bytes.
        limit: usize,
    },
    /// Something else than a listing.
    #[error("{0}")]
    Malformed(String),
}

impl Hint for ListingError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::TooLarge { .. } => {
                "remove the listing from the cache: terrine then reads the NAR instead".into()
            }
            Self::Malformed(_) => {
                "copy the path to the cache again with `write-nar-listing=true`, or without".into()
            }
        })
    }
}

#[cfg(test)]
mod tests;
