//! Bytes that are held against their digest while they are read.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};
use terrine_oci::Digest;

use super::Fault;

/// A reader that fails at its end unless what went through has the size and the digest that it
/// must have, and as soon as there is more.
///
/// The error's inner one is a [`Fault`].
#[derive(Debug)]
pub struct Verified<R> {
    inner: R,
    name: String,
    size: u64,
    digest: Digest,
    read: u64,
    hash: Sha256,
    done: bool,
}

impl<R: Read> Verified<R> {
    /// Expects `size` bytes with that digest; `name` is what errors call them.
    pub fn new(inner: R, name: String, size: u64, digest: Digest) -> Self {
        Self {
            inner,
            name,
            size,
            digest,
            read: 0,
            hash: Sha256::new(),
            done: false,
        }
    }

    fn fault(fault: Fault) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, fault)
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.done {
            return Ok(());
        }
        let member = self.name.clone();
        if self.read != self.size {
            return Err(Self::fault(Fault::Size {
                member,
                expected: self.size,
                actual: self.read,
            }));
        }
        let actual = Digest::from(std::mem::take(&mut self.hash));
        if actual != self.digest {
            let (expected, actual) = (self.digest.to_string(), actual.to_string());
            return Err(Self::fault(Fault::Digest {
                member,
                expected,
                actual,
            }));
        }
        self.done = true;
        Ok(())
    }
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if count == 0 && !buffer.is_empty() {
            self.finish()?;
            return Ok(0);
        }
        self.read += count as u64;
        if self.read > self.size {
            let (member, expected) = (self.name.clone(), self.size);
            return Err(Self::fault(Fault::Size {
                member,
                expected,
                actual: self.read,
            }));
        }
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], size: u64, digest: Digest) -> Result<Vec<u8>, String> {
        let mut out = vec![];
        let mut reader = Verified::new(bytes, "x".to_owned(), size, digest);
        reader
            .read_to_end(&mut out)
            .map(|_| out)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_the_same_is_an_error() {
        let digest = Digest::of(b"abc");
        assert_eq!(read(b"abc", 3, digest), Ok(b"abc".to_vec()));
        assert_eq!(
            read(b"ab", 3, digest),
            Err("its `x` has 2 bytes, not 3".to_owned())
        );
        assert_eq!(
            read(b"abcd", 3, digest),
            Err("its `x` has 4 bytes, not 3".to_owned())
        );
        assert!(
            read(b"abd", 3, digest)
                .unwrap_err()
                .starts_with("its `x` has the digest sha256:")
        );
    }
}
