//! Reading, hashing and writing on one thread.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use terrine_oci::Digest;

use super::buffer::Buffer;
use super::feeder::Way;
use super::pairs::Stream;
use super::{Closed, Feeder, Observer};

/// The size of the buffer, in bytes: with another thread's it fits into the second cache of a processor.
const BUFFER: usize = 128 << 10;

/// Runs `produce`, whose bytes go to `out`, up to its end or the first failure of either, or until `stop` is true.
///
/// # Errors
///
/// The error of `out` if it failed, else that of `produce`.
pub(crate) fn here<T, E: From<io::Error>>(
    out: impl Write,
    observer: &dyn Observer,
    stop: &AtomicBool,
    produce: impl FnOnce(&mut Feeder<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let mut here = Here {
        out,
        observer,
        stop,
        buffer: None,
        stream: None,
        digests: vec![],
        failure: None,
    };
    let mut feeder = Feeder::new(&mut here);
    let outcome = produce(&mut feeder);
    if outcome.is_ok() {
        // If this fails, so did the output.
        let _ = feeder.flush();
    }
    match here.failure {
        // The producer's own failure came first, or there would be none of the output.
        Some(failure) => Err(failure.into()),
        None => {
            if outcome.is_ok() {
                here.out.flush()?;
            }
            outcome
        }
    }
}

struct Here<'o, W> {
    out: W,
    observer: &'o dyn Observer,
    stop: &'o AtomicBool,
    /// The buffer, while it is not being filled in.
    buffer: Option<Buffer>,
    /// The bytes that are being hashed, if some are.
    stream: Option<Stream>,
    digests: Vec<Digest>,
    /// The failure of the output.
    failure: Option<io::Error>,
}

impl<W: Write> Way for Here<'_, W> {
    fn empty(&mut self) -> Result<Buffer, Closed> {
        if self.failure.is_some() || self.stop.load(Ordering::Relaxed) {
            return Err(Closed);
        }
        let mut buffer = self.buffer.take().unwrap_or_else(|| Buffer::new(BUFFER));
        buffer.clear();
        Ok(buffer)
    }

    fn full(&mut self, buffer: Buffer) -> Result<(), Closed> {
        if self.failure.is_some() {
            return Err(Closed);
        }
        if let Err(error) = self.out.write_all(buffer.bytes()) {
            self.failure = Some(error);
            return Err(Closed);
        }
        self.observer.written(buffer.bytes().len() as u64);
        self.buffer = if buffer.hashed {
            let stream = self.stream.get_or_insert_with(Stream::new);
            Arc::into_inner(stream.update(Arc::new(buffer)))
        } else {
            Some(buffer)
        };
        Ok(())
    }

    fn end_hash(&mut self) -> Result<(), Closed> {
        let digest = self.stream.take().map(|mut stream| stream.end());
        self.digests.push(digest.unwrap_or_else(|| Digest::of(b"")));
        Ok(())
    }

    fn digests(&mut self) -> Result<Vec<Digest>, Closed> {
        Ok(self.digests.clone())
    }
}
