//! A strict reader of NARs, entry by entry (Nix manual, "Nix Archive format"; `archive.cc` of Nix 2.36).
//!
//! All versions of Nix write the same grammar, the one that is read here. Old ones accept fields of a
//! node in any order, and files without `contents`, but none writes them.

use std::io::{self, Read};

use super::entry::{DEEPEST, LONGEST_NAME, LONGEST_TARGET, NarEntry, NarKind, is_name, is_target};
use super::error::{NarError, NarFault};
use super::framing::{Fault, Framing};

/// A reader of a NAR.
///
/// The memory that it takes does not depend on the input: a buffer, one path and one target.
#[derive(Debug)]
pub struct NarReader<R> {
    framing: Framing<R>,
    /// The path of the current entry.
    path: Vec<u8>,
    /// The directories that are open, the top first.
    open: Vec<Directory>,
    target: Vec<u8>,
    kind: Kind,
    state: State,
}

/// A directory whose entries are being read.
#[derive(Debug)]
struct Directory {
    /// The length of its path.
    length: usize,
    /// True if it had an entry, whose name still ends the path.
    has_entry: bool,
}

/// The kind of the current entry, without the target of a link.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Directory,
    Regular { executable: bool, size: u64 },
    Symlink,
}

/// The place in the grammar.
#[derive(Debug, Clone, Copy)]
enum State {
    /// Before everything.
    Start,
    /// In the content of a file, with so many bytes left.
    Content { left: u64 },
    /// After all of a node but its end.
    Closing,
    /// Before an entry of a directory, or its end.
    Entries,
    /// After everything.
    End,
    /// After an error.
    Failed,
}

impl<R: Read> NarReader<R> {
    /// A reader of the NAR that `input` is, up to its end.
    pub fn new(input: R) -> Self {
        Self {
            framing: Framing::new(input),
            path: vec![],
            open: vec![],
            target: vec![],
            kind: Kind::Directory,
            state: State::Start,
        }
    }

    /// Returns the next entry; nothing at the end of the NAR, after which nothing may follow. The content of the
    /// entry before is skipped if it was not read.
    ///
    /// # Errors
    ///
    /// A malformed or incomplete NAR, and an error of the input. After an error there are no
    /// entries.
    pub fn next_entry(&mut self) -> Result<Option<NarEntry<'_>>, NarError> {
        let advanced = self.advance_or_fail()?;
        Ok(advanced.then(|| self.entry()))
    }

    /// Goes to the next entry. Returns false at the end.
    pub(super) fn advance_or_fail(&mut self) -> Result<bool, NarError> {
        self.advance().map_err(|fault| self.fail(fault))
    }

    /// Returns a reader of the rest of the content of the current file; of nothing if the entry is not a file. It
    /// reads as many bytes as the size says, or fails with a [`NarError`] within the
    /// [`io::Error`].
    pub fn content(&mut self) -> NarContent<'_, R> {
        NarContent { reader: self }
    }

    /// The input. Some of its bytes may be read already.
    pub fn input(&self) -> &R {
        self.framing.input()
    }

    /// The current entry.
    pub(super) fn entry(&self) -> NarEntry<'_> {
        NarEntry {
            path: &self.path,
            depth: self.open.len() - usize::from(matches!(self.kind, Kind::Directory)),
            kind: match self.kind {
                Kind::Directory => NarKind::Directory,
                Kind::Regular { executable, size } => NarKind::Regular { executable, size },
                Kind::Symlink => NarKind::Symlink {
                    target: &self.target,
                },
            },
        }
    }

    fn advance(&mut self) -> Result<bool, Fault> {
        loop {
            match self.state {
                State::Start => {
                    self.magic()?;
                    self.node()?;
                    return Ok(true);
                }
                State::Content { left } => {
                    self.framing.skip(left)?;
                    self.end_content()?;
                }
                State::Closing => {
                    self.framing.expect(")")?;
                    self.end_node()?;
                }
                State::Entries => {
                    if self.next_name()? {
                        self.node()?;
                        return Ok(true);
                    }
                    self.end_node()?;
                }
                State::End => return Ok(false),
                State::Failed => return Err(NarFault::Failed.into()),
            }
        }
    }

    /// Reads what every NAR begins with.
    fn magic(&mut self) -> Result<(), Fault> {
        match self.framing.expect("nix-archive-1") {
            Err(Fault::Nar(NarFault::Word { .. } | NarFault::LongWord { .. })) => {
                Err(NarFault::NotANar.into())
            }
            outcome => outcome,
        }
    }

    /// Reads a node up to its content, its entries or its end.
    fn node(&mut self) -> Result<(), Fault> {
        if self.open.len() > DEEPEST {
            return Err(NarFault::TooDeep.into());
        }
        self.framing.expect("(")?;
        self.framing.expect("type")?;
        let kinds = ["directory", "regular", "symlink"];
        match self.framing.one_of(kinds, "a type")? {
            0 => self.directory(),
            1 => self.regular()?,
            _ => self.symlink()?,
        }
        Ok(())
    }

    fn directory(&mut self) {
        self.kind = Kind::Directory;
        self.open.push(Directory {
            length: self.path.len(),
            has_entry: false,
        });
        self.state = State::Entries;
    }

    fn regular(&mut self) -> Result<(), Fault> {
        let fields = ["contents", "executable"];
        let executable = self.framing.one_of(fields, "`contents` or `executable`")? == 1;
        if executable {
            // The value of the field.
            self.framing.expect("")?;
            self.framing.expect("contents")?;
        }
        let size = self.framing.number()?;
        self.kind = Kind::Regular { executable, size };
        self.state = State::Content { left: size };
        Ok(())
    }

    fn symlink(&mut self) -> Result<(), Fault> {
        self.framing.expect("target")?;
        self.target.clear();
        let too_long = |length| NarFault::LongTarget { length };
        self.framing
            .text(&mut self.target, LONGEST_TARGET, too_long)?;
        if !is_target(&self.target) {
            return Err(NarFault::target(&self.target).into());
        }
        self.kind = Kind::Symlink;
        self.state = State::Closing;
        Ok(())
    }

    /// Reads what follows the content of a file.
    fn end_content(&mut self) -> Result<(), Fault> {
        if let Kind::Regular { size, .. } = self.kind {
            self.framing.padding(size)?;
        }
        self.state = State::Closing;
        Ok(())
    }

    /// Reads up to the node of the next entry of the innermost directory. Returns false at the end of the
    /// directory, which is then closed.
    fn next_name(&mut self) -> Result<bool, Fault> {
        let end = self.framing.one_of([")", "entry"], "`entry` or `)`")? == 0;
        let Some(directory) = self.open.last_mut() else {
            return Ok(false);
        };
        let length = directory.length;
        if end {
            self.path.truncate(length);
            self.open.pop();
            return Ok(false);
        }
        self.framing.expect("(")?;
        self.framing.expect("name")?;
        let start = length + usize::from(length > 0);
        let previous_end = self.path.len();
        let too_long = |length| NarFault::LongName { length };
        self.framing.text(&mut self.path, LONGEST_NAME, too_long)?;
        let name = &self.path[previous_end..];
        if !is_name(name) {
            let fault = NarFault::name(name);
            self.path.truncate(length);
            return Err(fault.into());
        }
        if directory.has_entry && name <= &self.path[start..previous_end] {
            let fault = NarFault::order(name, &self.path[start..previous_end]);
            self.path.truncate(length);
            return Err(fault.into());
        }
        directory.has_entry = true;
        // The name takes the place of the one before.
        self.path.drain(length..previous_end);
        if length > 0 {
            self.path.insert(length, b'/');
        }
        self.framing.expect("node")?;
        Ok(true)
    }

    /// Reads what follows a node: the end of the entry around it, or of everything.
    fn end_node(&mut self) -> Result<(), Fault> {
        if self.open.is_empty() {
            self.framing.end()?;
            self.state = State::End;
        } else {
            self.framing.expect(")")?;
            self.state = State::Entries;
        }
        Ok(())
    }

    fn read_content(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        let State::Content { left } = self.state else {
            return Ok(0);
        };
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if most == 0 {
            return Ok(0);
        }
        let count = self.framing.content(&mut buffer[..most])?;
        self.state = State::Content {
            left: left - count as u64,
        };
        Ok(count)
    }

    /// The error of a fault here. No entry follows.
    fn fail(&mut self, fault: Fault) -> NarError {
        self.state = State::Failed;
        NarError::at(&self.path, fault)
    }
}

/// The content of a file.
#[derive(Debug)]
pub struct NarContent<'a, R> {
    reader: &'a mut NarReader<R>,
}

impl<R: Read> Read for NarContent<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader
            .read_content(buffer)
            .map_err(|fault| self.reader.fail(fault).into_io())
    }
}

#[cfg(test)]
mod tests;
