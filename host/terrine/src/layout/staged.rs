//! Temporary files of a layout, and those that nobody needs any more.
//!
//! Whoever writes one holds a lock on it, which the kernel releases when the process is gone,
//! however it goes. So one that can be locked has no owner.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::{Errno, retry_on_intr};
use tempfile::NamedTempFile;

const PREFIX: &str = ".terrine-";
const SUFFIX: &str = ".part";
/// The number of attempts to make a file that another process may remove before it is locked.
const ATTEMPTS: usize = 100;

/// The temporary files of one layout in this process that have no other name yet: what is to be
/// removed when a signal ends it. Clones are of the same layout.
#[derive(Debug, Clone, Default)]
pub struct Pending(Arc<Mutex<BTreeSet<PathBuf>>>);

/// Temporary files that were removed. As long as this is held, none is made or gets its name.
#[derive(Debug)]
#[must_use = "others go on when it is dropped"]
pub struct Abandoned<'p>(
    #[expect(dead_code, reason = "held, not used")] MutexGuard<'p, BTreeSet<PathBuf>>,
);

impl Pending {
    /// Removes all. Whoever writes them waits as long as what this returns is held.
    pub fn abandon(&self) -> Abandoned<'_> {
        let mut paths = self.lock();
        for path in std::mem::take(&mut *paths) {
            // There is nobody left to tell.
            let _ = fs::remove_file(path);
        }
        Abandoned(paths)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A temporary file of a layout. Dropped, it is gone.
#[derive(Debug)]
pub struct StagedFile {
    /// None when it has got its name.
    temporary: Option<NamedTempFile>,
    pending: Pending,
}

impl StagedFile {
    pub(super) fn new(directory: &Path, pending: &Pending) -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            let mut paths = pending.lock();
            let temporary = tempfile::Builder::new()
                .prefix(PREFIX)
                .suffix(SUFFIX)
                // What a new file gets, less what the user's mask takes away.
                .permissions(Permissions::from_mode(0o644))
                .tempfile_in(directory)?;
            paths.insert(temporary.path().to_owned());
            drop(paths);
            let staged = Self {
                temporary: Some(temporary),
                pending: pending.clone(),
            };
            if claim(staged.file()?)? {
                return Ok(staged);
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// The file itself.
    pub(super) fn file(&self) -> io::Result<&File> {
        // Only what is being dropped has none.
        self.temporary
            .as_ref()
            .map(NamedTempFile::as_file)
            .ok_or(io::ErrorKind::NotFound.into())
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
        mut self,
        rename: impl FnOnce(tempfile::TempPath) -> Result<(), tempfile::PathPersistError>,
    ) -> io::Result<()> {
        let lock = self.file()?.try_clone()?;
        let temporary = self.temporary.take().ok_or(io::ErrorKind::NotFound)?;
        let mut paths = self.pending.lock();
        paths.remove(temporary.path());
        let (file, temporary) = temporary.into_parts();
        // What could not be written may only be told here.
        nix::unistd::close(file)?;
        // A failure removes it, before anything else can happen.
        rename(temporary).map_err(|error| error.error)?;
        drop((paths, lock));
        Ok(())
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            let mut paths = self.pending.lock();
            paths.remove(temporary.path());
            drop(temporary);
        }
    }
}

impl Write for StagedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file()?.write(bytes)
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

/// Reports whether a name is that of one of our temporary files.
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
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags.cast_signed())
        .open(path)?;
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
