//! What an image would be, without the image.

use super::{Error, Facts, Prepared};
use crate::assemble::NewImage;
use crate::cache::Cache;

/// What there is to say about an image that nobody is about to write. Its tag may not be known,
/// so the image itself is not to be had.
#[derive(Debug)]
pub struct Preview<'p> {
    image: NewImage<'p>,
    /// What there is to say about it.
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
