//! The messages between a program and its helper: messages with their length before them, and the
//! archive of a base image in parts. Trees that are kept are listed by a message, too.

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
