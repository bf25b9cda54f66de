//! The threads and tools of zstd frames, which a pool shares out.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::budget::{Budget, Share};
use super::frame::Tools;

/// The threads that a frame makes use of: bytes do not come faster than four compress them at the lowest level.
const WORKERS: usize = 4;
/// The frames at once of a low level, however few threads there are: one alone keeps no two processors busy, because it waits for small
/// files, or for a hash, at times.
const AT_ONCE: usize = 2;
/// The time after which frames that make no step stand still. A job of the highest level takes four seconds.
const PATIENCE: Duration = Duration::from_millis(if cfg!(test) { 300 } else { 10_000 });

/// The threads and tools that the frames of a pool share.
pub(super) struct Frames {
    /// The number of threads of a frame.
    workers: u32,
    /// Frames under way: each has a window, so they wait for each other.
    under_way: Budget,
    /// The part of it that a frame of a high level takes.
    part_of_high: u64,
    /// The number of steps that all frames have made.
    steps: AtomicU64,
    /// The tools of frames that are complete, as many as there may be frames at once. New ones would have to be given all their memory again.
    tools: Mutex<Vec<Tools>>,
    most_tools: usize,
    /// Buffers of frames that are complete or have begun. Threads that end would keep the memory of theirs.
    buffers: Mutex<Vec<Vec<u8>>>,
}

/// The right to make a frame. It goes back when this is dropped.
pub(super) struct Workers<'p> {
    frames: &'p Frames,
    _share: Option<Share<'p>>,
}

impl Frames {
    /// Makes frames for so many threads: one at once for each four of them, and two in any case if their level is low.
    pub(super) fn new(threads: NonZeroUsize) -> Self {
        let of_high = threads.get().div_ceil(WORKERS);
        let at_once = of_high.max(AT_ONCE);
        let workers = threads.get().min(WORKERS);
        Self {
            workers: u32::try_from(workers).unwrap_or(1),
            under_way: Budget::new(at_once as u64),
            part_of_high: (at_once / of_high) as u64,
            steps: AtomicU64::new(0),
            tools: Mutex::new(vec![]),
            most_tools: at_once,
            buffers: Mutex::new(vec![]),
        }
    }

    /// Waits until there are few enough other frames, but for those of the same thread, and not if these stand still: they may
    /// wait for something that waits for this one. A frame of a high level has larger tables and keeps its threads busy.
    pub(super) fn workers(&self, is_high: bool) -> Workers<'_> {
        let part = if is_high { self.part_of_high } else { 1 };
        Workers {
            frames: self,
            _share: self.wait(part),
        }
    }

    fn wait(&self, part: u64) -> Option<Share<'_>> {
        let mut before = self.steps.load(Ordering::Relaxed);
        loop {
            if let Some(share) = self.under_way.take_within(part, PATIENCE) {
                return Some(share);
            }
            let now = self.steps.load(Ordering::Relaxed);
            if now == before {
                return None;
            }
            before = now;
        }
    }

    /// Returns an empty buffer.
    pub(super) fn buffer(&self) -> Vec<u8> {
        lock(&self.buffers).pop().unwrap_or_default()
    }

    /// Keeps a buffer for the next frame.
    pub(super) fn keep_buffer(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        lock(&self.buffers).push(buffer);
    }
}

fn lock<T>(list: &Mutex<Vec<T>>) -> MutexGuard<'_, Vec<T>> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Returns what another frame of that level has left.
    pub(super) fn tools(&self, level: i32) -> Option<Tools> {
        let mut all = lock(&self.frames.tools);
        let index = all.iter().position(|tools| tools.level == level)?;
        Some(all.swap_remove(index))
    }

    /// Keeps the tools of a frame that is complete.
    pub(super) fn keep(self, tools: Tools) {
        let mut all = lock(&self.frames.tools);
        if all.len() == self.frames.most_tools {
            // The oldest may be of a level that is not wanted any more.
            all.remove(0);
        }
        all.push(tools);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Returns the number of frames that begin at once, each on a thread of its own.
    fn at_once(threads: usize, is_high: bool) -> usize {
        let frames = &Frames::new(NonZeroUsize::new(threads).unwrap());
        let mut held = vec![];
        loop {
            let next =
                thread::scope(|scope| scope.spawn(|| frames.workers(is_high)).join().unwrap());
            if next._share.is_none() {
                return held.len();
            }
            held.push(next);
        }
    }

    #[test]
    fn as_many_frames_are_made_at_once_as_there_is_memory_for() {
        for (threads, low, high) in [(1, 2, 1), (2, 2, 1), (4, 2, 1), (5, 2, 2), (12, 3, 3)] {
            let found = (at_once(threads, false), at_once(threads, true));
            assert_eq!(found, (low, high), "{threads}");
        }
    }
}
