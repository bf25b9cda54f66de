//! Files in the archive of a single layer.

use terrine_tar::Input;

use super::file::member;
use super::listing::{Listed, ListedAccess, Listing, add};
use super::merge::{EntryKind, ListedLayer};
use crate::source::FilePart;
use crate::source::changes::Budget;
use crate::source::seekable::for_each;

/// Files in the archive of a layer that lies on others.
#[derive(Debug)]
pub struct LayerFiles {
    listing: Listing,
    takes_away: bool,
}

impl LayerFiles {
    /// Lists a plain archive by its headers; none where it is no archive that can be listed.
    pub fn of(archive: FilePart<'_>) -> Option<Self> {
        let mut budget = Budget::default();
        let mut layer = ListedLayer::default();
        for_each(Input::Plain(archive), |member| {
            add(&mut layer, member, &mut budget)
        })
        .ok()?;
        layer.finish();
        let takes_away = layer.takes_away();
        let mut listing = Listing::default();
        listing.entries.apply(layer, 0);
        Some(Self {
            listing,
            takes_away,
        })
    }

    /// Returns what is at a path, as [`Listing::look`] does.
    pub fn look(&self, path: &[u8]) -> Listed<'_> {
        self.listing.look(path)
    }

    /// Returns the permissions and owners at a path, as [`Listing::access`] does.
    pub fn access(&self, path: &[u8]) -> Option<ListedAccess> {
        self.listing.access(path)
    }

    /// Tells whether the layer takes something away from those below it.
    pub fn takes_away(&self) -> bool {
        self.takes_away
    }

    /// The absolute paths of directories below the root that have a header of their own. Those that only something else
    /// lies in have no permissions, and are no directories where there is a link.
    pub fn directories(&self) -> impl Iterator<Item = Vec<u8>> {
        let entries = self.listing.entries.below(b"");
        let directories =
            entries.filter(|(_, entry)| entry.kind == EntryKind::Directory && entry.mode != 0);
        directories.map(|(path, _)| [b"/", path].concat())
    }

    /// Tells whether there is nothing but directories.
    pub fn is_empty(&self) -> bool {
        self.listing.entries.has_only_directories()
    }
}

/// Reads the file at an absolute path of a plain archive; none where it is no file, has more than `limit` bytes, or
/// cannot be read.
pub fn read_member(archive: FilePart<'_>, path: &[u8], limit: u64) -> Option<Vec<u8>> {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    member(Input::Plain(archive), path, limit).ok()?
}
