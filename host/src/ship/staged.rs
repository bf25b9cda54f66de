//! Bytes that wait for their digest.

use std::fs::File;
use std::io::{self, Write};

use crate::layout;

/// Bytes of a blob on their way: written once, then kept under their digest or dropped, which
/// leaves nothing behind.
#[derive(Debug)]
pub enum Staged {
    /// In the layout that they are for.
    Layout(layout::Staged),
    /// In a temporary file without a name.
    File(File),
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
