//! What tells one store path's entries from another's, whatever their order.

use sha2::{Digest as _, Sha256};

use crate::layer::{self, Kind, Store, StorePath, Tree};

/// A digest of the entries of a store path: their places, kinds, sizes and link targets,
/// in any order. Contents, owners, permissions and times are no part of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprint {
    count: u64,
    sum: u128,
}

impl Fingerprint {
    /// Adds an entry by its path below the store path, which starts with a slash.
    pub fn add(&mut self, below: &[u8], kind: Kind, size: u64, link: &[u8]) {
        let mut hash = Sha256::new();
        let kind = match kind {
            Kind::File => b'f',
            Kind::Directory => b'd',
            Kind::Symlink => b'l',
        };
        hash.update([kind]);
        hash.update(size.to_be_bytes());
        hash.update((below.len() as u64).to_be_bytes());
        hash.update(below);
        hash.update(link);
        let digest: [u8; 32] = hash.finalize().into();
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        self.count += 1;
        // A sum does not depend on the order of what is added.
        self.sum = self.sum.wrapping_add(u128::from_be_bytes(half));
    }
}

/// The fingerprint of a store path of this machine. No file is opened.
///
/// # Errors
///
/// A path that can not be listed.
pub fn fingerprint(store: &Store, path: &StorePath) -> Result<Fingerprint, layer::Error> {
    let mut fingerprint = Fingerprint::default();
    Tree::walk(store, std::slice::from_ref(path))?.for_each::<layer::Error>(|entry| {
        // The store's own directories come first.
        if let Some(below) = entry.path.strip_prefix(path.as_str().as_bytes()) {
            fingerprint.add(below, entry.kind, entry.size, entry.link);
        }
        Ok(())
    })?;
    Ok(fingerprint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_does_not_matter_and_everything_else_does() {
        let of = |entries: &[(&str, Kind, u64, &str)]| {
            let mut fingerprint = Fingerprint::default();
            for (below, kind, size, link) in entries {
                fingerprint.add(below.as_bytes(), *kind, *size, link.as_bytes());
            }
            fingerprint
        };
        let (a, b) = (("/a", Kind::File, 1, ""), ("/b", Kind::Symlink, 0, "a"));
        assert_eq!(of(&[a, b]), of(&[b, a]));
        for other in [
            &[a][..],
            &[a, b, b],
            &[("/a", Kind::File, 2, ""), b],
            &[("/a", Kind::Directory, 1, ""), b],
            &[("/c", Kind::File, 1, ""), b],
            &[a, ("/b", Kind::Symlink, 0, "b")],
        ] {
            assert_ne!(of(&[a, b]), of(other), "{other:?}");
        }
    }

    #[test]
    fn a_path_on_this_machine_has_one() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("nix/store/x");
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join("a"), "abc").unwrap();
        std::os::unix::fs::symlink("a", place.join("l")).unwrap();
        let store = Store::open("/nix/store", root.path()).unwrap();
        let mut expected = Fingerprint::default();
        expected.add(b"/l", Kind::Symlink, 0, b"a");
        expected.add(b"", Kind::Directory, 0, b"");
        expected.add(b"/a", Kind::File, 3, b"");
        let path = store.path("/nix/store/x").unwrap();
        assert_eq!(fingerprint(&store, &path).unwrap(), expected);
    }
}
