//! Entries of store paths on disk, with the permissions that everything in a store has (libstore,
//! `canonicalisePathMetaData`): 0555 for directories and executables, 0444 for other files.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use terrine_binary_cache::NarKind;

use super::Error;

/// The permissions of directories and executables.
const EXECUTABLE: u32 = 0o555;
/// The permissions of other files.
const FILE: u32 = 0o444;
/// The permissions of a directory that something is put into, or removed from.
const OPEN: u32 = 0o755;

/// A store path that is written to disk, entry by entry.
pub(super) struct Writer<'a> {
    place: &'a Path,
    /// The directories, which are closed to writing when everything is in them.
    directories: Vec<PathBuf>,
}

impl<'a> Writer<'a> {
    /// Writes to `place`, where nothing is.
    pub(super) fn new(place: &'a Path) -> Self {
        Self {
            place,
            directories: vec![],
        }
    }

    /// Writes an entry, each directory before what is in it. Returns the open file if it is one.
    pub(super) fn entry(&mut self, path: &[u8], kind: &NarKind<'_>) -> Result<Option<File>, Error> {
        let at = match path {
            b"" => self.place.to_owned(),
            path => self.place.join(OsStr::from_bytes(path)),
        };
        self.write(&at, kind)
            .map_err(|source| Error::Write { path: at, source })
    }

    fn write(&mut self, at: &Path, kind: &NarKind<'_>) -> io::Result<Option<File>> {
        match kind {
            NarKind::Directory => {
                fs::create_dir(at)?;
                fs::set_permissions(at, Permissions::from_mode(OPEN))?;
                self.directories.push(at.to_owned());
                Ok(None)
            }
            NarKind::Symlink { target } => {
                symlink(OsStr::from_bytes(target), at)?;
                Ok(None)
            }
            NarKind::Regular { executable, .. } => {
                let file = File::options().write(true).create_new(true).open(at)?;
                let mode = if *executable { EXECUTABLE } else { FILE };
                file.set_permissions(Permissions::from_mode(mode))?;
                Ok(Some(file))
            }
        }
    }

    /// Ends: nothing more is written.
    pub(super) fn finish(self) -> Result<(), Error> {
        for path in self.directories {
            fs::set_permissions(&path, Permissions::from_mode(EXECUTABLE))
                .map_err(|source| Error::Write { path, source })?;
        }
        Ok(())
    }
}

/// Puts `new` in the place of an outline, if there is one.
pub(super) fn replace(new: &Path, place: &Path) -> Result<(), Error> {
    let moved = remove(place).and_then(|()| {
        // A directory that is moved has to be one that can be written to.
        let metadata = fs::symlink_metadata(new)?;
        if metadata.is_dir() {
            fs::set_permissions(new, Permissions::from_mode(OPEN))?;
        }
        fs::rename(new, place)?;
        if metadata.is_dir() {
            fs::set_permissions(place, metadata.permissions())?;
        }
        Ok(())
    });
    moved.map_err(|source| Error::Write {
        path: place.to_owned(),
        source,
    })
}

fn remove(place: &Path) -> io::Result<()> {
    match fs::symlink_metadata(place) {
        Ok(old) if old.is_dir() => {
            make_removable(place);
            fs::remove_dir_all(place)
        }
        Ok(_) => fs::remove_file(place),
        Err(_) => Ok(()),
    }
}

/// Opens a directory and all directories in it for removal, as far as that is possible.
pub(super) fn make_removable(directory: &Path) {
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        // What cannot be removed stays, as files that are deleted by others at the next start do.
        let _ = fs::set_permissions(&directory, Permissions::from_mode(OPEN));
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        open.extend(
            entries
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| entry.path()),
        );
    }
}
