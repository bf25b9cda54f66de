//! The facts that earlier runs know of layers, checked against the same the other way round.
//!
//! A cache that is wrong about a layer would put another layer's content in its place, and nothing
//! that is published would show it. What a layer is made of follows from what it is, too: its
//! bytes name its paths, and a blob unpacks to one layer only. So both directions are kept, in
//! entries of their own, and what they do not agree on is not believed. No file is looked at for
//! that, nor the registry asked.

use terrine_oci::Digest;

use super::{Cache, LayerKey, Plain, Stored};

/// The kind of fact that says what a layer holds, by its diff id.
pub(super) const PATHS: &str = "paths of a layer 1";
/// The kind of fact that says what a blob unpacks to, by its digest.
pub(super) const UNPACKED: &str = "layer of a blob 1";

/// Returns what a layer of these paths is.
pub fn plain<'p>(
    cache: &Cache,
    key: &LayerKey,
    paths: impl IntoIterator<Item = &'p str>,
) -> Option<Plain> {
    let plain = cache.plain(key)?;
    if agrees(cache, PATHS, plain.diff_id, &holds(paths, &plain)) {
        return Some(plain);
    }
    cache.forget_plain(key);
    None
}

/// Remembers what a layer of these paths is.
pub fn remember_plain<'p>(
    cache: &Cache,
    key: &LayerKey,
    paths: impl IntoIterator<Item = &'p str>,
    plain: &Plain,
) {
    cache.remember_plain(key, plain);
    cache.remember_facts(PATHS, &[(plain.diff_id, holds(paths, plain))]);
}

/// Returns what a layer is compressed to.
pub fn blob(cache: &Cache, diff_id: Digest, setting: &str) -> Option<Stored> {
    let stored = cache.blob(diff_id, setting)?;
    if agrees(
        cache,
        UNPACKED,
        stored.digest,
        &unpacks_to(diff_id, &stored),
    ) {
        return Some(stored);
    }
    cache.forget_blob(diff_id, setting);
    None
}

/// Remembers what a layer is compressed to.
pub fn remember_blob(cache: &Cache, diff_id: Digest, setting: &str, stored: &Stored) {
    cache.remember_blob(diff_id, setting, stored);
    cache.remember_facts(UNPACKED, &[(stored.digest, unpacks_to(diff_id, stored))]);
}

/// Returns true if the other direction says the same. It may have been lost, which is no
/// contradiction and still no agreement.
fn agrees(cache: &Cache, kind: &str, of: Digest, expected: &str) -> bool {
    match cache.facts(kind, &[of]).pop().flatten() {
        Some(said) if said == expected => true,
        Some(_) => {
            cache.contradicts_itself();
            false
        }
        None => false,
    }
}

fn holds<'p>(paths: impl IntoIterator<Item = &'p str>, plain: &Plain) -> String {
    let mut paths: Vec<&str> = paths.into_iter().collect();
    paths.sort_unstable();
    // No name has a zero byte.
    said(Digest::of(paths.join("\0").as_bytes()), plain.size)
}

fn unpacks_to(diff_id: Digest, stored: &Stored) -> String {
    said(diff_id, stored.size)
}

/// Returns what is said of a layer or a blob: a digest, and its size.
pub(super) fn said(digest: Digest, size: u64) -> String {
    format!("{digest} {size}")
}

/// Reads what is said.
pub(super) fn parse(said: &str) -> Option<(Digest, u64)> {
    let (digest, size) = said.split_once(' ')?;
    Some((digest.parse().ok()?, size.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::CacheOptions;

    #[test]
    fn only_what_is_said_twice_is_believed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path(), CacheOptions::on(1)).unwrap();
        let key = |name: &str| LayerKey::builder(name).finish();
        let of = |name: &str| Plain {
            diff_id: Digest::of(name.as_bytes()),
            size: 7,
        };
        for name in ["a", "b"] {
            remember_plain(&cache, &key(name), [name, "c"], &of(name));
            assert_eq!(plain(&cache, &key(name), ["c", name]), Some(of(name)));
        }
        assert_eq!(cache.complaint(), None);
        // Each is told apart: other paths, another layer, another size, and nothing known of it.
        assert_eq!(plain(&cache, &key("a"), ["a", "x"]), None);
        assert!(cache.complaint().unwrap().contains("contradict"));
        for lie in [of("b"), Plain { size: 8, ..of("a") }, of("unknown")] {
            cache.remember_plain(&key("a"), &lie);
            assert_eq!(plain(&cache, &key("a"), ["a", "c"]), None);
            assert_eq!(cache.plain(&key("a")), None, "it is forgotten");
        }
        let stored = |name: &str| Stored {
            digest: Digest::of(name.as_bytes()),
            size: 5,
        };
        for name in ["a", "b"] {
            remember_blob(&cache, of(name).diff_id, "gzip", &stored(name));
            assert_eq!(blob(&cache, of(name).diff_id, "gzip"), Some(stored(name)));
        }
        for lie in [
            stored("b"),
            Stored {
                size: 6,
                ..stored("a")
            },
            stored("unknown"),
        ] {
            cache.remember_blob(of("a").diff_id, "gzip", &lie);
            assert_eq!(blob(&cache, of("a").diff_id, "gzip"), None);
        }
    }
}
