//! Compressions that images do not have: those of binary caches. They are only decoded.

use std::io::{self, BufRead, BufReader, Read};

use brotli_decompressor::Decompressor;
use lz4_flex::frame::FrameDecoder;

use super::budget::{Share, share};
use super::window::{Lzip, LzmaAlone};

/// The number of compressed bytes that are read at once.
const BUFFER: usize = 64 << 10;

/// A compression that archives have, but images have not. Its bytes do not always tell it, so it is
/// known by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// Brotli (RFC 7932), without the larger windows that are not in the RFC.
    Brotli,
    /// Frames of LZ4.
    Lz4,
    /// lzip.
    Lzip,
    /// LZMA alone, the format before xz.
    Lzma,
}

impl Foreign {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Brotli, Self::Lz4, Self::Lzip, Self::Lzma];

    /// The name, which is that of narinfos, and of brotli in HTTP.
    pub fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Lz4 => "lz4",
            Self::Lzip => "lzip",
            Self::Lzma => "lzma",
        }
    }

    /// The compression of a name; none for any other name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// Returns a reader of the decompressed bytes: of all frames of LZ4, and all members of lzip. It never ends by
    /// itself, however little was compressed: the caller must stop when there are more bytes
    /// than there should be.
    ///
    /// One with a large window waits for its share of memory as
    /// [`Compression::decoder`](super::Compression::decoder) does.
    pub fn unbounded_decoder<'a>(
        self,
        compressed: impl Read + Send + 'a,
    ) -> Box<dyn Read + Send + 'a> {
        match self {
            Self::Brotli => Box::new(Brotli::new(compressed)),
            Self::Lz4 => Box::new(Lz4Frames::new(compressed)),
            Self::Lzip => Box::new(Lzip::new(compressed)),
            Self::Lzma => Box::new(LzmaAlone::new(compressed)),
        }
    }
}

/// A Brotli stream, which waits for its window.
struct Brotli<R: Read> {
    state: BrotliState<R>,
}

enum BrotliState<R: Read> {
    /// Nothing is read.
    Start(BufReader<R>),
    /// The window has its share.
    Stream {
        decoder: Box<Decompressor<BufReader<R>>>,
        _share: Option<Share<'static>>,
    },
    Failed,
}

impl<R: Read> Brotli<R> {
    fn new(compressed: R) -> Self {
        let input = BufReader::with_capacity(BUFFER, compressed);
        Self {
            state: BrotliState::Start(input),
        }
    }
}

impl<R: Read> Read for Brotli<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // The decoder takes no bytes for an empty buffer as the end.
        if buffer.is_empty() {
            return Ok(0);
        }
        if let BrotliState::Start(input) = &mut self.state {
            let window = brotli_window(input.fill_buf()?);
            let BrotliState::Start(input) = std::mem::replace(&mut self.state, BrotliState::Failed)
            else {
                return Err(failed());
            };
            self.state = BrotliState::Stream {
                _share: share(window),
                decoder: Box::new(Decompressor::new(input, BUFFER)),
            };
        }
        let BrotliState::Stream { decoder, .. } = &mut self.state else {
            return Err(failed());
        };
        let outcome = decoder.read(buffer);
        let is_fatal = |error: &io::Error| error.kind() != io::ErrorKind::Interrupted;
        if outcome.as_ref().is_err_and(is_fatal) {
            // After an error the decoder would say that it is at the end.
            self.state = BrotliState::Failed;
        }
        outcome
    }
}

fn failed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "decoding failed before")
}

/// The window that a stream needs, in bytes, as its first byte says (RFC 7932, 9.1).
fn brotli_window(start: &[u8]) -> u64 {
    let first = start.first().copied().unwrap_or(0);
    let bits = match (first & 1, first >> 1 & 7, first >> 4 & 7) {
        (0, ..) => 16,
        (_, 0, 0) => 17,
        // Of these, 1 is invalid, or a larger window that is not in the RFC.
        (_, 0, few) => 8 + few,
        (_, many, _) => 17 + many,
    };
    1 << bits
}

/// All frames of LZ4, each with a decoder of its own: one for all fails where their block sizes differ. A frame that is
/// cut off between two blocks is not noticed here.
enum Lz4Frames<R: Read> {
    /// The decoder takes no more bytes than the frame has.
    Frame(Box<FrameDecoder<BufReader<R>>>),
    End,
}

impl<R: Read> Lz4Frames<R> {
    fn new(compressed: R) -> Self {
        let input = BufReader::with_capacity(BUFFER, compressed);
        Self::Frame(Box::new(FrameDecoder::new(input)))
    }
}

impl<R: Read> Read for Lz4Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Self::Frame(mut frame) = std::mem::replace(self, Self::End) else {
                return Ok(0);
            };
            let outcome = frame.read(buffer);
            if buffer.is_empty() || !matches!(outcome, Ok(0)) {
                *self = Self::Frame(frame);
                return outcome;
            }
            let mut rest = frame.into_inner();
            if has_more(&mut rest)? {
                *self = Self::Frame(Box::new(FrameDecoder::new(rest)));
            }
        }
    }
}

/// Returns whether there is anything left. An interrupted attempt is repeated.
fn has_more(rest: &mut impl BufRead) -> io::Result<bool> {
    loop {
        match rest.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome.map(|bytes| !bytes.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests;
