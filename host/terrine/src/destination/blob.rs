//! One blob: bytes that are hashed, compressed, hashed again and staged, in one pass.

use std::io::{self, Read, Write};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use terrine_compress::{Compression, Encoder, Pool, Setting};
use terrine_oci::{Descriptor, Digest, MediaType};
use terrine_tar::MAX_UNPACKED;

use super::{Destination, Error, Staged};
use crate::cache::Plain;
use crate::pipe::{self, Feeder, Observer};
use crate::source::{self, Fault, Layer};

/// A blob that is made and waits to be kept.
#[derive(Debug)]
pub(super) struct Blob {
    /// What it is without its compression.
    pub(super) plain: Plain,
    /// What it is.
    pub(super) descriptor: Descriptor,
    /// Where it waits.
    pub(super) staged: Staged,
}

/// Makes a blob of a layer that `produce` feeds.
///
/// # Errors
///
/// What `produce` returns, and a destination without room.
pub(super) fn make<E: From<Error> + From<pipe::Closed>>(
    destination: &dyn Destination,
    setting: &Setting,
    pool: &Pool,
    observer: &dyn Observer,
    produce: impl FnOnce(&mut Feeder<'_>) -> Result<(), E>,
) -> Result<Blob, E> {
    let staged = destination.stage()?;
    let staging = |source| Error::Staging {
        place: destination.name(),
        source,
    };
    // Where nothing is compressed the two digests are one.
    let hashed = setting.compression() != Compression::None;
    let out = HashingWriter {
        inner: staged,
        hash: hashed.then(Sha256::new),
        size: 0,
    };
    let mut encoder = Encoder::new(setting, pool, out).map_err(staging)?;
    let outcome = pipe::run::<_, Failure<E>>(&mut encoder, observer, |feeder| {
        feeder.begin_hash()?;
        produce(feeder).map_err(Failure::Producer)?;
        feeder.end_hash()?;
        let size = feeder.total();
        let digests = feeder.digests()?;
        let diff_id = digests.first().copied().unwrap_or_else(|| Digest::of(b""));
        Ok(Plain { diff_id, size })
    });
    let plain = match outcome {
        Ok(plain) => plain,
        Err(Failure::Producer(error)) => return Err(error),
        Err(Failure::Closed(closed)) => return Err(closed.into()),
        Err(Failure::Output(source)) => return Err(staging(source).into()),
    };
    let out = encoder.finish().map_err(staging)?;
    let digest = out.hash.map_or(plain.diff_id, Digest::from);
    let media_type = setting
        .compression()
        .media_type()
        .unwrap_or(MediaType::OciLayer);
    let descriptor = Descriptor::new(media_type, digest, out.size);
    Ok(Blob {
        plain,
        descriptor,
        staged: out.inner,
    })
}

/// Stages bytes that are in memory: a configuration.
///
/// # Errors
///
/// A destination without room.
pub fn from_bytes(destination: &dyn Destination, bytes: &[u8]) -> Result<Staged, Error> {
    let mut staged = destination.stage()?;
    let staging = |source| Error::Staging {
        place: destination.name(),
        source,
    };
    staged.write_all(bytes).map_err(staging)?;
    Ok(staged)
}

/// Feeds the plain bytes of a layer that exists: at most as many as any image has.
///
/// # Errors
///
/// A layer that can not be read or unpacked, and an output that is closed.
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

/// Whose failure ended a run.
enum Failure<E> {
    Producer(E),
    Closed(pipe::Closed),
    Output(io::Error),
}

impl<E> From<pipe::Closed> for Failure<E> {
    fn from(closed: pipe::Closed) -> Self {
        Self::Closed(closed)
    }
}

impl<E> From<io::Error> for Failure<E> {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
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
