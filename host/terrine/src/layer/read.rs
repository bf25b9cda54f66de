//! Reading a file of a size that is already promised.

use std::cmp::Ordering;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::io::{Errno, read, retry_on_intr};

use super::feed::reading;
use super::{Change, Error, Seen};
use crate::pipe::{Feeder, FileFailure, FileFault, MovedFile, Stamp};

/// Feeds exactly `size` bytes of a file, and shows them to `seen`. `path` is asked for what errors
/// call it.
///
/// # Errors
///
/// A file that has fewer bytes or more, one that cannot be read, and one that another pass read and that has changed.
pub(crate) fn read_exact(
    feeder: &mut Feeder<'_>,
    file: OwnedFd,
    path: impl Fn() -> PathBuf,
    size: u64,
    seen: Option<&Seen<'_>>,
) -> Result<(), Error> {
    let changed = |change| {
        let path = path();
        Err(Error::Changed { path, change })
    };
    let io = |errno: Errno| reading(&path(), errno);
    let mut before = None;
    if let Some(pass) = feeder.pass() {
        let stamp = Stamp::of(file.as_fd()).map_err(io)?;
        if !pass.agrees(stamp) {
            return changed(change(size, stamp.size()));
        }
        // One of another size is read, which tells more.
        if seen.is_none() && stamp.size() == size && feeder.moves_file(size) {
            let path = path();
            return Ok(feeder.move_file(MovedFile {
                file,
                size,
                stamp,
                path,
            })?);
        }
        before = Some(stamp);
    }
    read_all(feeder, &file, &path, size, seen)?;
    if let Some(before) = before {
        let after = Stamp::of(file.as_fd()).map_err(io)?;
        if !after.agrees(&before) {
            return changed(change(size, after.size()));
        }
    }
    Ok(())
}

/// Returns the change of a file that had so many bytes, and now has others.
pub(crate) fn change(before: u64, now: u64) -> Change {
    match now.cmp(&before) {
        Ordering::Less => Change::Shrank,
        Ordering::Equal => Change::Written,
        Ordering::Greater => Change::Grew,
    }
}

fn read_all(
    feeder: &mut Feeder<'_>,
    file: &OwnedFd,
    path: &impl Fn() -> PathBuf,
    size: u64,
    seen: Option<&Seen<'_>>,
) -> Result<(), Error> {
    let io = |errno: Errno| reading(&path(), errno);
    let changed = |change| {
        let path = path();
        Err(Error::Changed { path, change })
    };
    let mut rest = size;
    let mut ended = false;
    while rest > 0 {
        let spare = feeder.spare()?;
        // One byte more than is expected, where there is room: if it is not there
        // the end of the file has been seen as well.
        let wanted = usize::try_from(rest)
            .map_or(spare.len(), |rest| spare.len().min(rest.saturating_add(1)));
        let count = retry_on_intr(|| read(file, &mut spare[..wanted])).map_err(io)?;
        match count {
            0 => return changed(Change::Shrank),
            _ if count as u64 > rest => return changed(Change::Grew),
            _ => {
                if let Some(seen) = seen {
                    seen(&spare[..count]);
                }
                feeder.advance(count);
            }
        }
        rest -= count as u64;
        ended = count < wanted;
    }
    if !ended && retry_on_intr(|| read(file, &mut [0; 1])).map_err(io)? > 0 {
        return changed(Change::Grew);
    }
    Ok(())
}

impl From<FileFailure> for Error {
    fn from(FileFailure { path, size, fault }: FileFailure) -> Self {
        let change = match fault {
            FileFault::Reading(source) => {
                return Self::Io {
                    action: "reading",
                    path,
                    source,
                };
            }
            FileFault::Shrank => Change::Shrank,
            FileFault::Changed(now) => change(size, now),
        };
        Self::Changed { path, change }
    }
}

/// Returns what an error on opening a file that was there a moment ago means.
pub(crate) fn opening(path: &Path, errno: Errno) -> Error {
    let path = path.to_owned();
    match errno {
        Errno::NOENT => Error::Changed {
            path,
            change: Change::Vanished,
        },
        // A symbolic link, which may lead out, a directory on the way that is none any more, a socket.
        Errno::LOOP | Errno::XDEV | Errno::NOTDIR | Errno::NXIO => Error::Changed {
            path,
            change: Change::Replaced,
        },
        _ => Error::Io {
            action: "opening",
            path,
            source: io::Error::from(errno),
        },
    }
}
