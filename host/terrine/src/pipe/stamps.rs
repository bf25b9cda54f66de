//! Files that are read twice, by two passes: neither may change between the two.
//!
//! The kernel sets a file's ctime whenever its content or its metadata change, and nobody else can. So a file that has the
//! same ctime before the first reading and after the second did not change in between, to the resolution of
//! that clock (Linux 6.13 and newer: each change that follows a look is told apart).
//!
//! Stores deduplicate files at any time: a file gets another link, which sets its ctime, or its name becomes a link to
//! a file of the same content. That is no change. So where the number of links or the inode are others, only size and mtime are
//! compared.

use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{Stat, fstat};
use rustix::io::Errno;

/// The stamps of the files of an archive, in its order, as far as one of the passes has come.
#[derive(Debug, Default)]
pub(crate) struct Stamps(Mutex<Vec<Stamp>>);

/// The facts that tell a file from what it was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    links: u64,
    size: i64,
    modified: (i64, u64),
    changed: (i64, u64),
}

/// One pass over the files.
#[derive(Debug)]
pub(crate) struct Pass {
    stamps: Arc<Stamps>,
    next: usize,
}

impl Stamp {
    /// Returns the size of the file, in bytes.
    pub(crate) fn size(&self) -> u64 {
        u64::try_from(self.size).unwrap_or(0)
    }

    /// Returns whether the file has the content that it had with another stamp.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        let is_same = |stamp: &Self| (stamp.device, stamp.inode, stamp.links);
        let is_deduplicated = is_same(self) != is_same(other);
        self.size == other.size
            && self.modified == other.modified
            && (is_deduplicated || self.changed == other.changed)
    }

    /// Returns the stamp of an open file.
    ///
    /// # Errors
    ///
    /// A file system that does not say.
    pub(crate) fn of(file: BorrowedFd<'_>) -> Result<Self, Errno> {
        fstat(file).map(Self::from)
    }
}

#[allow(
    clippy::unnecessary_cast,
    reason = "the types of numbers are others on each system"
)]
impl From<Stat> for Stamp {
    fn from(stat: Stat) -> Self {
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            links: stat.st_nlink as u64,
            size: stat.st_size as i64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u64),
        }
    }
}

impl Pass {
    pub(super) fn new(stamps: Arc<Stamps>) -> Self {
        Self { stamps, next: 0 }
    }

    /// Returns whether the next file is what it was for the other pass, if that has come here. Both are asked about the
    /// same files in the same order.
    pub(crate) fn agrees(&mut self, stamp: Stamp) -> bool {
        let number = self.next;
        self.next += 1;
        let mut stamps = self.stamps.0.lock().unwrap_or_else(PoisonError::into_inner);
        match stamps.get(number) {
            Some(known) => known.agrees(&stamp),
            None => {
                stamps.push(stamp);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn the_pass_that_comes_second_sees_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let stamp = |name: &str| Stamp::of(File::open(path(name)).unwrap().as_fd()).unwrap();
        fs::write(path("a"), "a").unwrap();
        fs::write(path("b"), "b").unwrap();
        let stamps = Arc::default();
        let (mut first, mut second) = (Pass::new(Arc::clone(&stamps)), Pass::new(stamps));
        assert!(first.agrees(stamp("a")));
        // Each is the first at one of them.
        assert!(second.agrees(stamp("a")));
        let before = stamp("b");
        assert!(second.agrees(before));
        // The clock of the file system is that of the kernel's ticks.
        while stamp("b").agrees(&before) {
            fs::write(path("b"), "x").unwrap();
        }
        assert!(!first.agrees(stamp("b")));
    }

    #[test]
    fn another_link_is_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let stamp = |name: &str| Stamp::of(File::open(path(name)).unwrap().as_fd()).unwrap();
        let old = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
        for (name, content) in [("a", "same"), ("b", "same"), ("c", "longer")] {
            fs::write(path(name), content).unwrap();
            File::options()
                .write(true)
                .open(path(name))
                .unwrap()
                .set_times(old)
                .unwrap();
        }
        let before = stamp("a");
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::hard_link(path("a"), path("link")).unwrap();
        assert_ne!(stamp("a").changed, before.changed);
        assert!(stamp("a").agrees(&before));
        // As Nix does it: another file of the same content takes the name.
        fs::rename(path("b"), path("a")).unwrap();
        assert!(stamp("a").agrees(&before));
        fs::rename(path("c"), path("a")).unwrap();
        assert!(!stamp("a").agrees(&before));
    }
}
