//! The reading end: takes bytes and hands them on in buffers.

use std::sync::Arc;

use terrine_oci::Digest;

use super::buffer::Buffer;
use super::{Closed, MovedFile, Stamps, stamps};

/// The size of a file, in bytes, from which on it is moved to the output and not read. Below, to hand it over takes longer
/// than to copy it.
const MOVED: u64 = 64 << 10;

/// The way of buffers from a feeder on.
pub(super) trait Way {
    /// Returns an empty buffer.
    fn empty(&mut self) -> Result<Buffer, Closed>;

    /// Takes a buffer that was filled in.
    fn full(&mut self, buffer: Buffer) -> Result<(), Closed>;

    /// Ends what is being hashed.
    fn end_hash(&mut self) -> Result<(), Closed>;

    /// Returns the digests of what was hashed so far.
    fn digests(&mut self) -> Result<Vec<Digest>, Closed>;

    /// Returns whether the output can take bytes of a file that nobody reads.
    fn moves_files(&self) -> bool {
        false
    }

    /// Takes a file whose bytes are to be moved to the output.
    fn move_file(&mut self, _file: MovedFile) -> Result<(), Closed> {
        Err(Closed)
    }
}

/// Takes bytes and hands them on in buffers.
pub struct Feeder<'a> {
    way: &'a mut dyn Way,
    buffer: Option<Buffer>,
    hashing: bool,
    total: u64,
    stamps: Option<stamps::Pass>,
}

impl<'a> Feeder<'a> {
    pub(super) fn new(way: &'a mut dyn Way) -> Self {
        Self {
            way,
            buffer: None,
            hashing: false,
            total: 0,
            stamps: None,
        }
    }

    /// Feeds some bytes.
    ///
    /// # Errors
    ///
    /// [`Closed`], as everything here, once the output failed.
    pub fn put(&mut self, mut bytes: &[u8]) -> Result<(), Closed> {
        while !bytes.is_empty() {
            let spare = self.spare()?;
            let count = spare.len().min(bytes.len());
            spare[..count].copy_from_slice(&bytes[..count]);
            self.advance(count);
            bytes = &bytes[count..];
        }
        Ok(())
    }

    /// Feeds so many zero bytes.
    ///
    /// # Errors
    ///
    /// [`Closed`].
    pub fn zeros(&mut self, mut count: u64) -> Result<(), Closed> {
        while count > 0 {
            let spare = self.spare()?;
            let length = usize::try_from(count).map_or(spare.len(), |count| spare.len().min(count));
            spare[..length].fill(0);
            self.advance(length);
            count -= length as u64;
        }
        Ok(())
    }

    /// Room for bytes, at least one; what is filled in is fed by [`Feeder::advance`].
    ///
    /// # Errors
    ///
    /// [`Closed`].
    pub fn spare(&mut self) -> Result<&mut [u8], Closed> {
        if self.buffer.as_ref().is_some_and(Buffer::is_full) {
            self.flush()?;
        }
        let buffer = match self.buffer.take() {
            Some(buffer) => buffer,
            None => {
                let mut buffer = self.way.empty()?;
                buffer.hashed = self.hashing;
                buffer
            }
        };
        Ok(self.buffer.insert(buffer).spare())
    }

    /// Feeds the first `count` bytes of [`Feeder::spare`].
    pub fn advance(&mut self, count: usize) {
        if let Some(buffer) = &mut self.buffer {
            buffer.advance(count);
            self.total += count as u64;
        }
    }

    /// Returns whether a file of so many bytes is moved to the output without reading it, if it is given to
    /// [`Feeder::move_file`]: not where the output cannot take it, or it is small or hashed.
    pub(crate) fn moves_file(&self, size: u64) -> bool {
        !self.hashing && size >= MOVED && self.way.moves_files()
    }

    /// Feeds a file without reading it. The run fails if it is not what it should be.
    ///
    /// # Errors
    ///
    /// [`Closed`].
    pub(crate) fn move_file(&mut self, file: MovedFile) -> Result<(), Closed> {
        self.flush()?;
        self.total += file.size;
        self.way.move_file(file)
    }

    /// From here on, files are compared with what `stamps` says of them, which another pass over the same
    /// files has; or with nothing.
    pub(crate) fn compare(&mut self, stamps: Option<Arc<Stamps>>) {
        self.stamps = stamps.map(stamps::Pass::new);
    }

    /// Returns the pass over files that another pass reads as well, if this is one.
    pub(crate) fn pass(&mut self) -> Option<&mut stamps::Pass> {
        self.stamps.as_mut()
    }

    /// Returns the number of bytes that have been fed in all.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// From here on bytes are hashed.
    ///
    /// # Errors
    ///
    /// [`Closed`].
    pub fn begin_hash(&mut self) -> Result<(), Closed> {
        self.flush()?;
        self.hashing = true;
        Ok(())
    }

    /// Up to here bytes are hashed.
    ///
    /// # Errors
    ///
    /// [`Closed`].
    pub fn end_hash(&mut self) -> Result<(), Closed> {
        self.flush()?;
        self.hashing = false;
        self.way.end_hash()
    }

    /// The digests of what was hashed so far. Waits for them.
    ///
    /// # Errors
    ///
    /// [`Closed`].
    pub fn digests(&mut self) -> Result<Vec<Digest>, Closed> {
        self.flush()?;
        self.way.digests()
    }

    pub(super) fn flush(&mut self) -> Result<(), Closed> {
        match self.buffer.take() {
            Some(buffer) => self.way.full(buffer),
            None => Ok(()),
        }
    }
}
