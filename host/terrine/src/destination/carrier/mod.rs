//! Layers on their way to a destination, those that are yet to be made and those that exist.
//!
//! Each goes through the same steps: what earlier runs know of it, whether the destination has
//! it, making or fetching it, checking it, keeping it there, and remembering what it is. Whoever
//! makes images and whoever copies them lists layers, and gets what they are at the destination.
//!
//! | step | module |
//! |---|---|
//! | the order of layers, several at once, and several destinations | `fan` |
//! | a layer that is made here: of files, or by compressing another one | `make` |
//! | bytes that go as they are | `fetch` |
//! | layers that others claim to have | `claimed` |
//! | layers that are shared with other machines | `share` |

mod claimed;
mod fan;
mod fetch;
mod make;
mod share;

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use terrine_compress::{Compression, Pool, Setting};
use terrine_oci::{Descriptor, Digest, Repository};
use terrine_support::hint::Hint;

use super::{Destination, Error, LayerOutcome, Presence, Reporter, SharedLayers, Staged};
use crate::cache::Cache;
use crate::claims::Claims;
use crate::layer::{self, LayerOrigin, NewLayer};
use crate::pipe::Closed;
use crate::source::{self, Layer};
pub use fan::{Brought, all};
pub use fetch::blob;

/// The rule that selects the existing layers to compress again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recompress {
    /// Those by bzip2 and xz only, for which OCI images have no media type.
    Never,
    /// Those that are not compressed as well, except for those of a registry.
    Plain,
    /// All that are not compressed in the way that is asked for, at whatever level.
    All,
    /// Those that are not plain and not compressed by gzip, because not every program that takes a
    /// docker-archive reads them.
    ForArchives,
    /// All, because nothing tells at what level they are compressed. None of those that are not
    /// compressed, if that is asked for.
    Always,
}

/// A destination, and everything that is needed to copy layers to it.
#[derive(Clone, Copy)]
pub struct Carrier<'a> {
    /// The destination.
    pub destination: &'a dyn Destination,
    /// The setting that layers are compressed with here.
    pub setting: &'a Setting,
    /// The threads that compress.
    pub pool: &'a Pool,
    /// The cache of the facts that are known from earlier runs.
    pub cache: &'a Cache,
    /// True if the cache identifies directories whose names say nothing about their content by
    /// the file system's metadata of everything in them.
    pub cache_directories: bool,
    /// The claims of others about layers that are yet to be made.
    pub claims: Option<&'a Claims>,
    /// The destination, if it is a repository of layers. It gets only layers with keys that this
    /// machine makes.
    pub shared: Option<&'a SharedLayers<'a>>,
    /// The rule that selects the existing layers to compress again.
    pub recompress: Recompress,
    /// The rule that selects the layers to copy that are not distributed with their images.
    pub foreign: Foreign,
}

/// The rule that selects the layers to copy that are not distributed with their images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// None: a program that runs the image gets them from the addresses in its manifest.
    Left,
    /// The layers that are stored with the image, or at the addresses in its manifest if the
    /// image's opener looks there.
    Brought,
    /// The same, for a destination where all layers have to be.
    Needed,
}

/// A layer that is to be at the destination.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The layer.
    pub layer: Carried<'a>,
    /// The contents that it is made of, described for people.
    pub origin: LayerOrigin<'a>,
    /// The layers of an image with the same key are carried once.
    pub key: Option<Digest>,
}

/// A layer, however it comes to be.
#[derive(Debug, Clone, Copy)]
pub enum Carried<'a> {
    /// One that is yet to be made.
    New(&'a dyn NewLayer),
    /// One of an existing image, which errors call by this name.
    Existing(&'a str, &'a Arc<dyn Layer>),
}

impl Carried<'_> {
    fn comes_last(&self) -> bool {
        match self {
            Self::New(layer) => layer.comes_last(),
            Self::Existing(..) => false,
        }
    }
}

/// A layer at the destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shipped {
    /// Its blob there.
    pub descriptor: Descriptor,
    /// The digest of the uncompressed layer.
    pub diff_id: Digest,
    /// The size of that in bytes, where it is known: not if nobody looked.
    pub size: Option<u64>,
    /// The way that it came to be there, if it is.
    pub outcome: LayerOutcome,
}

impl Shipped {
    /// Returns true if it was there before.
    pub fn was_there(&self) -> bool {
        self.outcome.was_there()
    }
}

/// A failure to make a layer or to copy it to a destination.
#[derive(Debug, thiserror::Error)]
pub enum CarryError {
    /// The existing image that it is from.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// The contents that it is made of.
    #[error(transparent)]
    Layer(#[from] layer::Error),
    /// The destination.
    #[error(transparent)]
    Destination(#[from] Error),
    /// The output ended first; the destination's error says why.
    #[error(transparent)]
    Closed(#[from] Closed),
}

impl Hint for CarryError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Source(error) => error.hint(),
            Self::Layer(error) => error.hint(),
            Self::Destination(error) => error.hint(),
            Self::Closed(error) => error.hint(),
        }
    }
}

impl Carrier<'_> {
    /// Brings the layers of an image, `jobs` at once, and returns what they are at the
    /// destination, in the order of `parts`.
    ///
    /// # Errors
    ///
    /// A layer that cannot be made or read or is not what it should be, and a destination that
    /// does not take it.
    pub fn all(
        &self,
        parts: &[Part<'_>],
        jobs: NonZeroUsize,
        reporter: &dyn Reporter,
    ) -> Result<Vec<Shipped>, CarryError> {
        let mut brought = all(std::slice::from_ref(self), parts, jobs, reporter)?;
        Ok(brought.remove(0)?)
    }

    /// Returns true for an existing layer that keeps its compression.
    fn stays(&self, layer: &dyn Layer) -> bool {
        // Its descriptor says where else to get just these bytes.
        if layer.is_foreign() {
            return true;
        }
        let wanted = self.setting.compression();
        match (self.recompress, layer.compression()) {
            (_, Compression::Bzip2 | Compression::Xz) => false,
            (Recompress::Never, _) => true,
            (Recompress::ForArchives, compression) => {
                matches!(compression, Compression::None | Compression::Gzip)
            }
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

    /// Tells if a blob is at the destination, or can be brought there from another repository
    /// without sending it.
    ///
    /// # Errors
    ///
    /// A destination that cannot be asked.
    pub fn is_there(&self, blob: &Descriptor, origins: &[Repository]) -> Result<Presence, Error> {
        let Some(own) = self.destination.repository() else {
            return self.destination.holds(blob, origins);
        };
        let known = self.cache.locations(&own.registry, blob.digest);
        let mut all = origins.to_vec();
        all.extend(known.iter().map(|name| Repository {
            name: name.clone(),
            tag: None,
            digest: None,
            registry: own.registry.clone(),
        }));
        let there = self.destination.holds(blob, &all)?;
        if there.is_there() {
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

    /// Keeps a staged blob that is not at the destination by now, and tells if it is. A blob of a layout is replaced all the same: it is no more work, and mends what is
    /// damaged.
    ///
    /// # Errors
    ///
    /// A destination that cannot be asked, or does not take it.
    pub fn settle(
        &self,
        staged: Staged,
        blob: &Descriptor,
        sent: &dyn Fn(u64),
    ) -> Result<Presence, Error> {
        let there = self.is_there(blob, &[])?;
        if !there.is_there() || self.destination.repository().is_none() {
            self.keep(staged, blob, sent)?;
        }
        Ok(there)
    }

    /// Keeps a staged blob, and remembers where it is.
    fn keep(&self, staged: Staged, blob: &Descriptor, sent: &dyn Fn(u64)) -> Result<(), Error> {
        self.destination.keep(staged, blob, sent)?;
        if let Some(own) = self.destination.repository() {
            self.cache
                .remember_location(&own.registry, &own.name, blob.digest);
        }
        Ok(())
    }
}

/// Tells of the bytes of a blob that go to a registry, and before the first ones how many they will be.
fn sending(reporter: &dyn Reporter, size: u64) -> impl Fn(u64) + '_ {
    let told = Cell::new(false);
    move |bytes| {
        if !told.replace(true) {
            reporter.to_send(size);
        }
        reporter.sent(bytes);
    }
}

/// Returns for each part the index of the first one with the same key.
fn firsts(parts: &[Part<'_>]) -> Vec<usize> {
    let mut first: HashMap<Digest, usize> = HashMap::new();
    parts
        .iter()
        .enumerate()
        .map(|(index, part)| {
            part.key
                .map_or(index, |key| *first.entry(key).or_insert(index))
        })
        .collect()
}
