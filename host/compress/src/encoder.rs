//! Compresses what is written to it.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::codec::block_size;
use super::frame::Frame;
use super::pool::{Block, BlockOutcome, Job, Pool, Shared};
use super::{Compression, Setting};

/// A writer that compresses, by a pool's threads, and writes the outcome to another.
///
/// Writing happens on the thread that this is called from: it waits when the other writer
/// does, or when there is more to compress than the threads can. A zstd frame waits for others to end if there are many. What comes out depends on what goes
/// in and the setting alone, not on threads or on how it is cut into writes.
///
/// Nothing is complete before [`Encoder::finish`]. Dropped without it, the blocks that are
/// not compressed yet never are.
pub struct Encoder<'p, W: Write> {
    out: W,
    way: Way<'p>,
}

/// The way to compressed bytes.
enum Way<'p> {
    /// They are the bytes themselves.
    Plain,
    /// Blocks that are compressed on their own.
    Blocks(Blocks<'p>),
    /// One zstd frame.
    Frame(Frame<'p>),
}

impl<'p, W: Write> Encoder<'p, W> {
    /// A writer to `out`.
    ///
    /// # Errors
    ///
    /// Threads that cannot be started.
    pub fn new(setting: &Setting, pool: &'p Pool, out: W) -> io::Result<Self> {
        let way = match (setting.compression(), block_size(setting.compression())) {
            (_, Some(size)) => Way::Blocks(Blocks::new(*setting, size, pool)?),
            (Compression::Zstd, None) => {
                let level = setting.level().unwrap_or_default();
                Way::Frame(Frame::new(level, pool.frames()))
            }
            _ => Way::Plain,
        };
        Ok(Self { out, way })
    }

    /// Writes all that is left and returns the inner writer, which is not flushed. Empty
    /// input makes a valid stream, too.
    ///
    /// # Errors
    ///
    /// What the inner writer fails with; or that it failed before.
    ///
    /// # Panics
    ///
    /// With what a compressing thread panicked with, as all of these.
    pub fn finish(mut self) -> io::Result<W> {
        match &mut self.way {
            Way::Plain => {}
            Way::Blocks(blocks) => blocks.finish(&mut self.out)?,
            Way::Frame(frame) => frame.finish(&mut self.out)?,
        }
        Ok(self.out)
    }
}

impl<W: Write> Write for Encoder<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.way {
            Way::Plain => self.out.write(bytes),
            Way::Blocks(blocks) => blocks.write(bytes, &mut self.out),
            Way::Frame(frame) => {
                frame.write(bytes, &mut self.out)?;
                Ok(bytes.len())
            }
        }
    }

    /// Flushes the inner writer. It does not cut a block short, so bytes may be left.
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.way {
            Way::Plain => {}
            Way::Blocks(blocks) => {
                blocks.check()?;
                blocks.write_ready(&mut self.out)?;
            }
            Way::Frame(frame) => frame.check()?,
        }
        self.out.flush()
    }
}

/// The blocks of one stream, on their way through the pool.
struct Blocks<'p> {
    pool: &'p Pool,
    shared: Arc<Shared>,
    /// The number by which the pool knows it.
    encoder: u64,
    setting: Setting,
    /// The size of a block.
    size: usize,
    filling: Option<Block>,
    submitted: u64,
    written: u64,
    /// The block to be written next and those after it, as far as they are done.
    done: VecDeque<Option<Block>>,
    to_here: Sender<(u64, BlockOutcome)>,
    here: Receiver<(u64, BlockOutcome)>,
    /// True once a block was lost on its way: then the stream cannot be completed.
    failed: bool,
}

impl<'p> Blocks<'p> {
    fn new(setting: Setting, size: usize, pool: &'p Pool) -> io::Result<Self> {
        let (shared, encoder) = pool.join()?;
        let (to_here, here) = channel();
        Ok(Self {
            pool,
            shared,
            encoder,
            setting,
            size,
            filling: None,
            submitted: 0,
            written: 0,
            done: VecDeque::new(),
            to_here,
            here,
            failed: false,
        })
    }

    /// Takes some bytes, at least one if there are any.
    fn write(&mut self, bytes: &[u8], out: &mut impl Write) -> io::Result<usize> {
        self.check()?;
        if bytes.is_empty() {
            return Ok(0);
        }
        let mut block = match self.filling.take() {
            Some(block) => block,
            None => self.take_block(out)?,
        };
        let count = block.fill(bytes);
        if block.is_full() {
            self.submit(block);
        } else {
            self.filling = Some(block);
        }
        Ok(count)
    }

    fn finish(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.check()?;
        if self.filling.is_none() && self.submitted == 0 {
            self.filling = Some(self.take_block(out)?);
        }
        if let Some(last) = self.filling.take() {
            self.submit(last);
        }
        while self.outstanding() > 0 {
            self.write_next(out)?;
        }
        Ok(())
    }

    fn check(&self) -> io::Result<()> {
        if self.failed {
            Err(io::Error::other("an earlier block was lost"))
        } else {
            Ok(())
        }
    }

    /// Returns the number of blocks that are submitted and not yet written.
    fn outstanding(&self) -> u64 {
        self.submitted - self.written
    }

    fn submit(&mut self, block: Block) {
        let number = self.submitted;
        self.submitted += 1;
        self.shared.submit(Job {
            encoder: self.encoder,
            number,
            setting: self.setting,
            block,
            done: self.to_here.clone(),
        });
    }

    /// A block to fill: a free one, or else one that comes back from having been written.
    fn take_block(&mut self, out: &mut impl Write) -> io::Result<Block> {
        self.write_ready(out)?;
        loop {
            let own = self.outstanding() == 0;
            // A third of all blocks stays for the other encoders, however slow this is.
            if self.outstanding() < 2 * self.pool.threads().get() as u64
                && let Some(block) = self.shared.block(self.size, own)
            {
                return Ok(block);
            }
            self.write_next(out)?;
        }
    }

    /// Writes the blocks whose turn it is and that are done.
    fn write_ready(&mut self, out: &mut impl Write) -> io::Result<()> {
        loop {
            while let Ok((number, outcome)) = self.here.try_recv() {
                self.keep(number, outcome)?;
            }
            match self.done.front() {
                Some(Some(_)) => self.write_next(out)?,
                _ => return Ok(()),
            }
        }
    }

    /// Waits for the block whose turn it is and writes it.
    fn write_next(&mut self, out: &mut impl Write) -> io::Result<()> {
        let block = loop {
            if let Some(Some(_)) = self.done.front()
                && let Some(Some(block)) = self.done.pop_front()
            {
                break block;
            }
            // There is always a sender, and every job is answered.
            let (number, outcome) = self.here.recv().map_err(io::Error::other)?;
            self.keep(number, outcome)?;
        };
        // Unless all goes well; the writer may even panic.
        self.failed = true;
        out.write_all(block.compressed())?;
        self.failed = false;
        self.written += 1;
        Ok(())
    }

    /// Keeps a block for when it is its turn.
    fn keep(&mut self, number: u64, outcome: BlockOutcome) -> io::Result<()> {
        let block = match outcome {
            BlockOutcome::Compressed(block) => block,
            BlockOutcome::Failed(error) => {
                self.failed = true;
                return Err(error);
            }
            BlockOutcome::Panicked(panic) => {
                self.failed = true;
                resume_unwind(panic)
            }
        };
        // Blocks in flight are few.
        let place = usize::try_from(number - self.written).map_err(io::Error::other)?;
        if self.done.len() <= place {
            self.done.resize_with(place + 1, || None);
        }
        self.done[place] = Some(block);
        Ok(())
    }
}

impl Drop for Blocks<'_> {
    fn drop(&mut self) {
        self.shared.cancel(self.encoder);
    }
}
