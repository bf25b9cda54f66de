//! Part of a file.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// Part of a file, read independently of others who read it.
#[derive(Debug)]
pub struct FilePart<'a> {
    file: Handle<'a>,
    offset: u64,
    rest: u64,
}

#[derive(Debug)]
enum Handle<'a> {
    Shared(&'a File),
    Own(File),
}

impl<'a> FilePart<'a> {
    /// So many bytes from an offset on.
    pub fn new(file: &'a File, offset: u64, size: u64) -> Self {
        Self {
            file: Handle::Shared(file),
            offset,
            rest: size,
        }
    }

    /// The first bytes of a file that nobody else has to keep open.
    pub fn of(file: File, size: u64) -> Self {
        Self {
            file: Handle::Own(file),
            offset: 0,
            rest: size,
        }
    }

    /// Passes over bytes without reading them; how many there were.
    pub fn skip(&mut self, count: u64) -> u64 {
        let count = count.min(self.rest);
        self.offset += count;
        self.rest -= count;
        count
    }
}

impl Read for FilePart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = usize::try_from(self.rest).map_or(buffer.len(), |rest| rest.min(buffer.len()));
        let file = match &self.file {
            Handle::Shared(file) => file,
            Handle::Own(file) => file,
        };
        let count = file.read_at(&mut buffer[..length], self.offset)?;
        if count == 0 && length > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.offset += count as u64;
        self.rest -= count as u64;
        Ok(count)
    }
}
