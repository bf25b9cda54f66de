//! One zstd frame for all that is written.
//!
//! A layer repeats itself over long distances: copies of files, static and shared libraries, translations. So a frame
//! looks back [`WINDOW`] bytes, but for long repetitions only, which costs little. Its jobs go through several threads of the
//! library, and what comes out does not depend on their number.

use std::io::{self, Write};

use zstd::zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd::zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, get_error_name};

use super::workers::Workers;

/// The binary logarithm of the distance that a frame looks back, in bytes: 32 MiB. With 8 MiB, a store of 2.6 GB becomes 15 % larger,
/// with 64 MiB 2 % smaller. Readers need so much memory, and the library's own take up to 128 MiB unasked.
pub(super) const WINDOW: u32 = 25;
/// The size of a job, in bytes. With 4 MiB the output is 0.4 % smaller, and a frame takes 10 MiB more.
pub(super) const JOB: usize = 2 << 20;
/// The shortest repetition that is looked for over long distances, in bytes. With the library's own 64, the output is 2 % smaller,
/// and takes a quarter longer.
const LONG_MATCH: u32 = 256;
/// The binary logarithm of the number of bytes between two places that long repetitions are found by.
const LONG_RATE: u32 = 8;
/// The binary logarithm of the number of places that are kept for each hash.
const LONG_BUCKET: u32 = 1;
/// The size of the pieces that are written, in bytes.
const PIECE: usize = 256 << 10;
/// Levels from this one on have tables for windows that are larger than a job.
const LARGE_TABLES: i32 = 19;

/// A frame, as far as it is written.
pub(super) struct Frame<'p> {
    level: i32,
    /// The first bytes, as long as they may be all.
    held: Vec<u8>,
    begun: Option<Begun<'p>>,
    piece: Vec<u8>,
    /// True once bytes were lost on their way: then the frame cannot be completed.
    failed: bool,
}

/// A frame of several jobs.
struct Begun<'p> {
    context: CCtx<'static>,
    workers: Workers<'p>,
}

impl Frame<'_> {
    pub(super) fn new(level: i32) -> Self {
        Self {
            level,
            held: vec![],
            begun: None,
            piece: vec![],
            failed: false,
        }
    }
}

impl<'p> Frame<'p> {
    /// Takes all bytes. `workers` is asked for threads when there is more than one job.
    pub(super) fn write(
        &mut self,
        bytes: &[u8],
        workers: impl FnOnce() -> Workers<'p>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        self.check()?;
        if self.begun.is_none() {
            if self.held.len() + bytes.len() <= JOB {
                self.held.extend_from_slice(bytes);
                return Ok(());
            }
            self.begun = Some(Begun::new(self.level, workers())?);
            let held = std::mem::take(&mut self.held);
            self.feed(&held, ZSTD_EndDirective::ZSTD_e_continue, out)?;
        }
        self.feed(bytes, ZSTD_EndDirective::ZSTD_e_continue, out)
    }

    /// Ends the frame. One of a single job tells its size, so that readers need no larger window.
    pub(super) fn finish(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.check()?;
        if self.begun.is_some() {
            self.feed(&[], ZSTD_EndDirective::ZSTD_e_end, out)?;
            if let Some(Begun { context, workers }) = self.begun.take() {
                workers.keep(self.level, context);
            }
            return Ok(());
        }
        let compressed = zstd::bulk::compress(&self.held, self.level)?;
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
        let Some(begun) = &mut self.begun else {
            return Ok(());
        };
        self.piece.resize(PIECE, 0);
        // Unless all goes well; the writer may even panic.
        self.failed = true;
        let mut input = InBuffer::around(bytes);
        loop {
            let mut output = OutBuffer::around(&mut self.piece[..]);
            let left = begun
                .context
                .compress_stream2(&mut output, &mut input, directive)
                .map_err(failure)?;
            out.write_all(output.as_slice())?;
            begun.workers.step();
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
        if let Some(context) = workers.context(level) {
            return Ok(Self { context, workers });
        }
        let mut context = CCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
        let parameters = [
            CParameter::CompressionLevel(level),
            CParameter::WindowLog(WINDOW),
            CParameter::EnableLongDistanceMatching(true),
            CParameter::LdmMinMatch(LONG_MATCH),
            CParameter::LdmHashRateLog(LONG_RATE),
            CParameter::LdmBucketSizeLog(LONG_BUCKET),
            CParameter::NbWorkers(workers.count()),
            CParameter::JobSize(JOB as u32),
            // Jobs share nothing but long repetitions, else their beginnings would be compressed twice.
            CParameter::OverlapSizeLog(1),
        ];
        // What a job of such a level needs.
        let tables = [CParameter::ChainLog(23), CParameter::HashLog(22)];
        let tables = tables.into_iter().filter(|_| level >= LARGE_TABLES);
        for parameter in parameters.into_iter().chain(tables) {
            context.set_parameter(parameter).map_err(failure)?;
        }
        Ok(Self { context, workers })
    }
}

fn failure(code: usize) -> io::Error {
    io::Error::other(format!("zstd: {}", get_error_name(code)))
}
