//! A root as an archive.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::OFlags;
use terrine_tar::{END_OF_ARCHIVE, Kind, RECORD, gnu, padding};

use super::{Data, Entry, Root};
use crate::layer::{self, Change, Error, Measure, Measuring, Permissions};
use crate::pipe::Feeder;

/// The time of every entry, in seconds since 1970: 1980-01-01T00:00:00Z, which is what
/// `SOURCE_DATE_EPOCH` is where dockerTools runs tar (spec section 1).
pub const MTIME: i64 = 315_532_800;

/// Tells the archive's size and outline, which covers what [`Root::add`] was given as bytes
/// as well. No file is opened.
///
/// # Errors
///
/// An archive whose size can not be counted.
pub fn measure(root: &Root, permissions: &Permissions) -> Result<Measure, Error> {
    let mut measuring = Measuring::new();
    let mut block = Vec::new();
    for entry in root.entries() {
        block.clear();
        header(&owned(entry, permissions), &mut block);
        measuring.member(&block, entry.size);
        // No store path stands for what is only here.
        if let Data::Inline(bytes) = entry.data {
            measuring.outline(bytes);
        }
    }
    measuring
        .finish()
        .ok_or_else(|| Error::TooLarge { path: "/".into() })
}

/// Feeds the archive: as many bytes as [`measure`] said, or an error.
///
/// # Errors
///
/// A file that can not be read or is not what it was, and an output that is closed.
pub fn write(feeder: &mut Feeder<'_>, root: &Root, permissions: &Permissions) -> Result<(), Error> {
    let mut written = 0;
    let mut block = Vec::new();
    for entry in root.entries() {
        block.clear();
        header(&owned(entry, permissions), &mut block);
        feeder.put(&block)?;
        written += block.len() as u64;
        match entry.data {
            Data::None => continue,
            Data::Inline(bytes) => feeder.put(bytes)?,
            Data::Source(path) => content(feeder, path, entry.size)?,
        }
        feeder.zeros(padding(entry.size))?;
        written += entry.size + padding(entry.size);
    }
    let size = (written + END_OF_ARCHIVE).next_multiple_of(RECORD);
    feeder.zeros(size - written)?;
    Ok(())
}

/// Appends the headers of an entry, whose name starts with `./` (spec section 2.3).
fn header(entry: &Entry<'_>, out: &mut Vec<u8>) {
    let mut name = [b".", entry.path].concat();
    if entry.kind == Kind::Directory && !name.ends_with(b"/") {
        name.push(b'/');
    }
    let header = gnu::Header {
        name: &name,
        kind: entry.kind,
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        size: entry.size,
        mtime: MTIME,
        link: entry.link,
    };
    header.encode(out);
}

/// The entry with the permissions and owners that rules give it.
fn owned<'a>(mut entry: Entry<'a>, permissions: &Permissions) -> Entry<'a> {
    if let Some(rule) = permissions.find(entry.path) {
        if entry.kind != Kind::Symlink {
            entry.mode = rule.mode.unwrap_or(entry.mode);
        }
        entry.uid = rule.uid.unwrap_or(entry.uid);
        entry.gid = rule.gid.unwrap_or(entry.gid);
    }
    entry
}

fn content(feeder: &mut Feeder<'_>, path: &std::path::Path, size: u64) -> Result<(), Error> {
    // Never through a link, and never waiting for a fifo's other end.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let file = File::options()
        .read(true)
        .custom_flags(flags as i32)
        .open(path)
        .map_err(|source| {
            let path = path.to_owned();
            match source
                .raw_os_error()
                .map(rustix::io::Errno::from_raw_os_error)
            {
                Some(rustix::io::Errno::NOENT) => Error::Changed {
                    path,
                    change: Change::Vanished,
                },
                Some(
                    rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR | rustix::io::Errno::NXIO,
                ) => Error::Changed {
                    path,
                    change: Change::Replaced,
                },
                _ => Error::Io {
                    action: "opening",
                    path,
                    source,
                },
            }
        })?;
    layer::read_exact(feeder, file, || path.to_owned(), size)
}
