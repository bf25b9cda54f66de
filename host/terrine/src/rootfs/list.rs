//! Directories of this machine.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::io::Errno;

use super::{Error, Origin};
use crate::beneath::{self, Beneath, Found};
use crate::layer;

/// The entries of an open directory in the order of their names, so that the same trees give
/// the same errors.
pub(super) fn children(
    directory: &OwnedFd,
    at: &Beneath,
    below: &[u8],
) -> Result<Vec<Found>, layer::Error> {
    sorted(directory, &at.place(below))
}

/// The same of a directory that is known by its place.
pub(super) fn sorted(directory: &OwnedFd, place: &Path) -> Result<Vec<Found>, layer::Error> {
    let mut children = beneath::list(directory).map_err(|(name, errno)| {
        let place = if name.is_empty() {
            place.to_owned()
        } else {
            place.join(std::ffi::OsStr::from_bytes(&name))
        };
        match errno {
            Errno::LOOP | Errno::XDEV | Errno::NOTDIR => layer::opening(&place, errno),
            _ => failed("listing", &place, errno.into()),
        }
    })?;
    children.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(children)
}

/// Opens what is to be joined at the root: a directory, or a link to one.
pub(super) fn open(source: &Path, origin: &Origin) -> Result<Beneath, Error> {
    let failed = |error| failed("examining", source, error);
    if !fs::metadata(source).map_err(failed)?.is_dir() {
        return Err(Error::NotDirectory {
            origin: origin.clone(),
        });
    }
    Ok(Beneath::open(source).map_err(failed)?)
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
