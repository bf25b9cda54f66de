//! The archive of a base image, as it comes in parts.

use std::io::{self, Read};

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
    use crate::wire::{receive, send, send_archive};

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
