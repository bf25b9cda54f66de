//! One zstd frame for all that is written.
//!
//! A layer repeats itself over long distances: copies of files, static and shared libraries, translations. So a frame
//! looks back [`WINDOW`] bytes, but for long repetitions only, which costs little. Its jobs go through several threads of the
//! library, and what comes out does not depend on their number.

use std::io::{self, Write};

use zstd::zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd::zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, get_error_name};

use super::workers::{Frames, Workers};

/// The number of everything here that bytes depend on and that has no name in [`describe`](super::Setting::describe). It grows with each change.
pub(super) const PARAMETERS: u32 = 2;
/// The binary logarithm of the distance that a frame looks back, in bytes: 32 MiB. With 8 MiB, a store of 2.6 GB becomes 15 % larger,
/// with 64 MiB 2 % smaller. Readers need so much memory, and the library's own take up to 128 MiB unasked.
pub(super) const WINDOW: u32 = 25;
/// The size of a job, in bytes. Measured at level 1 without overlaps: with 2 MiB, a store becomes 1 % larger, and a frame takes 6 MiB more.
pub(super) const JOB: usize = 512 << 10;
/// The lowest of the levels that have [`LARGE_JOB`]s: to empty their tables takes as long as to compress a small job.
const HIGH: i32 = 9;
/// The size of a job of such a level, in bytes.
const LARGE_JOB: usize = 2 << 20;
/// The shortest repetition that is looked for over long distances, in bytes. With the library's own 64, the output is 2 % smaller,
/// and takes a quarter longer.
const LONG_MATCH: u32 = 256;
/// The binary logarithm of the number of bytes between two places that long repetitions are found by.
const LONG_RATE: u32 = 9;
/// The binary logarithm of the number of places that are kept for each hash.
const LONG_BUCKET: u32 = 1;
/// The size of an overlap by the library's scale: 128 KiB at low levels, and 256 KiB at levels 7 and 8.
const OVERLAP: u32 = 7;
/// The scale's smallest size: 2 KiB and more.
const NO_OVERLAP: u32 = 1;
/// The size of the pieces that are written, in bytes.
const PIECE: usize = 64 << 10;
/// Levels from this one on have tables for windows that are larger than a job.
const LARGE_TABLES: i32 = 19;

/// The jobs of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Jobs {
    /// The size of a job, in bytes.
    pub(super) size: usize,
    /// True if a job knows the end of the one before it, at least 128 KiB, and not only long repetitions.
    pub(super) overlap: bool,
}

impl Jobs {
    /// Returns the jobs of a level.
    pub(super) fn of(level: i32) -> Self {
        let is_high = level >= HIGH;
        Self {
            size: if is_high { LARGE_JOB } else { JOB },
            // It costs 1 % of the time at a low level, and up to half of it at a high one.
            overlap: !is_high,
        }
    }
}

/// A frame, as far as it is written.
pub(super) struct Frame<'p> {
    frames: &'p Frames,
    level: i32,
    /// The first bytes, as long as they may be all.
    held: Vec<u8>,
    begun: Option<Begun<'p>>,
    /// True once bytes were lost on their way: then the frame cannot be completed.
    failed: bool,
}

/// A frame of several jobs.
struct Begun<'p> {
    /// The last byte so far, which the library is given with what follows. If it had all of them before it knows of the end, then a last job
    /// of full size would have an empty one after it or not, as threads were free.
    last: Option<u8>,
    tools: Tools,
    workers: Workers<'p>,
}

/// The parts of a frame that the next one uses again.
pub(super) struct Tools {
    pub(super) level: i32,
    context: CCtx<'static>,
    piece: Vec<u8>,
}

impl<'p> Frame<'p> {
    /// An empty frame. It asks for threads when there is more than one job.
    pub(super) fn new(level: i32, frames: &'p Frames) -> Self {
        Self {
            frames,
            level,
            held: vec![],
            begun: None,
            failed: false,
        }
    }

    /// Takes all bytes.
    pub(super) fn write(&mut self, bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
        self.check()?;
        let Some((last, rest)) = bytes.split_last() else {
            return Ok(());
        };
        if self.begun.is_none() {
            if self.held.is_empty() {
                self.held = self.frames.buffer();
            }
            if self.held.len() + bytes.len() <= Jobs::of(self.level).size {
                self.held.extend_from_slice(bytes);
                return Ok(());
            }
            let workers = self.frames.workers(self.level >= HIGH);
            self.begun = Some(Begun::new(self.level, workers)?);
            let held = std::mem::take(&mut self.held);
            self.feed(&held, ZSTD_EndDirective::ZSTD_e_continue, out)?;
            self.frames.keep_buffer(held);
        }
        let before = self
            .begun
            .as_mut()
            .and_then(|begun| begun.last.replace(*last));
        self.feed(before.as_slice(), ZSTD_EndDirective::ZSTD_e_continue, out)?;
        self.feed(rest, ZSTD_EndDirective::ZSTD_e_continue, out)
    }

    /// Ends the frame. One of a single job tells its size, so that readers need no larger window.
    pub(super) fn finish(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.check()?;
        if let Some(begun) = &mut self.begun {
            let last = begun.last.take();
            self.feed(last.as_slice(), ZSTD_EndDirective::ZSTD_e_end, out)?;
            if let Some(Begun { tools, workers, .. }) = self.begun.take() {
                workers.keep(tools);
            }
            return Ok(());
        }
        let compressed = zstd::bulk::compress(&self.held, self.level)?;
        self.frames.keep_buffer(std::mem::take(&mut self.held));
        out.write_all(&compressed)
    }

    /// Fails if bytes were lost.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.failed {
            Err(io::Error::other("an earlier part was lost"))
        } else {
            Ok(())
        }
    }

    fn feed(
        &mut self,
        bytes: &[u8],
        directive: ZSTD_EndDirective,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let Some(Begun { tools, workers, .. }) = &mut self.begun else {
            return Ok(());
        };
        // Unless all goes well; the writer may even panic.
        self.failed = true;
        let mut input = InBuffer::around(bytes);
        loop {
            let mut output = OutBuffer::around(&mut tools.piece[..]);
            let left = tools
                .context
                .compress_stream2(&mut output, &mut input, directive)
                .map_err(failure)?;
            out.write_all(output.as_slice())?;
            workers.step();
            let is_done = match directive {
                ZSTD_EndDirective::ZSTD_e_end => left == 0,
                _ => input.pos() == bytes.len(),
            };
            if is_done {
                self.failed = false;
                return Ok(());
            }
        }
    }
}

impl<'p> Begun<'p> {
    fn new(level: i32, workers: Workers<'p>) -> io::Result<Self> {
        let tools = match workers.tools(level) {
            Some(tools) => tools,
            None => Tools::new(level, workers.count())?,
        };
        Ok(Self {
            last: None,
            tools,
            workers,
        })
    }
}

impl Tools {
    fn new(level: i32, workers: u32) -> io::Result<Self> {
        let jobs = Jobs::of(level);
        let mut context = CCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
        let parameters = [
            CParameter::CompressionLevel(level),
            CParameter::WindowLog(WINDOW),
            CParameter::EnableLongDistanceMatching(true),
            CParameter::LdmMinMatch(LONG_MATCH),
            CParameter::LdmHashRateLog(LONG_RATE),
            CParameter::LdmBucketSizeLog(LONG_BUCKET),
            CParameter::NbWorkers(workers),
            CParameter::JobSize(jobs.size as u32),
            CParameter::OverlapSizeLog(if jobs.overlap { OVERLAP } else { NO_OVERLAP }),
        ];
        // What a job of such a level needs.
        let tables = [CParameter::ChainLog(23), CParameter::HashLog(22)];
        let tables = tables.into_iter().filter(|_| level >= LARGE_TABLES);
        for parameter in parameters.into_iter().chain(tables) {
            context.set_parameter(parameter).map_err(failure)?;
        }
        Ok(Self {
            level,
            context,
            piece: vec![0; PIECE],
        })
    }
}

fn failure(code: usize) -> io::Error {
    io::Error::other(format!("zstd: {}", get_error_name(code)))
}
