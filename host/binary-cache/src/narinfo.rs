//! narinfos: what a cache says of one store path (Nix manual, "Serving a Nix store via HTTP";
//! `nar-info.cc` of Nix 2.8 to 2.36).

mod error;
mod lines;

use std::collections::BTreeSet;

use terrine_oci::Digest;

use crate::compression::NarCompression;
use crate::content_address::ContentAddress;
use crate::excerpt::excerpt;
use crate::hash::Hash;
use crate::store_path::BaseName;
pub use error::{NarInfoError, OtherPath};
use lines::Line;

/// The largest narinfo, in bytes.
pub const LARGEST_NARINFO: usize = 1 << 20;
/// The most signatures of one path.
const MOST_SIGNATURES: usize = 1000;
/// The largest size of a file or a NAR, in bytes: Nix's database has signed numbers.
const LARGEST_SIZE: u64 = i64::MAX as u64;

/// A narinfo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NarInfo {
    /// The full store path.
    pub store_path: String,
    /// The URL of the NAR, mostly relative to the cache's.
    pub url: String,
    /// The compression of the file at the URL.
    pub compression: NarCompression,
    /// The hash of that file.
    pub file_hash: Option<Digest>,
    /// The size of that file, in bytes.
    pub file_size: Option<u64>,
    /// The hash of the NAR.
    pub nar_hash: Digest,
    /// The size of the NAR in bytes, from 1 to 2⁶³ - 1.
    pub nar_size: u64,
    /// The full paths that the path refers to, in order; itself may be among them.
    pub references: BTreeSet<String>,
    /// The full path of the derivation that made the path, if it is known.
    pub deriver: Option<String>,
    /// The signatures, each `NAME:BASE64`. They are not checked yet, nor is their form.
    pub signatures: BTreeSet<String>,
    /// The content address, which is well-formed: see [`ContentAddress`].
    pub content_address: Option<String>,
    /// The platform, which only old caches name.
    pub system: Option<String>,
}

impl NarInfo {
    /// Parses a narinfo of a cache whose store paths are in `store_dir`.
    ///
    /// Unknown keys are ignored. Of a repeated key the last line counts, but `References` and `CA` must
    /// not be repeated, and every `Sig` counts. A size of the file that is 0 is unknown. All this is
    /// so in Nix.
    ///
    /// # Errors
    ///
    /// A missing `StorePath`, `URL`, `NarHash` or `NarSize`, a malformed line or value, and more than
    /// 1 MiB.
    pub fn parse(text: &[u8], store_dir: &str) -> Result<Self, NarInfoError> {
        if text.len() > LARGEST_NARINFO {
            return Err(NarInfoError::TooLarge {
                limit: LARGEST_NARINFO,
            });
        }
        let mut fields = Fields::default();
        for line in lines::of(text) {
            fields.take(&line?, store_dir)?;
        }
        fields.finish()
    }

    /// Checks that this is about the path that was asked for: with the same hash part, and the same
    /// name.
    ///
    /// # Errors
    ///
    /// Another path.
    pub fn check_path(&self, asked: &str) -> Result<(), OtherPath> {
        if self.store_path == asked {
            return Ok(());
        }
        Err(OtherPath {
            asked: excerpt(asked.as_bytes()),
            found: self.store_path.clone(),
        })
    }

    /// Returns the text that signatures sign (`ValidPathInfo::fingerprint` of Nix): the path, the hash and
    /// size of its NAR, and its references.
    pub fn fingerprint(&self) -> String {
        let references: Vec<&str> = self.references.iter().map(String::as_str).collect();
        format!(
            "1;{};{};{};{}",
            self.store_path,
            Hash::from(self.nar_hash).to_nix32(),
            self.nar_size,
            references.join(",")
        )
    }
}

/// The fields of a narinfo, as far as it is read.
#[derive(Default)]
struct Fields {
    store_path: Option<String>,
    url: Option<String>,
    compression: Option<NarCompression>,
    file_hash: Option<Digest>,
    file_size: u64,
    nar_hash: Option<Digest>,
    nar_size: u64,
    references: BTreeSet<String>,
    deriver: Option<String>,
    signatures: BTreeSet<String>,
    content_address: Option<String>,
    system: Option<String>,
}

impl Fields {
    fn take(&mut self, line: &Line<'_>, store_dir: &str) -> Result<(), NarInfoError> {
        match line.key {
            b"StorePath" => {
                let path = line.text()?;
                BaseName::of_path(path, store_dir).map_err(|source| line.store_path(source))?;
                self.store_path = Some(path.to_owned());
            }
            b"URL" => self.url = Some(line.text()?.to_owned()),
            b"Compression" => self.compression = compression(line)?,
            b"FileHash" => self.file_hash = Some(sha256(line)?),
            b"FileSize" => self.file_size = size(line)?,
            b"NarHash" => self.nar_hash = Some(sha256(line)?),
            b"NarSize" => self.nar_size = size(line)?,
            b"References" => self.references(line, store_dir)?,
            b"Deriver" => self.deriver = deriver(line, store_dir)?,
            b"Sig" => self.signature(line)?,
            b"CA" => self.content_address(line)?,
            b"System" => {
                let text = line.text()?;
                self.system = (!text.is_empty()).then(|| text.to_owned());
            }
            _ => {}
        }
        Ok(())
    }

    fn references(&mut self, line: &Line<'_>, store_dir: &str) -> Result<(), NarInfoError> {
        if !self.references.is_empty() {
            return Err(line.repeated());
        }
        for name in line.text()?.split(' ').filter(|name| !name.is_empty()) {
            let base = BaseName::parse(name).map_err(|source| line.store_path(source))?;
            self.references.insert(base.in_store(store_dir));
        }
        Ok(())
    }

    fn signature(&mut self, line: &Line<'_>) -> Result<(), NarInfoError> {
        self.signatures.insert(line.text()?.to_owned());
        if self.signatures.len() > MOST_SIGNATURES {
            return Err(NarInfoError::TooManySignatures {
                limit: MOST_SIGNATURES,
            });
        }
        Ok(())
    }

    fn content_address(&mut self, line: &Line<'_>) -> Result<(), NarInfoError> {
        if self.content_address.is_some() {
            return Err(line.repeated());
        }
        let text = line.text()?;
        if !text.is_empty() {
            ContentAddress::parse(text).map_err(|source| NarInfoError::ContentAddress {
                line: line.number,
                source,
            })?;
            self.content_address = Some(text.to_owned());
        }
        Ok(())
    }

    fn finish(self) -> Result<NarInfo, NarInfoError> {
        let store_path = self.store_path.ok_or(NarInfoError::Missing("StorePath"))?;
        let nar_hash = self.nar_hash.ok_or(NarInfoError::Missing("NarHash"))?;
        let url = self
            .url
            .filter(|url| !url.is_empty())
            .ok_or(NarInfoError::Missing("URL"))?;
        if self.nar_size == 0 {
            return Err(NarInfoError::Missing("NarSize"));
        }
        Ok(NarInfo {
            store_path,
            url,
            compression: self.compression.unwrap_or(NarCompression::Bzip2),
            file_hash: self.file_hash,
            file_size: (self.file_size > 0).then_some(self.file_size),
            nar_hash,
            nar_size: self.nar_size,
            references: self.references,
            deriver: self.deriver,
            signatures: self.signatures,
            content_address: self.content_address,
            system: self.system,
        })
    }
}

/// The compression; none for an empty value, which means the same as a missing line.
fn compression(line: &Line<'_>) -> Result<Option<NarCompression>, NarInfoError> {
    match line.text()? {
        "" => Ok(None),
        name => NarCompression::from_name(name)
            .map(Some)
            .ok_or_else(|| line.malformed("a compression that Nix has")),
    }
}

fn sha256(line: &Line<'_>) -> Result<Digest, NarInfoError> {
    Hash::parse_prefixed(line.text()?)
        .and_then(|hash| hash.sha256())
        .ok_or_else(|| line.malformed("a SHA-256 hash such as `sha256:…`"))
}

fn size(line: &Line<'_>) -> Result<u64, NarInfoError> {
    let text = line.text()?;
    // Rust's own parser would take a plus sign.
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|size| is_number && *size <= LARGEST_SIZE)
        .ok_or_else(|| line.malformed("a number of bytes"))
}

fn deriver(line: &Line<'_>, store_dir: &str) -> Result<Option<String>, NarInfoError> {
    match line.text()? {
        "unknown-deriver" => Ok(None),
        name => {
            let base = BaseName::parse(name).map_err(|source| line.store_path(source))?;
            Ok(Some(base.in_store(store_dir)))
        }
    }
}

#[cfg(test)]
mod tests;
