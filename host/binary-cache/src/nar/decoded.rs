//! The decompressed NAR, counted and hashed while it is read.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};
use terrine_oci::Digest;

use super::content::{ContentCheck, Verdict};

/// The decompressed bytes, up to one more than there should be.
pub(super) struct Decoded {
    inner: Box<dyn Read + Send>,
    hash: Sha256,
    content: Option<ContentCheck>,
    count: u64,
    /// The number of bytes that there should be.
    limit: u64,
}

impl Decoded {
    pub(super) fn new(
        inner: Box<dyn Read + Send>,
        limit: u64,
        content: Option<ContentCheck>,
    ) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
            content,
            count: 0,
            limit,
        }
    }

    /// The number of bytes so far.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Returns true if there are more bytes than there should be.
    pub(super) fn is_too_long(&self) -> bool {
        self.count > self.limit
    }

    /// The hash of all bytes.
    pub(super) fn hash(&self) -> Digest {
        self.hash.clone().into()
    }

    /// Returns the verdict on the content, after all bytes were read. Without a content address it is right.
    pub(super) fn content(&self) -> Verdict {
        let check = self.content.as_ref();
        check.map_or(Verdict::Right, |check| check.verdict(self.hash()))
    }
}

impl Read for Decoded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = (self.limit + 1).saturating_sub(self.count);
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = self.inner.read(&mut buffer[..most])?;
        self.count += count as u64;
        self.hash.update(&buffer[..count]);
        if let Some(check) = &mut self.content {
            check.update(&buffer[..count]);
        }
        if self.is_too_long() {
            let why = "it has more bytes than its narinfo says";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(count)
    }
}
