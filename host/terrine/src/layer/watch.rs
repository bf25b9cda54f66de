//! Watching what goes into layers of store paths, so that nothing has to be read again for it.

use std::fmt;

use super::{StorePath, TreeEntry};

/// Watches store paths as they go into layers. Not every path comes by: layers that are there
/// already are not made.
pub trait Watch: fmt::Debug + Sync {
    /// Begins with a store path; none for one that is not of interest.
    fn begin(&self, path: &StorePath) -> Option<Box<dyn Watcher + '_>>;
}

/// Watches one store path, in the order of a layer.
pub trait Watcher {
    /// Takes the next entry.
    fn entry(&mut self, entry: &TreeEntry<'_>);

    /// Takes the next bytes of the content of the entry before.
    fn content(&mut self, bytes: &[u8]);

    /// Ends: everything has come by.
    fn end(self: Box<Self>);
}

/// Several at once that watch the same layer; none where there is nobody.
pub type Watches<'a> = [Option<&'a dyn Watch>; 2];
