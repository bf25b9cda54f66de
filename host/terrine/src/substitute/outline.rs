//! The outline of a store path on disk: its directories, links and files, which have their sizes
//! and no content.

use std::path::Path;

use terrine_binary_cache::{Listing, NarKind};

use super::Error;
use super::disk::Writer;

/// Writes the outline of a path that `listing` describes.
pub(super) fn write(place: &Path, listing: &Listing) -> Result<(), Error> {
    let mut writer = Writer::new(place);
    for entry in listing.entries() {
        let file = writer.entry(&entry.path, &entry.kind)?;
        if let (Some(file), NarKind::Regular { size, .. }) = (file, entry.kind) {
            file.set_len(size).map_err(|source| Error::Write {
                path: place.to_owned(),
                source,
            })?;
        }
    }
    writer.finish()
}
