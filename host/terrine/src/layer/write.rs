//! The second look: headers and contents, once, in order.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::OFlags;
use terrine_tar::{END_OF_ARCHIVE, Kind, RECORD, padding};

use super::read::{opening, read_exact};
use super::{Entry, Error, Ownership, Store, Tree};
use crate::pipe::Feeder;

/// Feeds the archive of a layer: as many bytes as [`super::measure`] said, or an error.
///
/// # Errors
///
/// A file that can not be read or is not what it was, and an output that is closed.
pub fn write(
    feeder: &mut Feeder<'_>,
    store: &Store,
    tree: &Tree,
    ownership: &Ownership,
) -> Result<(), Error> {
    let mut written = 0;
    let mut block = Vec::new();
    tree.for_each(|entry| {
        block.clear();
        entry.header(ownership).encode(&mut block);
        feeder.put(&block)?;
        written += block.len() as u64;
        if entry.kind == Kind::File {
            content(feeder, store, &entry)?;
            feeder.zeros(padding(entry.size))?;
            written += entry.size + padding(entry.size);
        }
        Ok::<_, Error>(())
    })?;
    let size = (written + END_OF_ARCHIVE).next_multiple_of(RECORD);
    feeder.zeros(size - written)?;
    Ok(())
}

fn content(feeder: &mut Feeder<'_>, store: &Store, entry: &Entry<'_>) -> Result<(), Error> {
    let place = || store.locate(Path::new(OsStr::from_bytes(entry.path)));
    // Never waiting for a fifo's other end.
    let file = store
        .open_at(entry.path, OFlags::NONBLOCK)
        .map_err(|errno| opening(&place(), errno))?;
    read_exact(feeder, file, place, entry.size)
}
