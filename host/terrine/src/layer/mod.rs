//! File trees to deterministic archives.
//!
//! A layer is made in two looks at its files: [`Tree::walk`] lists them without
//! opening any, which tells the archive's exact size, and [`write()`] reads each once.

mod error;
mod identity;
mod measure;
mod permissions;
mod read;
mod store;
mod tree;
mod write;

pub use error::{Change, Error};
pub use identity::{identity, identity_of_all};
pub(crate) use measure::Measuring;
pub use measure::{Measure, measure};
pub use permissions::{Pattern, PatternError, Permissions, Rule};
pub use read::read_exact;
pub use store::{Store, StorePath, StorePathError};
pub use terrine_tar::Kind;
pub use tree::{Entry, Tree, check_exists};
pub use write::write;

/// Who owns every entry of a layer, and since when: what dockerTools' `uid`, `gid`,
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
