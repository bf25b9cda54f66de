//! The threads and contexts of zstd frames, which a pool shares out.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use zstd::zstd_safe::CCtx;

use super::budget::{Budget, Share};

/// The threads that a frame makes use of: bytes do not come faster than four compress them at the lowest level.
const WORKERS: usize = 4;
/// The time after which frames that make no step stand still. A job of the highest level takes four seconds.
const PATIENCE: Duration = Duration::from_millis(if cfg!(test) { 300 } else { 10_000 });

/// The threads and contexts that the frames of a pool share.
pub(super) struct Frames {
    /// The number of threads of a frame.
    workers: u32,
    /// Frames under way: each has a window, so they wait for each other.
    under_way: Budget,
    /// The number of steps that all frames have made.
    steps: AtomicU64,
    /// Contexts of frames that are complete, with their levels. A new one would have to be given all its memory again.
    contexts: Mutex<Vec<(i32, CCtx<'static>)>>,
}

/// The right to make a frame. It goes back when this is dropped.
pub(super) struct Workers<'p> {
    frames: &'p Frames,
    _share: Option<Share<'p>>,
}

impl Frames {
    /// Shares out so many threads: one frame at once for each four of them.
    pub(super) fn new(threads: NonZeroUsize) -> Self {
        let at_once = threads.get().div_ceil(WORKERS);
        let workers = threads.get().div_ceil(at_once);
        Self {
            workers: u32::try_from(workers).unwrap_or(1),
            under_way: Budget::new(at_once as u64),
            steps: AtomicU64::new(0),
            contexts: Mutex::new(vec![]),
        }
    }

    /// Waits until there are few enough other frames, but for those of the same thread, and not if these stand still: they may
    /// wait for something that waits for this one.
    pub(super) fn workers(&self) -> Workers<'_> {
        Workers {
            frames: self,
            _share: self.wait(),
        }
    }

    fn wait(&self) -> Option<Share<'_>> {
        let mut before = self.steps.load(Ordering::Relaxed);
        loop {
            if let Some(share) = self.under_way.take_within(1, PATIENCE) {
                return Some(share);
            }
            let now = self.steps.load(Ordering::Relaxed);
            if now == before {
                return None;
            }
            before = now;
        }
    }

    fn contexts(&self) -> MutexGuard<'_, Vec<(i32, CCtx<'static>)>> {
        self.contexts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Workers<'_> {
    /// Returns the number of threads.
    pub(super) fn count(&self) -> u32 {
        self.frames.workers
    }

    /// Takes note that the frame goes on.
    pub(super) fn step(&self) {
        self.frames.steps.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns a context that another frame has left.
    pub(super) fn context(&self, level: i32) -> Option<CCtx<'static>> {
        let mut contexts = self.frames.contexts();
        let index = contexts.iter().position(|(of, _)| *of == level)?;
        Some(contexts.swap_remove(index).1)
    }

    /// Keeps the context of a frame that is complete.
    pub(super) fn keep(self, level: i32, context: CCtx<'static>) {
        self.frames.contexts().push((level, context));
    }
}
