//! The fingerprint of a store path, the same wherever the path is.

use sha2::{Digest as _, Sha256};
use terrine_tar::Kind;

use super::merge::EntryKind;
use crate::layer::{Error, Store, StorePath, Tree};

/// A sum that tells whether two trees have the same entries: their paths, kinds, sizes and link
/// targets, in any order. Owners, permissions, times and contents are not part of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fingerprint {
    count: u64,
    sum: u128,
}

impl Fingerprint {
    /// Adds an entry by its path within the tree; that of the tree itself is empty.
    pub(super) fn add(&mut self, path: &[u8], kind: EntryKind, size: u64, link: &[u8]) {
        let mut hash = Sha256::new();
        hash.update([kind as u8]);
        hash.update(size.to_le_bytes());
        hash.update((path.len() as u64).to_le_bytes());
        hash.update(path);
        hash.update(link);
        let hash: [u8; 32] = hash.finalize().into();
        self.count += 1;
        self.sum = self
            .sum
            .wrapping_add(u128::from_le_bytes(std::array::from_fn(|i| hash[i])));
    }
}

/// The fingerprint of a store path on this machine.
///
/// # Errors
///
/// A path that is missing or cannot be listed, and one that a layer cannot hold.
pub fn fingerprint(store: &Store, path: &StorePath) -> Result<Fingerprint, Error> {
    let tree = Tree::walk(store, std::slice::from_ref(path))?;
    let top = path.as_str().len();
    let mut ancestors = store.ancestors().count();
    let mut fingerprint = Fingerprint::default();
    tree.for_each(|entry| {
        if ancestors > 0 {
            ancestors -= 1;
            return Ok::<_, Error>(());
        }
        let kind = match entry.kind {
            Kind::File => EntryKind::File,
            Kind::Directory => EntryKind::Directory,
            Kind::Symlink => EntryKind::Symlink,
            Kind::CharacterDevice | Kind::BlockDevice | Kind::Fifo => EntryKind::Other,
        };
        let relative = entry.path.get(top + 1..).unwrap_or_default();
        fingerprint.add(relative, kind, entry.size, entry.link);
        Ok(())
    })?;
    Ok(fingerprint)
}
