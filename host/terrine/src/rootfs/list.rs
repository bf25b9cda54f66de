//! Directories of this machine.

use std::ffi::OsString;
use std::fs::{self, FileType};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use super::{Error, Origin};
use crate::layer;

/// An entry of a directory.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) name: OsString,
    pub(super) kind: FileType,
}

/// The entries of a directory in the order of their names, so that the same trees give
/// the same errors.
pub(super) fn children(directory: &Path) -> Result<Vec<Child>, layer::Error> {
    let failed = |error| failed("listing", directory, error);
    let mut children = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        children.push(Child {
            name: entry.file_name(),
            kind: entry.file_type().map_err(failed)?,
        });
    }
    children.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(children)
}

/// Checks that what is to be joined at the root is a directory, or a link to one.
pub(super) fn check_directory(source: &Path, origin: &Origin) -> Result<(), Error> {
    let found = fs::metadata(source).map_err(|error| failed("looking at", source, error))?;
    if found.is_dir() {
        Ok(())
    } else {
        Err(Error::NotDirectory {
            origin: origin.clone(),
        })
    }
}

/// What it is that a layer can not hold.
pub(super) fn describe(kind: FileType) -> &'static str {
    match kind {
        kind if kind.is_fifo() => "fifo",
        kind if kind.is_socket() => "socket",
        kind if kind.is_char_device() => "character device",
        kind if kind.is_block_device() => "block device",
        _ => "file of an unknown kind",
    }
}

pub(super) fn failed(action: &'static str, path: &Path, source: io::Error) -> layer::Error {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => layer::Error::Missing { path },
        _ => layer::Error::Io {
            action,
            path,
            source,
        },
    }
}
