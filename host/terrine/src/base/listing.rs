//! The content of the layers of a base image, by the headers of their archives.

use std::collections::{BTreeMap, BTreeSet};

use terrine_compress::Compression;
use terrine_oci::Digest;
use terrine_tar::{Described, EntryType};

use super::fingerprint::Fingerprint;
use super::merge::{Entries, EntryKind, ListedEntry, ListedLayer};
use super::{Base, BaseLayer};
use crate::links::Walk;
use crate::source::changes::{Budget, Change, MAX_PATH, bad_name, clean, parent};
use crate::source::seekable::{Unpacking, for_each};
use crate::source::{self, Error, Fault};

/// The digits of Nix's base 32.
const DIGITS: &[u8] = b"0123456789abcdfghijklmnpqrsvwxyz";
/// The number of digits in the name of a store path, before a `-`.
const HASH: usize = 32;

/// The content of all layers of a base image together.
#[derive(Debug, Default)]
pub struct Listing {
    pub(super) entries: Entries,
    /// The content that the image says it holds, where nobody looked.
    claimed: Option<Claimed>,
}

/// The entry at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed<'a> {
    /// Nothing.
    Nothing,
    /// That is not known, or tools do not agree on it.
    Unknown,
    /// A directory.
    Directory,
    /// A symbolic link to this target.
    Link(&'a [u8]),
    /// A regular file with these permission bits.
    File {
        /// Permission bits.
        mode: u32,
    },
}

/// The permissions and owners of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedAccess {
    /// Permission bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: i64,
    /// Numeric group.
    pub gid: i64,
}

/// Store paths that an image says that it holds.
#[derive(Debug)]
struct Claimed {
    paths: BTreeSet<String>,
    store_dir: String,
}

impl Base {
    /// Lists what the layers hold, bottom to top, each on those below it.
    ///
    /// Plain layers are read at their headers only, and compressed ones unpacked one time more
    /// than [`Base::transfer`] does. No digest is checked.
    ///
    /// # Errors
    ///
    /// A layer that is truncated or broken, one with a name that leads out of the image, and
    /// layers of more entries than any image has.
    pub fn listing(&self) -> Result<Listing, Error> {
        let mut budget = Budget::default();
        let mut listing = Listing::default();
        let mut uses: BTreeMap<Digest, usize> = BTreeMap::new();
        self.layers
            .iter()
            .for_each(|layer| *uses.entry(layer.diff_id).or_default() += 1);
        let mut kept: BTreeMap<Digest, ListedLayer> = BTreeMap::new();
        for (number, layer) in (0..).zip(&self.layers) {
            let id = layer.diff_id;
            let read = match kept.get(&id) {
                Some(known) => known
                    .copy(&mut budget)
                    .map_err(|fault| self.broken(layer, fault))?,
                None => self.read(layer, &mut budget)?,
            };
            if uses.get(&id).is_some_and(|&uses| uses > 1) && !kept.contains_key(&id) {
                let copy = read
                    .copy(&mut budget)
                    .map_err(|fault| self.broken(layer, fault))?;
                kept.insert(id, copy);
            }
            listing.entries.apply(read, number);
        }
        Ok(listing)
    }

    fn read(&self, layer: &BaseLayer, budget: &mut Budget) -> Result<ListedLayer, Error> {
        let source = source::input(&self.name, layer.layer.as_ref())?;
        let mut read = ListedLayer::default();
        match for_each(source, |member| add(&mut read, member, budget)) {
            Ok(()) => {}
            Err(Unpacking::Fault(fault)) => return Err(self.broken(layer, fault)),
            Err(Unpacking::Io(error)) if layer.compression() != Compression::None => {
                return Err(self.unpacking(layer, &error));
            }
            Err(error) => return Err(error.of(&self.name)),
        }
        read.finish();
        Ok(read)
    }

    pub(super) fn broken(&self, layer: &BaseLayer, fault: Fault) -> Error {
        let name = layer.name.clone();
        Error::fault(
            &self.name,
            Fault::Layer {
                name,
                fault: Box::new(fault),
            },
        )
    }
}

impl Listing {
    /// An image that nobody looked into, which says that it holds these paths of a store.
    pub(super) fn claimed(paths: BTreeSet<String>, store_dir: &str) -> Self {
        let claimed = Some(Claimed {
            paths,
            store_dir: store_dir.to_owned(),
        });
        Self {
            claimed,
            ..Self::default()
        }
    }

    /// Returns true if the image says that it holds a store path. What it holds is only known by
    /// that where nobody looked.
    pub fn claims(&self, path: &str) -> bool {
        self.claimed
            .as_ref()
            .is_some_and(|claimed| claimed.paths.contains(path))
    }

    /// Returns true if nobody looked, and all that is known is what the image says of itself.
    pub fn is_claimed(&self) -> bool {
        self.claimed.is_some()
    }

    /// The names in the directory at a path. No link is followed.
    pub fn names<'a>(&'a self, path: &[u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let start = match plain(path).len() {
            0 => 0,
            length => length + 1,
        };
        let names = self.entries.below(plain(path)).map(|(path, _)| path);
        let names: Vec<&[u8]> = names
            .filter_map(|path| path.get(start..))
            .filter(|name| !name.contains(&b'/'))
            .collect();
        names.into_iter()
    }

    /// The target of the symbolic link at a path, if there is one. No link is followed on the
    /// way to it.
    pub fn link_at(&self, path: &[u8]) -> Option<&[u8]> {
        let entry = self.entries.get(plain(path))?;
        (entry.kind == EntryKind::Symlink).then_some(&*entry.link)
    }

    /// Returns true if there is something at a path, links followed as they lead in the image:
    /// through at most 40. Where nobody looked, there is everything but the store paths that the image
    /// does not speak of.
    pub fn exists(&self, path: &[u8]) -> bool {
        if let Some(claimed) = &self.claimed {
            return claimed.exists(path);
        }
        let mut walk = Walk::along(path);
        while let Some(at) = walk.step() {
            let Some(entry) = self.entries.get(plain(at)) else {
                return false;
            };
            match entry.kind {
                EntryKind::Directory => {}
                EntryKind::Symlink => {
                    if walk.follow(&entry.link).is_none() {
                        return false;
                    }
                }
                _ => return walk.is_at_end(),
            }
        }
        true
    }

    /// Returns what is at a path whose directories are directories, and no links.
    pub fn look(&self, path: &[u8]) -> Listed<'_> {
        if self.claimed.is_some() {
            return Listed::Unknown;
        }
        let Some(entry) = self.entries.get(plain(path)) else {
            return Listed::Nothing;
        };
        match entry.kind {
            EntryKind::Directory if entry.doubtful => Listed::Unknown,
            EntryKind::Directory => Listed::Directory,
            EntryKind::Symlink => Listed::Link(&entry.link),
            EntryKind::File => Listed::File { mode: entry.mode },
            EntryKind::Other => Listed::Unknown,
        }
    }

    /// Returns the permissions and owners of the entry at a path; none where they are not known.
    pub fn access(&self, path: &[u8]) -> Option<ListedAccess> {
        let entry = self
            .entries
            .get(plain(path))
            .filter(|entry| !entry.doubtful)?;
        let (uid, gid) = entry.owner?;
        let mode = entry.mode;
        Some(ListedAccess { mode, uid, gid })
    }

    /// Returns true if a store path is there whole: one whose name carries a hash, with the entries
    /// that its fingerprint stands for, all from one layer.
    ///
    /// Where a layer put it there again, that one counts, if it says the same of every file as
    /// those below it; where layers share it, or are in doubt about it, this is `false`.
    pub fn holds(&self, path: &str, fingerprint: &Fingerprint) -> bool {
        let path = plain(path.as_bytes());
        let name = &path[parent(path).map_or(0, |parent| parent.len() + 1)..];
        let Some(top) = self.entries.get(path).filter(|_| has_hash(name)) else {
            return false;
        };
        let ancestors = std::iter::successors(parent(path), |path| parent(path));
        if ancestors
            .filter_map(|path| self.entries.get(path))
            .any(|entry| entry.doubtful)
        {
            return false;
        }
        let mut found = Fingerprint::default();
        for (below, entry) in std::iter::once((path, top)).chain(self.entries.below(path)) {
            if entry.doubtful || entry.layer != top.layer {
                return false;
            }
            let relative = below.get(path.len() + 1..).unwrap_or_default();
            found.add(relative, entry.kind, entry.size, &entry.link);
        }
        found == *fingerprint
    }
}

impl Claimed {
    fn exists(&self, path: &[u8]) -> bool {
        let text = String::from_utf8_lossy(path);
        let below = text
            .strip_prefix(&self.store_dir)
            .and_then(|rest| rest.strip_prefix('/'));
        let Some(below) = below else { return true };
        let name = below.split('/').next().unwrap_or_default();
        self.paths.contains(&format!("{}/{name}", self.store_dir))
    }
}

/// Adds a member of a layer's archive.
pub(super) fn add(
    layer: &mut ListedLayer,
    member: Described,
    budget: &mut Budget,
) -> Result<(), Fault> {
    match Change::of(&member.name)? {
        Change::Empty(path) => layer.empty(path.into(), budget),
        Change::Remove(path) => layer.remove(path.into(), budget),
        // What a layer says of the root itself is of no interest here.
        Change::Put(path) if !path.is_empty() => {
            let entry = entry(&layer.entries, member)?;
            layer.add(path.into(), entry, budget)
        }
        Change::Put(_) | Change::Nothing => Ok(()),
    }
}

fn entry(entries: &Entries, member: Described) -> Result<ListedEntry, Fault> {
    let kind = match member.kind {
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => EntryKind::File,
        EntryType::Directory => EntryKind::Directory,
        EntryType::Symlink => EntryKind::Symlink,
        EntryType::Link => {
            // As it is now: what takes the target's place later is another file.
            let target = entries
                .get(&clean(&member.link)?)
                .filter(|entry| entry.kind != EntryKind::Directory);
            return Ok(target
                .cloned()
                .unwrap_or_else(|| ListedEntry::new(EntryKind::Other)));
        }
        _ => EntryKind::Other,
    };
    let size = if kind == EntryKind::File {
        member.size
    } else {
        0
    };
    let link = if kind == EntryKind::Symlink {
        member.link
    } else {
        Vec::new()
    };
    if link.len() > MAX_PATH {
        return Err(bad_name(&link).into());
    }
    let id = |number: u64| i64::try_from(number).ok();
    Ok(ListedEntry {
        size,
        link: link.into(),
        mode: member.mode,
        owner: id(member.uid).zip(id(member.gid)),
        mtime: member.mtime,
        ..ListedEntry::new(kind)
    })
}

/// A path of the image as layers have it.
pub(super) fn plain(path: &[u8]) -> &[u8] {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    path.strip_suffix(b"/").unwrap_or(path)
}

/// Returns true if a store path's name starts with a hash of Nix.
fn has_hash(name: &[u8]) -> bool {
    let Some((hash, rest)) = name.split_at_checked(HASH) else {
        return false;
    };
    hash.iter().all(|digit| DIGITS.contains(digit)) && rest.len() > 1 && rest[0] == b'-'
}

#[cfg(test)]
pub(super) mod tests;
