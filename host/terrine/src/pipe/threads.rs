//! Bytes that are read on one thread, hashed on another, and written on a third.
//!
//! A fixed number of buffers goes round between the three.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use terrine_oci::Digest;

use super::buffer::Buffer;
use super::feeder::Way;
use super::moved::MoveError;
use super::pairs::Stream;
use super::{Closed, Feeder, FileFailure, MovedFile, Observer, Outlet};

/// The size of a buffer, in bytes. With half of it, handing buffers over takes a twentieth of the time.
const BUFFER: usize = 128 << 10;
/// The number of buffers.
const BUFFERS: usize = 5;
/// The size of a buffer and their number for an output that files may be moved to, which is one at a time.
const LARGE: (usize, usize) = (256 << 10, 8);

enum ToWrite {
    Buffer(Arc<Buffer>),
    File(MovedFile),
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
/// The error of `out` if it failed, else that of `produce`.
pub fn run<T, E: From<io::Error>>(
    mut out: impl Write + Send,
    observer: &dyn Observer,
    produce: impl FnOnce(&mut Feeder<'_>) -> Result<T, E>,
) -> Result<T, E> {
    // Nothing is moved there.
    let file_failed = |FileFailure { .. }| io::Error::from(io::ErrorKind::Other).into();
    drive(
        Outlet::new(&mut out),
        (BUFFER, BUFFERS),
        observer,
        file_failed,
        produce,
    )
}

/// The same for an output that may take bytes of files that nobody reads.
///
/// # Errors
///
/// As [`run`], and a file that is not what it should be.
pub(crate) fn run_to<T, E: From<io::Error> + From<FileFailure>>(
    out: Outlet<'_>,
    observer: &dyn Observer,
    produce: impl FnOnce(&mut Feeder<'_>) -> Result<T, E>,
) -> Result<T, E> {
    drive(out, LARGE, observer, E::from, produce)
}

fn drive<T, E: From<io::Error>>(
    mut out: Outlet<'_>,
    (size, most): (usize, usize),
    observer: &dyn Observer,
    file_failed: impl FnOnce(FileFailure) -> E,
    produce: impl FnOnce(&mut Feeder<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let failed = AtomicBool::new(false);
    let (to_write, written) = channel();
    let (to_hash, hashed) = channel();
    let (to_pool, pool) = channel();
    let recycle = Recycler(to_pool);
    let moves_files = out.moves_files();
    let (outcome, own, output) = thread::scope(|scope| {
        let other = recycle.clone();
        scope.spawn(move || hash(hashed, &recycle));
        let (out, failed) = (&mut out, &failed);
        let writer = scope.spawn(move || {
            let writing = || write(&written, out, &other, observer, failed);
            catch_unwind(AssertUnwindSafe(writing)).unwrap_or_else(|panic| {
                failed.store(true, Ordering::Relaxed);
                give_back_all(written, &other);
                resume_unwind(panic)
            })
        });
        let mut threads = Threads {
            size,
            most,
            made: 0,
            told: false,
            moves_files,
            to_write,
            to_hash,
            pool,
            failed,
        };
        let mut feeder = Feeder::new(&mut threads);
        let outcome = produce(&mut feeder);
        if outcome.is_ok() {
            // If this fails, so did the output.
            let _ = feeder.flush();
        }
        // Whether this is the producer's own failure, and not the output's.
        let own = outcome.is_err() && !threads.told;
        if own {
            // Nothing that is still to be written is of use to anyone.
            failed.store(true, Ordering::Relaxed);
        }
        drop(threads);
        (outcome, own, writer.join())
    });
    match output {
        Ok(_) if own => outcome,
        Ok(Ok(())) => outcome,
        Ok(Err(MoveError::Output(error))) => Err(error.into()),
        Ok(Err(MoveError::File(failure))) => Err(file_failed(failure)),
        Err(panic) => resume_unwind(panic),
    }
}

/// The writing thread. After a failure buffers still have to go round, or the others
/// would wait for them.
fn write(
    messages: &Receiver<ToWrite>,
    out: &mut Outlet<'_>,
    recycle: &Recycler,
    observer: &dyn Observer,
    failed: &AtomicBool,
) -> Result<(), MoveError> {
    let mut outcome = Ok(());
    for message in messages {
        let goes_on = outcome.is_ok() && !failed.load(Ordering::Relaxed);
        match message {
            ToWrite::Buffer(buffer) => {
                if goes_on {
                    let bytes = buffer.bytes();
                    outcome = out.writer.write_all(bytes).map_err(MoveError::Output);
                    if outcome.is_ok() {
                        observer.written(bytes.len() as u64);
                    }
                }
                recycle.give_back(buffer);
            }
            ToWrite::File(file) => {
                if goes_on {
                    outcome = file.to(out, |count| observer.written(count));
                }
            }
        }
        if outcome.is_err() {
            failed.store(true, Ordering::Relaxed);
        }
    }
    outcome.and_then(|()| out.writer.flush().map_err(MoveError::Output))
}

/// Lets the buffers go round of a thread that writes no more.
fn give_back_all(messages: Receiver<ToWrite>, recycle: &Recycler) {
    for message in messages {
        if let ToWrite::Buffer(buffer) = message {
            recycle.give_back(buffer);
        }
    }
}

/// The hashing thread.
fn hash(messages: Receiver<ToHash>, recycle: &Recycler) {
    let mut digests = Vec::new();
    let mut current: Option<Stream> = None;
    for message in messages {
        match message {
            ToHash::Bytes(buffer) => {
                let stream = current.get_or_insert_with(Stream::new);
                recycle.give_back(stream.update(buffer));
            }
            ToHash::End => {
                let digest = current.take().map(|mut stream| stream.end());
                digests.push(digest.unwrap_or_else(|| Digest::of(b"")));
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

/// The way to the two other threads.
struct Threads<'a> {
    /// The size of a buffer, in bytes.
    size: usize,
    /// The number of buffers that there may be.
    most: usize,
    /// The number of those that were made.
    made: usize,
    /// True if the producer was told that the output failed.
    told: bool,
    moves_files: bool,
    to_write: Sender<ToWrite>,
    to_hash: Sender<ToHash>,
    pool: Receiver<Buffer>,
    failed: &'a AtomicBool,
}

impl Way for Threads<'_> {
    /// A new buffer while there are few, else one that comes back.
    fn empty(&mut self) -> Result<Buffer, Closed> {
        let mut buffer = match self.pool.try_recv() {
            Ok(buffer) => buffer,
            Err(_) if self.made < self.most => {
                self.made += 1;
                Buffer::new(self.size)
            }
            Err(_) => self.pool.recv().map_err(|_| Closed)?,
        };
        self.check()?;
        buffer.clear();
        Ok(buffer)
    }

    fn full(&mut self, buffer: Buffer) -> Result<(), Closed> {
        let buffer = Arc::new(buffer);
        if buffer.hashed {
            self.to_hash
                .send(ToHash::Bytes(Arc::clone(&buffer)))
                .map_err(|_| Closed)?;
        }
        self.to_write
            .send(ToWrite::Buffer(buffer))
            .map_err(|_| Closed)
    }

    fn end_hash(&mut self) -> Result<(), Closed> {
        self.to_hash.send(ToHash::End).map_err(|_| Closed)
    }

    fn digests(&mut self) -> Result<Vec<Digest>, Closed> {
        let (reply, digests) = channel();
        self.to_hash
            .send(ToHash::Report(reply))
            .map_err(|_| Closed)?;
        digests.recv().map_err(|_| Closed)
    }

    fn moves_files(&self) -> bool {
        self.moves_files
    }

    fn move_file(&mut self, file: MovedFile) -> Result<(), Closed> {
        self.check()?;
        self.to_write.send(ToWrite::File(file)).map_err(|_| Closed)
    }
}

impl Threads<'_> {
    fn check(&mut self) -> Result<(), Closed> {
        if self.failed.load(Ordering::Relaxed) {
            self.told = true;
            return Err(Closed);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::{AsFd, OwnedFd};
    use std::sync::Mutex;

    use super::*;
    use crate::pipe::Stamp;

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
    fn a_panicking_output_ends_the_run() {
        struct Panicking(usize);
        impl Write for Panicking {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(1).expect("no more");
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for (writes, is_hashed) in [(0, true), (3, true), (20, false)] {
            let run = || {
                run::<(), io::Error>(Panicking(writes), &Seen::default(), |feeder| {
                    if is_hashed {
                        feeder.begin_hash().map_err(io::Error::other)?;
                    }
                    loop {
                        feeder.zeros(BUFFER as u64).map_err(io::Error::other)?;
                    }
                })
            };
            let panic = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
            assert_eq!(panic.downcast_ref(), Some(&"no more".to_owned()));
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

    /// Feeds some bytes, a large file, and some bytes again.
    fn with_file(outlet: Outlet<'_>, path: &std::path::Path, size: u64) -> Result<(), String> {
        let seen = Seen::default();
        run_to::<_, Failed>(outlet, &seen, |feeder| {
            feeder.put(b"head")?;
            let file: OwnedFd = File::open(path)?.into();
            if feeder.moves_file(size) {
                let stamp = Stamp::of(file.as_fd()).map_err(io::Error::from)?;
                let path = path.to_owned();
                let file = MovedFile {
                    file,
                    size,
                    stamp,
                    path,
                };
                feeder.move_file(file)?;
            } else {
                feeder.put(&std::fs::read(path)?)?;
            }
            feeder.put(b"tail")?;
            assert_eq!(feeder.total(), size + 8);
            Ok(())
        })
        .map_err(|Failed(why)| why)?;
        assert_eq!(*seen.written.lock().unwrap(), size + 8);
        Ok(())
    }

    /// A failure in words.
    struct Failed(String);

    impl From<io::Error> for Failed {
        fn from(error: io::Error) -> Self {
            Self(error.to_string())
        }
    }

    impl From<FileFailure> for Failed {
        fn from(failure: FileFailure) -> Self {
            Self(format!("{:?}", failure.fault))
        }
    }

    impl From<Closed> for Failed {
        fn from(closed: Closed) -> Self {
            Self(closed.to_string())
        }
    }

    #[test]
    fn files_are_moved_to_pipes_and_files_and_read_for_others() {
        let folder = tempfile::tempdir().unwrap();
        let large = folder.path().join("large");
        let content: Vec<u8> = (0..3_000_017_u32).map(|i| (i % 253) as u8).collect();
        std::fs::write(&large, &content).unwrap();
        let size = content.len() as u64;
        let expected = [b"head", &content[..], b"tail"].concat();

        let mut memory = vec![];
        with_file(Outlet::new(&mut memory), &large, size).unwrap();
        assert!(memory == expected);

        let (mut reader, writer) = io::pipe().unwrap();
        let read = thread::spawn(move || {
            let mut all = vec![];
            io::Read::read_to_end(&mut reader, &mut all).unwrap();
            all
        });
        let mut writing = &writer;
        let outlet = Outlet::of_file(&mut writing, writer.as_fd());
        assert!(outlet.moves_files());
        with_file(outlet, &large, size).unwrap();
        drop(writer);
        assert!(read.join().unwrap() == expected);

        // To a file that is only added to, nothing can be moved.
        for append in [false, true] {
            let path = folder.path().join(format!("out {append}"));
            let mut options = std::fs::OpenOptions::new();
            let out = options
                .create(true)
                .write(true)
                .append(append)
                .open(&path)
                .unwrap();
            with_file(Outlet::of_file(&mut &out, out.as_fd()), &large, size).unwrap();
            assert!(std::fs::read(&path).unwrap() == expected, "{append}");
        }
    }

    #[test]
    fn a_file_that_is_shorter_and_an_output_that_is_closed_are_failures() {
        let folder = tempfile::tempdir().unwrap();
        let large = folder.path().join("large");
        std::fs::write(&large, vec![7; 1_000_000]).unwrap();
        let out = File::create(folder.path().join("out")).unwrap();
        let mut writing = &out;
        let outlet = Outlet::of_file(&mut writing, out.as_fd());
        assert_eq!(with_file(outlet, &large, 1_000_001).unwrap_err(), "Shrank");
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut writing = &writer;
        let outlet = Outlet::of_file(&mut writing, writer.as_fd());
        let failure = with_file(outlet, &large, 1_000_000).unwrap_err();
        assert!(failure.contains("roken pipe"), "{failure}");
    }
}
