//! Several images under one name.

use terrine_oci::{Annotations, Content, Descriptor, Document, Index, MediaType, Platform};

use super::{Copying, Error};
use crate::source::{self, Fault, Image, ImageIndex, Opened};

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
            let (document, is_image) = each.bring_child(index, child, count)?;
            self.carrier.destination.put_document(&document)?;
            let entry = Descriptor {
                platform: child.platform.clone(),
                annotations: child.annotations.clone(),
                ..document.descriptor()
            };
            entries.push((entry, is_image));
        }
        let own = &index.document;
        let same = entries.iter().map(|(entry, _)| entry.digest);
        let same = same.eq(index.children().iter().map(|child| child.digest));
        let allowed = !self.only_oci || own.media_type == MediaType::OciIndex;
        if same && allowed && self.annotations.is_empty() {
            return Ok(own.clone());
        }
        if !same {
            // They speak of images that are not here.
            entries.retain(|(_, is_image)| *is_image);
        }
        let entries = entries.into_iter().map(|(entry, _)| entry).collect();
        let mut annotations = match &own.content {
            Content::Index(index) => index.annotations.clone(),
            Content::Manifest(_) => Annotations::new(),
        };
        annotations.extend(self.annotations.clone());
        annotations.retain(|_, value| !value.is_empty());
        Ok(Index::new(entries, annotations).to_document())
    }

    /// Brings one of those that an index lists, and tells whether it is an image, or an index.
    fn bring_child(
        &self,
        index: &ImageIndex,
        child: &Descriptor,
        count: &mut usize,
    ) -> Result<(Document, bool), Error> {
        if source::is_attestation(child) {
            return Ok((self.opaque(index, child)?, false));
        }
        match index.open(child) {
            Ok(Opened::Image(image)) => Ok((self.bring(&image)?, true)),
            Ok(Opened::Index(nested)) => Ok((self.bring_index(&nested, count)?, true)),
            // Signatures, and lists of what is in an image.
            Err(source::Error::Fault {
                fault: Fault::Artifact(_),
                ..
            }) => Ok((self.opaque(index, child)?, false)),
            Err(error) => Err(error.into()),
        }
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
        Ok(Descriptor {
            platform: Some(platform),
            annotations,
            ..document.descriptor()
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
