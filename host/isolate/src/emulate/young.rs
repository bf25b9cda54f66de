//! Files that are kept from being reused.
//!
//! A file that is removed gives its number to the next one. While the clock of the file system stands still, both have the
//! same time of birth as well, and nothing tells them apart. So a file with a record stays open, as a place, until a new
//! one would have a later time: as long as it is open, its number is its own.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use super::clock::{self, Time};

/// The most files that are open for this. Programs have 1,024 at least.
const MOST: usize = 256;

/// The files that are kept open, the first ones first.
#[derive(Debug, Default)]
pub(crate) struct Young(VecDeque<(Option<Time>, OwnedFd)>);

/// Returns the time of birth; none where the file system keeps none.
fn birth(found: &libc::statx) -> Option<Time> {
    let birth = found.stx_btime;
    (found.stx_mask & libc::STATX_BTIME != 0).then_some((birth.tv_sec, birth.tv_nsec))
}

/// Returns whether a new file could get the numbers of this one.
fn is_young(birth: Option<Time>) -> bool {
    birth.is_none_or(|birth| !clock::is_past(birth))
}

impl Young {
    /// Keeps a file that was found if it is young. `open` opens it, as a place only: a program that is open for writing
    /// cannot be started.
    pub(crate) fn keep(&mut self, found: &libc::statx, open: impl FnOnce() -> Option<OwnedFd>) {
        self.release();
        let birth = birth(found);
        if !is_young(birth) {
            return;
        }
        if self.0.len() == MOST {
            self.drop_first();
        }
        if let Some(file) = open() {
            self.0.push_back((birth, file));
        }
    }

    /// Lets go of those that are no longer young.
    pub(crate) fn release(&mut self) {
        while let Some((birth, _)) = self.0.front()
            && !is_young(*birth)
        {
            self.0.pop_front();
        }
    }

    /// Makes room: the first one has to be old. Without a time of birth it never is, nor soon where seconds are kept.
    fn drop_first(&mut self) {
        if let Some((Some(birth), _)) = self.0.pop_front()
            && birth.1 != 0
        {
            clock::pass(birth);
        }
    }
}
