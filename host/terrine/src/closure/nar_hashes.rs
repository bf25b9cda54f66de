//! NAR hashes of store paths, for keys of layers. Nothing else depends on them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use rusqlite::OptionalExtension;
use terrine_binary_cache::Hash;
use terrine_oci::Digest;

use super::{Database, Described, Error, Registrations};

const HASH: &str = "SELECT hash FROM ValidPaths WHERE path = ?1";

/// The SHA-256 digests of the NARs of store paths, as far as they are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NarHashes(BTreeMap<String, Option<Digest>>);

impl NarHashes {
    /// Returns the NAR hash of a store path, if sources agree on it.
    pub fn get(&self, path: &str) -> Option<Digest> {
        self.0.get(path).copied().flatten()
    }

    /// Adds the hash of one store path.
    pub fn insert(&mut self, path: String, hash: Digest) {
        self.add(path, Some(hash));
    }

    /// Adds the hashes of another source. A path with different hashes has none.
    pub fn merge(&mut self, other: Self) {
        for (path, hash) in other.0 {
            self.add(path, hash);
        }
    }

    /// Adds the hashes of registrations.
    pub fn add_registered(&mut self, registrations: &Registrations) {
        for (path, registration) in registrations {
            if let Some(hash) = registration.nar_hash {
                self.add(path.clone(), Some(hash));
            }
        }
    }

    pub(super) fn of(described: &[Described]) -> Self {
        let mut all = Self::default();
        for Described { entry, said } in described {
            if let Some(hash) = said.hash.as_deref().and_then(parse) {
                all.add(entry.path.clone(), Some(hash));
            }
        }
        all
    }

    fn add(&mut self, path: String, hash: Option<Digest>) {
        match self.0.entry(path) {
            Entry::Vacant(entry) => {
                entry.insert(hash);
            }
            Entry::Occupied(mut entry) if *entry.get() != hash => {
                entry.insert(None);
            }
            Entry::Occupied(_) => {}
        }
    }
}

impl Database {
    /// Returns the NAR hashes of some store paths, as far as the database has them.
    ///
    /// # Errors
    ///
    /// A database that cannot be read: what it would have told is in manifests, so a part of it is no answer.
    pub fn nar_hashes<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p str>,
    ) -> Result<NarHashes, Error> {
        let read = || {
            let mut all = NarHashes::default();
            let mut statement = self.connection().prepare(HASH)?;
            for path in paths {
                let row = statement.query_row([path], |row| row.get::<_, String>(0));
                if let Some(hash) = row.optional()?.as_deref().and_then(parse) {
                    all.add(path.to_owned(), Some(hash));
                }
            }
            Ok(all)
        };
        read().map_err(|source| self.failed(source))
    }
}

fn parse(text: &str) -> Option<Digest> {
    Hash::parse(text, "sha256")?.sha256()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA256: &str = "sha256:094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic";

    #[test]
    fn hashes_are_those_that_all_sources_agree_on() {
        let hashes = |text: &str| {
            NarHashes::of(&super::super::described(text.as_bytes(), "/nix/store").unwrap())
        };
        let mut all = hashes(&format!(
            r#"[{{"path": "/nix/store/a", "references": [], "narHash": "{SHA256}"}},
                {{"path": "/nix/store/b", "references": [], "narHash": "{SHA256}"}},
                {{"path": "/nix/store/c", "references": [], "narHash": "sha256:0"}},
                {{"path": "/nix/store/d", "references": []}}]"#
        ));
        let of = |all: &NarHashes, name: &str| all.get(&format!("/nix/store/{name}"));
        let hello = Some(Digest::of(b"hello"));
        assert_eq!(
            ["a", "b", "c", "d", "e"].map(|name| of(&all, name)),
            [hello, hello, None, None, None]
        );
        let other = hashes(
            r#"[{"path": "/nix/store/a", "references": [], "narHash": "sha256-LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="},
                {"path": "/nix/store/b", "references": [], "narHash": "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}]"#,
        );
        all.merge(other.clone());
        assert_eq!([of(&all, "a"), of(&all, "b")], [hello, None]);
        // A third source does not settle it.
        all.merge(other);
        assert_eq!(of(&all, "b"), None);
    }
}
