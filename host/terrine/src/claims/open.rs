//! Opening images for their claims.

use terrine_oci::{Platform, Reference};

use super::Error;
use crate::source::{self, Image, Opened, Opener};

/// Opens the image that a reference leads to, for its claims. Of an index, the image for `platform`
/// is opened. No layer is read.
///
/// # Errors
///
/// An image that does not exist, cannot be read or is not what it should be, and an index without
/// an image for the platform.
pub fn open(
    reference: &Reference,
    images: &dyn Opener,
    platform: &Platform,
) -> Result<Image, Error> {
    let open = || {
        let opened = source::open(reference, images)?;
        let platform = match &opened {
            // Its layers are as good as those of any other: keys tell them apart.
            Opened::Image(_) => None,
            Opened::Index(_) | Opened::Choice { .. } => Some(platform),
        };
        source::pick(opened, platform)
    };
    open().map_err(|source| Error {
        image: reference.to_string(),
        source,
    })
}
