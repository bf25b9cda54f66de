//! The entries of a layer's archive: a header, then a content, file by file.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::feed::feed_visited;
use super::{Error, Measure};
use crate::pipe::Feeder;

/// The entries of a layer that is yet to be made. Their headers and sizes are known, and no
/// content has been read.
pub trait Entries: Send + Sync {
    /// Returns the archive's size, and a digest of everything but the contents.
    fn measure(&self) -> Measure;

    /// Calls `visit` with each entry in the order of the archive, up to the first error.
    ///
    /// # Errors
    ///
    /// An entry that is not what it was, and what `visit` returns.
    fn visit(&self, visit: &mut Visit<'_>) -> Result<(), Error>;

    /// Feeds the archive: as many bytes as [`Entries::measure`] says, or an error. Contents are read once.
    ///
    /// # Errors
    ///
    /// As [`Entries::visit`], and an output that is closed.
    fn feed(&self, feeder: &mut Feeder<'_>) -> Result<(), Error> {
        feed_visited(feeder, self)
    }
}

/// Takes one entry after the other.
pub type Visit<'v> = dyn FnMut(ArchiveEntry<'_>) -> Result<(), Error> + 'v;

/// Is shown bytes as they are read.
pub type Seen<'s> = dyn Fn(&[u8]) + 's;

/// One entry of an archive.
#[derive(Debug)]
pub struct ArchiveEntry<'a> {
    /// The blocks of its header, extended headers included.
    pub header: &'a [u8],
    /// The size of its content in bytes.
    pub size: u64,
    /// Its content.
    pub content: EntryContent<'a>,
    /// The zero bytes that follow the content.
    pub padding: u64,
}

impl<'a> ArchiveEntry<'a> {
    /// An entry whose content is filled up to a whole block.
    pub fn new(header: &'a [u8], size: u64, content: EntryContent<'a>) -> Self {
        Self {
            header,
            size,
            content,
            padding: terrine_tar::padding(size),
        }
    }

    /// The bytes that the entry has in the archive, padding included.
    pub fn stored(&self) -> u64 {
        self.header.len() as u64 + self.size + self.padding
    }
}

/// The content of an entry.
pub enum EntryContent<'a> {
    /// There is none.
    None,
    /// It is in memory.
    Inline(&'a [u8]),
    /// It is a whole file of this machine.
    File {
        /// Opens the file.
        open: &'a dyn Fn() -> Result<OwnedFd, Error>,
        /// Returns the path that errors call the file by.
        path: &'a dyn Fn() -> PathBuf,
        /// Is shown the bytes as they are read.
        seen: Option<&'a Seen<'a>>,
    },
    /// It is part of an open file.
    Part {
        /// The file.
        file: &'a File,
        /// The path that errors call the file by.
        path: &'a Path,
        /// The offset of the content in the file, in bytes.
        offset: u64,
    },
}

impl std::fmt::Debug for EntryContent<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Inline(bytes) => write!(f, "Inline({} bytes)", bytes.len()),
            Self::File { path, .. } => write!(f, "File({})", path().display()),
            Self::Part { path, offset, .. } => write!(f, "Part({} at {offset})", path.display()),
        }
    }
}
