//! What an archive or a layer is compressed by, told by its first bytes.

use std::io::{self, Read};

/// Memory that decompressing may take for its window, in KiB. The largest preset of
/// xz needs 64 MiB.
const XZ_MEMORY: u32 = 256 << 10;
/// The largest window of zstd, as a power of two: what its own tools take unasked.
const ZSTD_WINDOW_LOG: u32 = 27;

/// How many bytes [`Compression::detect`] wants to see.
pub(super) const MAGIC: usize = 6;

/// A compression that the container tools use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// None at all.
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Compression {
    /// Tells a compression by its magic number, not by anything's name.
    pub fn detect(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [b'B', b'Z', b'h', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            // A frame, or a skippable one before it.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    /// What the compressed bytes stand for: all streams, where there are several.
    ///
    /// # Errors
    ///
    /// A decoder that can not be set up.
    pub fn decoder<'a>(
        self,
        compressed: impl Read + Send + 'a,
    ) -> io::Result<Box<dyn Read + Send + 'a>> {
        Ok(match self {
            Self::None => Box::new(compressed),
            Self::Gzip => Box::new(flate2::read::MultiGzDecoder::new(compressed)),
            Self::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(compressed)),
            Self::Xz => {
                let buffered = io::BufReader::with_capacity(64 << 10, compressed);
                Box::new(lzma_rust2::XzReader::new_mem_limit(buffered, true, XZ_MEMORY))
            }
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::new(compressed)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Box::new(decoder)
            }
        })
    }
}

impl std::fmt::Display for Compression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "plain",
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        })
    }
}
