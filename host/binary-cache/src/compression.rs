//! The compressions of NARs, by the names that narinfos have for them (`compression-algo.hh` of Nix
//! 2.36).

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read};

use terrine_compress::{Compression, Foreign};
use terrine_support::hint::Hint;

/// A compression that Nix knows. Not all of them can be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NarCompression {
    /// None at all.
    None,
    /// xz; what cache.nixos.org has.
    Xz,
    /// bzip2; also meant by a narinfo that names no compression.
    Bzip2,
    /// Zstandard, of one frame or several.
    Zstd,
    /// Brotli (RFC 7932).
    Brotli,
    /// gzip.
    Gzip,
    /// Frames of LZ4.
    Lz4,
    /// lzip.
    Lzip,
    /// LZMA alone, the format before xz.
    Lzma,
    /// `compress` of Unix; not decoded.
    Compress,
    /// grzip; not decoded.
    Grzip,
    /// lrzip; not decoded.
    Lrzip,
    /// lzop; not decoded.
    Lzop,
}

impl NarCompression {
    /// All of them, in the order of the declaration.
    pub const ALL: [Self; 13] = [
        Self::None,
        Self::Xz,
        Self::Bzip2,
        Self::Zstd,
        Self::Brotli,
        Self::Gzip,
        Self::Lz4,
        Self::Lzip,
        Self::Lzma,
        Self::Compress,
        Self::Grzip,
        Self::Lrzip,
        Self::Lzop,
    ];

    /// The name in narinfos.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
            Self::Lz4 => "lz4",
            Self::Lzip => "lzip",
            Self::Lzma => "lzma",
            Self::Compress => "compress",
            Self::Grzip => "grzip",
            Self::Lrzip => "lrzip",
            Self::Lzop => "lzop",
        }
    }

    /// The compression of a name in narinfos; none for any other name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// Returns whether terrine can decode it.
    pub fn is_supported(self) -> bool {
        !matches!(
            self,
            Self::Compress | Self::Grzip | Self::Lrzip | Self::Lzop
        )
    }

    /// Returns a reader of the decompressed bytes, of all frames, members or streams. It never ends by itself, however
    /// little was compressed: the caller must stop when there are more bytes than there should
    /// be.
    ///
    /// # Errors
    ///
    /// An [`UnsupportedCompression`], within the [`io::Error`], and a decoder that cannot be set up.
    pub fn decoder<'a>(
        self,
        compressed: impl Read + Send + 'a,
    ) -> io::Result<Box<dyn Read + Send + 'a>> {
        let known = match self {
            Self::None => Compression::None,
            Self::Xz => Compression::Xz,
            Self::Bzip2 => Compression::Bzip2,
            Self::Zstd => Compression::Zstd,
            Self::Gzip => Compression::Gzip,
            Self::Brotli => return Ok(Foreign::Brotli.unbounded_decoder(compressed)),
            Self::Lz4 => return Ok(Foreign::Lz4.unbounded_decoder(compressed)),
            Self::Lzip => return Ok(Foreign::Lzip.unbounded_decoder(compressed)),
            Self::Lzma => return Ok(Foreign::Lzma.unbounded_decoder(compressed)),
            Self::Compress | Self::Grzip | Self::Lrzip | Self::Lzop => {
                let error = UnsupportedCompression(self);
                return Err(io::Error::new(io::ErrorKind::Unsupported, error));
            }
        };
        known.unbounded_decoder(compressed)
    }
}

impl fmt::Display for NarCompression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A compression that terrine cannot decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the compression `{0}` is not supported")]
pub struct UnsupportedCompression(pub NarCompression);

impl Hint for UnsupportedCompression {
    fn hint(&self) -> Option<Cow<'_, str>> {
        let supported: Vec<String> = NarCompression::ALL
            .into_iter()
            .filter(|compression| compression.is_supported())
            .map(|compression| format!("`{compression}`"))
            .collect();
        let supported = supported.join(", ");
        Some(
            format!("supported are {supported}: copy the path to the cache with one of them")
                .into(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_narinfos() {
        for compression in NarCompression::ALL {
            assert_eq!(
                NarCompression::from_name(compression.name()),
                Some(compression)
            );
        }
        for name in ["", "brotli", "XZ", "none ", "deflate"] {
            assert_eq!(NarCompression::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn the_hint_names_what_is_supported() {
        let error = UnsupportedCompression(NarCompression::Lrzip);
        assert_eq!(
            error.to_string(),
            "the compression `lrzip` is not supported"
        );
        let hint = error.hint().unwrap();
        assert!(hint.starts_with("supported are `none`, `xz`,"), "{hint}");
        assert!(!hint.contains("lrzip"), "{hint}");
    }
}
