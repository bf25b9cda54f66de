//! The manifests of an image, by platform.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use terrine_oci::{Digest, Document, Platform};

use crate::source::{self, Error, Fault, Image, ImageIndex, Listed, Opened};

/// A manifest of an image for one platform. It is never an index.
#[derive(Debug)]
pub struct Choice<'a> {
    /// The platform: the one that the index lists, or that of an image without an index.
    pub platform: Platform,
    /// The digest of the manifest.
    pub digest: Digest,
    place: Place<'a>,
}

/// The place of an image.
#[derive(Debug)]
enum Place<'a> {
    Alone(&'a Image),
    Listed(&'a ImageIndex, Box<Listed>),
}

/// Returns the manifest for a platform. Of an index nothing more is read, unless only the images
/// tell their platforms.
///
/// # Errors
///
/// [`Fault::NoPlatform`] with the existing platforms, and an index that cannot be used.
pub fn one<'a>(opened: &'a Opened, wanted: &Platform) -> Result<Choice<'a>, Error> {
    match opened {
        Opened::Image(image) => {
            source::pick(Opened::Image(image.clone()), Some(wanted))?;
            Choice::alone(image)
        }
        Opened::Index(index) | Opened::Choice { images: index, .. } => {
            Choice::listed(index, index.select(wanted)?)
        }
    }
}

/// Returns the manifests for all platforms, by key: the architecture, and whatever else tells the
/// platform from others of that architecture. Each is the one that [`one`] returns for its
/// platform.
///
/// # Errors
///
/// An image without a platform, and an index that cannot be used.
pub fn all(opened: &Opened) -> Result<BTreeMap<String, Choice<'_>>, Error> {
    let (name, choices) = match opened {
        Opened::Image(image) => (&image.name, vec![Choice::alone(image)?]),
        Opened::Index(index) | Opened::Choice { images: index, .. } => {
            let listed = index.listed()?.into_iter();
            let choices = listed.map(|listed| Choice::listed(index, listed));
            (&index.name, choices.collect::<Result<_, _>>()?)
        }
    };
    if choices.is_empty() {
        return Err(Error::fault(name, Fault::EmptyIndex));
    }
    let mut all = BTreeMap::new();
    for choice in choices {
        if choice.platform.architecture.is_empty() {
            let platform = choice.platform.to_string();
            return Err(Error::fault(name, Fault::Platform(platform)));
        }
        insert(&mut all, choice);
    }
    Ok(all)
}

/// Adds a choice. Of two with the same key the first stays, unless only the second has the
/// platform exactly: `arm64` is preferred to `arm64/v8`.
fn insert<'a>(all: &mut BTreeMap<String, Choice<'a>>, choice: Choice<'a>) {
    match all.entry(key(&choice.platform)) {
        Entry::Vacant(entry) => {
            entry.insert(choice);
        }
        Entry::Occupied(mut entry) => {
            if entry.get().platform.variant.is_some() && choice.platform.variant.is_none() {
                entry.insert(choice);
            }
        }
    }
}

/// Returns the key of a platform: `amd64`, `arm-v7`, `windows-amd64-10.0.17763.7249`.
fn key(platform: &Platform) -> String {
    let os = Some(platform.os.as_str()).filter(|os| !matches!(*os, "" | "linux"));
    let parts = [
        os,
        Some(platform.architecture.as_str()),
        platform.distinct_variant(),
        platform.os_version.as_deref(),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("-")
}

impl<'a> Choice<'a> {
    fn alone(image: &'a Image) -> Result<Self, Error> {
        let manifest = image.manifest.as_ref().map(Document::digest);
        Ok(Self {
            platform: plain(&image.name, image.configuration.platform())?,
            digest: manifest.ok_or_else(|| Error::fault(&image.name, Fault::NoManifest))?,
            place: Place::Alone(image),
        })
    }

    fn listed(index: &'a ImageIndex, listed: Listed) -> Result<Self, Error> {
        Ok(Self {
            platform: plain(&index.name, listed.platform.clone())?,
            digest: listed.descriptor.digest,
            place: Place::Listed(index, Box::new(listed)),
        })
    }

    /// Opens the image.
    ///
    /// # Errors
    ///
    /// An image that cannot be used.
    pub fn open(&self) -> Result<Image, Error> {
        match &self.place {
            Place::Alone(image) => Ok((*image).clone()),
            Place::Listed(index, listed) => index.open_listed(listed),
        }
    }

    /// Returns the platform by which the image can be pulled: its own, which an index may list
    /// less or more exactly, or the listed one if the image names none.
    pub(super) fn own_platform(&self, image: &Image) -> Result<Platform, Error> {
        let own = image.configuration.platform();
        if own.os.is_empty() || own.architecture.is_empty() {
            return Ok(self.platform.clone());
        }
        plain(&image.name, own)
    }
}

/// Refuses platforms that Nix cannot hold as text, or that would change the terminal.
fn plain(image: &str, platform: Platform) -> Result<Platform, Error> {
    let version = platform.os_version.as_deref().unwrap_or_default();
    let text = format!("{platform}{version}");
    if text.contains(char::is_control) {
        return Err(Error::fault(image, Fault::Platform(text)));
    }
    Ok(platform)
}
