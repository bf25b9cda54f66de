//! What an `index.json` lists: the images of a layout or of an archive of one, by their names.

use std::sync::Arc;

use terrine_oci::{Descriptor, Digest, Document, Platform, Selector};

use super::docker_archive::normal;
use super::image_index::{ImageIndex, Opened, is_attestation, may_be_manifest, open_descriptor};
use super::oci::{Blobs, document_fault};
use super::{Error, Fault, Opener, elsewhere};
use crate::layout::{INDEX, REF_NAME};

/// The full name that containerd, and what is made on it, gives an image.
const IMAGE_NAME: &str = "io.containerd.image.name";

/// Images that an `index.json` lists, and the blobs beside it.
#[derive(Debug)]
pub struct OciImages {
    blobs: Arc<dyn Blobs>,
    /// The `index.json` as an index.
    index: ImageIndex,
}

impl OciImages {
    /// What a text lists; `name` is what errors call all of it.
    pub(super) fn new(name: &str, blobs: Arc<dyn Blobs>, text: Vec<u8>) -> Result<Self, Error> {
        let document =
            Document::parse(text, None).map_err(|fault| document_fault(name, INDEX, fault))?;
        let index = ImageIndex::new(&blobs, name, document)?;
        Ok(Self { blobs, index })
    }

    /// Lets an opener look elsewhere for layers that are not here.
    pub(super) fn with_urls(self, opener: &dyn Opener) -> Self {
        let blobs = elsewhere::with_urls(self.blobs, opener);
        Self {
            index: self.index.with_blobs(&blobs),
            blobs,
        }
    }

    /// What it lists, in order.
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
        let missing = |wanted: String| {
            Error::fault(
                &self.index.name,
                Fault::NoSuchImage {
                    wanted,
                    available: self.names(),
                },
            )
        };
        match selector {
            Selector::Only => self.only(),
            Selector::Number(number) => {
                let entry = self.entries().get(*number);
                self.entry(entry.ok_or_else(|| missing(format!("@{number}")))?)
            }
            Selector::Name(name) => match self.named(name).as_slice() {
                [] => Err(missing(name.clone())),
                [entry] => self.entry(entry),
                several => self.several(several),
            },
            Selector::Digest(digest) => {
                let entry = self.entries().iter().find(|entry| entry.digest == *digest);
                match entry {
                    Some(entry) => self.entry(entry),
                    None => self
                        .index
                        .find(digest)?
                        .ok_or_else(|| missing(digest.to_string())),
                }
            }
        }
    }

    fn entry(&self, entry: &Descriptor) -> Result<Opened, Error> {
        open_descriptor(&self.blobs, &self.index.name, entry)
    }

    fn only(&self) -> Result<Opened, Error> {
        let entries = distinct(self.entries().iter().filter(|entry| !is_attestation(entry)));
        match entries.as_slice() {
            [] => return Err(Error::fault(&self.index.name, Fault::EmptyIndex)),
            [entry] => return self.entry(entry),
            _ => {}
        }
        let nested = self.nested(&entries)?;
        let whole: Vec<_> = entries
            .iter()
            .copied()
            .filter(|entry| entry.media_type.is_index() || may_be_manifest(entry))
            .filter(|entry| is_named(entry) || !nested.contains(&entry.digest))
            .filter(|entry| self.index.is_image(entry))
            .collect();
        match whole.as_slice() {
            [] => self.entry(entries[0]),
            [entry] => self.entry(entry),
            several
                if several
                    .iter()
                    .all(|entry| !is_named(entry) && entry.platform.is_some()) =>
            {
                Ok(Opened::Index(self.index.clone()))
            }
            several => self.several(several),
        }
    }

    /// What the indexes among some entries list: skopeo lists the images of an index, too.
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
        let images = self.index.with(entries)?;
        let names: Vec<Option<&String>> = entries.iter().map(|entry| full_name(entry)).collect();
        if names.iter().all(|name| *name == names[0])
            && entries.iter().all(|entry| may_be_manifest(entry))
        {
            let listed = images.listed()?;
            let platforms: Vec<_> = listed.iter().map(|one| one.platform.normalized()).collect();
            let is_first = |(number, platform): (usize, &Platform)| {
                platform.is_whole() && !platforms[..number].contains(platform)
            };
            if listed.len() == entries.len() && platforms.iter().enumerate().all(is_first) {
                return Ok(Opened::Index(images));
            }
        }
        let available = self
            .entries()
            .iter()
            .zip(self.names())
            .filter(|(entry, _)| entries.iter().any(|other| other.digest == entry.digest))
            .map(|(_, name)| name)
            .collect();
        Ok(Opened::Choice { images, available })
    }
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
