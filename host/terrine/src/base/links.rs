//! Directories of a base image and links to them, which files of an image on it go through.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use terrine_oci::Digest;

use super::listing::plain;
use super::merge::EntryKind;
use super::outline::Recalled;
use super::{Base, Listing, Outline};
use crate::cache::Cache;
use crate::links::Walk;
use crate::source::Error;
use crate::source::changes::components;

/// The cached facts; the number grows when they come to say other things.
const FACT: &str = "links of a base image 2";
/// Directories that a runtime fills.
const OF_THE_RUNTIME: [&str; 3] = ["proc", "sys", "dev"];

/// The maximum number of names in the path of a directory that is recorded.
const DEPTH: usize = 3;
/// The maximum total size of their paths as JSON, in bytes, so that the cache keeps them.
const MAX_DIRECTORIES: usize = 32 << 10;

/// The links and directories of a base image that files of an image can meet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// The targets of links by their absolute paths. Each leads to a directory, or to where one can be made.
    pub targets: BTreeMap<String, String>,
    /// Absolute paths of directories with something in them: those near the root.
    pub directories: BTreeSet<String>,
}

impl Base {
    /// Finds directories outside of the store, and the links to them. A base in a registry is downloaded for that, once:
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
        // Both are written together. Links alone are of an older version.
        let known = cache.facts(FACT, &[key]).into_iter().next().flatten();
        if let Some(links) = known.and_then(|text| serde_json::from_str(&text).ok())
            && self.recall_outline(cache, key, store_dir)
        {
            return Ok(links);
        }
        let listing = self.listing()?;
        let links = listing.links(store_dir);
        if let Ok(text) = serde_json::to_string(&links) {
            cache.remember_facts(FACT, &[(key, text)]);
        }
        let outline = Outline::of(self, &listing, store_dir);
        if outline.remember(cache, key) {
            let _ = self.outline.set(outline);
        }
        Ok(links)
    }

    /// Takes the outline that an earlier run made; false if there is none.
    fn recall_outline(&self, cache: &Cache, key: Digest, store_dir: &str) -> bool {
        match Outline::recall(cache, key, store_dir) {
            Recalled::Nothing => return false,
            Recalled::TooLarge => {}
            Recalled::Outline(outline) => drop(self.outline.set(outline)),
        }
        true
    }

    /// Returns what the layers of an image in a registry hold, if they were downloaded to look for links, now or
    /// earlier.
    pub fn outline(&self) -> Option<&Outline> {
        self.outline.get()
    }
}

impl Listing {
    /// Finds directories outside of the store, and the links to them.
    fn links(&self, store_dir: &str) -> Links {
        Links {
            targets: self.targets(store_dir),
            directories: self.directories(store_dir),
        }
    }

    /// Finds the directories near the root that have something in them: as many as there is room for, those with
    /// few names first.
    fn directories(&self, store_dir: &str) -> BTreeSet<String> {
        let store = store_dir.trim_matches('/').as_bytes();
        let depth = |path: &[u8]| components(path).count();
        let found = self.entries.below(b"").filter(|(path, entry)| {
            entry.kind == EntryKind::Directory
                && depth(path) <= DEPTH
                && !path.starts_with(store)
                && !is_of_the_runtime(path)
                && self.entries.below(path).next().is_some()
        });
        let mut found: Vec<&[u8]> = found.map(|(path, _)| path).collect();
        found.sort_by_key(|path| depth(path));
        let mut room = MAX_DIRECTORIES;
        let fits = |path: &&[u8]| {
            // A slash, quotes and a comma.
            room = room.saturating_sub(path.len() + 4);
            room > 0
        };
        found
            .into_iter()
            .take_while(fits)
            .filter_map(|path| Some(format!("/{}", std::str::from_utf8(path).ok()?)))
            .collect()
    }

    /// Returns the path of the directory that a path leads to, if one with something in it is there.
    pub fn directory_at(&self, path: &[u8]) -> Option<Vec<u8>> {
        let at = self.leads_to(path)?;
        let is_full = self.entries.below(&at).next().is_some();
        is_full.then(|| [b"/", &at[..]].concat())
    }

    fn targets(&self, store_dir: &str) -> BTreeMap<String, String> {
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
        let targets = links.targets.iter();
        let targets: Vec<_> = targets.map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let expected = [
            ("/bin", "usr/bin"),
            ("/sbin", "/usr/sbin"),
            ("/usr/sbin", "bin"),
            ("/var/run", "/run"),
        ];
        assert_eq!(targets, expected);
        let directories: Vec<&str> = links.directories.iter().map(String::as_str).collect();
        let expected = ["/etc", "/nix", "/opt", "/usr", "/usr/bin", "/var"];
        assert_eq!(directories, expected);
        let at = |path: &[u8]| {
            let at = listing.directory_at(path);
            at.map(|at| String::from_utf8_lossy(&at).into_owned())
        };
        assert_eq!(at(b"/usr/sbin").as_deref(), Some("/usr/bin"));
        for path in [&b"/etc/alias"[..], b"/var/run", b"/loop"] {
            assert_eq!(at(path), None);
        }
    }

    #[test]
    fn directories_near_the_root_are_noted_as_far_as_there_is_room() {
        let long = "x".repeat(200);
        let far: Vec<String> = (0..300)
            .map(|number| format!("a/{number}{long}/b=1"))
            .collect();
        let mut layer: Vec<&str> = far.iter().map(String::as_str).collect();
        layer.extend(["z/y/x/w/v=1", "dev/x/y=1"]);
        let directories = listing(&[&layer]).links("/nix/store").directories;
        assert!(directories.contains("/a") && directories.contains("/z"));
        assert!(!directories.contains("/dev") && !directories.contains("/z/y/x/w"));
        let length: usize = directories.iter().map(|path| path.len() + 3).sum();
        assert!(length <= super::MAX_DIRECTORIES && directories.len() > 100);
    }
}
