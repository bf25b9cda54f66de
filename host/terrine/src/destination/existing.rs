//! Bringing layers that exist somewhere else.

use std::io::{self, Read, Write};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use terrine_compress::{Compression, Pool, Setting};
use terrine_oci::{Descriptor, Digest, MediaType, Repository};
use terrine_tar::MAX_UNPACKED;

use super::report::Source as ReportedSource;
use super::{Destination, Error, Plain, Reporter, Staged, blob, known};
use crate::cache::{Cache, Stored};
use crate::pipe::Observer;
use crate::source::{self, Fault, Layer, Verified};

/// How much is read at once, in bytes.
const BUFFER: usize = 256 << 10;

/// Which layers that exist are compressed anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recompress {
    /// None but those by bzip2 and xz, for which OCI images have no media type.
    Never,
    /// Those that are not compressed as well, but for those of a registry.
    Plain,
    /// All that are not compressed in the way that is asked for, at whatever level.
    All,
    /// All, because nothing tells at what level they are compressed. None of those that are not
    /// compressed, if that is asked for.
    Always,
}

/// What brings layers to a destination.
#[derive(Clone, Copy)]
pub struct Carrier<'a> {
    /// Where they go.
    pub destination: &'a dyn Destination,
    /// How what is compressed here is compressed.
    pub setting: &'a Setting,
    /// Who compresses.
    pub pool: &'a Pool,
    /// What is known of earlier runs.
    pub cache: &'a Cache,
    /// Which layers are compressed anew.
    pub recompress: Recompress,
}

/// What people are told of a layer that exists.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// What errors call its image.
    pub image: &'a str,
    /// Its number, counted from 1.
    pub number: usize,
    /// What it is.
    pub source: ReportedSource<'a>,
}

/// A layer that is where it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shipped {
    /// Its blob there.
    pub descriptor: Descriptor,
    /// What it is without compression; the size is not known if nobody looked.
    pub diff_id: Digest,
    /// How many bytes that has, where it is known.
    pub size: Option<u64>,
    /// Whether it was there already.
    pub was_there: bool,
}

/// Why a layer could not be brought.
#[derive(Debug, thiserror::Error)]
pub enum CarryError {
    /// Where it is.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// Where it is to be.
    #[error(transparent)]
    Destination(#[from] Error),
    /// The output ended first; the destination's error says why.
    #[error(transparent)]
    Closed(#[from] crate::pipe::Closed),
}

impl Carrier<'_> {
    /// Brings a layer. What is read of it is held against its digest and its diff id, and the
    /// reporter is told only of one that is read.
    ///
    /// # Errors
    ///
    /// A layer that can not be read or is not what it should be, and a destination that does
    /// not take it.
    pub fn bring(
        &self,
        part: Part<'_>,
        layer: &Arc<dyn Layer>,
        reporter: &dyn Reporter,
    ) -> Result<Shipped, CarryError> {
        match self.stays(layer.as_ref()) {
            true => self.copy(part, layer, reporter),
            false => self.transcode(part, layer, reporter),
        }
    }

    /// Whether a layer keeps its compression.
    fn stays(&self, layer: &dyn Layer) -> bool {
        let wanted = self.setting.compression();
        match (self.recompress, layer.compression()) {
            (_, Compression::Bzip2 | Compression::Xz) => false,
            (Recompress::Never, _) => true,
            // What one registry has as it is goes to another as it is: that is a mirror.
            (Recompress::Plain, Compression::None) => {
                wanted == Compression::None || layer.repository().is_some()
            }
            (Recompress::Plain, _) => true,
            (Recompress::All, compression) => compression == wanted,
            (Recompress::Always, compression) => {
                compression == Compression::None && wanted == Compression::None
            }
        }
    }

    fn copy(
        &self,
        part: Part<'_>,
        layer: &Arc<dyn Layer>,
        reporter: &dyn Reporter,
    ) -> Result<Shipped, CarryError> {
        let given = layer.descriptor()?;
        let media_type = layer
            .compression()
            .media_type()
            .unwrap_or(given.media_type.clone());
        let descriptor = Descriptor {
            annotations: given.annotations,
            ..Descriptor::new(media_type, given.digest, given.size)
        };
        let diff_id = layer.diff_id();
        let origins: Vec<Repository> = layer.repository().into_iter().cloned().collect();
        if self.is_there(&descriptor, &origins)? {
            return Ok(Shipped {
                descriptor,
                diff_id,
                size: None,
                was_there: true,
            });
        }
        reporter.layer(part.number, part.source, layer.stored_size());
        let (staged, size) = self.fetch(part.image, layer, &descriptor, reporter)?;
        self.keep(staged, &descriptor, &|bytes| reporter.sent(bytes))?;
        Ok(Shipped {
            descriptor,
            diff_id,
            size: Some(size),
            was_there: false,
        })
    }

    fn transcode(
        &self,
        part: Part<'_>,
        layer: &Arc<dyn Layer>,
        reporter: &dyn Reporter,
    ) -> Result<Shipped, CarryError> {
        let diff_id = layer.diff_id();
        let setting = self.setting.describe();
        if let Some(Stored { digest, size }) = known::blob(self.cache, diff_id, &setting) {
            let media_type = self
                .setting
                .compression()
                .media_type()
                .unwrap_or(MediaType::OciLayer);
            let descriptor = Descriptor::new(media_type, digest, size);
            if self.is_there(&descriptor, &[])? {
                return Ok(Shipped {
                    descriptor,
                    diff_id,
                    size: None,
                    was_there: true,
                });
            }
        }
        reporter.layer(part.number, part.source, layer.stored_size());
        let made = blob::make::<CarryError>(
            self.destination,
            self.setting,
            self.pool,
            reporter,
            |feeder| blob::unpacked(feeder, part.image, layer),
        )?;
        check(part.image, &layer.name(), diff_id, made.plain.diff_id)?;
        let was_there =
            self.settle(made.staged, &made.descriptor, &|bytes| reporter.sent(bytes))?;
        let Descriptor { digest, size, .. } = made.descriptor;
        known::remember_blob(self.cache, diff_id, &setting, &Stored { digest, size });
        Ok(Shipped {
            descriptor: made.descriptor,
            diff_id,
            size: Some(made.plain.size),
            was_there,
        })
    }

    /// Whether a blob is at the destination, or can be brought there from another repository.
    ///
    /// # Errors
    ///
    /// A destination that can not be asked.
    pub fn is_there(&self, blob: &Descriptor, origins: &[Repository]) -> Result<bool, Error> {
        let Some(own) = self.destination.repository() else {
            return self.destination.holds(blob, origins);
        };
        let known = self.cache.locations(&own.registry, blob.digest);
        let repository = |name: &String| Repository {
            name: name.clone(),
            tag: None,
            digest: None,
            registry: own.registry.clone(),
        };
        let mut all = origins.to_vec();
        all.extend(known.iter().map(repository));
        let there = self.destination.holds(blob, &all)?;
        if there {
            self.cache
                .remember_location(&own.registry, &own.name, blob.digest);
        } else {
            // Each was asked, and none has it any more or gives it away.
            for name in &known {
                self.cache.forget_location(&own.registry, name, blob.digest);
            }
        }
        Ok(there)
    }

    /// Keeps what was staged where it is not there by now, and tells whether it was. What a
    /// layout has is replaced all the same: it is no more work, and mends what is damaged.
    ///
    /// # Errors
    ///
    /// A destination that can not be asked, or does not take it.
    pub fn settle(
        &self,
        staged: Staged,
        blob: &Descriptor,
        sent: &dyn Fn(u64),
    ) -> Result<bool, Error> {
        let there = self.is_there(blob, &[])?;
        if !there || self.destination.repository().is_none() {
            self.keep(staged, blob, sent)?;
        }
        Ok(there)
    }

    /// Keeps what was staged, and remembers where it is.
    ///
    /// # Errors
    ///
    /// A destination that does not take it.
    pub fn keep(&self, staged: Staged, blob: &Descriptor, sent: &dyn Fn(u64)) -> Result<(), Error> {
        self.destination.keep(staged, blob, sent)?;
        if let Some(own) = self.destination.repository() {
            self.cache
                .remember_location(&own.registry, &own.name, blob.digest);
        }
        Ok(())
    }

    /// Stages the bytes of a layer as they are, and unpacks them on the way to see whether they
    /// are those that the configuration names. Returns how many that are.
    fn fetch(
        &self,
        image: &str,
        layer: &Arc<dyn Layer>,
        blob: &Descriptor,
        observer: &dyn Observer,
    ) -> Result<(Staged, u64), CarryError> {
        let mut staged = self.destination.stage()?;
        let mut failed = None;
        let raw = Verified::new(layer.open()?, layer.name(), blob.size, blob.digest);
        // One that was fetched by now says by its bytes what it is.
        source::check_compression(image, layer.name(), &blob.media_type, layer.compression())?;
        let mut tee = Tee {
            inner: raw,
            out: &mut staged,
            failed: &mut failed,
            observer,
        };
        let outcome = self.unpack(image, layer, &mut tee);
        if let Some(source) = failed {
            return Err(Error::Staging {
                place: self.destination.name(),
                source,
            }
            .into());
        }
        let plain = outcome?;
        check(image, &layer.name(), layer.diff_id(), plain.diff_id)?;
        Ok((staged, plain.size))
    }

    fn unpack(
        &self,
        image: &str,
        layer: &Arc<dyn Layer>,
        raw: &mut (impl Read + Send),
    ) -> Result<Plain, CarryError> {
        let compression = layer.compression();
        let unpacking = |error| source::Error::unpacking(image, layer.as_ref(), error);
        let mut hash = Sha256::new();
        let mut size = 0;
        {
            let mut plain = compression.decoder(&mut *raw).map_err(unpacking)?;
            let mut buffer = vec![0; BUFFER];
            loop {
                match plain.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => {
                        hash.update(&buffer[..count]);
                        size += count as u64;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(unpacking(error).into()),
                }
                if size > MAX_UNPACKED {
                    let what = format!("its layer `{}`", layer.name());
                    let fault = Fault::TooLarge {
                        what,
                        size,
                        limit: MAX_UNPACKED,
                    };
                    return Err(source::Error::fault(image, fault).into());
                }
            }
        }
        // Whatever follows the compressed data belongs to the blob, too.
        io::copy(raw, &mut io::sink()).map_err(|error| source::Error::reading(image, error))?;
        Ok(Plain {
            diff_id: hash.into(),
            size,
        })
    }
}

fn check(image: &str, member: &str, expected: Digest, actual: Digest) -> Result<(), source::Error> {
    if expected == actual {
        return Ok(());
    }
    let (expected, actual) = (expected.to_string(), actual.to_string());
    Err(source::Error::fault(
        image,
        Fault::Digest {
            member: member.to_owned(),
            expected,
            actual,
        },
    ))
}

/// A reader that writes down what goes through.
struct Tee<'a, R> {
    inner: R,
    out: &'a mut Staged,
    /// Why it could not be written, which is not the reader's failure.
    failed: &'a mut Option<io::Error>,
    observer: &'a dyn Observer,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Err(error) = self.out.write_all(&buffer[..count]) {
            *self.failed = Some(error);
            return Err(io::ErrorKind::Other.into());
        }
        self.observer.written(count as u64);
        Ok(count)
    }
}
