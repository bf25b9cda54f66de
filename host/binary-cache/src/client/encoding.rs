//! Encodings of HTTP: caches may store descriptions and listings compressed (`narinfo-compression` and
//! `ls-compression` of Nix), whatever a client accepts.

use std::io::{self, Cursor, Read};

use terrine_compress::{Compression, Foreign};
use terrine_registry::Resource;

use super::error::ClientError;
use super::place::Body;
use crate::location::Location;

/// The number of bytes by which an encoding may be longer than what it stands for.
const LARGEST_OVERHEAD: u64 = 64 << 10;

/// Returns the decoded content of a small file, which may have `limit` bytes.
pub(super) fn decode(
    cache: &Location,
    name: &str,
    found: Resource,
    limit: u64,
) -> Result<Vec<u8>, ClientError> {
    let body = Body {
        reader: Box::new(Cursor::new(found.bytes)),
        encoding: found.encoding,
    };
    read(cache, name, body, limit)
}

/// Reads and decodes a file, which may have `limit` bytes decoded.
pub(super) fn read(
    cache: &Location,
    name: &str,
    body: Body,
    limit: u64,
) -> Result<Vec<u8>, ClientError> {
    let failed = |source| ClientError::Content {
        name: name.to_owned(),
        cache: cache.to_string(),
        source,
    };
    let encoding = body.encoding.unwrap_or_default();
    // Nothing is larger compressed, but for some bytes; what is would have no end.
    let encoded = body.reader.take(limit.saturating_add(LARGEST_OVERHEAD));
    let Some(decoder) = decoder(&encoding, Box::new(encoded)) else {
        return Err(ClientError::Encoding {
            name: name.to_owned(),
            cache: cache.to_string(),
            encoding,
        });
    };
    let mut bytes = vec![];
    let mut decoded = decoder.map_err(failed)?.take(limit.saturating_add(1));
    decoded.read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(ClientError::TooLarge {
            name: name.to_owned(),
            cache: cache.to_string(),
            limit,
        });
    }
    Ok(bytes)
}

/// Returns a decoder for a `Content-Encoding`; none if it is not supported.
fn decoder(
    encoding: &str,
    reader: Box<dyn Read + Send>,
) -> Option<io::Result<Box<dyn Read + Send>>> {
    let compression = match encoding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" | "none" => Compression::None,
        "gzip" | "x-gzip" => Compression::Gzip,
        "zstd" => Compression::Zstd,
        "xz" => Compression::Xz,
        "bzip2" => Compression::Bzip2,
        other => return Some(Ok(Foreign::from_name(other)?.unbounded_decoder(reader))),
    };
    Some(compression.decoder(reader))
}
