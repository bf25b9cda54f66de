//! Files that are kept from being reused.
//!
//! A file that is removed gives its number to the next one. While the clock of the file system stands still, both have the
//! same time of birth as well, and nothing tells them apart. So a file with a record stays open, as a place, until a new
//! one would have a later time: as long as it is open, its number is its own.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::clock::{self, Time};
use super::records::Key;

/// The most files that are open for this. Programs have 1,024 at least.
const MOST: usize = 256;
/// The longest step of a clock that is waited for.
const STEP: Duration = Duration::from_millis(20);

/// A file that is kept open.
#[derive(Debug)]
struct Kept {
    key: Key,
    birth: Time,
    _file: OwnedFd,
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
    /// cannot be started. Returns false if it is gone, and its numbers may be those of a new file.
    pub(crate) fn keep(
        &mut self,
        found: &libc::statx,
        open: impl FnOnce() -> Option<OwnedFd>,
    ) -> bool {
        self.release();
        let key = Key::of(found);
        let Some(birth) = young(found) else {
            return true;
        };
        if self.0.iter().any(|kept| kept.key == key) {
            return true;
        }
        if self.0.len() == MOST {
            self.drop_first();
        }
        let opened = open();
        let is_there = opened.is_some();
        self.0.extend(opened.map(|file| Kept {
            key,
            birth,
            _file: file,
        }));
        is_there
    }

    /// Returns true if no file is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lets go of those that are no longer young: removed ones take up space until then.
    pub(crate) fn release(&mut self) {
        self.0.retain(|kept| !clock::is_past(kept.birth));
    }

    /// Makes room: the first one has to be old. That takes too long where whole seconds are kept.
    fn drop_first(&mut self) {
        if let Some(first) = self.0.pop_front()
            && first.birth.1 != 0
        {
            clock::pass(first.birth, STEP);
        }
    }
}
