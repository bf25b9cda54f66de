//! Decoders of formats whose window is as large as the input says: they wait for memory.

use std::io::{self, BufRead, BufReader, Read};

use lzma_rust2::{Action, LzipStream, LzmaStream, Status, StreamResult, XzStream};
use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, get_error_name};

use super::budget::{Share, share};

/// Memory that decompressing xz and its relatives may take, in KiB. Their largest preset needs 64 MiB
/// for its window.
const XZ_MEMORY: u32 = 256 << 10;
/// The memory that it may take before it asks for more, in KiB: for a window of 8 MiB, as by default.
const XZ_SMALL: u32 = (8 << 10) + 128;
/// The largest window of zstd, as a power of two: what its own tools take unasked.
const ZSTD_WINDOW_LOG: u32 = 27;
/// The longest header of a zstd frame (RFC 8878, 3.1.1).
const ZSTD_HEADER: usize = 18;

const BUFFER: usize = 64 << 10;

/// A decoder of LZMA in one of its containers, which says how much memory it needs.
pub(super) trait Lzma: Sized {
    /// A decoder of all streams of a file, with a limit in KiB.
    fn with_limit(limit: u32) -> Self;
    /// The memory that it needs, in KiB, where it is known.
    fn memory_usage(&self) -> Option<u32>;
    /// The memory that it may take, in KiB.
    fn limit(&self) -> u32;
    fn set_limit(&mut self, limit: u32);
    /// The number of bytes that it took in all.
    fn total_in(&self) -> u64;
    fn process(&mut self, from: &[u8], to: &mut [u8], action: Action) -> io::Result<StreamResult>;
}

macro_rules! lzma {
    ($stream:ty, $new:expr) => {
        impl Lzma for $stream {
            fn with_limit(limit: u32) -> Self {
                $new(limit)
            }
            fn memory_usage(&self) -> Option<u32> {
                self.memory_usage()
            }
            fn limit(&self) -> u32 {
                self.mem_limit()
            }
            fn set_limit(&mut self, limit: u32) {
                self.set_mem_limit(limit);
            }
            fn total_in(&self) -> u64 {
                self.total_in()
            }
            fn process(
                &mut self,
                from: &[u8],
                to: &mut [u8],
                action: Action,
            ) -> io::Result<StreamResult> {
                self.process(from, to, action)
            }
        }
    };
}

lzma!(XzStream, |limit| Self::new_mem_limit(true, limit));
lzma!(LzipStream, |limit| Self::new_mem_limit(true, limit));
lzma!(LzmaStream, |limit| Self::new_mem_limit(limit, None));

/// All streams of an xz file, and the zeros between and after them.
pub(super) type Xz<R> = LzmaReader<R, XzStream>;
/// All members of an lzip file.
pub(super) type Lzip<R> = LzmaReader<R, LzipStream>;
/// A file of LZMA alone, which has one stream.
pub(super) type LzmaAlone<R> = LzmaReader<R, LzmaStream>;

/// A reader of what LZMA packed, which waits for the memory that the input asks for.
pub(super) struct LzmaReader<R: Read, S> {
    input: BufReader<R>,
    stream: S,
    share: Option<Share<'static>>,
}

impl<R: Read, S: Lzma> LzmaReader<R, S> {
    pub(super) fn new(compressed: R) -> Self {
        let input = BufReader::with_capacity(BUFFER, compressed);
        Self {
            input,
            stream: S::with_limit(XZ_SMALL),
            share: None,
        }
    }

    /// Waits for what the next block needs, if that is not too much.
    fn grow(&mut self) -> bool {
        let need = self.stream.memory_usage().unwrap_or(u32::MAX);
        if need <= self.stream.limit() || need > XZ_MEMORY {
            return false;
        }
        self.share = None;
        self.share = share(u64::from(need) << 10);
        self.stream.set_limit(need);
        true
    }
}

impl<R: Read, S: Lzma> Read for LzmaReader<R, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !buffer.is_empty() {
            let bytes = self.input.fill_buf()?;
            let action = if bytes.is_empty() {
                Action::Finish
            } else {
                Action::Run
            };
            let before = self.stream.total_in();
            let outcome = self.stream.process(bytes, buffer, action);
            let ended = bytes.is_empty();
            self.input
                .consume((self.stream.total_in() - before) as usize);
            match outcome {
                Ok(result) if result.bytes_produced > 0 => return Ok(result.bytes_produced),
                Ok(result) if result.status == Status::StreamEnd => break,
                Ok(_) if ended => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::OutOfMemory && self.grow() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(0)
    }
}

/// All frames of a zstd file.
pub(super) struct Zstd<R: Read> {
    input: Ahead<R>,
    context: DCtx<'static>,
    /// The largest window so far.
    window: u64,
    share: Option<Share<'static>>,
    in_frame: bool,
}

impl<R: Read> Zstd<R> {
    pub(super) fn new(compressed: R) -> io::Result<Self> {
        let input = Ahead {
            head: vec![],
            inner: BufReader::with_capacity(BUFFER, compressed),
        };
        Ok(Self {
            input,
            context: context()?,
            window: 0,
            share: None,
            in_frame: false,
        })
    }

    /// Begins a frame, if there is another one.
    fn begin(&mut self) -> io::Result<bool> {
        let header = self.input.peek(ZSTD_HEADER)?;
        if header.is_empty() {
            return Ok(false);
        }
        let window = window(header).min(1 << ZSTD_WINDOW_LOG);
        if window > self.window {
            // What the old one took goes back before it waits.
            self.context = context()?;
            self.share = None;
            self.share = share(window);
            self.window = window;
        }
        self.context
            .reset(ResetDirective::SessionOnly)
            .map_err(failed)?;
        self.in_frame = true;
        Ok(true)
    }
}

impl<R: Read> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !buffer.is_empty() && (self.in_frame || self.begin()?) {
            let bytes = self.input.fill_buf()?;
            let ended = bytes.is_empty();
            let (mut from, mut to) = (InBuffer::around(bytes), OutBuffer::around(buffer));
            let hint = self
                .context
                .decompress_stream(&mut to, &mut from)
                .map_err(failed)?;
            let (taken, given) = (from.pos(), to.pos());
            self.input.consume(taken);
            self.in_frame = hint > 0;
            if given > 0 {
                return Ok(given);
            }
            if ended && self.in_frame {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "incomplete frame",
                ));
            }
        }
        Ok(0)
    }
}

fn context() -> io::Result<DCtx<'static>> {
    let mut context = DCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
    context
        .set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG))
        .map_err(failed)?;
    Ok(context)
}

fn failed(code: usize) -> io::Error {
    io::Error::other(get_error_name(code))
}

/// The window that a frame needs, as its header says (RFC 8878, 3.1.1.1); nothing for what is
/// none, or is cut off.
fn window(header: &[u8]) -> u64 {
    let Some((descriptor, rest)) = header
        .strip_prefix(&[0x28, 0xb5, 0x2f, 0xfd])
        .and_then(<[u8]>::split_first)
    else {
        return 0;
    };
    let is_single = descriptor & 0x20 != 0;
    let window = match rest.first() {
        Some(window) if !is_single => {
            let base = 1_u64 << (10 + (window >> 3));
            base + base / 8 * u64::from(window & 7)
        }
        _ => u64::MAX,
    };
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size_length = match descriptor >> 6 {
        0 => usize::from(is_single),
        flag => 1 << flag,
    };
    let size = rest
        .get(usize::from(!is_single) + dictionary..)
        .and_then(|rest| rest.get(..size_length));
    let mut number = [0; 8];
    match size {
        None | Some([]) => window,
        Some(size) => {
            number[..size.len()].copy_from_slice(size);
            let least = if size.len() == 2 { 256 } else { 0 };
            window.min(u64::from_le_bytes(number).saturating_add(least))
        }
    }
}

/// A reader that can look at what comes next.
struct Ahead<R: Read> {
    /// The bytes that were looked at, before the rest.
    head: Vec<u8>,
    inner: BufReader<R>,
}

impl<R: Read> Ahead<R> {
    /// The next so many bytes, fewer only at the end.
    fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        let missing = count.saturating_sub(self.head.len()) as u64;
        self.inner
            .by_ref()
            .take(missing)
            .read_to_end(&mut self.head)?;
        Ok(&self.head)
    }

    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.head.is_empty() {
            self.inner.fill_buf()
        } else {
            Ok(&self.head)
        }
    }

    fn consume(&mut self, count: usize) {
        if self.head.is_empty() {
            self.inner.consume(count);
        } else {
            self.head.drain(..count);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// A frame with a window of so many bytes, as a power of two.
    fn frame(plain: &[u8], log: u32, size: bool) -> Vec<u8> {
        let mut encoder = zstd::Encoder::new(vec![], 1).unwrap();
        encoder.window_log(log).unwrap();
        encoder
            .set_pledged_src_size(size.then_some(plain.len() as u64))
            .unwrap();
        encoder.include_contentsize(size).unwrap();
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_frame_says_how_large_its_window_is() {
        for (length, log, size, expected) in [
            (3, 27, false, 128 << 20),
            (100_000, 20, false, 1 << 20),
            (3, 27, true, 3),
            (300, 27, true, 300),
            (100_000, 27, true, 100_000),
            (100_000, 10, true, 1 << 10),
        ] {
            let frame = frame(&vec![b'x'; length], log, size);
            assert_eq!(window(&frame), expected, "{length} {log} {size}");
        }
        let cut = frame(&[b'x'; 3], 27, false);
        for (header, expected) in [
            (&b""[..], 0),
            (b"\x28\xb5\x2f\xfd", 0),
            (b"\x50\x2a\x4d\x18\xff\xff\xff\xff", 0),
            (&cut[..5], u64::MAX),
            // The most that can be said: (2^41) / 8 * 15.
            (b"\x28\xb5\x2f\xfd\x00\xff", (1 << 41) / 8 * 15),
        ] {
            assert_eq!(window(header), expected, "{header:?}");
        }
    }

    #[test]
    fn frames_of_all_windows_may_follow_each_other() {
        let skipped = b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec();
        let frames = [
            frame(&[b'a'; 70_000], 27, false),
            frame(b"b", 10, false),
            skipped.clone(),
            frame(b"", 25, false),
            frame(&[b'c'; 70_000], 20, true),
            skipped,
        ];
        let expected = [&[b'a'; 70_000][..], b"b", &[b'c'; 70_000]].concat();
        let whole = frames.concat();
        for step in [1, 7, 1 << 20] {
            let mut plain = vec![];
            let mut decoder = Zstd::new(Steps(&whole, step)).unwrap();
            decoder.read_to_end(&mut plain).unwrap();
            assert!(plain == expected, "{step}");
        }
        for cut in [frames[0].len() - 1, frames[0].len() + 3, whole.len() - 1] {
            let mut decoder = Zstd::new(&whole[..cut]).unwrap();
            assert!(io::copy(&mut decoder, &mut io::sink()).is_err(), "{cut}");
        }
    }

    #[test]
    fn blocks_and_streams_of_xz_may_have_any_dictionary_that_is_not_too_large() {
        let stream = |plain: &[u8], dictionary: u32| {
            let mut options = lzma_rust2::XzOptions::with_preset(0);
            options.lzma_options.dict_size = dictionary;
            let mut writer = lzma_rust2::XzWriter::new(vec![], options).unwrap();
            writer.write_all(plain).unwrap();
            writer.finish().unwrap()
        };
        let streams = [
            stream(&[b'a'; 70_000], 1 << 16),
            stream(&[b'b'; 70_000], 64 << 20),
            vec![0; 8],
            stream(b"c", 8 << 20),
            stream(b"d", 192 << 20),
            vec![0; 4],
        ];
        let whole = streams.concat();
        let expected = [&[b'a'; 70_000][..], &[b'b'; 70_000], b"cd"].concat();
        for step in [1, 7, 1 << 20] {
            let mut plain = vec![];
            Xz::new(Steps(&whole, step))
                .read_to_end(&mut plain)
                .unwrap();
            assert!(plain == expected, "{step}");
        }
        for cut in 1..whole.len() {
            let outcome = io::copy(&mut Xz::new(&whole[..cut]), &mut io::sink());
            // What ends with a stream, and what fills that up, is whole.
            let ends = [1, 2, 3, 4, 5].map(|count| streams[..count].concat().len());
            let is_whole = ends.contains(&cut) || cut == ends[1] + 4 || cut == whole.len();
            assert_eq!(outcome.is_ok(), is_whole, "{cut}");
        }
        let large = [stream(b"a", 1 << 16), stream(b"b", 256 << 20)].concat();
        let mut plain = vec![];
        let error = Xz::new(&large[..]).read_to_end(&mut plain).unwrap_err();
        assert_eq!(
            (error.kind(), &plain[..]),
            (io::ErrorKind::OutOfMemory, &b"a"[..])
        );
    }

    /// Bytes that come so many at a time.
    struct Steps<'a>(&'a [u8], usize);

    impl Read for Steps<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(self.1);
            self.0.read(&mut buffer[..length])
        }
    }
}
