//! One block in, one gzip member out.

use std::io;

use libdeflater::{CompressionLvl, Compressor};

use super::{Compression, Setting};

/// The size of a block of gzip, in bytes. With 512 KiB the output is 0.2 % larger, with
/// 4 MiB 0.1 % smaller: gzip looks back 32 KiB only.
pub(super) const GZIP_BLOCK: usize = 1 << 20;
/// The version of libdeflate, which does not tell it itself; a test holds it against
/// Cargo.lock.
pub(super) const LIBDEFLATE: &str = "1.26.1";

/// Returns the number of bytes that are compressed at once; nothing where nothing is compressed in blocks.
pub(super) fn block_size(compression: Compression) -> Option<usize> {
    match compression {
        Compression::Gzip => Some(GZIP_BLOCK),
        // `Setting::PANICKING`.
        #[cfg(test)]
        Compression::Bzip2 => Some(1 << 10),
        _ => None,
    }
}

/// The most bytes that a block of so many may become.
pub(super) fn bound(size: usize) -> usize {
    // Deflate adds 5 bytes to every 5000 or fewer that it stores, and gzip 18.
    size + 5 * (size / 5000 + 1) + 64
}

/// A library's context, used for one block after the other.
pub(super) enum Codec {
    Gzip(Compressor),
    #[cfg(test)]
    Panicking,
}

impl Codec {
    /// A context for a setting.
    pub(super) fn new(setting: Setting) -> io::Result<Self> {
        let level = setting.level().unwrap_or_default();
        match setting.compression() {
            Compression::Gzip => {
                let level = CompressionLvl::new(level)
                    .map_err(|_| io::Error::other(format!("libdeflate has no level {level}")))?;
                Ok(Self::Gzip(Compressor::new(level)))
            }
            #[cfg(test)]
            Compression::Bzip2 => Ok(Self::Panicking),
            other => Err(io::Error::other(format!(
                "{other} is not compressed in blocks"
            ))),
        }
    }

    /// Compresses a block whole into `output`, which has room for [`bound`] bytes; how
    /// many bytes it became. They do not depend on the blocks before.
    pub(super) fn compress(&mut self, input: &[u8], output: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(compressor) => compressor
                .gzip_compress(input, output)
                .map_err(io::Error::other),
            #[cfg(test)]
            Self::Panicking => panic!("a codec that panics"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_at_least_what_the_library_asks_for() {
        let mut compressor = Compressor::new(CompressionLvl::new(12).unwrap());
        for size in [0, 1, 4999, 5000, 5001, 100_000, GZIP_BLOCK] {
            assert!(
                bound(size) >= compressor.gzip_compress_bound(size),
                "{size}"
            );
        }
    }
}
