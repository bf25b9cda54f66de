//! Files that are kept from being reused.
//!
//! A file that is removed gives its number to the next one. While the clock of the file system stands still, both have the
//! same time of birth as well, and nothing tells them apart. So a file with a record stays open, as a place, until a new
//! one would have a later time: as long as it is open, its number is its own.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use super::clock::{self, Time};
use super::records::Key;

/// The most files that are open for this. Programs have 1,024 at least.
const MOST: usize = 256;
/// The longest step of a kernel's clock, and more.
const STEP: Duration = Duration::from_millis(20);
/// The longest step of a file system that keeps whole seconds.
const WHOLE_SECONDS: Duration = Duration::from_secs(2);

/// A file that is kept open.
#[derive(Debug)]
struct Kept {
    key: Key,
    birth: Time,
    since: Instant,
    _file: OwnedFd,
}

impl Kept {
    /// Returns whether no new file can get its numbers. The clock of a file system elsewhere may be ahead of this one.
    fn is_old(&self) -> bool {
        clock::is_past(self.birth) || self.since.elapsed() > self.longest()
    }

    /// Returns the longest time for which it is kept.
    fn longest(&self) -> Duration {
        if self.birth.1 == 0 {
            WHOLE_SECONDS
        } else {
            STEP
        }
    }
}

/// The files that are kept open, the first ones first.
#[derive(Debug, Default)]
pub(crate) struct Young(VecDeque<Kept>);

/// Returns the time of birth of a file that is young: a new file could get its numbers. Without times of birth none is, as
/// it would stay so.
fn young(found: &libc::statx) -> Option<Time> {
    let birth = (found.stx_btime.tv_sec, found.stx_btime.tv_nsec);
    (found.stx_mask & libc::STATX_BTIME != 0 && !clock::is_past(birth)).then_some(birth)
}

impl Young {
    /// Keeps a file that was found if it is young. `open` opens it, as a place only: a program that is open for writing
    /// cannot be started.
    pub(crate) fn keep(&mut self, found: &libc::statx, open: impl FnOnce() -> Option<OwnedFd>) {
        self.release();
        let key = Key::of(found);
        let Some(birth) = young(found) else {
            return;
        };
        if self.0.iter().any(|kept| kept.key == key) {
            return;
        }
        if self.0.len() == MOST {
            self.drop_first();
        }
        self.0.extend(open().map(|file| Kept {
            key,
            birth,
            since: Instant::now(),
            _file: file,
        }));
    }

    /// Returns true if no file is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lets go of those that are no longer young: removed ones take up space until then.
    pub(crate) fn release(&mut self) {
        self.0.retain(|kept| !kept.is_old());
    }

    /// Makes room: the first one has to be old. That takes too long where whole seconds are kept.
    fn drop_first(&mut self) {
        if let Some(first) = self.0.pop_front()
            && first.birth.1 != 0
        {
            clock::pass(first.birth, STEP.saturating_sub(first.since.elapsed()));
        }
    }
}
