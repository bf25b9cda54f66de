//! Layers that are made here: of files, or by compressing an existing layer again.

use std::sync::Arc;

use terrine_compress::Compression;
use terrine_oci::{Descriptor, Digest, MediaType};

use super::super::{LayerOutcome, Presence, Reporter, blob};
use super::fan::{self, Fan, Landed};
use super::{Carrier, CarryError, sending};
use crate::cache::{Cache, LayerKey, Plain, Stored, agreed};
use crate::layer::{self, NewLayer, StorePath};
use crate::pipe::Feeder;
use crate::source::{self, Fault, Layer};

/// The plain bytes that a layer is made of.
pub(super) trait Contents {
    /// Returns what the layer is, as far as it is known before it is made.
    fn known(&self) -> Option<Known>;

    /// Feeds the plain bytes; calls `begin` with their size, or that of what is read for them.
    fn feed(&self, feeder: &mut Feeder<'_>, begin: &dyn Fn(u64)) -> Result<(), CarryError>;

    /// Checks what was made.
    fn verify(&self, made: Plain) -> Result<(), CarryError>;

    /// Remembers what was made.
    fn remember(&self, made: Plain);

    /// Returns true for a layer that takes its time, so that the destination is asked first
    /// whether it takes anything at all.
    fn is_slow(&self) -> bool;
}

/// The facts about a layer that are known before it is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    diff_id: Digest,
    /// The size of the plain layer in bytes, where it is known.
    size: Option<u64>,
}

impl From<Plain> for Known {
    fn from(Plain { diff_id, size }: Plain) -> Self {
        Self {
            diff_id,
            size: Some(size),
        }
    }
}

impl Fan<'_, '_> {
    /// Makes a layer, unless it is known and at all destinations.
    pub(super) fn make(
        &self,
        lanes: &[usize],
        contents: &dyn Contents,
        begin: &dyn Fn(u64),
        reporter: &dyn Reporter,
    ) -> Result<Landed, CarryError> {
        let (mut landed, lacking) = self.known(lanes, contents);
        landed.extend(self.make_for(&lacking, contents, begin, reporter)?);
        Ok(landed)
    }

    /// Makes a layer for destinations that do not have it.
    pub(super) fn make_for(
        &self,
        lacking: &[usize],
        contents: &dyn Contents,
        begin: &dyn Fn(u64),
        reporter: &dyn Reporter,
    ) -> Result<Landed, CarryError> {
        let known = contents.known();
        let mut landed = vec![];
        let mut outs = vec![];
        let mut groups = vec![];
        for group in self.by_setting(lacking) {
            let setting = self.carriers[group[0]].setting;
            if let Some(staged) = self.stage(&group) {
                outs.push(blob::Out { staged, setting });
                groups.push(group);
            }
        }
        if groups.is_empty() {
            return Ok(landed);
        }
        let made = blob::make::<CarryError>(
            outs,
            self.carriers[0].pool,
            self.threads,
            reporter,
            |feeder| contents.feed(feeder, begin),
        )?;
        if let Some(plain) = made.plain {
            contents.verify(plain)?;
        }
        for (group, blob) in groups.iter().zip(made.blobs) {
            match (made.plain, blob) {
                (Some(plain), Ok((blob, staged))) => {
                    let kept = self.hand_out(group, staged, |carrier, staged| {
                        let settled = carrier.settle(staged, &blob, &sending(reporter, blob.size));
                        settled.map(|presence| LayerOutcome::of_presence(presence, false))
                    });
                    if !kept.is_empty() {
                        self.carriers[group[0]].remember_made(known, plain, &blob);
                        contents.remember(plain);
                    }
                    landed.extend(kept.into_iter().map(|(lane, outcome)| {
                        fan::landed(lane, &blob, plain.diff_id, Some(plain.size), outcome)
                    }));
                }
                (_, Err(error)) => self.unwritten(group, &error),
                (None, Ok(_)) => {}
            }
        }
        Ok(landed)
    }

    /// Returns where a layer is already, and the destinations that it has to be made for.
    pub(super) fn known(&self, lanes: &[usize], contents: &dyn Contents) -> (Landed, Vec<usize>) {
        let known = contents.known();
        let (mut landed, mut lacking) = (vec![], vec![]);
        for &lane in lanes {
            let carrier = &self.carriers[lane];
            let stored = known.and_then(|known| Some((known, carrier.stored(known)?)));
            let there = match &stored {
                Some((_, blob)) => carrier.is_there(blob, &[]),
                // Before something is made that takes its time.
                None if contents.is_slow() => {
                    carrier.destination.ready().map(|()| Presence::Missing)
                }
                None => Ok(Presence::Missing),
            };
            match (self.step(lane, there), stored) {
                (Some(presence), Some((known, blob))) if presence.is_there() => {
                    let outcome = LayerOutcome::of_presence(presence, true);
                    landed.push(fan::landed(lane, &blob, known.diff_id, known.size, outcome));
                }
                (Some(_), _) => lacking.push(lane),
                (None, _) => {}
            }
        }
        (landed, lacking)
    }
}

impl Carrier<'_> {
    /// Remembers the blob that a layer is made into.
    fn remember_made(&self, known: Option<Known>, plain: Plain, blob: &Descriptor) {
        // The blob of a plain layer is known by the layer, unless only its digest is known.
        let is_told = self.setting.compression() == Compression::None
            && known.is_none_or(|known| known.size.is_some());
        if !is_told {
            self.remember_stored(plain, blob);
        }
    }

    /// Returns the blob that a layer is compressed to, where an earlier run found out.
    pub(super) fn stored_blob(&self, plain: Plain) -> Option<Stored> {
        let Descriptor { digest, size, .. } = self.stored(Known::from(plain))?;
        Some(Stored { digest, size })
    }

    /// Returns the blob that a known layer is compressed to, where an earlier run found out.
    fn stored(&self, known: Known) -> Option<Descriptor> {
        if let (Compression::None, Some(size)) = (self.setting.compression(), known.size) {
            return Some(Descriptor::new(MediaType::OciLayer, known.diff_id, size));
        }
        let Stored { digest, size } =
            agreed::blob(self.cache, known.diff_id, &self.setting.describe())?;
        let media_type = self.setting.compression().media_type()?;
        Some(Descriptor::new(media_type, digest, size))
    }

    /// Remembers the blob that a layer is compressed to.
    fn remember_stored(&self, plain: Plain, blob: &Descriptor) {
        let stored = Stored {
            digest: blob.digest,
            size: blob.size,
        };
        agreed::remember_blob(self.cache, plain.diff_id, &self.setting.describe(), &stored);
    }
}

/// A layer that is made of what [`NewLayer`] says.
pub(super) struct MadeOf<'a> {
    layer: &'a dyn NewLayer,
    cache: &'a Cache,
    key: Option<LayerKey>,
    /// The facts that the cache has of it, or that were promised.
    known: Option<Plain>,
    /// True if the layer is made even so, and compared.
    is_checked: bool,
}

impl<'a> MadeOf<'a> {
    /// A layer, with what the carrier's cache knows of it.
    pub(super) fn new(
        carrier: &Carrier<'a>,
        layer: &'a dyn NewLayer,
    ) -> Result<Self, layer::Error> {
        let key = layer.key(carrier.cache_directories)?;
        let cache = carrier.cache;
        let promised = layer.promised();
        let known = promised.or_else(|| agreed::plain(cache, key.as_ref()?, names(layer)));
        Ok(Self {
            layer,
            cache,
            key,
            known,
            is_checked: promised.is_none() && cache.checks_all(),
        })
    }

    /// Returns the size of the plain layer in bytes, where it is known.
    pub(super) fn size(&self) -> Option<u64> {
        self.known.map(|plain| plain.size)
    }

    /// Returns the key that every machine knows the layer by.
    pub(super) fn portable_key(&self) -> Option<&LayerKey> {
        self.key.as_ref().filter(|key| key.is_portable())
    }

    /// Returns the plain layer, where this machine knows it.
    pub(super) fn known_plain(&self) -> Option<Plain> {
        self.known.filter(|_| !self.is_checked)
    }
}

impl Contents for MadeOf<'_> {
    fn known(&self) -> Option<Known> {
        self.known_plain().map(Known::from)
    }

    fn feed(&self, feeder: &mut Feeder<'_>, begin: &dyn Fn(u64)) -> Result<(), CarryError> {
        Ok(self.layer.feed(feeder, begin)?)
    }

    fn verify(&self, made: Plain) -> Result<(), CarryError> {
        self.layer.verify(made.diff_id)?;
        // What the cache said goes for nothing if the bytes say otherwise.
        if let (Some(key), Some(known)) = (&self.key, self.known)
            && known != made
        {
            self.cache.forget_plain(key);
            self.cache.was_wrong();
        }
        Ok(())
    }

    fn remember(&self, made: Plain) {
        if let Some(key) = &self.key {
            agreed::remember_plain(self.cache, key, names(self.layer), &made);
        }
    }

    fn is_slow(&self) -> bool {
        !self.layer.store_paths().is_empty()
    }
}

/// Returns the names of the store paths in a layer.
fn names(layer: &dyn NewLayer) -> impl Iterator<Item = &str> {
    layer.store_paths().iter().map(StorePath::as_str)
}

/// An existing layer that is compressed again.
pub(super) struct Reencoded<'a> {
    /// The name of its image in errors.
    pub(super) image: &'a str,
    pub(super) layer: &'a Arc<dyn Layer>,
}

impl Contents for Reencoded<'_> {
    fn known(&self) -> Option<Known> {
        Some(Known {
            diff_id: self.layer.diff_id(),
            size: None,
        })
    }

    fn feed(&self, feeder: &mut Feeder<'_>, begin: &dyn Fn(u64)) -> Result<(), CarryError> {
        begin(self.layer.stored_size());
        blob::unpacked(feeder, self.image, self.layer)
    }

    fn verify(&self, made: Plain) -> Result<(), CarryError> {
        Ok(check(self.image, self.layer.as_ref(), made.diff_id)?)
    }

    fn remember(&self, _: Plain) {}

    fn is_slow(&self) -> bool {
        false
    }
}

/// Checks the digest of a layer's plain bytes.
pub(super) fn check(image: &str, layer: &dyn Layer, actual: Digest) -> Result<(), source::Error> {
    let expected = layer.diff_id();
    if expected == actual {
        return Ok(());
    }
    Err(source::Error::fault(
        image,
        Fault::Digest {
            member: layer.name(),
            expected: expected.to_string(),
            actual: actual.to_string(),
        },
    ))
}
