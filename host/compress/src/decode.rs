//! Decompression.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::GzDecoder;

use super::Compression;
use super::window::{Xz, Zstd};

/// The size that anything may unpack to, in bytes, however small it is.
const UNSUSPECTED: u64 = 4 << 30;
/// The bytes that may come on top of that for each byte that was read. What gets smaller than this
/// by compression is hardly more than zeros; gzip reaches 1032, and zstd and bzip2 have no limit.
const RATIO: u64 = 200;

impl Compression {
    /// Returns a reader of the decompressed bytes, of all streams where there are several. Input that unpacks
    /// out of all proportion is not read to its end: a bomb of some kilobytes takes minutes.
    ///
    /// One that needs a large window has its share of the memory for all such windows from when
    /// it is read until it is dropped, and others wait for that meanwhile. So it should be read
    /// at once, without waiting for what another thread reads from a decoder.
    ///
    /// # Errors
    ///
    /// A decoder that cannot be set up.
    pub fn decoder<'a>(
        self,
        compressed: impl Read + Send + 'a,
    ) -> io::Result<Box<dyn Read + Send + 'a>> {
        if self == Self::None {
            return Ok(Box::new(compressed));
        }
        let taken = Arc::new(AtomicU64::new(0));
        let compressed = Counted {
            inner: compressed,
            count: Arc::clone(&taken),
        };
        let inner = self.unbounded_decoder(compressed)?;
        Ok(Box::new(Proportionate {
            inner,
            taken,
            given: 0,
        }))
    }

    /// Returns a reader like that of [`Self::decoder`], for a caller that knows how many bytes there should
    /// be. It never ends by itself: the caller must stop when there are more.
    ///
    /// # Errors
    ///
    /// A decoder that cannot be set up.
    pub fn unbounded_decoder<'a>(
        self,
        compressed: impl Read + Send + 'a,
    ) -> io::Result<Box<dyn Read + Send + 'a>> {
        Ok(match self {
            Self::None => Box::new(compressed),
            Self::Gzip => Box::new(GzipMembers::new(compressed)),
            Self::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(compressed)),
            Self::Xz => Box::new(Xz::new(compressed)),
            Self::Zstd => Box::new(Zstd::new(compressed)?),
        })
    }
}

/// Compressed bytes, counted.
struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Unpacked bytes, as long as they are in proportion to those that they come from.
struct Proportionate<'a> {
    inner: Box<dyn Read + Send + 'a>,
    taken: Arc<AtomicU64>,
    given: u64,
}

impl Read for Proportionate<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.given += count as u64;
        let taken = self.taken.load(Ordering::Relaxed);
        if is_bomb(taken, self.given) {
            let why = format!("its first {taken} bytes unpack to more than {UNSUSPECTED} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(count)
    }
}

/// Returns whether `given` bytes are too many to come from `taken` ones: more than 4 GiB, and more than 200 times
/// as many on top.
pub fn is_bomb(taken: u64, given: u64) -> bool {
    given > taken.saturating_mul(RATIO).saturating_add(UNSUSPECTED)
}

/// All members of a gzip stream, and the zeros that may fill up its last block: GNU's and
/// Python's gzip take them, too.
enum GzipMembers<R: Read> {
    Member(Box<GzDecoder<BufReader<R>>>),
    End,
}

impl<R: Read> GzipMembers<R> {
    fn new(compressed: R) -> Self {
        Self::Member(Box::new(GzDecoder::new(BufReader::with_capacity(
            64 << 10,
            compressed,
        ))))
    }
}

impl<R: Read> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Self::Member(mut member) = std::mem::replace(self, Self::End) else {
                return Ok(0);
            };
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

/// Skips zero bytes. Returns true if anything follows them.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_large_and_next_to_nothing_is_a_bomb() {
        for (taken, given, expected) in [
            (0, UNSUSPECTED, false),
            (0, UNSUSPECTED + 1, true),
            // The densest that gzip can do, of zeros.
            (4 << 20, 4 << 30, false),
            (64 << 20, 64 << 30, true),
            (400 << 20, 64 << 30, false),
            (u64::MAX, u64::MAX, false),
        ] {
            assert_eq!(is_bomb(taken, given), expected, "{taken} {given}");
        }
    }
}
