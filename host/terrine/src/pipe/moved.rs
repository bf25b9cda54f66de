//! Files whose bytes are moved to the output, and not read.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use super::{Outlet, Stamp};

/// A file whose bytes are moved to the output.
#[derive(Debug)]
pub(crate) struct MovedFile {
    /// The file, which is read from its start.
    pub(crate) file: OwnedFd,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// The stamp that it had before.
    pub(crate) stamp: Stamp,
    /// The path that errors call it by.
    pub(crate) path: PathBuf,
}

/// A file that could not be moved.
#[derive(Debug)]
pub(crate) struct FileFailure {
    /// Its path.
    pub(crate) path: PathBuf,
    /// The size in bytes that it had before.
    pub(crate) size: u64,
    /// The reason.
    pub(crate) fault: FileFault,
}

/// A reason why a file could not be moved.
#[derive(Debug)]
pub(crate) enum FileFault {
    /// It cannot be read.
    Reading(io::Error),
    /// It has fewer bytes than it had.
    Shrank,
    /// It is not what it was before. It has so many bytes now.
    Changed(u64),
}

/// A failure of a file or of the output.
pub(super) enum MoveError {
    File(FileFailure),
    Output(io::Error),
}

impl MovedFile {
    /// Moves the file to the output, and calls `written` with numbers of bytes. What the system does not move is read
    /// and written.
    pub(super) fn to(self, out: &mut Outlet<'_>, written: impl Fn(u64)) -> Result<(), MoveError> {
        let moved = out.move_file(self.file.as_fd(), self.size, &written);
        let file = File::from(self.file);
        let failed = |fault| {
            MoveError::File(FileFailure {
                path: self.path.clone(),
                size: self.size,
                fault,
            })
        };
        let mut rest = self.size - moved;
        let mut buffer = vec![0; if rest > 0 { 128 << 10 } else { 0 }];
        while rest > 0 {
            let wanted = usize::try_from(rest).map_or(buffer.len(), |rest| buffer.len().min(rest));
            match (&file).read(&mut buffer[..wanted]) {
                Ok(0) => return Err(failed(FileFault::Shrank)),
                Ok(count) => {
                    out.writer
                        .write_all(&buffer[..count])
                        .map_err(MoveError::Output)?;
                    written(count as u64);
                    rest -= count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(FileFault::Reading(error))),
            }
        }
        match Stamp::of(file.as_fd()) {
            Ok(stamp) if stamp.agrees(&self.stamp) => Ok(()),
            Ok(stamp) => Err(failed(FileFault::Changed(stamp.size()))),
            Err(errno) => Err(failed(FileFault::Reading(errno.into()))),
        }
    }
}
