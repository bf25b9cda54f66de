//! The bytes of a NAR around the contents of files.

use super::entries::Entry;
use crate::layer::Kind;

/// The length that everything is filled up to a multiple of.
const UNIT: usize = 8;

/// A part of a NAR.
#[derive(Debug)]
pub(super) enum Part<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// The content of this file, as many bytes as its size.
    Content(&'a Entry),
}

/// Calls `visit` with the parts of the NAR that some entries make, in order, up to the first error.
/// The entries are those of one path, each directory before its content.
pub(super) fn frame<E>(
    entries: &[Entry],
    mut visit: impl FnMut(Part<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut framing = Framing::new();
    for entry in entries {
        framing.entry(entry, &mut visit)?;
    }
    framing.end(&mut visit)
}

/// The bytes around contents, entry by entry.
#[derive(Debug)]
pub(super) struct Framing {
    /// The bytes that are not visited yet.
    bytes: Vec<u8>,
    /// The number of entries that are not closed yet.
    open: usize,
}

impl Framing {
    pub(super) fn new() -> Self {
        let mut framing = Self {
            bytes: vec![],
            open: 0,
        };
        framing.texts(&[b"nix-archive-1"]);
        framing
    }

    /// Takes the next entry. The content of a file, if it has any, follows.
    pub(super) fn entry<E>(
        &mut self,
        entry: &Entry,
        visit: &mut impl FnMut(Part<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        // Every entry is closed when the next one is no deeper.
        self.close(self.open, entry.depth);
        self.open = entry.depth + 1;
        self.begin(entry, visit)
    }

    /// Ends the archive.
    pub(super) fn end<E>(
        mut self,
        visit: &mut impl FnMut(Part<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.close(self.open, 0);
        self.flush(visit)
    }

    /// Begins an entry; of a file or a link there is nothing left but to close it.
    fn begin<E>(
        &mut self,
        entry: &Entry,
        visit: &mut impl FnMut(Part<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if entry.depth > 0 {
            self.texts(&[b"entry", b"(", b"name", entry.name(), b"node"]);
        }
        self.texts(&[b"(", b"type"]);
        match entry.kind {
            // No store path holds these: a walk ends at them.
            Kind::CharacterDevice | Kind::BlockDevice | Kind::Fifo => {}
            Kind::Directory => self.texts(&[b"directory"]),
            Kind::Symlink => self.texts(&[b"symlink", b"target", &entry.link]),
            Kind::File => {
                self.texts(&[b"regular"]);
                if entry.executable {
                    self.texts(&[b"executable", b""]);
                }
                self.texts(&[b"contents"]);
                self.bytes.extend(entry.size.to_le_bytes());
                self.flush(visit)?;
                visit(Part::Content(entry))?;
                self.fill(entry.size);
            }
        }
        Ok(())
    }

    /// Closes the entries from one depth up to another, and that one.
    fn close(&mut self, from: usize, to: usize) {
        for depth in (to..from).rev() {
            self.texts(&[b")"]);
            if depth > 0 {
                self.texts(&[b")"]);
            }
        }
    }

    /// Adds texts, each after its length.
    fn texts(&mut self, texts: &[&[u8]]) {
        for text in texts {
            self.bytes.extend((text.len() as u64).to_le_bytes());
            self.bytes.extend(*text);
            self.fill(text.len() as u64);
        }
    }

    /// Fills what has so many bytes up to whole units.
    fn fill(&mut self, size: u64) {
        let rest = (size % UNIT as u64) as usize;
        self.bytes.extend(&[0; UNIT][..(UNIT - rest) % UNIT]);
    }

    fn flush<E>(&mut self, visit: &mut impl FnMut(Part<'_>) -> Result<(), E>) -> Result<(), E> {
        visit(Part::Bytes(&self.bytes))?;
        self.bytes.clear();
        Ok(())
    }
}
