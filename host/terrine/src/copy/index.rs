//! Several images under one name.

use terrine_oci::annotation;
use terrine_oci::{Annotations, Content, Descriptor, Document, Index, MediaType, Platform};

use super::image::{annotated, has_docker};
use super::lanes::{ByLane, Lanes};
use super::opaque::Entry;
use super::{Copying, Error};
use crate::destination::{self, Carrier};
use crate::source::{self, Image, ImageIndex, Opened};

/// An index at a destination.
struct Listing {
    document: Document,
    /// The entries that a registry may refuse, and the index without them.
    refusable: Option<(Vec<Descriptor>, Document)>,
}

impl Copying<'_> {
    /// Brings images, one for each platform, and gives their index the destinations' names. What
    /// the index that they are from says of an image counts more than its configuration.
    /// Returns the index at each destination: its images in the order of their platforms' names.
    ///
    /// # Errors
    ///
    /// As [`Copying::image`]; and images of one platform, or of none.
    pub fn index(
        &self,
        images: &[(Option<Descriptor>, Image)],
    ) -> Result<Vec<Result<Document, Error>>, Error> {
        let named = by_platform(images)?;
        let mut lanes = Lanes::new(self.carriers);
        let mut entries: ByLane<Vec<Descriptor>> = ByLane::new();
        for (platform, descriptor, image) in named {
            // What is said of an index is not said of its images.
            for (lane, document) in self.bring(&mut lanes, image, &Annotations::new())? {
                let destination = lanes.carrier(lane).destination;
                if lanes
                    .step(lane, destination.put_document(&document))
                    .is_some()
                {
                    let entry = entry(descriptor, &document, &platform);
                    entries.entry(lane).or_default().push(entry);
                }
            }
        }
        let mut documents = ByLane::new();
        let (alive, _) = lanes.alive();
        for lane in alive {
            // One that failed has some of the images, and keeps the index that it has.
            let entries = entries.remove(&lane).unwrap_or_default();
            let index = Index::new(entries, self.annotations.clone()).to_document();
            let published = lanes.carrier(lane).destination.publish(&index, None);
            documents.extend(lanes.step(lane, published).map(|()| (lane, index)));
        }
        Ok(lanes.finish(documents))
    }

    /// Brings all that an index lists, and gives it the destinations' names. Returns the index at each of them,
    /// which is the same byte for byte if all that it lists is.
    ///
    /// # Errors
    ///
    /// As [`Copying::image`].
    pub fn whole_index(&self, index: &ImageIndex) -> Result<Vec<Result<Document, Error>>, Error> {
        let mut lanes = Lanes::new(self.carriers);
        let brought = self.bring_index(&mut lanes, index, self.annotations, &mut 0)?;
        let mut documents = ByLane::new();
        for (lane, listing) in brought {
            let destination = lanes.carrier(lane).destination;
            let published = self.put(listing, |document| destination.publish(document, None));
            documents.extend(lanes.step(lane, published).map(|document| (lane, document)));
        }
        Ok(lanes.finish(documents))
    }

    /// Puts an index. A registry that refuses what it does not know gets the index without that.
    fn put(
        &self,
        listing: Listing,
        put: impl Fn(&Document) -> Result<(), destination::Error>,
    ) -> Result<Document, destination::Error> {
        let Listing {
            document,
            refusable,
        } = listing;
        match (put(&document), refusable) {
            (Err(error), Some((unknown, without))) if error.is_refusal() => {
                put(&without)?;
                unknown.iter().for_each(|entry| self.refused(entry, &error));
                Ok(without)
            }
            (put, _) => put.map(|()| document),
        }
    }

    /// Brings all that an index lists to the destinations that have not failed.
    fn bring_index(
        &self,
        lanes: &mut Lanes<'_, '_>,
        index: &ImageIndex,
        annotations: &Annotations,
        count: &mut usize,
    ) -> Result<ByLane<Listing>, Error> {
        index.count(count)?;
        let mut all: ByLane<Vec<Entry>> = ByLane::new();
        for child in index.children() {
            for (lane, entry) in self.bring_child(lanes, index, child, count)? {
                all.entry(lane).or_default().push(entry);
            }
        }
        let (alive, carriers) = lanes.alive();
        let listings = alive.into_iter().zip(carriers).map(|(lane, carrier)| {
            let entries = all.remove(&lane).unwrap_or_default();
            (lane, listing(index, &entries, annotations, &carrier))
        });
        Ok(listings.collect())
    }

    /// Brings one of those that an index lists. Returns its entry at each destination.
    fn bring_child(
        &self,
        lanes: &mut Lanes<'_, '_>,
        index: &ImageIndex,
        child: &Descriptor,
        count: &mut usize,
    ) -> Result<ByLane<Entry>, Error> {
        let media_type = &child.media_type;
        if !media_type.is_index() && !media_type.is_manifest() && !media_type.is_generic() {
            return self.unknown(lanes, index, child);
        }
        let plain = Annotations::new();
        let opened = if source::is_attestation(child) {
            None
        } else {
            match index.open(child) {
                // Signatures, and lists of what is in an image.
                Err(error) if error.is_no_image() => None,
                opened => Some(opened?),
            }
        };
        let is_image = opened.is_some();
        let brought: ByLane<Listing> = match opened {
            Some(Opened::Image(image)) => listings(self.bring(lanes, &image, &plain)?),
            Some(Opened::Index(nested) | Opened::Choice { images: nested, .. }) => {
                self.bring_index(lanes, &nested, &plain, count)?
            }
            None => {
                let document = self.opaque(lanes, index, child)?;
                let (alive, _) = lanes.alive();
                listings(alive.into_iter().map(|lane| (lane, document.clone())))
            }
        };
        let mut entries = ByLane::new();
        for (lane, listing) in brought {
            let destination = lanes.carrier(lane).destination;
            let put = self.put(listing, |document| destination.put_document(document));
            let entry = lanes.step(lane, put).map(|document| {
                let new = document.descriptor();
                let entry = child.replaced(new.media_type, new.digest, new.size);
                let entry = if is_image {
                    Entry::Image(entry)
                } else {
                    Entry::Other(entry)
                };
                (lane, entry)
            });
            entries.extend(entry);
        }
        Ok(entries)
    }
}

/// Documents that no registry refuses for what they list.
fn listings(documents: impl IntoIterator<Item = (usize, Document)>) -> ByLane<Listing> {
    let listing = |(lane, document)| {
        let refusable = None;
        (
            lane,
            Listing {
                document,
                refusable,
            },
        )
    };
    documents.into_iter().map(listing).collect()
}

/// An index as a destination has it: the same byte for byte if all that it lists is.
fn listing(
    index: &ImageIndex,
    entries: &[Entry],
    added: &Annotations,
    carrier: &Carrier<'_>,
) -> Listing {
    let document = rewritten(index, entries, added, carrier);
    let is_unknown = |entry: &&Entry| matches!(entry, Entry::Unknown(_));
    let unknown = entries
        .iter()
        .filter(is_unknown)
        .filter_map(Entry::descriptor);
    let unknown: Vec<Descriptor> = unknown.cloned().collect();
    let without = || {
        let known = |entry: &Entry| match entry {
            Entry::Unknown(_) => Entry::LeftOut,
            entry => entry.clone(),
        };
        let entries: Vec<Entry> = entries.iter().map(known).collect();
        rewritten(index, &entries, added, carrier)
    };
    Listing {
        document,
        refusable: (!unknown.is_empty()).then(|| (unknown, without())),
    }
}

impl Entry {
    fn descriptor(&self) -> Option<&Descriptor> {
        match self {
            Self::Image(entry) | Self::Other(entry) | Self::Unknown(entry) => Some(entry),
            Self::LeftOut => None,
        }
    }
}

/// The document of an index that has these entries.
fn rewritten(
    index: &ImageIndex,
    entries: &[Entry],
    added: &Annotations,
    carrier: &Carrier<'_>,
) -> Document {
    let own = &index.document;
    let Content::Index(listed) = &own.content else {
        return own.clone();
    };
    let both = index.children().iter().zip(entries);
    let both = both.filter_map(|(old, new)| Some((old, new.descriptor()?)));
    let replaced: Vec<_> = both.filter(|(old, new)| old.digest != new.digest).collect();
    let is_whole = entries.iter().all(|entry| entry.descriptor().is_some());
    let allowed = has_docker(carrier) || own.media_type == MediaType::OciIndex;
    if replaced.is_empty() && is_whole && allowed && added.is_empty() {
        return own.clone();
    }
    let mut annotations = listed.annotations.clone();
    for (old, new) in &replaced {
        annotations = annotation::followed(&annotations, old, new);
    }
    // A signature speaks of an image that is not here.
    let stays = |entry: &&Entry| !matches!(entry, Entry::Other(_)) || replaced.is_empty();
    let entries = entries.iter().filter(stays);
    let index = Index {
        media_type: Some(MediaType::OciIndex),
        manifests: entries.filter_map(Entry::descriptor).cloned().collect(),
        annotations: annotated(annotations, added),
        ..listed.clone()
    };
    index.to_document()
}

/// Returns the entry of an image in an index that is made here. What the index that it is from says of it stays.
fn entry(listed: Option<&Descriptor>, document: &Document, platform: &Platform) -> Descriptor {
    let new = document.descriptor();
    let entry = match listed {
        Some(old) => old.replaced(new.media_type, new.digest, new.size),
        None => new,
    };
    Descriptor {
        platform: Some(platform.clone()),
        ..entry
    }
}

/// An image, for a platform, and how the index lists it that it is from.
type OfPlatform<'a> = (Platform, Option<&'a Descriptor>, &'a Image);

/// Images in the order of their platforms' names, one for each.
fn by_platform(images: &[(Option<Descriptor>, Image)]) -> Result<Vec<OfPlatform<'_>>, Error> {
    let mut named = vec![];
    for (descriptor, image) in images {
        let descriptor = descriptor.as_ref();
        let said = descriptor.and_then(|descriptor| descriptor.platform.clone());
        let platform = said.unwrap_or_else(|| image.configuration.platform());
        if platform.os.is_empty() || platform.architecture.is_empty() {
            return Err(Error::NoPlatform {
                image: image.name.clone(),
            });
        }
        named.push((platform, descriptor, image));
    }
    named.sort_by_key(|(platform, ..)| platform.to_string());
    for pair in named.windows(2) {
        if pair[0].0 == pair[1].0 {
            let [first, second] = [pair[0].2, pair[1].2].map(|image| image.name.clone());
            return Err(Error::SamePlatform {
                first,
                second,
                platform: pair[0].0.to_string(),
            });
        }
    }
    if named.is_empty() {
        Err(Error::NoImages)
    } else {
        Ok(named)
    }
}
