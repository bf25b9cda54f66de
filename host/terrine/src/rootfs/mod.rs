//! The root layer: everything that is not in a store path, made in memory.
//!
//! A [`Root`] is filled from packages ([`Root::link`], [`Root::copy`]), from the image's
//! description ([`Root::add`]) and by [`helpers`], and then written as the archive that
//! GNU tar would make of it. Nothing is copied to disk on the way.

mod certificates;
mod copy;
mod entry;
mod error;
pub mod helpers;
mod join;
mod layer;
mod list;
mod lost;
mod merge;
mod resolve;
mod same;
mod store_paths;
mod tree;
mod way;

pub use certificates::Certificates;
pub use entry::{Data, New, Origin, RootEntry, SourceFile, Xattrs};
pub use error::{Error, File};
pub use layer::{Late, LateFile, LayerOfRoot, MTIME, measure};
pub use resolve::Resolved;
pub use tree::Root;
pub use way::BaseLinks;
