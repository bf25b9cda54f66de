//! Streams that are hashed two by two.
//!
//! The instructions for SHA-256 wait for each other, so that a processor hashes two streams at once in
//! little more time than one. A thread with bytes to hash that meets another one's hashes both, while the
//! other waits. One that meets nobody waits for a moment, and then goes on by itself: neither the digests nor
//! the end of anything depend on who meets whom.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use terrine_oci::Digest;
use terrine_sha256::{Sha256, two_pay, update_two};

use super::buffer::Buffer;

/// The time to wait for another stream: as long as the threads of others may need to get their turn on a processor.
const PATIENCE: Duration = Duration::from_millis(4);
/// The most buffers for which a stream does not wait after it has waited in vain.
const MOST_UNWAITED: u32 = 64;

/// The place where the streams of this process meet.
static MEETING: LazyLock<Meeting> = LazyLock::new(Meeting::default);

#[derive(Default)]
struct Meeting {
    /// The bytes that wait for others, with a number that no other wait has.
    waiting: Mutex<(Option<Waiting>, u64)>,
    /// The number of streams.
    streams: AtomicUsize,
}

/// Bytes that wait for others.
struct Waiting {
    number: u64,
    hash: Sha256,
    buffer: Arc<Buffer>,
    back: SyncSender<(Sha256, Arc<Buffer>)>,
}

impl Meeting {
    fn lock(&self) -> MutexGuard<'_, (Option<Waiting>, u64)> {
        // No code that may panic runs under the lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream of bytes that are hashed.
pub(super) struct Stream {
    hash: Sha256,
    meeting: &'static Meeting,
    /// The number of buffers for which it does not wait, and the same after the next wait in vain.
    unwaited: (u32, u32),
}

impl Stream {
    /// A stream without bytes.
    pub(super) fn new() -> Self {
        let meeting = &*MEETING;
        meeting.streams.fetch_add(1, Ordering::Relaxed);
        Self {
            hash: Sha256::new(),
            meeting,
            unwaited: (0, 1),
        }
    }

    /// Hashes the bytes of a buffer, and returns it.
    pub(super) fn update(&mut self, buffer: Arc<Buffer>) -> Arc<Buffer> {
        let is_alone = self.meeting.streams.load(Ordering::Relaxed) < 2;
        if is_alone || !two_pay() {
            self.hash.update(buffer.bytes());
            return buffer;
        }
        let mut waiting = self.meeting.lock();
        if let Some(mut other) = waiting.0.take() {
            drop(waiting);
            update_two(
                (&mut self.hash, buffer.bytes()),
                (&mut other.hash, other.buffer.bytes()),
            );
            // It waits until it gets this.
            let _ = other.back.send((other.hash, other.buffer));
            return buffer;
        }
        if self.unwaited.0 > 0 {
            drop(waiting);
            self.unwaited.0 -= 1;
            self.hash.update(buffer.bytes());
            return buffer;
        }
        let (back, returned) = sync_channel(1);
        let number = waiting.1;
        waiting.1 = number.wrapping_add(1);
        waiting.0 = Some(Waiting {
            number,
            hash: std::mem::take(&mut self.hash),
            buffer,
            back,
        });
        drop(waiting);
        let hashed = match returned.recv_timeout(PATIENCE) {
            Ok(hashed) => {
                self.unwaited = (0, 1);
                Some(hashed)
            }
            Err(_) => match self.meeting.withdraw(number) {
                Some((mut hash, buffer)) => {
                    let (_, next) = self.unwaited;
                    self.unwaited = (next, (2 * next).min(MOST_UNWAITED));
                    hash.update(buffer.bytes());
                    Some((hash, buffer))
                }
                // Somebody is at it.
                None => returned.recv().ok(),
            },
        };
        let (hash, buffer) = hashed.unwrap_or_else(|| unreachable!("who takes bytes returns them"));
        self.hash = hash;
        buffer
    }

    /// Returns the digest of all bytes, and begins again.
    pub(super) fn end(&mut self) -> Digest {
        std::mem::take(&mut self.hash).finish().into()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.meeting.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Meeting {
    /// Takes bytes back for which nobody came.
    fn withdraw(&self, number: u64) -> Option<(Sha256, Arc<Buffer>)> {
        let mut waiting = self.lock();
        let mine = waiting.0.take_if(|waiting| waiting.number == number)?;
        Some((mine.hash, mine.buffer))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn digests_do_not_depend_on_who_meets_whom() {
        thread::scope(|scope| {
            for number in 0..7_usize {
                scope.spawn(move || {
                    let mut stream = Stream::new();
                    let mut all = vec![];
                    for round in 0..300_usize {
                        let mut buffer = Buffer::new(5000);
                        let length = (number * 977 + round * 131) % 5000;
                        buffer.spare()[..length].fill((number * 31 + round) as u8);
                        buffer.advance(length);
                        all.extend_from_slice(buffer.bytes());
                        let buffer = stream.update(Arc::new(buffer));
                        assert!(Arc::into_inner(buffer).is_some(), "nobody else has it");
                        if round % 100 == 99 {
                            assert_eq!(stream.end(), Digest::of(&all));
                            all.clear();
                        }
                    }
                });
            }
        });
    }
}
