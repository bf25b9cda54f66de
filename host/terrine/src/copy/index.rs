//! Several images under one name.

use terrine_oci::annotation;
use terrine_oci::{Annotations, Content, Descriptor, Document, Index, MediaType, Platform};

use super::{Copying, Error};
use crate::source::{self, Image, ImageIndex, Opened};

impl Copying<'_> {
    /// Brings images, one for each platform, and gives their index the destination's name. What
    /// the index that they are from says of an image counts more than its configuration.
    /// Returns the index: its images in the order of their platforms' names.
    ///
    /// # Errors
    ///
    /// As [`Copying::image`]; and images of one platform, or of none.
    pub fn index(&self, images: &[(Option<Descriptor>, Image)]) -> Result<Document, Error> {
        let named = by_platform(images)?;
        // What is said of an index is not said of its images.
        let plain = Annotations::new();
        let each = Copying {
            annotations: &plain,
            ..*self
        };
        let entries = named.into_iter();
        let entries =
            entries.map(|(platform, annotations, image)| each.entry(image, platform, annotations));
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let index = Index::new(entries, self.annotations.clone()).to_document();
        self.carrier.destination.publish(&index, None)?;
        Ok(index)
    }

    /// Brings all that an index lists, and gives it the destination's name. Returns the index,
    /// which is the same byte for byte if all that it lists is.
    ///
    /// # Errors
    ///
    /// As [`Copying::image`].
    pub fn whole_index(&self, index: &ImageIndex) -> Result<Document, Error> {
        let document = self.bring_index(index, &mut 0)?;
        self.carrier.destination.publish(&document, None)?;
        Ok(document)
    }

    fn bring_index(&self, index: &ImageIndex, count: &mut usize) -> Result<Document, Error> {
        index.count(count)?;
        let plain = Annotations::new();
        let each = Copying {
            annotations: &plain,
            ..*self
        };
        let mut entries = vec![];
        for child in index.children() {
            entries.push(each.bring_child(index, child, count)?);
        }
        let old = index.children().iter().zip(&entries);
        let new = old.filter_map(|(old, new)| Some((old, &new.as_ref()?.0)));
        let replaced: Vec<_> = new.filter(|(old, new)| old.digest != new.digest).collect();
        let same = replaced.is_empty() && entries.iter().all(Option::is_some);
        let own = &index.document;
        let allowed = !self.only_oci || own.media_type == MediaType::OciIndex;
        let Content::Index(listed) = &own.content else {
            return Ok(own.clone());
        };
        if same && allowed && self.annotations.is_empty() {
            return Ok(own.clone());
        }
        let mut annotations = listed.annotations.clone();
        for (old, new) in &replaced {
            annotations = annotation::followed(&annotations, old, new);
        }
        // What is no image speaks of images that are not here.
        let stays = |is_image: bool| is_image || replaced.is_empty();
        let entries = entries.iter().flatten();
        let entries = entries.filter(|(_, is_image)| stays(*is_image));
        let rewritten = Index {
            media_type: Some(MediaType::OciIndex),
            manifests: entries.map(|(entry, _)| entry.clone()).collect(),
            annotations: self.annotated(annotations),
            ..listed.clone()
        };
        Ok(rewritten.to_document())
    }

    /// Brings one of those that an index lists. Returns its entry here, and whether it is an image, or an index;
    /// none if it stays behind.
    fn bring_child(
        &self,
        index: &ImageIndex,
        child: &Descriptor,
        count: &mut usize,
    ) -> Result<Option<(Descriptor, bool)>, Error> {
        let media_type = &child.media_type;
        if !media_type.is_index() && !media_type.is_manifest() && !media_type.is_generic() {
            return self.unknown(index, child);
        }
        let (document, is_image) = if source::is_attestation(child) {
            (self.opaque(index, child)?, false)
        } else {
            match index.open(child) {
                Ok(Opened::Image(image)) => (self.bring(&image)?, true),
                Ok(Opened::Index(nested) | Opened::Choice { images: nested, .. }) => {
                    (self.bring_index(&nested, count)?, true)
                }
                // Signatures, and lists of what is in an image.
                Err(error) if error.is_no_image() => (self.opaque(index, child)?, false),
                Err(error) => return Err(error.into()),
            }
        };
        self.carrier.destination.put_document(&document)?;
        let new = document.descriptor();
        let entry = child.replaced(new.media_type, new.digest, new.size);
        Ok(Some((entry, is_image)))
    }

    /// Brings something of a type that terrine does not know: a blob in layouts. What it is in a registry, and
    /// what it refers to there, nobody knows.
    fn unknown(
        &self,
        index: &ImageIndex,
        child: &Descriptor,
    ) -> Result<Option<(Descriptor, bool)>, Error> {
        let (blobs, destination) = (index.blobs().as_ref(), self.carrier.destination);
        if blobs.repository().is_none() && destination.repository().is_none() {
            self.carrier
                .blob(&index.name, blobs, child, self.reporter)?;
            return Ok(Some((child.clone(), false)));
        }
        let Descriptor {
            media_type, digest, ..
        } = child;
        self.reporter.left_out(&format!(
            "`{digest}` of the index: it is `{media_type}`, which registries have no place for"
        ));
        Ok(None)
    }

    /// Brings something that is kept like an image and is none: its blobs as they are.
    fn opaque(&self, index: &ImageIndex, child: &Descriptor) -> Result<Document, Error> {
        let blobs = index.blobs();
        let document = source::document(blobs.as_ref(), &index.name, child)?;
        if let Content::Manifest(manifest) = &document.content {
            for blob in manifest.layers.iter().chain([&manifest.config]) {
                self.carrier
                    .blob(&index.name, blobs.as_ref(), blob, self.reporter)?;
            }
        }
        Ok(document)
    }

    fn entry(
        &self,
        image: &Image,
        platform: Platform,
        annotations: Annotations,
    ) -> Result<Descriptor, Error> {
        let document = self.bring(image)?;
        self.carrier.destination.put_document(&document)?;
        let new = document.descriptor();
        let old = image.manifest.as_ref().map(Document::descriptor);
        let annotations = match old {
            Some(old) => annotation::followed(&annotations, &old, &new),
            None => annotations,
        };
        Ok(Descriptor {
            platform: Some(platform),
            annotations,
            ..new
        })
    }
}

/// Images in the order of their platforms' names, one for each.
fn by_platform(
    images: &[(Option<Descriptor>, Image)],
) -> Result<Vec<(Platform, Annotations, &Image)>, Error> {
    let mut named = vec![];
    for (descriptor, image) in images {
        let said = descriptor
            .as_ref()
            .and_then(|descriptor| descriptor.platform.clone());
        let platform = said.unwrap_or_else(|| image.configuration.platform());
        let annotations = descriptor
            .as_ref()
            .map(|descriptor| descriptor.annotations.clone());
        if platform.os.is_empty() || platform.architecture.is_empty() {
            return Err(Error::NoPlatform {
                image: image.name.clone(),
            });
        }
        named.push((platform, annotations.unwrap_or_default(), image));
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
