//! The store paths that make the layers of two images differ.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use terrine_planner_host::is_hashed;

use super::{LayerDiff, Status};
use crate::inspect::Inspection;

/// The number of base-32 digits in the name of a store path, before a `-`.
const HASH: usize = 32;

/// The store paths that make an image another, each list in the order of names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Paths {
    /// Those that only the new image has, and nothing of the name was in the old one.
    pub added: Vec<String>,
    /// Those that only the old image has, and nothing of the name is in the new one.
    pub removed: Vec<String>,
    /// Those of which the new image has another version. One whose name has no hash may have the same path in both.
    pub changed: Vec<ChangedPath>,
    /// Those that both have and that are pulled all the same, because they are in another
    /// layer now.
    pub moved: Vec<MovedPath>,
    /// Those that both have and that are pulled all the same, because something else in their
    /// layer is another.
    pub carried: Vec<MovedPath>,
    /// Those that both have and of which nobody can tell whether they changed: their names have no hash, and their
    /// layers are others.
    pub unknown: Vec<MovedPath>,
}

/// A store path in two versions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangedPath {
    /// The name that both have, without the hash and possibly without the version.
    pub name: String,
    /// The path in the old image.
    pub old: String,
    /// The path in the new image.
    pub new: String,
    /// The new image's layer.
    pub layer: usize,
}

/// A store path in two layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MovedPath {
    /// The path.
    pub path: String,
    /// The old image's layer.
    pub old_layer: usize,
    /// The new image's layer.
    pub layer: usize,
}

/// Compares the paths of two images; none where one of them names none.
pub(super) fn compare(old: &Inspection, new: &Inspection, layers: &[LayerDiff]) -> Option<Paths> {
    let before = located(old)?;
    let after = located(new)?;
    let missing = |from: &BTreeMap<&str, usize>, other: &BTreeMap<&str, usize>| -> Vec<String> {
        from.keys()
            .filter(|path| !other.contains_key(**path))
            .map(|path| (*path).to_owned())
            .collect()
    };
    let mut paths = Paths {
        added: missing(&after, &before),
        removed: missing(&before, &after),
        ..Paths::default()
    };
    pair(&mut paths, &after, |path| name(path));
    // What is left may have another version in its name.
    pair(&mut paths, &after, |path| unversioned(name(path)));
    let counterparts = counterparts(&before, &after);
    for (path, &layer) in &after {
        let Some(&old_layer) = before.get(path) else {
            continue;
        };
        let is_pulled = layers
            .get(layer - 1)
            .is_some_and(|layer| layer.status == Status::New);
        if !is_pulled {
            continue;
        }
        let moved = MovedPath {
            path: (*path).to_owned(),
            old_layer,
            layer,
        };
        if !is_hashed(path) {
            let before = (old, old_layer);
            if is_changed(path, before, (new, layer)) {
                paths.changed.push(in_place(path, layer));
            } else {
                paths.unknown.push(moved);
            }
            continue;
        }
        let list = match counterparts.get(&layer) {
            Some(&counterpart) if counterpart == old_layer => &mut paths.carried,
            _ => &mut paths.moved,
        };
        list.push(moved);
    }
    paths.changed.sort();
    let key = |path: &String| (name(path).to_owned(), path.clone());
    paths.added.sort_by_cached_key(key);
    paths.removed.sort_by_cached_key(key);
    paths.moved.sort_by_cached_key(|moved| key(&moved.path));
    paths.carried.sort_by_cached_key(|moved| key(&moved.path));
    paths.unknown.sort_by_cached_key(|moved| key(&moved.path));
    Some(paths)
}

/// Returns true if a path whose name has no hash is known to have changed, in a layer with other
/// content. It is if both layers are made of the same paths and no other path of these could have
/// changed.
fn is_changed(path: &str, old: (&Inspection, usize), new: (&Inspection, usize)) -> bool {
    let paths = |(image, layer): (&Inspection, usize)| {
        let layer = image.layers.get(layer - 1)?;
        let paths: BTreeSet<String> = layer.store_paths.as_ref()?.iter().cloned().collect();
        Some(paths)
    };
    let (before, after) = (paths(old), paths(new));
    before == after
        && after.is_some_and(|all| all.iter().all(|other| other == path || is_hashed(other)))
}

/// A path that is another one under the same name.
fn in_place(path: &str, layer: usize) -> ChangedPath {
    ChangedPath {
        name: name(path).to_owned(),
        old: path.to_owned(),
        new: path.to_owned(),
        layer,
    }
}

/// The layers of an image's store paths; none where it names none.
fn located(image: &Inspection) -> Option<BTreeMap<&str, usize>> {
    let mut located = BTreeMap::new();
    let mut named = false;
    for layer in &image.layers {
        let Some(paths) = &layer.store_paths else {
            continue;
        };
        named = true;
        located.extend(paths.iter().map(|path| (path.as_str(), layer.number)));
    }
    named.then_some(located)
}

/// Takes what was removed and what was added for two versions of one path, where their names
/// are the same and no others are.
fn pair<'a>(paths: &mut Paths, after: &BTreeMap<&str, usize>, name: impl Fn(&str) -> &str + 'a) {
    let group = |paths: &[String]| {
        let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for path in paths {
            groups
                .entry(name(path).to_owned())
                .or_default()
                .push(path.clone());
        }
        groups
    };
    let (removed, added) = (group(&paths.removed), group(&paths.added));
    let mut paired = BTreeSet::new();
    for (name, old) in removed {
        let ([old], Some([new])) = (old.as_slice(), added.get(&name).map(Vec::as_slice)) else {
            continue;
        };
        let layer = after.get(new.as_str()).copied().unwrap_or_default();
        paired.extend([old.clone(), new.clone()]);
        paths.changed.push(ChangedPath {
            name,
            old: old.clone(),
            new: new.clone(),
            layer,
        });
    }
    paths.removed.retain(|path| !paired.contains(path));
    paths.added.retain(|path| !paired.contains(path));
}

/// The old layer that each new one comes from: the one with most names in common, the lowest
/// of several.
fn counterparts(
    before: &BTreeMap<&str, usize>,
    after: &BTreeMap<&str, usize>,
) -> BTreeMap<usize, usize> {
    let mut old: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for (path, &layer) in before {
        old.entry(unversioned(name(path)))
            .or_default()
            .insert(layer);
    }
    let mut common: BTreeMap<usize, BTreeMap<usize, usize>> = BTreeMap::new();
    for (path, &layer) in after {
        for &before in old.get(unversioned(name(path))).into_iter().flatten() {
            *common.entry(layer).or_default().entry(before).or_default() += 1;
        }
    }
    common
        .into_iter()
        .filter_map(|(layer, counts)| {
            let (most, _) = counts
                .into_iter()
                .max_by_key(|&(layer, count)| (count, std::cmp::Reverse(layer)))?;
            Some((layer, most))
        })
        .collect()
}

/// The name of a store path, without its directory and its hash.
fn name(path: &str) -> &str {
    let last = path.rsplit('/').next().unwrap_or(path);
    match last.split_at_checked(HASH) {
        Some((_, rest)) if rest.len() > 1 && rest.starts_with('-') => &rest[1..],
        _ => last,
    }
}

/// A name without its version: what follows the first `-` before a digit, but for what follows
/// the version, which tells outputs apart.
fn unversioned(name: &str) -> &str {
    let version = name
        .match_indices('-')
        .find(|(i, _)| name.as_bytes().get(i + 1).is_some_and(u8::is_ascii_digit));
    match version {
        Some((i, _)) if !name[i + 1..].contains('-') => &name[..i],
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_is_left_without_hash_and_version() {
        for (path, expected, without) in [
            (
                "/nix/store/1qm4lyyajvvvq1xz7b6swmbm9v3s8c5x-glibc-2.38",
                "glibc-2.38",
                "glibc",
            ),
            (
                "/nix/store/1qm4lyyajvvvq1xz7b6swmbm9v3s8c5x-glibc-2.38-bin",
                "glibc-2.38-bin",
                "glibc-2.38-bin",
            ),
            (
                "/nix/store/1qm4lyyajvvvq1xz7b6swmbm9v3s8c5x-gcc-wrapper",
                "gcc-wrapper",
                "gcc-wrapper",
            ),
            ("/nix/store/web", "web", "web"),
            ("", "", ""),
        ] {
            assert_eq!((name(path), unversioned(name(path))), (expected, without));
        }
    }
}
