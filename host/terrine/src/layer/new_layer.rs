//! The port of layers that are yet to be made.

use std::fmt;

use terrine_oci::Digest;
use terrine_planner_host::image::LayerRole;

use super::{Entries, Error, Measure, StorePath};
use crate::cache::{LayerKey, Plain};
use crate::pipe::Feeder;

/// A layer that is yet to be made, whatever it is made of.
///
/// A kind of layer is an implementation of this trait: what makes images, ships them and caches
/// their layers knows nothing else of it.
pub trait NewLayer: fmt::Debug + Sync {
    /// Lists the entries of the layer. No content is read.
    ///
    /// # Errors
    ///
    /// Something that is missing, or that a layer cannot hold.
    fn entries(&self) -> Result<Box<dyn Entries + '_>, Error>;

    /// Feeds the layer's archive. Calls `begin` with its size in bytes first, or, where only reading tells that,
    /// with one that is close to it.
    ///
    /// # Errors
    ///
    /// As [`NewLayer::entries`]; a file that cannot be read or is not what it was; an output that is closed.
    fn feed(&self, feeder: &mut Feeder<'_>, begin: &dyn Fn(u64)) -> Result<(), Error> {
        let entries = self.entries()?;
        begin(entries.measure().size);
        entries.feed(feeder)
    }

    /// Returns what the layer is made of, for people.
    fn origin(&self) -> LayerOrigin<'_>;

    /// Returns what the image's history says of the layer.
    fn history(&self) -> LayerHistory;

    /// Returns the store paths in the layer.
    fn store_paths(&self) -> &[StorePath] {
        &[]
    }

    /// Returns digest and size of the archive, where they are promised before it is made.
    fn promised(&self) -> Option<Plain> {
        None
    }

    /// Returns a key that two layers share only where their bytes are the same; none where
    /// nothing but reading tells. With `directories`, directories whose names say nothing about
    /// their content are told by the file system's metadata of everything in them.
    ///
    /// # Errors
    ///
    /// A store path that is missing.
    fn key(&self, _directories: bool) -> Result<Option<LayerKey>, Error> {
        Ok(None)
    }

    /// Returns whether the files of the layer are such as nobody changes, so that they may be read twice.
    fn is_immutable(&self) -> bool {
        false
    }

    /// Returns the approximate size in bytes, where it is known without looking at files. Large
    /// layers are started first.
    fn weight(&self) -> Option<u64> {
        None
    }

    /// Returns whether files of the layer have to be fetched.
    ///
    /// # Errors
    ///
    /// A binary cache that cannot be asked.
    fn is_fetched(&self) -> Result<bool, Error> {
        Ok(false)
    }

    /// Returns whether the layer can be made only when all others of the image are.
    fn comes_last(&self) -> bool {
        false
    }

    /// Checks the digest of the archive that was made.
    ///
    /// # Errors
    ///
    /// Another digest than the promised one.
    fn verify(&self, _actual: Digest) -> Result<(), Error> {
        Ok(())
    }
}

/// Measures a layer without reading a content.
///
/// # Errors
///
/// As [`NewLayer::entries`].
pub fn measure(layer: &dyn NewLayer) -> Result<Measure, Error> {
    Ok(layer.entries()?.measure())
}

/// The things that a layer is made of, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerOrigin<'a> {
    /// A layer of the base image, by its member's name.
    Base(&'a str),
    /// A layer of an image that is copied, by its name there.
    Existing(&'a str),
    /// Store paths, by the names of the largest.
    Store(&'a str),
    /// The root layer: everything else.
    Root,
}

/// The entry for a layer in an image's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerHistory {
    /// The part that the layer plays.
    pub role: LayerRole,
    /// The things that it is made of: store paths, or the directory of an archive.
    pub paths: Vec<String>,
    /// A comment in the place of that.
    pub comment: Option<String>,
}
