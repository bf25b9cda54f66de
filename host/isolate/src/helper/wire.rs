//! The messages between a program and its helper: messages with their length before them, and the
//! archive of a base image in parts.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest message, in bytes: a tree of millions of entries has less.
const LONGEST: u64 = 4 << 30;
/// The number of bytes of an archive in one part.
const PART: usize = 256 << 10;

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Writes a message.
pub(crate) fn send(mut to: impl Write, message: &impl Serialize) -> io::Result<()> {
    let bytes = postcard::to_stdvec(message).map_err(invalid)?;
    to.write_all(&(bytes.len() as u64).to_le_bytes())?;
    to.write_all(&bytes)?;
    to.flush()
}

/// Reads a message.
pub(crate) fn receive<T: DeserializeOwned>(mut from: impl Read) -> io::Result<T> {
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST {
        return Err(invalid("the message is too long"));
    }
    let mut bytes = Vec::new();
    from.take(length).read_to_end(&mut bytes)?;
    postcard::from_bytes(&bytes).map_err(invalid)
}

/// Writes an archive in parts, of which an empty one is the last.
pub(crate) fn send_archive(mut to: impl Write, mut archive: impl Read) -> io::Result<()> {
    let mut part = vec![0; PART];
    loop {
        let count = match archive.read(&mut part) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            count => count?,
        };
        to.write_all(&(count as u32).to_le_bytes())?;
        to.write_all(&part[..count])?;
        if count == 0 {
            return to.flush();
        }
    }
}

/// Reads an archive that comes in parts.
pub(crate) struct Archive<R> {
    from: R,
    rest: usize,
    is_over: bool,
}

impl<R: Read> Archive<R> {
    pub(crate) fn new(from: R) -> Self {
        Self {
            from,
            rest: 0,
            is_over: false,
        }
    }
}

impl<R: Read> Read for Archive<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest == 0 && !self.is_over {
            let mut length = [0; 4];
            self.from.read_exact(&mut length)?;
            self.rest = u32::from_le_bytes(length) as usize;
            self.is_over = self.rest == 0;
        }
        let most = self.rest.min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let count = self.from.read(&mut buffer[..most])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.rest -= count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_arrives_whole_and_what_follows_is_left() {
        let archive: Vec<u8> = (0..600_000_u32).map(|i| i as u8).collect();
        let mut wire = vec![];
        send(&mut wire, &"before").unwrap();
        send_archive(&mut wire, &archive[..]).unwrap();
        wire.push(7);
        let mut from = &wire[..];
        assert_eq!(receive::<String>(&mut from).unwrap(), "before");
        let mut arrived = vec![];
        Archive::new(&mut from).read_to_end(&mut arrived).unwrap();
        assert!(arrived == archive);
        assert_eq!(from, [7]);
    }

    #[test]
    fn what_ends_early_is_an_error() {
        let mut wire = vec![];
        send_archive(&mut wire, &b"abc"[..]).unwrap();
        for end in [0, 2, 5, 8] {
            let read = Archive::new(&wire[..end]).read_to_end(&mut vec![]);
            assert!(read.is_err(), "{end}");
        }
        assert!(receive::<String>(&[9, 0, 0, 0, 0, 0, 0, 0, 1][..]).is_err());
        assert!(receive::<String>(&[255; 16][..]).is_err());
    }
}
