//! File trees to deterministic archives.
//!
//! A layer that is yet to be made is a [`NewLayer`]. It is made in two looks at its files:
//! [`NewLayer::entries`] lists them without opening any, which tells the archive's exact size, and
//! [`feed()`] reads each once. Store paths ([`LayerOfStore`]) and a given archive
//! ([`Customisation`]) are implementations here, the root is one in [`crate::rootfs`].

mod archive;
mod attributes;
mod capabilities;
mod entries;
mod error;
mod exclude;
mod feed;
mod identity;
mod measure;
mod new_layer;
mod permissions;
mod read;
mod reorder;
mod selection;
mod store;
mod store_key;
mod store_layer;
mod streamed;
mod tree;
mod watch;
mod words;

pub use archive::Customisation;
pub(crate) use attributes::{Attributes, with_rule};
pub(crate) use capabilities::ATTRIBUTE as CAPABILITIES;
pub use capabilities::{CapabilitiesError, capabilities};
pub use entries::{ArchiveEntry, Entries, EntryContent, Seen, Visit};
pub(crate) use error::WHITEOUT_HINT;
pub use error::{Change, Error};
pub use exclude::{Exclude, ExcludeError};
pub use feed::feed;
use identity::identity_of_entries;
pub(crate) use identity::is_canonical;
pub use identity::{identity, identity_of_all};
pub use measure::Measure;
pub(crate) use measure::Measuring;
pub use new_layer::{LayerHistory, LayerOrigin, NewLayer, measure};
pub use permissions::{Pattern, PatternError, Permissions, Rule};
pub(crate) use read::{change, opening, read_exact};
pub use selection::Selection;
pub(crate) use store::Fetch;
pub use store::{Store, StorePath, StorePathError};
pub use store_key::{Hashed, content_key};
pub use store_layer::{LayerOfStore, StoreLayer};
pub use terrine_tar::Kind;
pub use tree::{Tree, TreeEntry, check_exists};
pub(crate) use tree::{is_whiteout, unfit};
pub use watch::{Watch, Watcher, Watches};
pub use words::{Given, list};

/// The owner and the time of every entry of a layer: what dockerTools' `uid`, `gid`,
/// `uname`, `gname` and `mtime` say.
#[derive(Debug, Clone)]
pub struct Ownership {
    /// Numeric owner.
    pub uid: i64,
    /// Numeric group.
    pub gid: i64,
    /// Name of the owner.
    pub uname: String,
    /// Name of the group.
    pub gname: String,
    /// Time of last modification, in seconds since 1970.
    pub mtime: i64,
    /// Exceptions by path.
    pub permissions: Permissions,
}
