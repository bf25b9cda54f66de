//! Outputs, and moving the bytes of files to them without reading these.

use std::io::Write;
use std::os::fd::BorrowedFd;

/// An output.
pub struct Outlet<'o> {
    pub(super) writer: &'o mut (dyn Write + Send),
    mover: Option<Mover<'o>>,
}

/// A pipe or a file that the system moves bytes of files to.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "there is no such way")
)]
struct Mover<'o> {
    descriptor: BorrowedFd<'o>,
    is_pipe: bool,
}

impl<'o> Outlet<'o> {
    /// An output of which nothing else is known.
    pub fn new(writer: &'o mut (dyn Write + Send)) -> Self {
        Self {
            writer,
            mover: None,
        }
    }

    /// An output that is an open file, and writes nowhere else.
    pub fn of_file(writer: &'o mut (dyn Write + Send), descriptor: BorrowedFd<'o>) -> Self {
        Self {
            writer,
            mover: Mover::new(descriptor),
        }
    }

    /// Returns what writes to it.
    pub fn into_writer(self) -> &'o mut (dyn Write + Send) {
        self.writer
    }

    /// Returns whether it takes bytes of files that nobody reads.
    pub(crate) fn moves_files(&self) -> bool {
        self.mover.is_some()
    }

    /// Moves up to `size` bytes of a file, from where it is read next, and calls `moved` with their numbers. Returns how many
    /// there were: fewer at the file's end, and where something does not work. Reading and writing then tell what.
    pub(super) fn move_file(
        &mut self,
        file: BorrowedFd<'_>,
        size: u64,
        moved: &impl Fn(u64),
    ) -> u64 {
        let Some(mover) = self.mover else {
            return 0;
        };
        let mut total = 0;
        while total < size {
            match mover.step(file, size - total) {
                Some(0) => break,
                Some(count) => {
                    total += count;
                    moved(count);
                }
                None => {
                    self.mover = None;
                    break;
                }
            }
        }
        total
    }
}

#[cfg(target_os = "linux")]
impl<'o> Mover<'o> {
    fn new(descriptor: BorrowedFd<'o>) -> Option<Self> {
        use rustix::fs::{FileType, fstat};
        let kind = FileType::from_raw_mode(fstat(descriptor).ok()?.st_mode);
        matches!(kind, FileType::Fifo | FileType::RegularFile).then_some(Self {
            descriptor,
            is_pipe: kind == FileType::Fifo,
        })
    }

    /// Moves some bytes; none if that does not work.
    fn step(self, file: BorrowedFd<'_>, size: u64) -> Option<u64> {
        use rustix::fs::copy_file_range;
        use rustix::io::retry_on_intr;
        use rustix::pipe::{SpliceFlags, splice};
        /// The most bytes that are moved before the observer hears of them: what a large pipe holds.
        const STEP: usize = 1 << 20;
        let length = usize::try_from(size).map_or(STEP, |size| size.min(STEP));
        let count = retry_on_intr(|| {
            if self.is_pipe {
                splice(
                    file,
                    None,
                    self.descriptor,
                    None,
                    length,
                    SpliceFlags::empty(),
                )
            } else {
                copy_file_range(file, None, self.descriptor, None, length)
            }
        });
        count.ok().map(|count| count as u64)
    }
}

#[cfg(not(target_os = "linux"))]
impl<'o> Mover<'o> {
    /// Other systems have no such way.
    fn new(_: BorrowedFd<'o>) -> Option<Self> {
        None
    }

    fn step(self, _: BorrowedFd<'_>, _: u64) -> Option<u64> {
        None
    }
}
