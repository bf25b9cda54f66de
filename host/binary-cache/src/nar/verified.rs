//! A NAR that is checked against its narinfo while it is read.

use std::fmt;
use std::io::{self, Read};

use terrine_oci::Digest;

use super::content::{ContentCheck, Verdict};
use super::decoded::Decoded;
use super::entry::NarEntry;
use super::error::{Hashed, NarError};
use super::file::{File, Summary};
use super::reader::NarReader;
use crate::compression::UnsupportedCompression;
use crate::content_address::ContentAddress;
use crate::narinfo::NarInfo;
use crate::store_path::BaseName;
use crate::trust::Trust;

/// The entries of a NAR, from the compressed bytes of its file.
///
/// Its entries are only certain after [`finish`](Self::finish), which compares all hashes and sizes.
pub struct NarStream {
    reader: NarReader<Decoded>,
    file: File,
    expected: Expected,
}

/// The part of a narinfo that is compared.
struct Expected {
    store_path: String,
    file_hash: Option<Digest>,
    file_size: Option<u64>,
    nar_hash: Digest,
    nar_size: u64,
    address: Option<String>,
    /// True if the content address alone is trusted, and nobody's signature.
    is_by_content: bool,
}

impl NarStream {
    /// A stream of the NAR that `info` describes, out of the bytes at its URL. `trust` is the reason to trust `info`,
    /// none if that is not required. Nothing is read yet.
    ///
    /// # Errors
    ///
    /// A compression that terrine cannot decode.
    pub fn new(
        compressed: Box<dyn Read + Send>,
        info: &NarInfo,
        trust: Option<&Trust>,
    ) -> Result<Self, NarError> {
        let limit = info.file_size.unwrap_or(most_compressed(info.nar_size));
        let file = File::new(compressed, info.file_hash.is_some(), limit);
        let unsupported = || NarError::Unsupported {
            store_path: info.store_path.clone(),
            source: UnsupportedCompression(info.compression),
        };
        if !info.compression.is_supported() {
            return Err(unsupported());
        }
        let decoder = info
            .compression
            .decoder(file.clone())
            .map_err(|source| NarError::Io {
                path: String::new(),
                source,
            })?;
        let decoded = Decoded::new(decoder, info.nar_size, content_check(info));
        Ok(Self {
            reader: NarReader::new(decoded),
            file,
            expected: Expected {
                store_path: info.store_path.clone(),
                file_hash: info.file_hash,
                file_size: info.file_size,
                nar_hash: info.nar_hash,
                nar_size: info.nar_size,
                address: info.content_address.clone(),
                is_by_content: trust == Some(&Trust::Content),
            },
        })
    }

    /// Returns the next entry; nothing at the end. The content of the entry before is skipped if it was not read.
    ///
    /// # Errors
    ///
    /// Those of [`NarReader::next_entry`], more bytes than the narinfo says, and a file with another hash or
    /// size, if that explains the error and can be learnt at little cost.
    pub fn next_entry(&mut self) -> Result<Option<NarEntry<'_>>, NarError> {
        let advanced = self.reader.advance_or_fail();
        match advanced {
            Ok(false) => Ok(None),
            Ok(true) => Ok(Some(self.reader.entry())),
            Err(error) => Err(self.explain(error)),
        }
    }

    /// Returns a reader of the rest of the content of the current file; of nothing if the entry is not a file. Its
    /// errors have a [`NarError`] within them.
    pub fn content(&mut self) -> NarStreamContent<'_> {
        NarStreamContent { stream: self }
    }

    /// The number of compressed bytes that were read.
    pub fn compressed_bytes(&self) -> u64 {
        self.file.count()
    }

    /// Reads what is left, and compares the hash and size of the file, if they are known, and of the NAR. A path with
    /// a content address is compared with it, too.
    ///
    /// # Errors
    ///
    /// Those of [`Self::next_entry`], and each difference.
    pub fn finish(mut self) -> Result<(), NarError> {
        while self.next_entry()?.is_some() {}
        let summary = self.file.finish().map_err(|source| NarError::Io {
            path: String::new(),
            source,
        })?;
        self.expected.check_file(&summary)?;
        self.expected.check_nar(self.reader.input())
    }

    /// The error, or the reason for it if that is in the file.
    fn explain(&self, error: NarError) -> NarError {
        let by_file = self
            .expected
            .file_size
            .and_then(|_| self.file.finish_cheaply())
            .and_then(|summary| self.expected.check_file(&summary).err());
        if let Some(reason) = by_file {
            return reason;
        }
        let decoded = self.reader.input();
        if decoded.is_too_long() {
            return self.expected.nar_size(decoded.count(), true);
        }
        error
    }
}

impl Expected {
    fn check_file(&self, found: &Summary) -> Result<(), NarError> {
        let (size, is_exact) = self
            .file_size
            .map_or((most_compressed(self.nar_size), false), |size| (size, true));
        if found.size > size || is_exact && found.size != size {
            return Err(NarError::Size {
                store_path: self.store_path.clone(),
                what: Hashed::File,
                expected: size,
                found: found.size,
                at_least: found.size > size,
            });
        }
        match (self.file_hash, found.hash) {
            (Some(expected), Some(found)) if expected != found => {
                Err(self.other_hash(Hashed::File, expected, found))
            }
            _ => Ok(()),
        }
    }

    fn check_nar(&self, found: &Decoded) -> Result<(), NarError> {
        if found.count() != self.nar_size {
            return Err(self.nar_size(found.count(), false));
        }
        let hash = found.hash();
        if hash != self.nar_hash {
            return Err(self.other_hash(Hashed::Nar, self.nar_hash, hash));
        }
        let store_path = self.store_path.clone();
        let address = self.address.clone().unwrap_or_default();
        match found.content() {
            Verdict::Wrong => Err(NarError::Content {
                store_path,
                address,
            }),
            Verdict::Weak if self.is_by_content => Err(NarError::WeakAddress {
                store_path,
                address,
            }),
            // A signature is about the hash of the NAR.
            Verdict::Right | Verdict::Weak => Ok(()),
        }
    }

    fn nar_size(&self, found: u64, at_least: bool) -> NarError {
        NarError::Size {
            store_path: self.store_path.clone(),
            what: Hashed::Nar,
            expected: self.nar_size,
            found,
            at_least,
        }
    }

    fn other_hash(&self, what: Hashed, expected: Digest, found: Digest) -> NarError {
        NarError::Hash {
            store_path: self.store_path.clone(),
            what,
            expected,
            found,
        }
    }
}

/// The most bytes that a file has whose size is unknown, for a NAR of so many bytes: every format makes what it
/// cannot compress longer by a few hundredths.
fn most_compressed(nar_size: u64) -> u64 {
    nar_size
        .saturating_add(nar_size / 8)
        .saturating_add(1 << 20)
}

/// The check of the content address; nothing if there is none, or none that can be checked.
fn content_check(info: &NarInfo) -> Option<ContentCheck> {
    let address = ContentAddress::parse(info.content_address.as_deref()?).ok()?;
    let (_, base) = info.store_path.rsplit_once('/')?;
    let hash_part = BaseName::parse(base).ok()?.hash_part();
    let refers_to_itself = info.references.contains(&info.store_path);
    ContentCheck::new(&address, hash_part, refers_to_itself)
}

impl fmt::Debug for NarStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NarStream")
            .field("store_path", &self.expected.store_path)
            .finish_non_exhaustive()
    }
}

/// The content of a file in a [`NarStream`].
#[derive(Debug)]
pub struct NarStreamContent<'a> {
    stream: &'a mut NarStream,
}

impl Read for NarStreamContent<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream
            .reader
            .content()
            .read(buffer)
            .map_err(|error| match NarError::from_io(error) {
                Ok(error) => self.stream.explain(error).into_io(),
                Err(error) => error,
            })
    }
}

#[cfg(test)]
mod tests;
