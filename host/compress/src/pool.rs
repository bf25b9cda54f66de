//! The threads that compress, and the blocks that go round.
//!
//! Threads never wait for an encoder, and no encoder waits for another: each waits for
//! its own blocks alone, and has one even when all others are taken. So however slow a
//! writer is, nothing stands still for it.

use std::any::Any;
use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::Setting;
use super::codec::{Codec, bound};
use super::workers::Frames;

/// The number of blocks for each thread: one that it works at, one that waits for
/// it, and one that is being filled or written.
const BLOCKS_PER_THREAD: usize = 3;

/// Threads that compress for all layers of a run. They start with the first encoder that
/// needs them, and end with the pool.
///
/// Memory is bounded: three blocks for each thread in all and one for each encoder,
/// whatever goes through. A zstd frame of more than one job has a window and some jobs.
pub struct Pool {
    shared: Arc<Shared>,
    count: NonZeroUsize,
    threads: Mutex<Vec<JoinHandle<()>>>,
    frames: Frames,
}

impl Pool {
    /// A pool of so many threads.
    pub fn new(threads: NonZeroUsize) -> Self {
        let state = State {
            jobs: VecDeque::new(),
            spare: Vec::new(),
            permits: BLOCKS_PER_THREAD.saturating_mul(threads.get()),
            encoders: 0,
            closed: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            more: Condvar::new(),
        });
        Self {
            shared,
            count: threads,
            threads: Mutex::new(Vec::new()),
            frames: Frames::new(threads),
        }
    }

    /// Returns the number of its threads.
    pub fn threads(&self) -> NonZeroUsize {
        self.count
    }

    /// Returns what its zstd frames share.
    pub(super) fn frames(&self) -> &Frames {
        &self.frames
    }

    /// Registers an encoder, starting the threads for the first one.
    pub(super) fn join(&self) -> io::Result<(Arc<Shared>, u64)> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        while threads.len() < self.count.get() {
            let shared = Arc::clone(&self.shared);
            let builder = thread::Builder::new().name("compress".to_owned());
            match builder.spawn(move || work(&shared)) {
                Ok(thread) => threads.push(thread),
                // Fewer will do: only the time depends on how many there are.
                Err(_) if !threads.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        let mut state = self.shared.lock();
        state.encoders += 1;
        Ok((Arc::clone(&self.shared), state.encoders))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.more.notify_all();
        // Nothing is queued: encoders borrow the pool and take their jobs with them.
        let threads = self
            .threads
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            // Panics of jobs have gone to their encoders.
            let _ = thread.join();
        }
    }
}

/// The state that threads and encoders share.
pub(super) struct Shared {
    state: Mutex<State>,
    more: Condvar,
}

struct State {
    jobs: VecDeque<Job>,
    /// Buffers that no block uses.
    spare: Vec<Buffers>,
    /// The number of further blocks that there may be, beside the one that each encoder may have.
    permits: usize,
    /// The number of encoders so far.
    encoders: u64,
    closed: bool,
}

#[derive(Default)]
struct Buffers {
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that may panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty block with room for `size` bytes, unless all are taken; `own` is for the
    /// encoder that has none, and gets one in any case.
    pub(super) fn block(self: &Arc<Self>, size: usize, own: bool) -> Option<Block> {
        let (permit, mut buffers) = {
            let mut state = self.lock();
            let permit = state.permits > 0;
            if !permit && !own {
                return None;
            }
            state.permits -= usize::from(permit);
            (permit, state.spare.pop().unwrap_or_default())
        };
        buffers.input.clear();
        buffers.input.reserve_exact(size);
        if buffers.output.len() < bound(size) {
            // Fresh zeros take no memory until they are written to.
            buffers.output = vec![0; bound(size)];
        }
        Some(Block {
            size,
            buffers,
            produced: 0,
            permit,
            home: Arc::clone(self),
        })
    }

    /// Queues a job.
    pub(super) fn submit(&self, job: Job) {
        self.lock().jobs.push_back(job);
        self.more.notify_one();
    }

    /// Takes the jobs of an encoder out that nobody works at yet.
    pub(super) fn cancel(&self, encoder: u64) {
        let cancelled = {
            let mut state = self.lock();
            let (mine, others): (VecDeque<Job>, _) = state
                .jobs
                .drain(..)
                .partition(|job: &Job| job.encoder == encoder);
            state.jobs = others;
            mine
        };
        // Not under the lock, which blocks take on their way back.
        drop(cancelled);
    }

    /// The next job; nothing once the pool is closed.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            state = self
                .more
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Bytes to compress, and what they became. Its buffers go back when it is dropped.
pub(super) struct Block {
    size: usize,
    buffers: Buffers,
    produced: usize,
    permit: bool,
    home: Arc<Shared>,
}

impl Block {
    /// Fills in bytes, up to its size. Returns their number.
    pub(super) fn fill(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.size - self.buffers.input.len());
        self.buffers.input.extend_from_slice(&bytes[..count]);
        count
    }

    /// Returns true if no further byte fits in.
    pub(super) fn is_full(&self) -> bool {
        self.buffers.input.len() == self.size
    }

    /// Returns the compressed bytes.
    pub(super) fn compressed(&self) -> &[u8] {
        &self.buffers.output[..self.produced]
    }

    fn compress(&mut self, codec: &mut Codec) -> io::Result<()> {
        self.produced = codec.compress(&self.buffers.input, &mut self.buffers.output)?;
        Ok(())
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let mut state = self.home.lock();
        state.permits += usize::from(self.permit);
        state.spare.push(std::mem::take(&mut self.buffers));
    }
}

/// A block to compress.
pub(super) struct Job {
    /// The number of the encoder that it belongs to.
    pub(super) encoder: u64,
    /// The number of the block among those of its encoder.
    pub(super) number: u64,
    pub(super) setting: Setting,
    pub(super) block: Block,
    /// The channel to which the outcome goes.
    pub(super) done: Sender<(u64, BlockOutcome)>,
}

/// The outcome of a block.
pub(super) enum BlockOutcome {
    Compressed(Block),
    Failed(io::Error),
    Panicked(Box<dyn Any + Send>),
}

/// Compresses one job after the other, until the pool is closed: the body of each thread.
fn work(shared: &Shared) {
    let mut context: Option<(Setting, Codec)> = None;
    while let Some(Job {
        number,
        setting,
        mut block,
        done,
        ..
    }) = shared.next()
    {
        let attempted = catch_unwind(AssertUnwindSafe(|| {
            let codec = match context.take() {
                Some((of, codec)) if of == setting => codec,
                _ => Codec::new(setting)?,
            };
            let (_, codec) = context.insert((setting, codec));
            block.compress(codec)
        }));
        let outcome = match attempted {
            Ok(Ok(())) => BlockOutcome::Compressed(block),
            Ok(Err(error)) => BlockOutcome::Failed(error),
            Err(panic) => {
                // Nothing is known of its state.
                context = None;
                BlockOutcome::Panicked(panic)
            }
        };
        // The encoder may have been given up.
        let _ = done.send((number, outcome));
    }
}

#[cfg(test)]
impl Shared {
    /// Returns the number of queued jobs, and that of free blocks.
    pub(super) fn at_rest(&self) -> (usize, usize) {
        let state = self.lock();
        (state.jobs.len(), state.permits)
    }
}
