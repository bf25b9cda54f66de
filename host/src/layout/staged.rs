//! Temporary files of a layout, and those that nobody needs any more.
//!
//! Whoever writes one holds a lock on it, which the kernel releases when the process is gone,
//! however it goes. So one that can be locked has no owner.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::{Errno, retry_on_intr};
use tempfile::NamedTempFile;

const PREFIX: &str = ".terrine-";
const SUFFIX: &str = ".part";
/// How often a file is made again that somebody sweeps away before it is locked.
const ATTEMPTS: usize = 100;

/// A temporary file of a layout. Dropped, it is gone.
#[derive(Debug)]
pub struct Staged {
    temporary: NamedTempFile,
}

impl Staged {
    pub(super) fn new(directory: &Path) -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            let temporary = tempfile::Builder::new()
                .prefix(PREFIX)
                .suffix(SUFFIX)
                // What a new file gets, less what the user's mask takes away.
                .permissions(Permissions::from_mode(0o644))
                .tempfile_in(directory)?;
            if claim(temporary.as_file())? {
                return Ok(Self { temporary });
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// The file itself.
    pub fn file(&self) -> &File {
        self.temporary.as_file()
    }

    /// Gives it its name, in place of what has it.
    pub(super) fn publish(self, path: &Path) -> io::Result<()> {
        self.named(|temporary| temporary.persist(path))
    }

    /// Gives it its name; what has it stays.
    pub(super) fn publish_new(self, path: &Path) -> io::Result<()> {
        match self.named(|temporary| temporary.persist_noclobber(path)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    /// Closes it and renames it. The lock is the file's and not the descriptor's, so that a
    /// second one keeps it in between.
    fn named(
        self,
        rename: impl FnOnce(tempfile::TempPath) -> Result<(), tempfile::PathPersistError>,
    ) -> io::Result<()> {
        let lock = self.file().try_clone()?;
        let (file, temporary) = self.temporary.into_parts();
        // What could not be written may only be told here.
        nix::unistd::close(file)?;
        rename(temporary).map_err(|error| error.error)?;
        drop(lock);
        Ok(())
    }
}

impl Write for Staged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.temporary.as_file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Locks a file that was just made; whether it is still there.
fn claim(file: &File) -> io::Result<bool> {
    match retry_on_intr(|| flock(file, FlockOperation::LockExclusive)) {
        Ok(()) => Ok(file.metadata()?.nlink() > 0),
        // Where nothing can be locked, nothing is swept.
        Err(Errno::NOTSUP | Errno::NOSYS | Errno::NOLCK | Errno::INVAL) => Ok(true),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether a file is one of ours by its name.
pub(super) fn is_name(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

/// Removes temporary files without an owner; how many there were.
pub(super) fn sweep(directory: &Path) -> io::Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if is_name(&entry.file_name().to_string_lossy())
            && entry.file_type()?.is_file()
            && remove(&entry.path()).unwrap_or(false)
        {
            count += 1;
        }
    }
    Ok(count)
}

/// Removes a temporary file unless it has an owner.
fn remove(path: &Path) -> io::Result<bool> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    // Some file systems only lock what can be written to.
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags.cast_signed()).open(path)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(false);
    }
    // It may have got its name, and another one this name, since it was opened.
    let (ours, there) = (file.metadata()?, fs::symlink_metadata(path)?);
    if (ours.dev(), ours.ino()) != (there.dev(), there.ino()) {
        return Ok(false);
    }
    fs::remove_file(path)?;
    Ok(true)
}
