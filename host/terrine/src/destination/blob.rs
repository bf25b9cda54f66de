//! One blob: bytes that are hashed, compressed, hashed again and staged, in one pass.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use terrine_compress::{Compression, Encoder, Pool, Setting};
use terrine_oci::{Descriptor, Digest, MediaType};
use terrine_sha256::Sha256;
use terrine_tar::MAX_UNPACKED;

use super::{Destination, Error, Staged};
use crate::cache::Plain;
use crate::pipe::{self, Feeder, Observer};
use crate::source::{self, Fault, Layer};

/// A place where a blob waits for its digest, and the setting that it is compressed with.
#[derive(Debug)]
pub(super) struct Out<'a> {
    pub(super) staged: Staged,
    pub(super) setting: &'a Setting,
}

/// A layer that is made: plain bytes, and the blobs that they are compressed to.
#[derive(Debug)]
pub(super) struct Made {
    /// The layer without compression; none where no blob could be kept.
    pub(super) plain: Option<Plain>,
    /// By output: the blob and where it waits, or why it could not be written.
    pub(super) blobs: Vec<io::Result<(Descriptor, Staged)>>,
}

/// The number of threads that make a layer. Compression has further ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Threads {
    /// One, where other layers are made at the same time.
    One,
    /// Three: one reads, one hashes, one writes.
    Three,
}

/// Makes the blobs of a layer that `produce` feeds once. An output that fails does not end the
/// others.
///
/// # Errors
///
/// What `produce` returns.
pub(super) fn make<E: From<pipe::Closed>>(
    outs: Vec<Out<'_>>,
    pool: &Pool,
    threads: Threads,
    observer: &dyn Observer,
    produce: impl FnOnce(&mut Feeder<'_>) -> Result<(), E>,
) -> Result<Made, E> {
    // A thread that waits for those that compress does nothing else.
    let is_compressed = |out: &Out<'_>| out.setting.compression() != Compression::None;
    let one = threads == Threads::One && !outs.iter().any(is_compressed);
    let mut outputs = Outputs(outs.into_iter().map(|out| Output::new(out, pool)).collect());
    let produce = |feeder: &mut Feeder<'_>| {
        feeder.begin_hash()?;
        produce(feeder).map_err(Failure::Producer)?;
        feeder.end_hash()?;
        let size = feeder.total();
        let digests = feeder.digests()?;
        let diff_id = digests.first().copied().unwrap_or_else(|| Digest::of(b""));
        Ok(Plain { diff_id, size })
    };
    let outcome = if one {
        pipe::here::<_, Failure<E>>(&mut outputs, observer, &AtomicBool::new(false), produce)
    } else {
        pipe::run::<_, Failure<E>>(&mut outputs, observer, produce)
    };
    let plain = match outcome {
        Ok(plain) => Some(plain),
        Err(Failure::Producer(error)) => return Err(error),
        Err(Failure::Closed(closed)) => return Err(closed.into()),
        // Each output has its own failure.
        Err(Failure::Output) => None,
    };
    let blobs = outputs.0.into_iter().map(|output| output.finish(plain));
    Ok(Made {
        plain,
        blobs: blobs.collect(),
    })
}

/// Outputs that all get the same bytes.
struct Outputs<'p>(Vec<Output<'p>>);

/// One of them, as far as it is written.
struct Output<'p> {
    encoder: io::Result<Encoder<'p, HashingWriter>>,
    compression: Compression,
}

impl<'p> Output<'p> {
    fn new(out: Out<'_>, pool: &'p Pool) -> Self {
        let compression = out.setting.compression();
        // Where nothing is compressed the two digests are one.
        let hashed = compression != Compression::None;
        let writer = HashingWriter {
            inner: out.staged,
            hash: hashed.then(Sha256::new),
            size: 0,
        };
        Self {
            encoder: Encoder::new(out.setting, pool, writer),
            compression,
        }
    }

    /// Writes bytes, unless it has failed. Returns whether it has not.
    fn write_all(&mut self, bytes: &[u8]) -> bool {
        if let Ok(encoder) = &mut self.encoder
            && let Err(error) = encoder.write_all(bytes)
        {
            self.encoder = Err(error);
        }
        self.encoder.is_ok()
    }

    fn finish(self, plain: Option<Plain>) -> io::Result<(Descriptor, Staged)> {
        let out = self.encoder?.finish()?;
        let digest = match (out.hash, plain) {
            (Some(hash), _) => hash.finish().into(),
            (None, Some(plain)) => plain.diff_id,
            (None, None) => return Err(io::ErrorKind::BrokenPipe.into()),
        };
        let media_type = self.compression.media_type().unwrap_or(MediaType::OciLayer);
        Ok((Descriptor::new(media_type, digest, out.size), out.inner))
    }
}

impl Write for Outputs<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut any = false;
        for output in &mut self.0 {
            any |= output.write_all(bytes);
        }
        if any {
            Ok(bytes.len())
        } else {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Stages bytes that are in memory: a configuration.
///
/// # Errors
///
/// A destination without room.
pub fn from_bytes(destination: &dyn Destination, bytes: &[u8]) -> Result<Staged, Error> {
    let mut staged = destination.stage()?;
    let staging = |source| Error::Staging {
        place: destination.waiting_place(),
        source,
    };
    staged.write_all(bytes).map_err(staging)?;
    Ok(staged)
}

/// Feeds the plain bytes of a layer that exists: at most as many as any image has.
///
/// # Errors
///
/// A layer that cannot be read or unpacked, and an output that is closed.
pub(super) fn unpacked<E: From<source::Error> + From<pipe::Closed>>(
    feeder: &mut Feeder<'_>,
    image: &str,
    layer: &Arc<dyn Layer>,
) -> Result<(), E> {
    let unpacking = |error| source::Error::unpacking(image, layer.as_ref(), error);
    let mut plain = source::unpacked(image, layer.as_ref())?.take(MAX_UNPACKED + 1);
    let mut total = 0;
    loop {
        match plain.read(feeder.spare()?) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                feeder.advance(count);
                total += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unpacking(error).into()),
        }
        if total > MAX_UNPACKED {
            let what = format!("its layer `{}`", layer.name());
            let fault = Fault::TooLarge {
                what,
                size: total,
                limit: MAX_UNPACKED,
            };
            return Err(source::Error::fault(image, fault).into());
        }
    }
}

/// The origin of the failure that ended a run.
enum Failure<E> {
    Producer(E),
    Closed(pipe::Closed),
    Output,
}

impl<E> From<pipe::Closed> for Failure<E> {
    fn from(closed: pipe::Closed) -> Self {
        Self::Closed(closed)
    }
}

impl<E> From<io::Error> for Failure<E> {
    fn from(_: io::Error) -> Self {
        Self::Output
    }
}

/// A writer that counts and hashes what goes through.
struct HashingWriter {
    inner: Staged,
    hash: Option<Sha256>,
    size: u64,
}

impl Write for HashingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        if let Some(hash) = &mut self.hash {
            hash.update(&bytes[..count]);
        }
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
