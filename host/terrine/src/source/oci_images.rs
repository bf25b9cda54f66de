//! The list of an `index.json`: the images of a layout or of an archive of one, by their names.

use std::sync::Arc;

use terrine_oci::{Descriptor, Digest, Document, Platform, Selector};

use super::docker_archive::normal;
use super::image_index::{ImageIndex, Listed, Opened, is_attestation};
use super::image_index::{may_be_manifest, nameless, open_descriptor, pick};
use super::oci::{Blobs, document_fault};
use super::{Available, Error, Fault, Image, Opener, elsewhere};
use crate::layout::{INDEX, REF_NAME};

/// The full name that containerd, and what is made on it, gives an image.
const IMAGE_NAME: &str = "io.containerd.image.name";

/// The part of the list that a selector leads to.
enum Chosen<'a> {
    /// One entry.
    Entry(&'a Descriptor),
    /// The list itself, which is an index.
    All,
    /// Several entries.
    Several(Vec<&'a Descriptor>),
    /// Something that an index among the entries lists.
    Nested(Box<Opened>),
}

/// Images that an `index.json` lists, and the blobs beside it.
#[derive(Debug)]
pub struct OciImages {
    blobs: Arc<dyn Blobs>,
    /// The start of references to them.
    transport: &'static str,
    /// The `index.json` as an index.
    index: ImageIndex,
}

impl OciImages {
    /// Reads what a text lists; `name` is what errors call all of it, and references to it start with `transport`.
    pub(super) fn new(
        transport: &'static str,
        name: &str,
        blobs: Arc<dyn Blobs>,
        text: Vec<u8>,
    ) -> Result<Self, Error> {
        let document =
            Document::parse(text, None).map_err(|fault| document_fault(name, INDEX, fault))?;
        let index = ImageIndex::new(&blobs, name, document)?;
        Ok(Self {
            blobs,
            transport,
            index,
        })
    }

    /// Lets an opener look elsewhere for layers that are not here.
    pub(super) fn with_urls(self, opener: &dyn Opener) -> Self {
        let blobs = elsewhere::with_urls(self.blobs, opener);
        Self {
            index: self.index.with_blobs(&blobs),
            transport: self.transport,
            blobs,
        }
    }

    /// Returns the descriptors that it lists, in order.
    pub fn entries(&self) -> &[Descriptor] {
        self.index.children()
    }

    /// The names of what it lists, and the numbers of what has none.
    pub fn names(&self) -> Vec<String> {
        self.entries()
            .iter()
            .enumerate()
            .map(|(number, entry)| {
                full_name(entry)
                    .cloned()
                    .unwrap_or_else(|| format!("@{number}"))
            })
            .collect()
    }

    /// Opens one of those that it lists. With [`Selector::Only`] there must be just one, or
    /// nothing but the platforms of one: some tools write their index as `index.json`.
    ///
    /// # Errors
    ///
    /// [`Fault::NoSuchImage`] and [`Fault::Several`] with what there is, and whatever cannot
    /// be used.
    pub fn open(&self, selector: &Selector) -> Result<Opened, Error> {
        match self.chosen(selector)? {
            Chosen::Entry(entry) => self.entry(entry),
            Chosen::All => Ok(Opened::Index(self.index.clone())),
            Chosen::Several(entries) => self.several(&entries),
            Chosen::Nested(opened) => Ok(*opened),
        }
    }

    /// Returns the descriptor of what a selector leads to, without a name. What no blob holds, because it is made of
    /// several entries or is the list itself, comes with its bytes. An artifact may be meant, too.
    ///
    /// # Errors
    ///
    /// As [`OciImages::open`], but what is one entry is not looked at.
    pub fn described(&self, selector: &Selector) -> Result<(Descriptor, Option<Document>), Error> {
        let opened = match self.chosen(selector)? {
            Chosen::Entry(entry) => return Ok((nameless(entry), None)),
            Chosen::All => Opened::Index(self.index.clone()),
            Chosen::Several(entries) => self.several(&entries)?,
            Chosen::Nested(opened) => *opened,
        };
        let described = |document: Document| (document.descriptor(), Some(document));
        match opened {
            Opened::Index(index) => Ok(described(index.document)),
            choice @ Opened::Choice { .. } => described_image(&pick(choice, None)?),
            Opened::Image(image) => described_image(&image),
        }
    }

    fn chosen(&self, selector: &Selector) -> Result<Chosen<'_>, Error> {
        let missing = |wanted: String| {
            let available = Available::new(self.transport, &self.index.name, self.names());
            Error::fault(&self.index.name, Fault::NoSuchImage { wanted, available })
        };
        match selector {
            Selector::Only => self.only(),
            Selector::Number(number) => {
                let entry = self.entries().get(*number).map(Chosen::Entry);
                entry.ok_or_else(|| missing(format!("@{number}")))
            }
            Selector::Name(name) => match self.named(name).as_slice() {
                [] => Err(missing(name.clone())),
                entries => Ok(self.images_of(entries)),
            },
            Selector::Digest(digest) => {
                let entry = self.entries().iter().find(|entry| entry.digest == *digest);
                match entry {
                    Some(entry) => Ok(Chosen::Entry(entry)),
                    None => self
                        .index
                        .find(digest)?
                        .map(|opened| Chosen::Nested(Box::new(opened)))
                        .ok_or_else(|| missing(digest.to_string())),
                }
            }
        }
    }

    /// Those of some entries that are images; the first, if none is.
    fn images_of<'a>(&self, entries: &[&'a Descriptor]) -> Chosen<'a> {
        if let [entry] = entries {
            return Chosen::Entry(entry);
        }
        let images: Vec<_> = entries
            .iter()
            .copied()
            .filter(|entry| entry.media_type.is_index() || may_be_manifest(entry))
            .filter(|entry| !is_attestation(entry) && self.index.is_image(entry))
            .collect();
        match images.as_slice() {
            [] => Chosen::Entry(entries[0]),
            [entry] => Chosen::Entry(entry),
            _ => Chosen::Several(images),
        }
    }

    fn entry(&self, entry: &Descriptor) -> Result<Opened, Error> {
        open_descriptor(&self.blobs, &self.index.name, entry)
    }

    fn only(&self) -> Result<Chosen<'_>, Error> {
        let entries = distinct(self.entries().iter().filter(|entry| !is_attestation(entry)));
        match entries.as_slice() {
            [] => return Err(Error::fault(&self.index.name, Fault::EmptyIndex)),
            [entry] => return Ok(Chosen::Entry(entry)),
            _ => {}
        }
        let nested = self.nested(&entries)?;
        let mut whole = entries.clone();
        whole.retain(|entry| is_named(entry) || !nested.contains(&entry.digest));
        let whole = match whole.as_slice() {
            [] => Chosen::Entry(entries[0]),
            whole => self.images_of(whole),
        };
        let Chosen::Several(several) = &whole else {
            return Ok(whole);
        };
        let has_platform = |entry: &&Descriptor| !is_named(entry) && entry.platform.is_some();
        if several.iter().all(has_platform) {
            return Ok(Chosen::All);
        }
        Ok(whole)
    }

    /// Returns the digests that the indexes among some entries list. skopeo lists the images of an
    /// index, too.
    fn nested(&self, entries: &[&Descriptor]) -> Result<Vec<Digest>, Error> {
        let mut digests = Vec::new();
        for entry in entries.iter().filter(|entry| entry.media_type.is_index()) {
            if let Opened::Index(index) = self.entry(entry)? {
                digests.extend(index.children().iter().map(|child| child.digest));
            }
        }
        Ok(digests)
    }

    /// The entries of a name. What is written just so comes before what means the same.
    fn named(&self, name: &str) -> Vec<&Descriptor> {
        let has = |key: &str, is: &dyn Fn(&str) -> bool| {
            distinct(
                self.entries()
                    .iter()
                    .filter(|entry| entry.annotations.get(key).is_some_and(|text| is(text))),
            )
        };
        let same = |text: &str| text == name;
        let alike = |text: &str| normal(text) == normal(name);
        [
            has(REF_NAME, &same),
            has(IMAGE_NAME, &same),
            has(IMAGE_NAME, &alike),
            has(REF_NAME, &alike),
        ]
        .into_iter()
        .find(|entries| !entries.is_empty())
        .unwrap_or_default()
    }

    /// Several entries: the images of one index, if they have one name, or none, and each a platform of its own.
    fn several(&self, entries: &[&Descriptor]) -> Result<Opened, Error> {
        let images = self.index.with(entries.iter().copied())?;
        let names: Vec<Option<&String>> = entries.iter().map(|entry| full_name(entry)).collect();
        let is_one = names.iter().all(|name| *name == names[0]);
        if is_one && entries.iter().all(|entry| may_be_manifest(entry)) {
            let listed = images.listed()?;
            let platforms: Vec<_> = listed.iter().map(|one| one.platform.normalized()).collect();
            let is_first = |(number, platform): (usize, &Platform)| {
                platform.is_whole() && !platforms[..number].contains(platform)
            };
            if listed.len() == entries.len() && platforms.iter().enumerate().all(is_first) {
                let listed: Vec<_> = listed.into_iter().map(with_platform).collect();
                return Ok(Opened::Index(self.index.with(&listed)?));
            }
        }
        let available = if is_one && names[0].is_some() {
            // Their name leads here again.
            let digests = entries.iter().map(|entry| format!("@{}", entry.digest));
            digests.collect()
        } else {
            self.names_of(entries)
        };
        let available = Available {
            by_platform: images.listed().is_ok_and(|listed| differ(&listed)),
            ..Available::new(self.transport, &self.index.name, available)
        };
        Ok(Opened::Choice { images, available })
    }

    fn names_of(&self, entries: &[&Descriptor]) -> Vec<String> {
        let all = self.entries().iter().zip(self.names());
        all.filter(|(entry, _)| entries.iter().any(|other| other.digest == entry.digest))
            .map(|(_, name)| name)
            .collect()
    }
}

/// Returns the entry of an image with the platform that the image is for.
fn with_platform(listed: Listed) -> Descriptor {
    Descriptor {
        platform: Some(listed.platform),
        ..listed.descriptor
    }
}

/// Tells whether a platform may be for one of several images alone.
fn differ(listed: &[Listed]) -> bool {
    let mut platforms = listed.iter().map(|one| one.platform.normalized());
    let first = platforms.next();
    platforms.any(|platform| Some(platform) != first)
}

/// Returns the descriptor of an image that other documents lead to, which is a blob.
fn described_image(image: &Image) -> Result<(Descriptor, Option<Document>), Error> {
    let document = image.manifest.as_ref();
    let document = document.ok_or_else(|| Error::fault(&image.name, Fault::NoManifest))?;
    let descriptor = Descriptor {
        platform: Some(image.configuration.platform()).filter(Platform::is_whole),
        ..document.descriptor()
    };
    Ok((descriptor, None))
}

/// The name of an entry, the longer one where it has two.
fn full_name(entry: &Descriptor) -> Option<&String> {
    let names = [IMAGE_NAME, REF_NAME].into_iter();
    names.filter_map(|key| entry.annotations.get(key)).next()
}

fn is_named(entry: &Descriptor) -> bool {
    [REF_NAME, IMAGE_NAME]
        .iter()
        .any(|key| entry.annotations.contains_key(*key))
}

/// The first entry of each digest: an image may have several names.
fn distinct<'a>(entries: impl Iterator<Item = &'a Descriptor>) -> Vec<&'a Descriptor> {
    let mut distinct: Vec<&Descriptor> = Vec::new();
    for entry in entries {
        if distinct.iter().all(|other| other.digest != entry.digest) {
            distinct.push(entry);
        }
    }
    distinct
}
