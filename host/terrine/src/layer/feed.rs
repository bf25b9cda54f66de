//! Writing a layer's archive: headers and contents, once, in order.

use std::fs::File;
use std::path::Path;

use rustix::io::{Errno, pread, retry_on_intr};

use super::{ArchiveEntry, Change, Entries, EntryContent, Error, read_exact};
use crate::pipe::Feeder;

/// Feeds the archive of a layer: as many bytes as [`Entries::measure`] says, or an error.
///
/// # Errors
///
/// A file that cannot be read or is not what it was, and an output that is closed.
pub fn feed(feeder: &mut Feeder<'_>, entries: &dyn Entries) -> Result<(), Error> {
    entries.feed(feeder)
}

/// Feeds what `entries` visits.
pub(super) fn feed_visited(
    feeder: &mut Feeder<'_>,
    entries: &(impl Entries + ?Sized),
) -> Result<(), Error> {
    let size = entries.measure().size;
    let mut written = 0;
    entries.visit(&mut |entry| {
        written += entry.stored();
        feed_entry(feeder, &entry)
    })?;
    // Empty blocks end an archive, and fill its last record.
    feeder.zeros(size.saturating_sub(written))?;
    Ok(())
}

pub(super) fn feed_entry(feeder: &mut Feeder<'_>, entry: &ArchiveEntry<'_>) -> Result<(), Error> {
    feeder.put(entry.header)?;
    match entry.content {
        EntryContent::None => {}
        EntryContent::Inline(bytes) => feeder.put(bytes)?,
        EntryContent::File { open, path, seen } => {
            read_exact(feeder, open()?, path, entry.size, seen)?;
        }
        EntryContent::Part { file, path, offset } => {
            read_part(feeder, file, path, offset, entry.size)?;
        }
    }
    feeder.zeros(entry.padding)?;
    Ok(())
}

/// Feeds part of a file.
fn read_part(
    feeder: &mut Feeder<'_>,
    file: &File,
    path: &Path,
    mut offset: u64,
    size: u64,
) -> Result<(), Error> {
    let end = offset + size;
    while offset < end {
        let spare = feeder.spare()?;
        let length =
            usize::try_from(end - offset).map_or(spare.len(), |rest| spare.len().min(rest));
        let count = retry_on_intr(|| pread(file, &mut spare[..length], offset))
            .map_err(|errno| reading(path, errno))?;
        if count == 0 {
            return Err(Error::Changed {
                path: path.to_owned(),
                change: Change::Shrank,
            });
        }
        feeder.advance(count);
        offset += count as u64;
    }
    Ok(())
}

/// Returns the error of a file that cannot be read.
pub(super) fn reading(path: &Path, errno: Errno) -> Error {
    Error::Io {
        action: "reading",
        path: path.to_owned(),
        source: errno.into(),
    }
}
