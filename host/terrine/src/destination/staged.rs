//! Bytes that wait for their digest.

use std::fs::File;
use std::io::{self, Write};

use super::Error;
use crate::layout::{Layout, StagedFile};
use crate::source::FilePart;

/// Bytes of a blob on their way: written once, then kept under their digest or dropped, which
/// leaves nothing behind.
#[derive(Debug)]
pub enum Staged {
    /// In the layout that they are for.
    Layout(StagedFile),
    /// In a temporary file without a name.
    File(File),
}

impl Staged {
    /// A temporary file without a name.
    pub(super) fn temporary() -> Result<Self, Error> {
        tempfile::tempfile()
            .map(Self::File)
            .map_err(Error::temporary)
    }

    /// Returns the same bytes for another destination, where they wait in a file without a name.
    pub(super) fn share(&self) -> io::Result<Self> {
        match self {
            Self::File(file) => file.try_clone().map(Self::File),
            Self::Layout(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The temporary file that it is; `place` is where it should go.
    pub(super) fn into_file(self, place: String) -> Result<File, Error> {
        match self {
            Self::File(file) => Ok(file),
            Self::Layout(_) => Err(elsewhere(place)),
        }
    }

    /// The file of `layout` that it is. Bytes that wait elsewhere are copied there.
    pub(super) fn into_layout(self, layout: &Layout, size: u64) -> Result<StagedFile, Error> {
        let file = match self {
            Self::Layout(staged) => return Ok(staged),
            Self::File(file) => file,
        };
        let mut staged = layout.stage()?;
        io::copy(&mut FilePart::of(file, size), &mut staged).map_err(|source| Error::Staging {
            place: layout.path().display().to_string(),
            source,
        })?;
        Ok(staged)
    }
}

fn elsewhere(place: String) -> Error {
    let what = "a blob that was staged elsewhere".to_owned();
    Error::Unsupported {
        what,
        place,
        hint: "this is a bug in terrine",
    }
}

impl Write for Staged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Layout(staged) => staged.write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Layout(staged) => staged.flush(),
            Self::File(file) => file.flush(),
        }
    }
}
