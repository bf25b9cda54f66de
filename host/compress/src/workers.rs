//! The threads and contexts of zstd frames, which a pool shares out.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use zstd::zstd_safe::CCtx;

/// The most threads of a frame. Each has 7 MiB.
const MOST_WORKERS: usize = 16;

/// What the frames of a pool share.
pub(super) struct Frames(Mutex<State>);

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
}

impl Frames {
    /// Has so many threads.
    pub(super) fn new(threads: NonZeroUsize) -> Self {
        Self(Mutex::new(State {
            spare: threads.get(),
            contexts: vec![],
        }))
    }

    /// Returns threads for a frame: half of those that are left, up to [`MOST_WORKERS`]. Layers are made several at once, so
    /// the first does not take all.
    pub(super) fn workers(&self) -> Workers<'_> {
        let mut state = self.lock();
        let taken = state.spare.div_ceil(2).min(MOST_WORKERS);
        state.spare -= taken;
        drop(state);
        Workers {
            frames: self,
            taken,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Workers<'_> {
    /// Returns the number of threads: one at least, even if others have all that there are.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.taken.max(1)).unwrap_or(u32::MAX)
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
