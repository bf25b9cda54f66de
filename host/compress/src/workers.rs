//! The threads and contexts of zstd frames, which a pool shares out.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use zstd::zstd_safe::CCtx;

use super::budget::{Budget, Share};

/// The most threads of a frame. Each has 7 MiB.
const MOST_WORKERS: usize = 16;
/// The time after which frames that make no step stand still. A job of the highest level takes four seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the frames of a pool share.
pub(super) struct Frames {
    state: Mutex<State>,
    /// Frames under way: each has a window, so they wait for each other.
    under_way: Budget,
    /// The number of steps that all frames have made.
    steps: AtomicU64,
}

struct State {
    /// The number of threads that frames may still have.
    spare: usize,
    /// Contexts of frames that are complete. A new one would have to be given all its memory again.
    contexts: Vec<Kept>,
}

/// A context, and what it was made for.
struct Kept {
    level: i32,
    threads: u32,
    context: CCtx<'static>,
}

/// Threads for one frame. They go back when this is dropped.
pub(super) struct Workers<'p> {
    frames: &'p Frames,
    taken: usize,
    _share: Option<Share<'p>>,
}

impl Frames {
    /// Has so many threads, for half as many frames at once, and for two at least.
    pub(super) fn new(threads: NonZeroUsize) -> Self {
        let state = State {
            spare: threads.get(),
            contexts: vec![],
        };
        Self {
            state: Mutex::new(state),
            under_way: Budget::new((threads.get() as u64 / 2).max(2)),
            steps: AtomicU64::new(0),
        }
    }

    /// Waits until there are few enough other frames, but for those of the same thread, and not if these stand still: they may
    /// wait for something that waits for this one. Returns threads for a frame: half of
    /// those that are left, up to [`MOST_WORKERS`]. Layers are made several at once, so the first does not take all.
    pub(super) fn workers(&self) -> Workers<'_> {
        let share = self.wait();
        let mut state = self.lock();
        let taken = state.spare.div_ceil(2).min(MOST_WORKERS);
        state.spare -= taken;
        drop(state);
        Workers {
            frames: self,
            taken,
            _share: share,
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Workers<'_> {
    /// Returns the number of threads: one at least, even if others have all that there are.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.taken.max(1)).unwrap_or(u32::MAX)
    }

    /// Takes note that the frame goes on.
    pub(super) fn step(&self) {
        self.frames.steps.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns a context of so many threads that another frame has left.
    pub(super) fn context(&self, level: i32) -> Option<CCtx<'static>> {
        let threads = self.count();
        let mut state = self.frames.lock();
        let fits = |kept: &Kept| kept.level == level && kept.threads == threads;
        let index = state.contexts.iter().position(fits)?;
        Some(state.contexts.swap_remove(index).context)
    }

    /// Keeps the context of a frame that is complete.
    pub(super) fn keep(self, level: i32, context: CCtx<'static>) {
        let kept = Kept {
            level,
            threads: self.count(),
            context,
        };
        self.frames.lock().contexts.push(kept);
    }
}

impl Drop for Workers<'_> {
    fn drop(&mut self) {
        self.frames.lock().spare += self.taken;
    }
}
