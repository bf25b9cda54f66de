//! The entries of a store path in the order of a NAR.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::layer::{Error, Kind, Store, StorePath, Tree, TreeEntry};

/// The permission of which a NAR tells.
const EXECUTABLE: u32 = 0o100;

/// An entry of a store path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its absolute path in the image.
    pub(super) path: Vec<u8>,
    /// The number of directories that it lies in, that of the store path among them.
    pub(super) depth: usize,
    pub(super) kind: Kind,
    /// True if its owner may run it.
    pub(super) executable: bool,
    /// Size of a file in bytes, else 0.
    pub(super) size: u64,
    /// Target of a symbolic link, else empty.
    pub(super) link: Vec<u8>,
}

impl Entry {
    /// An entry of the path `top`.
    pub(super) fn of(entry: &TreeEntry<'_>, top: &[u8]) -> Self {
        Self {
            path: entry.path.to_vec(),
            depth: slashes(entry.path) - slashes(top),
            kind: entry.kind,
            executable: entry.mode & EXECUTABLE != 0,
            size: if entry.kind == Kind::File {
                entry.size
            } else {
                0
            },
            link: entry.link.to_vec(),
        }
    }

    /// Returns whether this comes after the entry with a path, or after none.
    pub(super) fn comes_after(&self, path: &[u8]) -> bool {
        by_components(path).lt(by_components(&self.path))
    }

    /// Its name in its directory.
    pub(super) fn name(&self) -> &[u8] {
        self.path.rsplit(|&byte| byte == b'/').next().unwrap_or(&[])
    }

    /// Returns the place that it has on this machine.
    pub(super) fn place(&self, store: &Store) -> PathBuf {
        store.locate(Path::new(OsStr::from_bytes(&self.path)))
    }
}

/// Lists a store path: directories before their content, names in the order of their bytes, which
/// is not always the order of a layer.
pub(super) fn list(store: &Store, path: &StorePath) -> Result<Vec<Entry>, Error> {
    let mut ancestors = store.ancestors().count();
    let mut entries = vec![];
    Tree::walk(store, std::slice::from_ref(path))?.for_each(|entry| {
        if ancestors > 0 {
            ancestors -= 1;
            return Ok(());
        }
        entries.push(Entry::of(&entry, path.as_str().as_bytes()));
        Ok::<_, Error>(())
    })?;
    entries.sort_by(|a, b| by_components(&a.path).cmp(by_components(&b.path)));
    Ok(entries)
}

/// The bytes of a path, so that no name holds one that comes before a slash.
fn by_components(path: &[u8]) -> impl Iterator<Item = u8> {
    let rank = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
    path.iter().map(rank)
}

fn slashes(path: &[u8]) -> usize {
    path.iter().filter(|&&byte| byte == b'/').count()
}
