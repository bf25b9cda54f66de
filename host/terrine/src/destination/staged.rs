//! Bytes that wait for their digest.

use std::fs::File;
use std::io::{self, Write};

use super::Error;
use crate::layout;

/// Bytes of a blob on their way: written once, then kept under their digest or dropped, which
/// leaves nothing behind.
#[derive(Debug)]
pub enum Staged {
    /// In the layout that they are for.
    Layout(layout::StagedFile),
    /// In a temporary file without a name.
    File(File),
}

impl Staged {
    /// A temporary file without a name.
    pub(super) fn temporary() -> Result<Self, Error> {
        let place = std::env::temp_dir().display().to_string();
        tempfile::tempfile()
            .map(Self::File)
            .map_err(|source| Error::Staging { place, source })
    }

    /// The temporary file that it is; `place` is where it should go.
    pub(super) fn into_file(self, place: String) -> Result<File, Error> {
        match self {
            Self::File(file) => Ok(file),
            Self::Layout(_) => Err(elsewhere(place)),
        }
    }

    /// The file of a layout that it is; `place` is where it should go.
    pub(super) fn into_layout(self, place: String) -> Result<layout::StagedFile, Error> {
        match self {
            Self::Layout(staged) => Ok(staged),
            Self::File(_) => Err(elsewhere(place)),
        }
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
