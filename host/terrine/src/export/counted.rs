//! Telling how many bytes go by.

use std::io::{self, Read, Write};

/// A reader or writer that tells how many bytes went through.
pub(super) struct Counted<I, F> {
    inner: I,
    tell: F,
}

impl<I, F: FnMut(u64)> Counted<I, F> {
    pub(super) fn new(inner: I, tell: F) -> Self {
        Self { inner, tell }
    }
}

impl<I: Read, F: FnMut(u64)> Read for Counted<I, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        (self.tell)(count as u64);
        Ok(count)
    }
}

impl<I: Write, F: FnMut(u64)> Write for Counted<I, F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        (self.tell)(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
