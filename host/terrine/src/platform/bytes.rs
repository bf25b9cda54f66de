//! Content of a file, wherever it is.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Content of a file that is read at any place.
pub trait Bytes {
    /// Returns as many bytes from an offset as there are, up to `length`.
    ///
    /// # Errors
    ///
    /// What cannot be read.
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>>;
}

impl Bytes for File {
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match FileExt::read_at(self, &mut bytes[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }
}

impl Bytes for &[u8] {
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(self.len());
        let end = start.saturating_add(length).min(self.len());
        Ok(self[start..end].to_vec())
    }
}

impl Bytes for Vec<u8> {
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.as_slice().read_at(offset, length)
    }
}
