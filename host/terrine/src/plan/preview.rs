//! A preview of an image, without the image.

use super::{Error, Facts, Prepared};
use crate::assemble::NewImage;
use crate::cache::Cache;

/// Facts about an image that is not about to be written. Its tag may not be known, so the image
/// itself is not available.
#[derive(Debug)]
pub struct Preview<'p> {
    image: NewImage<'p>,
    /// The facts about the image.
    pub facts: Facts,
}

impl Preview<'_> {
    /// Measures the layers, as [`Facts::measure`] does.
    ///
    /// # Errors
    ///
    /// A store path that cannot be listed.
    pub fn measure(&mut self, cache: &Cache) -> Result<(), Error> {
        self.facts.measure(&self.image, cache)
    }
}

impl<'p> From<Prepared<'p>> for Preview<'p> {
    fn from(prepared: Prepared<'p>) -> Self {
        let Prepared { image, facts } = prepared;
        Self { image, facts }
    }
}
