//! The compressed file of a NAR, counted and hashed while a decoder reads it.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};
use terrine_oci::Digest;

/// The most bytes that are read after an error to learn whether the file is the right one.
const CHEAP: u64 = 64 << 20;
/// The number of bytes that are read at once.
const BUFFER: usize = 64 << 10;

/// A handle on the file: the decoder has one, and so has who checks the hash.
#[derive(Clone)]
pub(super) struct File {
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    input: Box<dyn Read + Send>,
    /// The hash so far, if there is one to compare it with.
    hash: Option<Sha256>,
    count: u64,
    /// The most bytes that there should be.
    limit: u64,
    /// True after an error of the input: the rest is unknown.
    failed: bool,
}

/// The size and hash of a whole file.
pub(super) struct Summary {
    pub(super) size: u64,
    pub(super) hash: Option<Digest>,
}

impl File {
    /// A file of at most `limit` bytes. One more is read to learn that there are more.
    pub(super) fn new(input: Box<dyn Read + Send>, is_hashed: bool, limit: u64) -> Self {
        Self {
            shared: Arc::new(Mutex::new(Shared {
                input,
                hash: is_hashed.then(Sha256::new),
                count: 0,
                limit,
                failed: false,
            })),
        }
    }

    /// The number of bytes that were read.
    pub(super) fn count(&self) -> u64 {
        self.lock().count
    }

    /// Reads the rest, if there are no more bytes than there should be.
    ///
    /// # Errors
    ///
    /// Those of the input.
    pub(super) fn finish(&self) -> io::Result<Summary> {
        let mut shared = self.lock();
        let mut buffer = vec![0; BUFFER];
        while shared.count <= shared.limit {
            match shared.read(&mut buffer) {
                Ok(0) => break,
                Err(error) if shared.failed => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(Summary {
            size: shared.count,
            hash: shared.hash.clone().map(Digest::from),
        })
    }

    /// Reads the rest if that is cheap, after an error of what reads the file. Nothing if it is not.
    pub(super) fn finish_cheaply(&self) -> Option<Summary> {
        let is_cheap = {
            let shared = self.lock();
            !shared.failed && shared.limit.saturating_sub(shared.count) <= CHEAP
        };
        if is_cheap { self.finish().ok() } else { None }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.lock().read(buffer)
    }
}

impl Shared {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.limit.saturating_add(1).saturating_sub(self.count);
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        match self.input.read(&mut buffer[..most]) {
            Ok(count) => {
                self.count += count as u64;
                if let Some(hash) = &mut self.hash {
                    hash.update(&buffer[..count]);
                }
                if self.count > self.limit {
                    let why = "the file has more bytes than it should have";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, why));
                }
                Ok(count)
            }
            Err(error) => {
                self.failed |= error.kind() != io::ErrorKind::Interrupted;
                Err(error)
            }
        }
    }
}
