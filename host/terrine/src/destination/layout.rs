//! An OCI layout, as a place for images.

use terrine_oci::{Descriptor, Document, MediaType, Platform, Repository};

use super::{Destination, Error, Presence, Staged};
use crate::layout::Layout;

/// A layout, and the names that an image is to have there.
#[derive(Debug)]
pub struct LayoutDestination {
    layout: Layout,
    tags: Vec<String>,
}

impl LayoutDestination {
    /// A layout where the image gets these tags, or none.
    pub fn new(layout: Layout, tags: impl IntoIterator<Item = String>) -> Self {
        let tags = tags.into_iter().collect();
        Self { layout, tags }
    }
}

impl Destination for LayoutDestination {
    fn holds(&self, blob: &Descriptor, _: &[Repository]) -> Result<Presence, Error> {
        Ok(Presence::of_held(self.layout.holds(blob)))
    }

    fn stage(&self) -> Result<Staged, Error> {
        Ok(Staged::Layout(self.layout.stage()?))
    }

    fn waiting_place(&self) -> String {
        self.layout.path().display().to_string()
    }

    fn keep(&self, staged: Staged, blob: &Descriptor, _: &dyn Fn(u64)) -> Result<(), Error> {
        let staged = staged.into_layout(&self.layout, blob.size)?;
        Ok(self.layout.keep(staged, blob)?)
    }

    fn put_document(&self, document: &Document) -> Result<(), Error> {
        self.layout
            .put(&document.bytes, document.media_type.clone())?;
        Ok(())
    }

    fn publish(&self, document: &Document, platform: Option<&Platform>) -> Result<(), Error> {
        self.put_document(document)?;
        let descriptor = Descriptor {
            platform: platform.cloned(),
            ..document.descriptor()
        };
        debug_assert!(
            MediaType::is_manifest(&descriptor.media_type) || descriptor.media_type.is_index()
        );
        if self.tags.is_empty() {
            return Ok(self.layout.tag(descriptor, None)?);
        }
        for tag in &self.tags {
            self.layout.tag(descriptor.clone(), Some(tag))?;
        }
        Ok(())
    }

    fn name(&self) -> String {
        let tag = self
            .tags
            .first()
            .map_or(String::new(), |tag| format!(":{tag}"));
        format!("oci:{}{tag}", self.layout.path().display())
    }
}
