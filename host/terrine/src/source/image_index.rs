//! Several images under one name, usually one for each platform.

use std::ops::ControlFlow;
use std::sync::Arc;

use terrine_oci::{Annotations, Content, Descriptor, Digest, Document, DocumentError};
use terrine_oci::{Index, Platform, annotation};

use super::oci::{self, Blobs, document_fault};
use super::{Available, Error, Fault, Image};

/// The largest depth of indexes that are nested below the first.
const MAX_DEPTH: usize = 3;
/// The largest number of manifests that an index may list, those of nested indexes included.
const MAX_MANIFESTS: usize = 1000;

/// The image, or the images, that a reference leads to.
#[derive(Debug, Clone)]
pub enum Opened {
    /// One image.
    Image(Image),
    /// Several.
    Index(ImageIndex),
    /// Several that do not belong together, of which only a platform may tell the one that is meant.
    Choice {
        /// All of them.
        images: ImageIndex,
        /// Their names.
        available: Available,
    },
}

/// An index, and where what it lists is. Nothing of that is read before it is wanted.
#[derive(Debug, Clone)]
pub struct ImageIndex {
    /// The index's name in errors.
    pub name: String,
    /// The index itself.
    pub document: Document,
    blobs: Arc<dyn Blobs>,
    /// The digests of the indexes that lead here, and its own.
    trail: Vec<Digest>,
}

/// An image of an index, of which no more is read than its place there, if that has its platform.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The platform that the image is listed for.
    pub platform: Platform,
    /// The descriptor of the manifest.
    pub descriptor: Descriptor,
}

/// The function to which [`ImageIndex::walk`] shows an index and one of its children.
type Visit<'a> = dyn FnMut(&ImageIndex, &Descriptor) -> Result<ControlFlow<()>, Error> + 'a;

/// Opens what a descriptor describes; `name` is what errors call it.
///
/// # Errors
///
/// A manifest, an index or an image that cannot be used.
pub fn open_descriptor(
    blobs: &Arc<dyn Blobs>,
    name: &str,
    descriptor: &Descriptor,
) -> Result<Opened, Error> {
    let document = oci::document(blobs.as_ref(), name, descriptor)?;
    open_document(blobs, name, document)
}

/// The same of a document that is there already.
///
/// # Errors
///
/// As [`open_descriptor`].
pub fn open_document(
    blobs: &Arc<dyn Blobs>,
    name: &str,
    document: Document,
) -> Result<Opened, Error> {
    match &document.content {
        Content::Manifest(_) => oci::image(blobs, name, document).map(Opened::Image),
        Content::Index(_) => ImageIndex::new(blobs, name, document).map(Opened::Index),
    }
}

impl ImageIndex {
    /// The index that a document is; `name` is what errors call it.
    ///
    /// # Errors
    ///
    /// A document that is no index, and one that lists too many manifests.
    pub fn new(blobs: &Arc<dyn Blobs>, name: &str, document: Document) -> Result<Self, Error> {
        Self::below(blobs, name, document, &[])
    }

    fn below(
        blobs: &Arc<dyn Blobs>,
        name: &str,
        document: Document,
        trail: &[Digest],
    ) -> Result<Self, Error> {
        let digest = document.digest();
        let Content::Index(index) = &document.content else {
            let unsupported = DocumentError::Unsupported(document.media_type.to_string());
            return Err(document_fault(name, &digest.to_string(), unsupported));
        };
        let count = index.manifests.len();
        if count > MAX_MANIFESTS {
            return Err(Error::fault(name, too_many(count)));
        }
        let trail = trail.iter().copied().chain([digest]).collect();
        Ok(Self {
            name: name.to_owned(),
            document,
            blobs: Arc::clone(blobs),
            trail,
        })
    }

    /// Returns the descriptors that it lists, in order: of images, of other indexes, and of what is
    /// said of them.
    pub fn children(&self) -> &[Descriptor] {
        match &self.document.content {
            Content::Index(index) => &index.manifests,
            Content::Manifest(_) => &[],
        }
    }

    /// Returns the place of the blobs that it lists, to be copied as they are.
    pub fn blobs(&self) -> &Arc<dyn Blobs> {
        &self.blobs
    }

    /// The same index, whose images are at another place.
    pub(super) fn with_blobs(self, blobs: &Arc<dyn Blobs>) -> Self {
        Self {
            blobs: Arc::clone(blobs),
            ..self
        }
    }

    /// Opens one of those that it lists.
    ///
    /// # Errors
    ///
    /// What cannot be used, an index that lists itself, and one that is nested more than three
    /// deep.
    pub fn open(&self, child: &Descriptor) -> Result<Opened, Error> {
        if self.trail.contains(&child.digest)
            || child.media_type.is_index() && self.trail.len() > MAX_DEPTH
        {
            return Err(Error::fault(
                &self.name,
                Fault::Nested(child.digest.to_string()),
            ));
        }
        let document = oci::document(self.blobs.as_ref(), &self.name, child)?;
        match &document.content {
            Content::Manifest(_) => {
                oci::image(&self.blobs, &self.name, document).map(Opened::Image)
            }
            Content::Index(_) => {
                Self::below(&self.blobs, &self.name, document, &self.trail).map(Opened::Index)
            }
        }
    }

    /// The platforms that it has images for, those of nested indexes included.
    ///
    /// # Errors
    ///
    /// A nested index that cannot be used, or an image whose platform only it itself tells.
    pub fn platforms(&self) -> Result<Vec<Platform>, Error> {
        Ok(self
            .listed()?
            .into_iter()
            .map(|listed| listed.platform)
            .collect())
    }

    /// The image for a platform: the first that says just that, else the first that will do.
    ///
    /// # Errors
    ///
    /// [`Fault::NoPlatform`] with what there is, and whatever cannot be used.
    pub fn image(&self, wanted: &Platform) -> Result<Image, Error> {
        self.manifest(&self.select(wanted)?.descriptor)
    }

    /// Returns the place of the image for a platform, which is not read.
    ///
    /// # Errors
    ///
    /// As [`ImageIndex::image`].
    pub fn select(&self, wanted: &Platform) -> Result<Listed, Error> {
        let mut best = self.best(wanted)?;
        Ok(best.swap_remove(0))
    }

    /// Returns the images that suit a platform as well as any, in order: at least one.
    fn best(&self, wanted: &Platform) -> Result<Vec<Listed>, Error> {
        let candidates = self.listed()?;
        let rank = |one: &Listed| match candidates.len() {
            // The only one, which says nothing, is for whatever is asked for.
            1 if !one.platform.is_whole() => Some(0),
            _ => one.platform.rank(wanted),
        };
        if candidates.is_empty() {
            return Err(Error::fault(&self.name, Fault::EmptyIndex));
        }
        let Some(best) = candidates.iter().filter_map(rank).min() else {
            let (wanted, available) = (wanted.to_string(), named(&candidates));
            return Err(Error::fault(
                &self.name,
                Fault::NoPlatform { wanted, available },
            ));
        };
        let suits = candidates.iter().filter(|one| rank(one) == Some(best));
        Ok(suits.cloned().collect())
    }

    /// Returns the only image for a platform of several that do not belong together.
    fn only_for(&self, wanted: &Platform, available: Available) -> Result<Image, Error> {
        let best = self.best(wanted)?;
        let first = &best[0].descriptor;
        if best.iter().any(|one| one.descriptor.digest != first.digest) {
            let available = Available {
                by_platform: false,
                ..available
            };
            return Err(Error::fault(&self.name, Fault::Several(available)));
        }
        self.manifest(first)
    }

    /// Its image, if it has just one.
    ///
    /// # Errors
    ///
    /// [`Fault::Platforms`], and whatever cannot be used.
    pub fn only(&self) -> Result<Image, Error> {
        let candidates = self.listed()?;
        let fault = match candidates.as_slice() {
            [] => Fault::EmptyIndex,
            [first, rest @ ..]
                if rest
                    .iter()
                    .all(|one| one.descriptor.digest == first.descriptor.digest) =>
            {
                return self.manifest(&first.descriptor);
            }
            _ => Fault::Platforms {
                available: named(&candidates),
            },
        };
        Err(Error::fault(&self.name, fault))
    }

    /// All its images, those of nested indexes included, each with what is said of it. Errors
    /// call them by their platforms.
    ///
    /// # Errors
    ///
    /// Whatever cannot be used.
    pub fn images(&self) -> Result<Vec<(Descriptor, Image)>, Error> {
        self.listed()?
            .into_iter()
            .map(|listed| {
                let image = self.open_listed(&listed)?;
                Ok((listed.descriptor, image))
            })
            .collect()
    }

    /// Opens one of its images. Errors call it by its platform.
    ///
    /// # Errors
    ///
    /// Whatever cannot be used.
    pub fn open_listed(&self, listed: &Listed) -> Result<Image, Error> {
        let image = self.manifest(&listed.descriptor)?;
        let name = format!("{} ({})", self.name, listed.platform);
        Ok(Image { name, ..image })
    }

    /// Opens the image or index that it or a nested index lists under a digest, if any of them
    /// does.
    pub(super) fn find(&self, digest: &Digest) -> Result<Option<Opened>, Error> {
        let mut found = None;
        let _ = self.walk(&mut 0, &mut |index, child| {
            if child.digest != *digest {
                return Ok(ControlFlow::Continue(()));
            }
            found = Some(index.open(child)?);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// The image of a manifest that it or a nested index lists.
    fn manifest(&self, descriptor: &Descriptor) -> Result<Image, Error> {
        let document = oci::document(self.blobs.as_ref(), &self.name, descriptor)?;
        oci::image(&self.blobs, &self.name, document)
    }

    /// Lists its images, those of nested indexes included. No manifest is read whose platform is
    /// listed.
    ///
    /// # Errors
    ///
    /// As [`ImageIndex::platforms`].
    pub fn listed(&self) -> Result<Vec<Listed>, Error> {
        let mut candidates = Vec::new();
        let _ = self.walk(&mut 0, &mut |index, child| {
            if may_be_manifest(child)
                && let Some(platform) = index.platform(child)?
            {
                candidates.push(Listed {
                    platform,
                    descriptor: child.clone(),
                });
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(candidates)
    }

    /// The platform of a manifest; none if it is no image.
    fn platform(&self, child: &Descriptor) -> Result<Option<Platform>, Error> {
        if let (Some(platform), None) = (&child.platform, &child.artifact_type) {
            return Ok(Some(platform.clone()));
        }
        let own = match self.open(child) {
            Ok(Opened::Image(image)) => Some(image.configuration.platform()),
            Ok(_) => None,
            Err(error) if error.is_no_image() => None,
            Err(error) => return Err(error),
        };
        Ok(own.map(|own| child.platform.clone().unwrap_or(own)))
    }

    /// Reports whether a manifest that it lists is one of an image or an index. An image that
    /// cannot be used counts as one.
    pub(super) fn is_image(&self, child: &Descriptor) -> bool {
        match self.open(child) {
            Ok(_) => true,
            Err(error) => !error.is_no_image(),
        }
    }

    /// Returns an index of some of the entries, without the names that these have.
    pub(super) fn with<'a>(
        &self,
        entries: impl IntoIterator<Item = &'a Descriptor>,
    ) -> Result<Self, Error> {
        let entries = entries.into_iter().map(nameless).collect();
        let document = Index::new(entries, Annotations::new()).to_document();
        Self::below(&self.blobs, &self.name, document, &self.trail)
    }

    /// Adds how many it lists to those of the indexes that lead here.
    ///
    /// # Errors
    ///
    /// More than any image has: what is listed once may be listed a thousand times by what is
    /// listed a thousand times.
    pub fn count(&self, count: &mut usize) -> Result<(), Error> {
        *count += self.children().len();
        if *count > MAX_MANIFESTS {
            Err(Error::fault(&self.name, too_many(*count)))
        } else {
            Ok(())
        }
    }

    /// Shows `visit` everything that it and nested indexes list, until that has seen enough.
    /// What only attests something of an image is left out.
    fn walk(&self, count: &mut usize, visit: &mut Visit<'_>) -> Result<ControlFlow<()>, Error> {
        self.count(count)?;
        for child in self
            .children()
            .iter()
            .filter(|child| !is_attestation(child))
        {
            if visit(self, child)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if child.media_type.is_index()
                && let Opened::Index(index) = self.open(child)?
                && index.walk(count, visit)?.is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// The image that is meant: of an index that of the platform, which only an index with several
/// needs. The platform also tells which of images that do not belong together is meant. An image that says that it is for another platform is not taken.
///
/// # Errors
///
/// [`Fault::NoPlatform`], [`Fault::Platforms`] and [`Fault::Several`] with what there is, and whatever cannot be
/// used.
pub fn pick(opened: Opened, platform: Option<&Platform>) -> Result<Image, Error> {
    let image = match (opened, platform) {
        (Opened::Image(image), _) => image,
        (Opened::Index(index), None) => return index.only(),
        (Opened::Index(index), Some(wanted)) => return index.image(wanted),
        (Opened::Choice { images, available }, None) => {
            return Err(Error::fault(&images.name, Fault::Several(available)));
        }
        (Opened::Choice { images, available }, Some(wanted)) => {
            return images.only_for(wanted, available);
        }
    };
    let own = image.configuration.platform();
    // There is no other to choose, so its variant matters only to who asks for one.
    let suits = |wanted: &Platform| {
        own.satisfies(wanted) || (wanted.variant.is_none() && own.agrees(wanted))
    };
    match platform {
        Some(wanted) if own.is_whole() && !suits(wanted) => {
            let (wanted, available) = (wanted.to_string(), vec![own.to_string()]);
            Err(Error::fault(
                &image.name,
                Fault::NoPlatform { wanted, available },
            ))
        }
        _ => Ok(image),
    }
}

/// Returns an entry without its names.
pub(super) fn nameless(entry: &Descriptor) -> Descriptor {
    let mut entry = entry.clone();
    let names = [annotation::REF_NAME, annotation::CONTAINERD_NAME];
    let is_name = |key: &String| names.contains(&key.as_str());
    entry.annotations.retain(|key, _| !is_name(key));
    entry
}

/// Reports whether a descriptor can be that of a manifest: its media type says so, or says nothing.
pub(super) fn may_be_manifest(descriptor: &Descriptor) -> bool {
    descriptor.media_type.is_manifest() || descriptor.media_type.is_generic()
}

/// Reports whether a manifest says something of an image and is none itself. buildkit lists such
/// manifests as being of an unknown platform.
pub fn is_attestation(descriptor: &Descriptor) -> bool {
    const KIND: &str = "vnd.docker.reference.type";
    descriptor
        .platform
        .as_ref()
        .is_some_and(|platform| platform.os == "unknown" && platform.architecture == "unknown")
        || descriptor
            .annotations
            .get(KIND)
            .is_some_and(|kind| kind == "attestation-manifest")
}

fn too_many(count: usize) -> Fault {
    Fault::TooMany {
        what: "manifests",
        count,
        limit: MAX_MANIFESTS,
    }
}

fn named(candidates: &[Listed]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for candidate in candidates {
        let name = candidate.platform.to_string();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
