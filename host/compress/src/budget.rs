//! Memory that threads share: the windows of all decoders, and of the frames that are written.
//!
//! An image says how large windows are, and several layers are under way at once: so they wait for each other.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

/// The largest window that is not counted, in bytes: what most layers have.
const SMALL: u64 = 8 << 20;

static WINDOWS: Budget = Budget::new(128 << 20);

/// Waits until there is room for a window of so many bytes; nothing for a small one. A decoder
/// that wants another window gives back its share first: a holder of one does not wait for more.
pub(super) fn share(bytes: u64) -> Option<Share<'static>> {
    (bytes > SMALL).then(|| WINDOWS.take(bytes))
}

/// Bytes that threads share, waiting for each other.
#[derive(Debug)]
pub(super) struct Budget {
    total: u64,
    taken: Mutex<Vec<(ThreadId, u64)>>,
    less: Condvar,
}

/// A part of it, which goes back when it is dropped.
#[derive(Debug)]
pub(super) struct Share<'a> {
    budget: &'a Budget,
    thread: ThreadId,
    bytes: u64,
}

impl Budget {
    /// Has so much of it.
    pub(super) const fn new(total: u64) -> Self {
        Self {
            total,
            taken: Mutex::new(Vec::new()),
            less: Condvar::new(),
        }
    }

    /// Waits for bytes and takes them. A share that is larger than the whole is taken when nothing else
    /// is. A thread that has a share gets another at once: it may be the one that the others wait for.
    pub(super) fn take(&self, bytes: u64) -> Share<'_> {
        let thread = thread::current().id();
        let taken = self
            .less
            .wait_while(self.lock(), |taken| self.must_wait(taken, thread, bytes))
            .unwrap_or_else(PoisonError::into_inner);
        self.share(taken, thread, bytes)
    }

    /// Waits so long at most. Returns `None` if there is no room then.
    pub(super) fn take_within(&self, bytes: u64, patience: Duration) -> Option<Share<'_>> {
        let thread = thread::current().id();
        let (taken, waited) = self
            .less
            .wait_timeout_while(self.lock(), patience, |taken| {
                self.must_wait(taken, thread, bytes)
            })
            .unwrap_or_else(PoisonError::into_inner);
        (!waited.timed_out()).then(|| self.share(taken, thread, bytes))
    }

    fn must_wait(&self, taken: &[(ThreadId, u64)], thread: ThreadId, bytes: u64) -> bool {
        let sum: u64 = taken.iter().map(|(_, bytes)| bytes).sum();
        sum > 0 && sum + bytes > self.total && taken.iter().all(|(holder, _)| *holder != thread)
    }

    fn share(
        &self,
        mut taken: MutexGuard<'_, Vec<(ThreadId, u64)>>,
        thread: ThreadId,
        bytes: u64,
    ) -> Share<'_> {
        taken.push((thread, bytes));
        Share {
            budget: self,
            thread,
            bytes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(ThreadId, u64)>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut taken = self.budget.lock();
        if let Some(index) = taken
            .iter()
            .position(|share| *share == (self.thread, self.bytes))
        {
            taken.swap_remove(index);
        }
        self.budget.less.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn threads_wait_until_there_is_room() {
        let budget = Budget::new(100);
        let (now, most) = (AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for number in 0..16_u64 {
                let (budget, now, most) = (&budget, &now, &most);
                scope.spawn(move || {
                    for bytes in [30, 100, 1 + number, 250, 60] {
                        let share = budget.take(bytes);
                        let sum = now.fetch_add(bytes, Ordering::SeqCst) + bytes;
                        most.fetch_max(sum, Ordering::SeqCst);
                        assert!(sum <= 100 || sum == 250, "{sum}");
                        thread::yield_now();
                        now.fetch_sub(bytes, Ordering::SeqCst);
                        drop(share);
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 250);
        assert!(budget.lock().is_empty());
    }

    #[test]
    fn a_thread_does_not_wait_for_itself() {
        let budget = Budget::new(100);
        let shares = [budget.take(80), budget.take(80), budget.take(300)];
        assert_eq!(budget.lock().len(), 3);
        drop(shares);
        assert!(budget.lock().is_empty());
    }

    #[test]
    fn patience_ends() {
        let budget = Budget::new(1);
        let share = budget.take_within(1, Duration::ZERO);
        assert!(share.is_some());
        let soon = Duration::from_millis(5);
        let wait = || budget.take_within(1, soon).is_some();
        assert!(!thread::scope(|scope| scope.spawn(wait).join().unwrap()));
        drop(share);
        assert!(thread::scope(|scope| scope.spawn(wait).join().unwrap()));
    }

    #[test]
    fn small_windows_are_not_counted() {
        assert!(share(SMALL).is_none());
        assert_eq!(share(SMALL + 1).map(|share| share.bytes), Some(SMALL + 1));
    }
}
