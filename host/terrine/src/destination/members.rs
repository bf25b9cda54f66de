//! Members of an archive whose content is at hand.

use std::io::{self, Read, Write};

use terrine_tar::{END_OF_ARCHIVE, Header, RECORD, padding};

/// An archive as far as it is written.
#[derive(Debug)]
pub(crate) struct Members<W> {
    out: W,
    written: u64,
}

impl<W: Write> Members<W> {
    /// Starts an archive.
    pub(crate) fn new(out: W) -> Self {
        Self { out, written: 0 }
    }

    /// Writes a member with the content that its header promises.
    pub(crate) fn member(&mut self, header: &Header<'_>, mut content: impl Read) -> io::Result<()> {
        let mut block = Vec::new();
        header.encode(&mut block);
        self.out.write_all(&block)?;
        let copied = io::copy(&mut content, &mut self.out)?;
        if copied != header.size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.written += block.len() as u64 + copied;
        self.zeros(padding(copied))
    }

    /// Writes the end of the archive.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        let end = (self.written + END_OF_ARCHIVE).next_multiple_of(RECORD);
        self.zeros(end - self.written)?;
        self.out.flush()
    }

    fn zeros(&mut self, count: u64) -> io::Result<()> {
        io::copy(&mut io::repeat(0).take(count), &mut self.out)?;
        self.written += count;
        Ok(())
    }
}
