//! Bytes on their way out: read on one thread, hashed on another, written on a third.
//!
//! A fixed number of buffers goes round between the three, so memory does not depend
//! on how much goes through, and the slowest of them sets the pace.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use sha2::{Digest as _, Sha256};

use terrine_oci::Digest;
use terrine_support::hint::Hint;

/// The size of a buffer, in bytes: large enough that handing it over costs nothing.
const BUFFER: usize = 1 << 20;
/// The number of buffers.
const BUFFERS: usize = 8;

/// The output does not take any more: it failed, and [`run`] says how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the output was closed")]
pub struct Closed;

impl Hint for Closed {}

/// An observer to which bytes are reported that have left.
pub trait Observer: Sync {
    /// So many more bytes have been written. Called from the writing thread.
    fn written(&self, bytes: u64);
}

/// An observer that ignores everything.
impl Observer for () {
    fn written(&self, _: u64) {}
}

struct Buffer {
    data: Box<[u8]>,
    length: usize,
    /// True if the bytes belong to what is being hashed.
    hashed: bool,
}

enum ToHash {
    Bytes(Arc<Buffer>),
    End,
    Report(Sender<Vec<Digest>>),
}

/// Runs `produce`, whose bytes go to `out`, up to its end or the first failure of
/// either.
///
/// # Errors
///
/// What `produce` returns, unless that only passes on that `out` failed.
pub fn run<T, E: From<io::Error>>(
    mut out: impl Write + Send,
    observer: &dyn Observer,
    produce: impl FnOnce(&mut Feeder<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let failed = AtomicBool::new(false);
    let (to_write, written) = channel();
    let (to_hash, hashed) = channel();
    let (to_pool, pool) = channel();
    let recycle = Recycler(to_pool);
    let (outcome, own, output) = thread::scope(|scope| {
        let other = recycle.clone();
        scope.spawn(move || hash(hashed, &recycle));
        let (out, failed) = (&mut out, &failed);
        let writer = scope.spawn(move || write(written, out, &other, observer, failed));
        let mut feeder = Feeder {
            buffer: None,
            made: 0,
            hashing: false,
            told: false,
            total: 0,
            to_write,
            to_hash,
            pool,
            failed,
        };
        let outcome = produce(&mut feeder);
        // Whether this is the producer's own failure, and not the output's.
        let own = outcome.is_err() && !feeder.told;
        if own {
            // Nothing that is still to be written is of use to anyone.
            failed.store(true, Ordering::Relaxed);
        }
        if outcome.is_ok() {
            // If this fails, so did the output.
            let _ = feeder.flush();
        }
        drop(feeder);
        (outcome, own, writer.join())
    });
    match output {
        Ok(_) if own => outcome,
        Ok(Ok(())) => outcome,
        Ok(Err(error)) => Err(error.into()),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// The writing thread. After a failure buffers still have to go round, or the others
/// would wait for them.
fn write(
    buffers: Receiver<Arc<Buffer>>,
    out: &mut impl Write,
    recycle: &Recycler,
    observer: &dyn Observer,
    failed: &AtomicBool,
) -> io::Result<()> {
    let mut outcome = Ok(());
    for buffer in buffers {
        if outcome.is_ok() && !failed.load(Ordering::Relaxed) {
            outcome = out.write_all(&buffer.data[..buffer.length]);
            match outcome {
                Ok(()) => observer.written(buffer.length as u64),
                Err(_) => failed.store(true, Ordering::Relaxed),
            }
        }
        recycle.give_back(buffer);
    }
    outcome.and_then(|()| out.flush())
}

/// The hashing thread.
fn hash(messages: Receiver<ToHash>, recycle: &Recycler) {
    let mut digests = Vec::new();
    let mut current = Sha256::new();
    for message in messages {
        match message {
            ToHash::Bytes(buffer) => {
                current.update(&buffer.data[..buffer.length]);
                recycle.give_back(buffer);
            }
            ToHash::End => {
                digests.push(Digest::from(std::mem::take(&mut current)));
            }
            ToHash::Report(reply) => {
                // The thread that asked may have given up.
                let _ = reply.send(digests.clone());
            }
        }
    }
}

/// The way back of buffers when both the hashing and the writing thread are done with them.
#[derive(Clone)]
struct Recycler(Sender<Buffer>);

impl Recycler {
    fn give_back(&self, buffer: Arc<Buffer>) {
        if let Some(buffer) = Arc::into_inner(buffer) {
            // The feeder is gone at the end of a run.
            let _ = self.0.send(buffer);
        }
    }
}

/// The reading end: takes bytes and hands them on in buffers.
pub struct Feeder<'a> {
    buffer: Option<Buffer>,
    made: usize,
    hashing: bool,
    /// True if the producer was told that the output failed.
    told: bool,
    total: u64,
    to_write: Sender<Arc<Buffer>>,
    to_hash: Sender<ToHash>,
    pool: Receiver<Buffer>,
    failed: &'a AtomicBool,
}

impl Feeder<'_> {
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
        if self
            .buffer
            .as_ref()
            .is_some_and(|buffer| buffer.length == buffer.data.len())
        {
            self.flush()?;
        }
        if self.buffer.is_none() {
            self.buffer = Some(self.take()?);
        }
        match &mut self.buffer {
            Some(buffer) => Ok(&mut buffer.data[buffer.length..]),
            None => Err(Closed),
        }
    }

    /// Feeds the first `count` bytes of [`Feeder::spare`].
    pub fn advance(&mut self, count: usize) {
        if let Some(buffer) = &mut self.buffer {
            buffer.length += count;
            debug_assert!(buffer.length <= buffer.data.len());
            self.total += count as u64;
        }
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
        self.to_hash.send(ToHash::End).map_err(|_| Closed)
    }

    /// The digests of what was hashed so far. Waits for the hashing thread.
    ///
    /// # Errors
    ///
    /// [`Closed`].
    pub fn digests(&mut self) -> Result<Vec<Digest>, Closed> {
        self.flush()?;
        let (reply, digests) = channel();
        self.to_hash
            .send(ToHash::Report(reply))
            .map_err(|_| Closed)?;
        digests.recv().map_err(|_| Closed)
    }

    /// An empty buffer: a new one while there are few, else one that comes back.
    fn take(&mut self) -> Result<Buffer, Closed> {
        let mut buffer = match self.pool.try_recv() {
            Ok(buffer) => buffer,
            Err(_) if self.made < BUFFERS => {
                self.made += 1;
                Buffer {
                    data: vec![0; BUFFER].into(),
                    length: 0,
                    hashed: false,
                }
            }
            Err(_) => self.pool.recv().map_err(|_| Closed)?,
        };
        if self.failed.load(Ordering::Relaxed) {
            self.told = true;
            return Err(Closed);
        }
        buffer.length = 0;
        buffer.hashed = self.hashing;
        Ok(buffer)
    }

    fn flush(&mut self) -> Result<(), Closed> {
        let Some(buffer) = self.buffer.take() else {
            return Ok(());
        };
        let buffer = Arc::new(buffer);
        if buffer.hashed {
            self.to_hash
                .send(ToHash::Bytes(Arc::clone(&buffer)))
                .map_err(|_| Closed)?;
        }
        self.to_write.send(buffer).map_err(|_| Closed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Seen {
        written: Mutex<u64>,
    }

    impl Observer for Seen {
        fn written(&self, bytes: u64) {
            *self.written.lock().unwrap() += bytes;
        }
    }

    #[test]
    fn what_goes_in_comes_out_and_only_the_marked_part_is_hashed() {
        let payload: Vec<u8> = (0..3 * BUFFERS * BUFFER + 17)
            .map(|i| (i % 251) as u8)
            .collect();
        let (mut out, seen) = (Vec::new(), Seen::default());
        let digests = run::<_, io::Error>(&mut out, &seen, |feeder| {
            feeder.put(b"head").map_err(io::Error::other)?;
            feeder.begin_hash().map_err(io::Error::other)?;
            feeder.put(&payload).map_err(io::Error::other)?;
            feeder.end_hash().map_err(io::Error::other)?;
            feeder.zeros(3).map_err(io::Error::other)?;
            feeder.begin_hash().map_err(io::Error::other)?;
            feeder.end_hash().map_err(io::Error::other)?;
            assert_eq!(feeder.total(), payload.len() as u64 + 7);
            feeder.digests().map_err(io::Error::other)
        })
        .unwrap();
        assert_eq!(digests, [Digest::of(&payload), Digest::of(b"")]);
        assert_eq!(out, [b"head", &payload[..], &[0; 3]].concat());
        assert_eq!(*seen.written.lock().unwrap(), out.len() as u64);
    }

    /// An output that takes so many bytes and then fails.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.0);
            self.0 -= count;
            if count == 0 {
                Err(io::ErrorKind::StorageFull.into())
            } else {
                Ok(count)
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_failing_output_ends_the_run_wherever_it_is() {
        for room in [0, 1, BUFFER, 5 * BUFFER, 40 * BUFFER] {
            let mut rounds = 0;
            let outcome = run::<(), io::Error>(Full(room), &Seen::default(), |feeder| {
                loop {
                    rounds += 1;
                    assert!(rounds < 1000, "the feeder was never told");
                    feeder.begin_hash().map_err(io::Error::other)?;
                    feeder.zeros(BUFFER as u64).map_err(io::Error::other)?;
                    feeder.end_hash().map_err(io::Error::other)?;
                }
            });
            assert_eq!(
                outcome.unwrap_err().kind(),
                io::ErrorKind::StorageFull,
                "{room}"
            );
        }
    }

    #[test]
    fn a_failing_producer_ends_the_run_with_its_own_error() {
        let mut out = Vec::new();
        let outcome = run::<(), io::Error>(&mut out, &Seen::default(), |feeder| {
            feeder.put(b"x").map_err(io::Error::other)?;
            Err(io::ErrorKind::InvalidData.into())
        });
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(out.is_empty());
    }

    #[test]
    fn a_producers_error_is_not_lost_to_one_of_the_output_that_comes_later() {
        /// Fails, but only after the producer did.
        struct Late(Receiver<()>);

        impl Write for Late {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                let _ = self.0.recv();
                Err(io::ErrorKind::BrokenPipe.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let (gone, reader) = channel::<()>();
        let outcome = run::<(), io::Error>(Late(reader), &Seen::default(), move |feeder| {
            feeder.zeros(2 * BUFFER as u64).map_err(io::Error::other)?;
            drop(gone);
            Err(io::ErrorKind::InvalidData.into())
        });
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
