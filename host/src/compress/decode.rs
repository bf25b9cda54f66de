//! What compressed bytes stand for.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;

use super::Compression;

/// Memory that decompressing may take for its window, in KiB. The largest preset of
/// xz needs 64 MiB.
const XZ_MEMORY: u32 = 256 << 10;
/// The largest window of zstd, as a power of two: what its own tools take unasked.
const ZSTD_WINDOW_LOG: u32 = 27;

impl Compression {
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
            Self::Gzip => Box::new(GzipMembers::new(compressed)),
            Self::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(compressed)),
            Self::Xz => {
                let buffered = BufReader::with_capacity(64 << 10, compressed);
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

/// All members of a gzip stream, and the zeros that may fill up its last block: GNU's and
/// Python's gzip take them, too.
enum GzipMembers<R: Read> {
    Member(Box<GzDecoder<BufReader<R>>>),
    End,
}

impl<R: Read> GzipMembers<R> {
    fn new(compressed: R) -> Self {
        Self::Member(Box::new(GzDecoder::new(BufReader::with_capacity(64 << 10, compressed))))
    }
}

impl<R: Read> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Self::Member(mut member) = std::mem::replace(self, Self::End) else { return Ok(0) };
            let outcome = member.read(buffer);
            if buffer.is_empty() || !matches!(outcome, Ok(0)) {
                *self = Self::Member(member);
                return outcome;
            }
            let mut rest = member.into_inner();
            if skip_zeros(&mut rest)? {
                *self = Self::Member(Box::new(GzDecoder::new(rest)));
            }
        }
    }
}

/// Skips zero bytes; whether anything follows them.
fn skip_zeros(rest: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let bytes = rest.fill_buf()?;
        if bytes.is_empty() {
            return Ok(false);
        }
        let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
        let other = zeros < bytes.len();
        rest.consume(zeros);
        if other {
            return Ok(true);
        }
    }
}
