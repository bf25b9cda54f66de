//! A look at the first bytes of every executable.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread;

use rustix::fs::OFlags;
use terrine_oci::Digest;
use terrine_planner_host as planner;
use terrine_tar::Kind;

use super::{Bytes, Findings, HEAD};
use crate::cache::Cache;
use crate::layer::{self, Error, Store, StorePath, Tree, TreeEntry};
use crate::parallel::each;

/// The number of threads that look at once. More would wait for the same disk.
const THREADS: usize = 4;
/// The permissions of which one makes a file an executable.
pub(super) const EXECUTE: u32 = 0o111;

/// The name of cached findings; the number grows when they come to say other things.
const FACT: &str = "platform 2";

/// Looks at the executables of store paths: the regular files that anyone may run. What is
/// known of a path whose name carries a hash is not looked for again. Files in binary caches are not fetched: it returns none for a path
/// in a cache that nobody has looked at.
///
/// # Errors
///
/// A path that cannot be listed, and an executable that cannot be read: the one of the
/// first path that has any.
pub fn scan(
    store: &Store,
    paths: &[StorePath],
    cache: &Cache,
) -> Result<Vec<Option<Findings>>, Error> {
    let keys = paths
        .iter()
        .map(|path| key(store, path))
        .collect::<Result<Vec<_>, _>>()?;
    let mut all = known(&keys, cache);
    let mut unknown = vec![];
    for (index, path) in paths.iter().enumerate() {
        let substitute = store.substituted(path)?;
        if all[index].is_none() && substitute.is_none_or(|substitute| substitute.is_whole()) {
            unknown.push(index);
        }
    }
    let jobs = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(THREADS);
    let jobs = NonZeroUsize::new(jobs).unwrap_or(NonZeroUsize::MIN);
    let found = each(&unknown, jobs, |_, &index| scan_path(store, &paths[index]))?;
    let facts = unknown.iter().zip(&found);
    let facts = facts.filter_map(|(&index, found)| Some((keys[index]?, found)));
    remember(cache, facts);
    for (index, found) in unknown.into_iter().zip(found) {
        all[index] = Some(found);
    }
    Ok(all)
}

/// Lets the cache remember what was found in paths, by their keys.
pub(super) fn remember<'f>(cache: &Cache, found: impl Iterator<Item = (Digest, &'f Findings)>) {
    let facts: Vec<(Digest, String)> = found.map(|(key, found)| (key, found.to_text())).collect();
    if !facts.is_empty() {
        cache.remember_facts(FACT, &facts);
    }
}

/// Returns what stands for a path in the cache; none if its name says nothing about its content.
pub(super) fn key(store: &Store, path: &StorePath) -> Result<Option<Digest>, Error> {
    if !planner::is_hashed(path.as_str()) || store.is_grafted(path) {
        return Ok(None);
    }
    let identity = match store.substituted(path)? {
        Some(substitute) => format!("nar {}", substitute.info().nar_hash),
        None => layer::identity(store, path)?,
    };
    Ok(Some(Digest::of(
        format!("{}\n{identity}", path.as_str()).as_bytes(),
    )))
}

/// Returns what the cache knows of each path.
fn known(keys: &[Option<Digest>], cache: &Cache) -> Vec<Option<Findings>> {
    let asked: Vec<Digest> = keys.iter().flatten().copied().collect();
    let mut answers = cache.facts(FACT, &asked).into_iter();
    keys.iter()
        .map(|key| key.and_then(|_| Findings::from_text(&answers.next()??)))
        .collect()
}

fn scan_path(store: &Store, path: &StorePath) -> Result<Findings, Error> {
    let mut findings = Findings::default();
    Tree::walk(store, std::slice::from_ref(path))?.for_each(|entry| {
        if entry.kind == Kind::File && entry.mode & EXECUTE != 0 && entry.size > 0 {
            let (file, head) = open(store, &entry)?;
            findings.add(entry.path, &head, &file);
        }
        Ok::<_, Error>(())
    })?;
    Ok(findings)
}

/// Opens a file, and reads its first bytes.
fn open(store: &Store, entry: &TreeEntry<'_>) -> Result<(File, Vec<u8>), Error> {
    let opened = store.open_at(entry.path, OFlags::NONBLOCK);
    let read = opened.map_err(io::Error::from).and_then(|file| {
        let file = File::from(file);
        let head = file.read_at(0, HEAD)?;
        Ok((file, head))
    });
    read.map_err(|source| Error::Io {
        action: "reading",
        path: store.locate(Path::new(OsStr::from_bytes(entry.path))),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::super::program::tests::elf_head;
    use super::*;
    use crate::cache::CacheOptions;

    const HASHED: &str = "/nix/store/7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-hello-1.0";
    const PLAIN: &str = "/nix/store/hello";

    #[test]
    fn what_is_cached_is_what_was_found_and_only_of_paths_with_a_hash() {
        let root = tempfile::tempdir().unwrap();
        let program = |path: &str, machine: u16| {
            let file = root.path().join(&path[1..]).join("bin/hello");
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, elf_head(machine, true, true, 3)).unwrap();
            fs::set_permissions(file, Permissions::from_mode(0o755)).unwrap();
        };
        program(HASHED, 62);
        program(PLAIN, 62);
        let store = Store::open("/nix/store", root.path()).unwrap();
        let cache = Cache::open(&root.path().join("cache"), CacheOptions::on(1)).unwrap();
        let scan = |path: &str, cache: &Cache| {
            let scanned = scan(&store, &[store.path(path).unwrap()], cache).unwrap();
            scanned[0].as_ref().unwrap().to_text()
        };
        let found = scan(HASHED, &Cache::none());
        assert!(!found.is_empty());
        assert_eq!(scan(HASHED, &cache), found);
        assert_eq!(scan(HASHED, &cache), found);
        let plain = scan(PLAIN, &cache);
        // Nobody may do this to a path with a hash, so nobody looks.
        program(HASHED, 183);
        program(PLAIN, 183);
        assert_eq!(scan(HASHED, &cache), found);
        assert_ne!(scan(HASHED, &Cache::none()), found);
        assert_ne!(scan(PLAIN, &cache), plain);
        // Several at once come to the same, known or not.
        let both = |cache: &Cache| {
            let paths = [HASHED, PLAIN].map(|path| store.path(path).unwrap());
            super::scan(&store, &paths, cache).unwrap()
        };
        program(HASHED, 62);
        assert_eq!(both(&cache), both(&Cache::none()));
    }
}
