//! Links of a base image to directories, which files of an image on it go through.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use terrine_oci::Digest;

use super::listing::plain;
use super::merge::EntryKind;
use super::{Base, Listing};
use crate::cache::Cache;
use crate::links::Walk;
use crate::source::Error;
use crate::source::changes::components;

/// The cached facts; the number grows when they come to say other things.
const FACT: &str = "links of a base image 1";
/// Directories that a runtime fills.
const OF_THE_RUNTIME: [&str; 3] = ["proc", "sys", "dev"];

/// The targets of links by their absolute paths. Each leads to a directory, or to where one can be made.
pub type Links = BTreeMap<String, String>;

impl Base {
    /// Finds the links to directories outside of the store. A base in a registry is downloaded for that, once:
    /// the cache keeps what was found by the digests of its layers, which hold for what was read.
    ///
    /// # Errors
    ///
    /// As [`Base::listing`].
    pub fn links(&self, listing: &Listing, store_dir: &str, cache: &Cache) -> Result<Links, Error> {
        if !listing.is_claimed() {
            return Ok(listing.links(store_dir));
        }
        let mut hash = Sha256::new_with_prefix(store_dir);
        for layer in self.layers() {
            hash.update(layer.descriptor()?.digest.as_bytes());
        }
        let key: Digest = hash.into();
        let known = cache.facts(FACT, &[key]).into_iter().next().flatten();
        if let Some(links) = known.and_then(|text| serde_json::from_str(&text).ok()) {
            return Ok(links);
        }
        let links = self.listing()?.links(store_dir);
        if let Ok(text) = serde_json::to_string(&links) {
            cache.remember_facts(FACT, &[(key, text)]);
        }
        Ok(links)
    }
}

impl Listing {
    /// Finds the links to directories outside of the store.
    fn links(&self, store_dir: &str) -> Links {
        let store = store_dir.trim_matches('/').as_bytes();
        let is_in_store = |path: &[u8]| {
            let rest = path.strip_prefix(store);
            rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
        };
        let links = self
            .entries
            .below(b"")
            .filter(|(path, entry)| entry.kind == EntryKind::Symlink && !is_in_store(path));
        let leads = |path: &[u8]| {
            self.leads_to(path)
                .is_some_and(|target| !is_in_store(&target) && !is_of_the_runtime(&target))
        };
        links
            .filter(|(path, _)| leads(path))
            .filter_map(|(path, entry)| {
                let target = std::str::from_utf8(&entry.link).ok()?;
                let path = std::str::from_utf8(path).ok()?;
                Some((format!("/{path}"), target.to_owned()))
            })
            .collect()
    }

    /// Returns the path of the directory that a path leads to, whether it is there or can be made.
    fn leads_to(&self, path: &[u8]) -> Option<Vec<u8>> {
        let mut walk = Walk::along(path);
        while let Some(at) = walk.step() {
            match self.entries.get(plain(at)) {
                None => {}
                Some(entry) if entry.kind == EntryKind::Directory => {}
                Some(entry) if entry.kind == EntryKind::Symlink => walk.follow(&entry.link)?,
                Some(_) => return None,
            }
        }
        Some(plain(&walk.end()).to_vec())
    }
}

fn is_of_the_runtime(path: &[u8]) -> bool {
    let first = components(path).next().unwrap_or_default();
    OF_THE_RUNTIME.iter().any(|name| name.as_bytes() == first)
}

#[cfg(test)]
mod tests {
    use super::super::listing::tests::listing;

    #[test]
    fn links_to_directories_are_found_and_no_others() {
        let listing = listing(&[
            &[
                "usr/bin/sh=1",
                "bin -> usr/bin",
                "sbin -> /usr/sbin",
                "usr/sbin -> bin",
                "var/run -> /run",
                "etc/file=1",
                "etc/alias -> file",
                "etc/mtab -> /proc/mounts",
                "dev/fd -> /proc/self/fd",
                "loop -> loop",
                "below -> etc/file/x",
                "opt/gone -> there",
                "opt/app -> /nix/store/x",
                "nix/store/x/lib -> lib64",
                "nix/store/x/lib64/l=1",
            ],
            &["opt/.wh.gone"],
        ]);
        let links = listing.links("/nix/store");
        let links: Vec<_> = links
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        let expected = [
            ("/bin", "usr/bin"),
            ("/sbin", "/usr/sbin"),
            ("/usr/sbin", "bin"),
            ("/var/run", "/run"),
        ];
        assert_eq!(links, expected);
    }
}
