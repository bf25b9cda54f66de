//! The framing of NARs: numbers and texts in units of eight bytes.

use std::io::{self, BufRead, BufReader, Read};

use super::error::NarFault;

/// The size that everything is padded to a multiple of, in bytes.
const UNIT: usize = 8;
/// The longest word of the grammar, in bytes; anything longer is not read.
const LONGEST_WORD: usize = 32;
/// The number of bytes that are read at once.
const BUFFER: usize = 64 << 10;

/// A fault of the framing, or of what is below it.
#[derive(Debug)]
pub(super) enum Fault {
    Io(io::Error),
    Nar(NarFault),
}

impl From<NarFault> for Fault {
    fn from(fault: NarFault) -> Self {
        Self::Nar(fault)
    }
}

/// The bytes of a NAR.
#[derive(Debug)]
pub(super) struct Framing<R> {
    input: BufReader<R>,
}

impl<R: Read> Framing<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input: BufReader::with_capacity(BUFFER, input),
        }
    }

    pub(super) fn input(&self) -> &R {
        self.input.get_ref()
    }

    /// Reads a number: eight bytes, the least significant first.
    pub(super) fn number(&mut self) -> Result<u64, Fault> {
        let mut bytes = [0; UNIT];
        self.fill(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Reads a word of the grammar and compares it with the one that must be there.
    pub(super) fn expect(&mut self, expected: &'static str) -> Result<(), Fault> {
        let mut buffer = [0; LONGEST_WORD];
        let found = self.word(&mut buffer, expected)?;
        if found == expected.as_bytes() {
            return Ok(());
        }
        Err(NarFault::word(expected, found).into())
    }

    /// Reads a word, into a buffer that has room for it. `expected` describes what it may be.
    pub(super) fn word<'a>(
        &mut self,
        buffer: &'a mut [u8; LONGEST_WORD],
        expected: &'static str,
    ) -> Result<&'a [u8], Fault> {
        let length = self.number()?;
        let word = usize::try_from(length)
            .ok()
            .and_then(|length| buffer.get_mut(..length))
            .ok_or(NarFault::LongWord { expected, length })?;
        self.fill(word)?;
        self.padding(length)?;
        Ok(word)
    }

    /// Reads one of some words. Returns its index.
    pub(super) fn one_of<const N: usize>(
        &mut self,
        words: [&str; N],
        expected: &'static str,
    ) -> Result<usize, Fault> {
        let mut buffer = [0; LONGEST_WORD];
        let found = self.word(&mut buffer, expected)?;
        words
            .iter()
            .position(|word| word.as_bytes() == found)
            .ok_or_else(|| NarFault::word(expected, found).into())
    }

    /// Reads a text of at most so many bytes, and adds it to another.
    pub(super) fn text(
        &mut self,
        text: &mut Vec<u8>,
        most: usize,
        too_long: impl FnOnce(u64) -> NarFault,
    ) -> Result<(), Fault> {
        let length = self.number()?;
        let size = usize::try_from(length)
            .ok()
            .filter(|&size| size <= most)
            .ok_or_else(|| too_long(length))?;
        let start = text.len();
        text.resize(start + size, 0);
        self.fill(&mut text[start..])?;
        self.padding(length)
    }

    /// Reads what pads so many bytes, which must be zeros.
    pub(super) fn padding(&mut self, length: u64) -> Result<(), Fault> {
        let rest = (length % UNIT as u64) as usize;
        let mut zeros = [0; UNIT];
        let padding = &mut zeros[..(UNIT - rest) % UNIT];
        self.fill(padding)?;
        if padding.iter().any(|&byte| byte != 0) {
            return Err(NarFault::Padding.into());
        }
        Ok(())
    }

    /// Reads content into a buffer, as much as there is, but not none.
    pub(super) fn content(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        loop {
            match self.input.read(buffer) {
                Ok(0) => return Err(NarFault::Ended.into()),
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::Io(error)),
            }
        }
    }

    /// Skips so many bytes of content.
    pub(super) fn skip(&mut self, mut count: u64) -> Result<(), Fault> {
        while count > 0 {
            let there = self.ahead()?;
            if there == 0 {
                return Err(NarFault::Ended.into());
            }
            let taken = count.min(there as u64);
            self.input.consume(taken as usize);
            count -= taken;
        }
        Ok(())
    }

    /// Checks that nothing follows.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        match self.ahead()? {
            0 => Ok(()),
            _ => Err(NarFault::Trailing.into()),
        }
    }

    /// The number of bytes in the buffer, which is filled if it is empty; 0 at the end.
    fn ahead(&mut self) -> Result<usize, Fault> {
        loop {
            match self.input.fill_buf() {
                Ok(bytes) => return Ok(bytes.len()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::Io(error)),
            }
        }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Fault> {
        self.input
            .read_exact(buffer)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof if error.get_ref().is_none() => NarFault::Ended.into(),
                _ => Fault::Io(error),
            })
    }
}
