//! Bytes that go to a destination as they are, verified on the way.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};
use terrine_compress::Compression;
use terrine_oci::{Descriptor, Repository};
use terrine_tar::MAX_UNPACKED;

use super::super::{Error, LayerOutcome, Presence, Reporter, Staged};
use super::fan::{self, Fan, Landed};
use super::make::{Reencoded, check};
use super::{Carrier, CarryError, Foreign, sending};
use crate::cache::Plain;
use crate::pipe::Observer;
use crate::source::{self, Blobs, Fault, Layer, Verified};

/// The bytes that are read at once.
const BUFFER: usize = 256 << 10;

/// The kind of the facts about the compression of blobs by their first bytes.
const FACT: &str = "compression 1";

/// Returns the compression that is written so.
fn named(name: &str) -> Option<Compression> {
    use Compression::{Bzip2, Gzip, None, Xz, Zstd};
    [None, Gzip, Bzip2, Xz, Zstd]
        .into_iter()
        .find(|compression| compression.to_string() == name)
}

impl Fan<'_, '_> {
    /// Brings an existing layer as it is stored to the destinations that do not have it.
    pub(super) fn fetch(
        &self,
        lanes: &[usize],
        image: &str,
        layer: &Arc<dyn Layer>,
        begin: &dyn Fn(u64),
        reporter: &dyn Reporter,
    ) -> Result<Landed, CarryError> {
        let given = layer.descriptor()?;
        let diff_id = layer.diff_id();
        let origins: Vec<Repository> = layer.repository().into_iter().cloned().collect();
        let (mut landed, mut lacking) = (vec![], vec![]);
        for &lane in lanes {
            match self.step(lane, self.carriers[lane].is_there(&given, &origins)) {
                Some(Presence::Missing) => lacking.push(lane),
                Some(presence) => landed.push((lane, presence)),
                None => {}
            }
        }
        let stored = if lacking.is_empty() {
            let is_plain = given.digest == diff_id;
            if !landed.is_empty() && (layer.compression() == Compression::None) != is_plain {
                layer.look()?;
            }
            None
        } else {
            begin(layer.stored_size());
            Some(layer.open()?)
        };
        self.see(layer.as_ref())?;
        // After `see`, so that all destinations get the same bytes of the same type.
        let stays = |lane: usize| self.carriers[lane].stays(layer.as_ref());
        let changed = landed.extract_if(.., |(lane, _)| !stays(*lane));
        let mut changes: Vec<usize> = changed.map(|(lane, _)| lane).collect();
        let there = |(lane, presence)| {
            fan::landed(
                lane,
                &described(layer.as_ref(), &given),
                diff_id,
                None,
                LayerOutcome::of_presence(presence, false),
            )
        };
        let mut landed: Landed = landed.into_iter().map(there).collect();
        changes.extend(lacking.extract_if(.., |lane| !stays(*lane)));
        if let Some(stored) = stored.filter(|_| !lacking.is_empty()) {
            landed.extend(self.as_stored(&lacking, image, layer, stored, reporter)?);
        }
        if !changes.is_empty() {
            landed.extend(self.make(&changes, &Reencoded { image, layer }, &|_| {}, reporter)?);
        }
        Ok(landed)
    }
}

impl Fan<'_, '_> {
    /// Makes what is known of a layer's compression by its bytes independent of whether somebody has opened it in this run:
    /// the cache remembers that of blobs in registries.
    pub(super) fn see(&self, layer: &dyn Layer) -> Result<(), CarryError> {
        let (Some(carrier), Some(_)) = (self.carriers.first(), layer.repository()) else {
            return Ok(());
        };
        let blob = layer.descriptor()?.digest;
        let known = carrier.cache.facts(FACT, &[blob]).pop().flatten();
        match (layer.seen(), known.and_then(|name| named(&name))) {
            (Some(seen), known) if known != Some(seen) => {
                let fact = (blob, seen.to_string());
                carrier.cache.remember_facts(FACT, &[fact]);
            }
            (None, Some(known)) => layer.told(known),
            _ => {}
        }
        Ok(())
    }

    /// Brings the bytes of a layer as they are stored to destinations that do not have them.
    pub(super) fn as_stored(
        &self,
        lacking: &[usize],
        image: &str,
        layer: &Arc<dyn Layer>,
        stored: Box<dyn Read + Send + '_>,
        reporter: &dyn Reporter,
    ) -> Result<Landed, CarryError> {
        let given = layer.descriptor()?;
        let Some(staged) = self.stage(lacking) else {
            return Ok(vec![]);
        };
        let counting = Counting {
            reporter,
            is_remote: layer.repository().is_some(),
        };
        let (staged, size) = match stage_layer(staged, image, layer, stored, &given, &counting)? {
            Ok(staged) => staged,
            Err(error) => {
                self.unwritten(lacking, &error);
                return Ok(vec![]);
            }
        };
        let descriptor = described(layer.as_ref(), &given);
        let kept = self.hand_out(lacking, staged, |carrier, staged| {
            carrier.keep(staged, &descriptor, &sending(reporter, descriptor.size))?;
            Ok(LayerOutcome::Brought)
        });
        let landed = kept.into_iter().map(|(lane, outcome)| {
            fan::landed(lane, &descriptor, layer.diff_id(), Some(size), outcome)
        });
        Ok(landed.collect())
    }

    /// Brings a layer that is not distributed with its image to the destinations where that is asked for, if it can
    /// be had. Else only its descriptor is kept.
    pub(super) fn foreign(
        &self,
        lanes: &[usize],
        image: &str,
        layer: &Arc<dyn Layer>,
        begin: &dyn Fn(u64),
        reporter: &dyn Reporter,
    ) -> Result<Landed, CarryError> {
        let (brought, mut left): (Vec<usize>, Vec<usize>) = lanes
            .iter()
            .partition(|&&lane| self.carriers[lane].foreign != Foreign::Left);
        let mut landed = vec![];
        if !brought.is_empty() {
            match self.fetch(&brought, image, layer, begin, reporter) {
                Err(CarryError::Source(error)) if error.is_foreign_layer() => {
                    left.extend(self.left_out(&brought, layer.as_ref(), &error, reporter));
                }
                outcome => landed = outcome?,
            }
        }
        let given = layer.descriptor()?;
        let descriptor = described(layer.as_ref(), &given);
        let outcome = LayerOutcome::Left;
        landed.extend(
            left.into_iter()
                .map(|lane| fan::landed(lane, &descriptor, layer.diff_id(), None, outcome)),
        );
        Ok(landed)
    }
}

impl Fan<'_, '_> {
    /// Tells of a layer that is at no place. Returns the destinations that can do without.
    fn left_out(
        &self,
        lanes: &[usize],
        layer: &dyn Layer,
        error: &source::Error,
        reporter: &dyn Reporter,
    ) -> Vec<usize> {
        let what = format!("the layer `{}`", layer.name());
        let why = absent(error);
        let (needed, left): (Vec<usize>, Vec<usize>) = lanes
            .iter()
            .partition(|&&lane| self.carriers[lane].foreign == Foreign::Needed);
        for lane in needed {
            let place = self.carriers[lane].destination.name();
            let what = format!("{what} ({why})");
            let hint = "copy an image that has all its layers";
            self.step::<()>(lane, Err(Error::Unsupported { what, place, hint }));
        }
        if !left.is_empty() {
            reporter.left_out(&format!("{what}: {why}"));
        }
        left
    }
}

/// Says why a layer that is not distributed with its image is at no place.
fn absent(error: &source::Error) -> String {
    let why = "it is not distributed with its image";
    match error.elsewhere() {
        Some(elsewhere) => format!("{why}: {elsewhere}"),
        None => why.to_owned(),
    }
}

/// Brings a blob that is not a layer of an image to the destinations that do not have it. It is read once. Errors call its
/// image `name`. Returns by carrier what came of it.
///
/// # Errors
///
/// A blob that cannot be read or is not the one that its digest names.
pub fn blob(
    carriers: &[Carrier<'_>],
    name: &str,
    blobs: &dyn Blobs,
    blob: &Descriptor,
    reporter: &dyn Reporter,
) -> Result<Vec<Result<(), Error>>, CarryError> {
    let failed = Mutex::new(carriers.iter().map(|_| None).collect());
    let fan = Fan::new(carriers, &failed);
    let origins: Vec<Repository> = blobs.repository().into_iter().cloned().collect();
    let lacks = |lane: &usize| {
        fan.step(*lane, carriers[*lane].is_there(blob, &origins)) == Some(Presence::Missing)
    };
    let lacking: Vec<usize> = (0..carriers.len()).filter(lacks).collect();
    if !lacking.is_empty()
        && let Some(staged) = fan.stage(&lacking)
    {
        let (digest, size) = (blob.digest, blob.size);
        let raw = Verified::new(blobs.blob(blob)?, digest.to_string(), size, digest);
        let staged = stage(staged, raw, &(), |raw| {
            io::copy(raw, &mut io::sink())
                .map_err(|error| source::Error::reading(name, error).into())
        })?;
        match staged {
            Ok((staged, _)) => {
                fan.hand_out(&lacking, staged, |carrier, staged| {
                    carrier.keep(staged, blob, &|bytes| reporter.sent(bytes))?;
                    Ok(LayerOutcome::Brought)
                });
            }
            Err(error) => fan.unwritten(&lacking, &error),
        }
    }
    Ok(fan.failures())
}

/// Stages the bytes of a layer as they are, and unpacks them on the way to see whether they are
/// those that the configuration names. Returns the size of what they unpack to as well, or why
/// they could not be written.
fn stage_layer(
    staged: Staged,
    image: &str,
    layer: &Arc<dyn Layer>,
    stored: Box<dyn Read + Send + '_>,
    blob: &Descriptor,
    observer: &dyn Observer,
) -> Result<io::Result<(Staged, u64)>, CarryError> {
    let raw = Verified::new(stored, layer.name(), blob.size, blob.digest);
    let staged = stage(staged, raw, observer, |raw| {
        unpack(image, layer.as_ref(), raw)
    })?;
    let (staged, plain) = match staged {
        Ok(staged) => staged,
        Err(error) => return Ok(Err(error)),
    };
    check(image, layer.as_ref(), plain.diff_id)?;
    Ok(Ok((staged, plain.size)))
}

/// Stages all that `read` reads of a reader, or returns why it could not be written, which is no
/// error of the reader.
fn stage<R: Read + Send, T>(
    mut staged: Staged,
    raw: R,
    observer: &dyn Observer,
    read: impl FnOnce(&mut Tee<'_, R>) -> Result<T, CarryError>,
) -> Result<io::Result<(Staged, T)>, CarryError> {
    let mut tee = Tee {
        inner: raw,
        out: &mut staged,
        failed: None,
        observer,
    };
    let outcome = read(&mut tee);
    if let Some(error) = tee.failed {
        return Ok(Err(error));
    }
    let value = outcome?;
    Ok(Ok((staged, value)))
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

/// An observer of the bytes of a layer, which may come from a registry.
struct Counting<'a> {
    reporter: &'a dyn Reporter,
    is_remote: bool,
}

impl Observer for Counting<'_> {
    fn written(&self, bytes: u64) {
        self.reporter.written(bytes);
        if self.is_remote {
            self.reporter.received(bytes);
        }
    }
}

/// A reader that writes down what goes through.
struct Tee<'a, R> {
    inner: R,
    out: &'a mut Staged,
    /// The error of the output, which is not a failure of the reader.
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
