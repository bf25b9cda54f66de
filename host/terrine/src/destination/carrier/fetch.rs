//! Bytes that go to a destination as they are, verified on the way.

use std::io::{self, Read, Write};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use terrine_compress::Compression;
use terrine_oci::{Descriptor, Repository};
use terrine_tar::MAX_UNPACKED;

use super::super::{Error, Reporter, Staged};
use super::make::{Reencoded, check};
use super::{Carrier, CarryError, Foreign, Shipped, sending};
use crate::cache::Plain;
use crate::pipe::Observer;
use crate::source::{self, Blobs, Fault, Layer, Verified};

/// The bytes that are read at once.
const BUFFER: usize = 256 << 10;

impl Carrier<'_> {
    /// Brings an existing layer as it is stored, unless it is at the destination.
    pub(super) fn fetch(
        &self,
        image: &str,
        layer: &Arc<dyn Layer>,
        begin: &dyn Fn(u64),
        reporter: &dyn Reporter,
    ) -> Result<Shipped, CarryError> {
        let given = layer.descriptor()?;
        let diff_id = layer.diff_id();
        let origins: Vec<Repository> = layer.repository().into_iter().cloned().collect();
        let there = |descriptor| Shipped {
            descriptor,
            diff_id,
            size: None,
            was_there: true,
        };
        if self.is_there(&given, &origins)? {
            let is_plain = given.digest == diff_id;
            if (layer.compression() == Compression::None) != is_plain {
                layer.look()?;
            }
            return Ok(there(described(layer.as_ref(), &given)));
        }
        begin(layer.stored_size());
        let stored = layer.open()?;
        if !self.stays(layer.as_ref()) {
            // Its first bytes are not what its media type says.
            drop(stored);
            return self.make(&Reencoded { image, layer }, &|_| {}, reporter);
        }
        let (staged, size) = self.stage_layer(image, layer, stored, &given, reporter)?;
        let descriptor = described(layer.as_ref(), &given);
        self.keep(staged, &descriptor, &sending(reporter, descriptor.size))?;
        Ok(Shipped {
            descriptor,
            diff_id,
            size: Some(size),
            was_there: false,
        })
    }

    /// Brings a layer that is not distributed with its image, if that is asked for and it can be had. Else only
    /// its descriptor is kept.
    pub(super) fn foreign(
        &self,
        image: &str,
        layer: &Arc<dyn Layer>,
        begin: &dyn Fn(u64),
        reporter: &dyn Reporter,
    ) -> Result<Shipped, CarryError> {
        if self.foreign == Foreign::Brought {
            match self.fetch(image, layer, begin, reporter) {
                Err(CarryError::Source(error)) if error.is_foreign_layer() => {
                    let name = layer.name();
                    reporter.left_out(&format!(
                        "the layer `{name}`: it is not distributed with its image, which does not have it"
                    ));
                }
                outcome => return outcome,
            }
        }
        let given = layer.descriptor()?;
        Ok(Shipped {
            descriptor: described(layer.as_ref(), &given),
            diff_id: layer.diff_id(),
            size: None,
            was_there: true,
        })
    }

    /// Brings a blob that is no layer of an image, unless it is at the destination. Errors call
    /// its image `name`.
    ///
    /// # Errors
    ///
    /// A blob that cannot be read or is not the one that its digest names, and a destination
    /// that does not take it.
    pub fn blob(
        &self,
        name: &str,
        blobs: &dyn Blobs,
        blob: &Descriptor,
        reporter: &dyn Reporter,
    ) -> Result<(), CarryError> {
        let origins: Vec<Repository> = blobs.repository().into_iter().cloned().collect();
        if self.is_there(blob, &origins)? {
            return Ok(());
        }
        let raw = Verified::new(
            blobs.blob(blob)?,
            blob.digest.to_string(),
            blob.size,
            blob.digest,
        );
        let (staged, _) = self.stage(raw, &(), |raw| {
            io::copy(raw, &mut io::sink())
                .map_err(|error| source::Error::reading(name, error).into())
        })?;
        Ok(self.keep(staged, blob, &|bytes| reporter.sent(bytes))?)
    }

    /// Stages the bytes of a layer as they are, and unpacks them on the way to see whether they
    /// are those that the configuration names. Returns the size of what they unpack to.
    fn stage_layer(
        &self,
        image: &str,
        layer: &Arc<dyn Layer>,
        stored: Box<dyn Read + Send + '_>,
        blob: &Descriptor,
        observer: &dyn Observer,
    ) -> Result<(Staged, u64), CarryError> {
        let raw = Verified::new(stored, layer.name(), blob.size, blob.digest);
        let (staged, plain) =
            self.stage(raw, observer, |raw| unpack(image, layer.as_ref(), raw))?;
        check(image, layer.as_ref(), plain.diff_id)?;
        Ok((staged, plain.size))
    }

    /// Stages all that `read` reads of a reader. A place without room is an error of its own, and
    /// not one of the reader.
    fn stage<R: Read + Send, T>(
        &self,
        raw: R,
        observer: &dyn Observer,
        read: impl FnOnce(&mut Tee<'_, R>) -> Result<T, CarryError>,
    ) -> Result<(Staged, T), CarryError> {
        let mut staged = self.destination.stage()?;
        let mut tee = Tee {
            inner: raw,
            out: &mut staged,
            failed: None,
            observer,
        };
        let outcome = read(&mut tee);
        if let Some(source) = tee.failed {
            let place = self.destination.name();
            return Err(Error::Staging { place, source }.into());
        }
        Ok((staged, outcome?))
    }
}

/// Returns the descriptor of a layer that stays as it is stored, with the type that its bytes have.
fn described(layer: &dyn Layer, given: &Descriptor) -> Descriptor {
    let media_type = match layer.compression().media_type() {
        Some(media_type) if !layer.is_foreign() => media_type,
        _ => given.media_type.to_oci(),
    };
    Descriptor {
        media_type,
        ..given.clone()
    }
}

/// Unpacks a layer, and returns what it is without its compression.
fn unpack(
    image: &str,
    layer: &dyn Layer,
    raw: &mut (impl Read + Send),
) -> Result<Plain, CarryError> {
    let unpacking = |error| source::Error::unpacking(image, layer, error);
    let mut hash = Sha256::new();
    let mut size = 0;
    {
        let mut plain = layer.compression().decoder(&mut *raw).map_err(unpacking)?;
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
                let limit = MAX_UNPACKED;
                let fault = Fault::TooLarge { what, size, limit };
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

/// A reader that writes down what goes through.
struct Tee<'a, R> {
    inner: R,
    out: &'a mut Staged,
    /// Why it could not be written, which is not the reader's failure.
    failed: Option<io::Error>,
    observer: &'a dyn Observer,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Err(error) = self.out.write_all(&buffer[..count]) {
            self.failed = Some(error);
            return Err(io::ErrorKind::Other.into());
        }
        self.observer.written(count as u64);
        Ok(count)
    }
}
