//! Hashing what is read.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

/// A reader that hashes what goes through.
pub(crate) struct HashingReader<R> {
    pub(crate) inner: R,
    pub(crate) hash: Sha256,
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}
