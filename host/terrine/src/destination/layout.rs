//! An OCI layout, as a place for images.

use terrine_oci::{Descriptor, Document, MediaType, Platform, Repository};

use super::{Destination, Error, Staged};
use crate::layout::Layout;

/// A layout, and the name that an image is to have there.
#[derive(Debug)]
pub struct LayoutDestination {
    layout: Layout,
    tag: Option<String>,
}

impl LayoutDestination {
    /// A layout where the image gets this tag, or none.
    pub fn new(layout: Layout, tag: Option<String>) -> Self {
        Self { layout, tag }
    }
}

impl Destination for LayoutDestination {
    fn holds(&self, blob: &Descriptor, _: &[Repository]) -> Result<bool, Error> {
        Ok(self.layout.holds(blob))
    }

    fn stage(&self) -> Result<Staged, Error> {
        Ok(Staged::Layout(self.layout.stage()?))
    }

    fn keep(&self, staged: Staged, blob: &Descriptor, _: &dyn Fn(u64)) -> Result<(), Error> {
        Ok(self.layout.keep(staged.into_layout(self.name())?, blob)?)
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
        Ok(self.layout.tag(descriptor, self.tag.as_deref())?)
    }

    fn name(&self) -> String {
        let tag = self
            .tag
            .as_ref()
            .map_or(String::new(), |tag| format!(":{tag}"));
        format!("oci:{}{tag}", self.layout.path().display())
    }
}
