//! NAR hashes: what Nix knows the content of a store path by.
//!
//! A NAR is an archive of one path with nothing in it that a store path has not: kinds, names,
//! contents, targets of links, and whether a file is executable (Nix manual, "Nix Archive
//! format"). It is never written here: its bytes go into the hash as they come.
//!
//! | what | where |
//! |---|---|
//! | the entries of a path, in the order of their bytes | `entries` |
//! | the bytes around the contents | `framing` |
//! | the hash, while a layer of the path is made | `passing` |
//! | the hash, of several paths at once, and what the cache knows | here |

mod entries;
mod framing;
mod passing;

use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::thread;

use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};
use terrine_oci::Digest;
use terrine_planner_host as planner;

use crate::cache::Cache;
use crate::layer::{self, Change, Error, Store, StorePath};
use crate::parallel;
use entries::Entry;
use framing::Part;
pub use passing::Passing;

/// The number of bytes that are read at once.
const BUFFER: usize = 1 << 16;
/// The kind of cached hashes; the number grows when they come to mean something else.
const FACT: &str = "nar 1";

/// The NAR of a store path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nar {
    /// The digest of its bytes.
    pub hash: Digest,
    /// The number of these bytes.
    pub size: u64,
}

/// Hashes the NARs of store paths, several at once, or takes what the cache knows of them. The
/// results are in the order of the paths.
///
/// # Errors
///
/// A path that is missing, cannot be read or holds what a layer cannot hold, and a file that
/// changes meanwhile.
pub fn hash(store: &Store, paths: &[StorePath], cache: &Cache) -> Result<Vec<Nar>, Error> {
    let keys = keys(store, paths)?;
    let mut found = look_up(&keys, cache);
    let missing: Vec<usize> = (0..paths.len())
        .filter(|&index| found[index].is_none())
        .collect();
    let jobs = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let hashed = parallel::each(&missing, jobs, |_, &index| hash_path(store, &paths[index]))?;
    let facts: Vec<(Digest, String)> = missing
        .iter()
        .zip(&hashed)
        .filter_map(|(&index, nar)| Some((keys[index]?, to_text(nar))))
        .collect();
    if !facts.is_empty() {
        cache.remember_facts(FACT, &facts);
    }
    for (index, nar) in missing.into_iter().zip(hashed) {
        found[index] = Some(nar);
    }
    Ok(found.into_iter().flatten().collect())
}

/// Returns what the cache knows of the NARs of store paths, in the order of the paths. No file is
/// opened.
///
/// # Errors
///
/// A path that is missing.
pub fn known(store: &Store, paths: &[StorePath], cache: &Cache) -> Result<Vec<Option<Nar>>, Error> {
    Ok(look_up(&keys(store, paths)?, cache))
}

/// Returns the size of the NAR of a store path, in bytes. No file is opened.
///
/// # Errors
///
/// A path that is missing or cannot be listed, and one that a layer cannot hold.
pub fn size(store: &Store, path: &StorePath) -> Result<u64, Error> {
    let mut size = 0_u64;
    framing::frame(&entries::list(store, path)?, |part| {
        size = size.saturating_add(match part {
            Part::Bytes(bytes) => bytes.len() as u64,
            Part::Content(entry) => entry.size,
        });
        Ok::<_, Error>(())
    })?;
    i64::try_from(size).map_err(|_| Error::TooLarge {
        path: store.locate(path.as_str().as_ref()),
    })?;
    Ok(size)
}

/// Returns the key of each path in the cache, as for a layer; none where its name says nothing about
/// its content.
fn keys(store: &Store, paths: &[StorePath]) -> Result<Vec<Option<Digest>>, Error> {
    let key = |path: &StorePath| {
        if !planner::is_hashed(path.as_str()) || store.is_grafted(path) {
            return Ok(None);
        }
        let identity = layer::identity(store, path)?;
        let text = format!("{}\n{identity}", path.as_str());
        Ok(Some(Digest::of(text.as_bytes())))
    };
    paths.iter().map(key).collect()
}

fn look_up(keys: &[Option<Digest>], cache: &Cache) -> Vec<Option<Nar>> {
    let asked: Vec<Digest> = keys.iter().flatten().copied().collect();
    let mut answers = cache.facts(FACT, &asked).into_iter();
    keys.iter()
        .map(|key| key.and_then(|_| from_text(&answers.next()??)))
        .collect()
}

fn to_text(nar: &Nar) -> String {
    format!("{} {}", nar.hash, nar.size)
}

fn from_text(text: &str) -> Option<Nar> {
    let (hash, size) = text.split_once(' ')?;
    Some(Nar {
        hash: hash.parse().ok()?,
        size: size.parse().ok()?,
    })
}

fn hash_path(store: &Store, path: &StorePath) -> Result<Nar, Error> {
    let mut hash = Sha256::new();
    let mut size = 0;
    let mut buffer = vec![0; BUFFER];
    framing::frame(&entries::list(store, path)?, |part| {
        match part {
            Part::Bytes(bytes) => {
                hash.update(bytes);
                size += bytes.len() as u64;
            }
            Part::Content(entry) => {
                hash_file(store, entry, &mut hash, &mut buffer)?;
                size += entry.size;
            }
        }
        Ok::<_, Error>(())
    })?;
    Ok(Nar {
        hash: hash.into(),
        size,
    })
}

/// Hashes the content of a file, which has to be as long as it was when it was listed.
fn hash_file(
    store: &Store,
    entry: &Entry,
    hash: &mut Sha256,
    buffer: &mut [u8],
) -> Result<(), Error> {
    let place = || entry.place(store);
    let changed = |change| Error::Changed {
        path: place(),
        change,
    };
    let file = store
        .open_at(&entry.path, OFlags::NONBLOCK)
        .map_err(|errno| layer::opening(&place(), errno))?;
    let mut file = File::from(file).take(entry.size.saturating_add(1));
    let mut rest = entry.size;
    loop {
        let count = match file.read(buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => {
                return Err(Error::Io {
                    action: "reading",
                    path: place(),
                    source,
                });
            }
        };
        hash.update(&buffer[..count]);
        rest = rest
            .checked_sub(count as u64)
            .ok_or_else(|| changed(Change::Grew))?;
    }
    if rest > 0 {
        return Err(changed(Change::Shrank));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    use super::*;
    use crate::cache::CacheOptions;

    const NAMED: &str = "/nix/store/7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-hello-1.0";

    fn write(path: &Path, content: &[u8], mode: u32) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    /// A path with every corner of the format.
    fn corners(top: &Path) {
        write(&top.join("foo/a"), b"12345678", 0o644);
        write(&top.join("foo-bar"), b"", 0o755);
        write(&top.join("foo.txt"), b"1", 0o654);
        write(&top.join("Foo"), b"12345678901234567", 0o4511);
        write(&top.join("deep/er/\u{e9}"), b"x", 0o644);
        fs::create_dir(top.join("empty")).unwrap();
        symlink("../target", top.join("link")).unwrap();
    }

    fn nar(root: &Path, path: &str) -> Nar {
        let store = Store::open("/nix/store", root).unwrap();
        let path = store.path(path).unwrap();
        let nar = hash(&store, std::slice::from_ref(&path), &Cache::none()).unwrap()[0];
        assert_eq!(size(&store, &path).unwrap(), nar.size);
        nar
    }

    /// Pinned: what `nix-store --dump | sha256sum` of Nix 2.8 printed.
    #[test]
    fn hashes_are_those_of_nix() {
        let root = tempfile::tempdir().unwrap();
        let store = root.path().join("nix/store");
        corners(&store.join("corners"));
        write(&store.join("file"), b"hello", 0o444);
        write(&store.join("program"), b"hello", 0o555);
        symlink("hello", store.join("link")).unwrap();
        fs::create_dir(store.join("empty")).unwrap();
        for (name, hash, size) in [
            (
                "corners",
                "0ed4472450c20879dba1693e3a010341e34324e2c0804cde984e7bab5df0f551",
                2000,
            ),
            (
                "file",
                "0a430879c266f8b57f4092a0f935cf3facd48bbccde5760d4748ca405171e969",
                120,
            ),
            (
                "program",
                "9cf814f912eb9ad467da47702739324302f88f2cc635cb3e49d83c3e01d5a3de",
                152,
            ),
            (
                "link",
                "46b153adf590ddbbb27665dbadd80ad1052fb42801728b83a9b7f4cd4b548125",
                120,
            ),
            (
                "empty",
                "a50a5ab6d992f5598edd92105059fae9acfc192981e08bd88534c2167e92526a",
                96,
            ),
        ] {
            let nar = nar(root.path(), &format!("/nix/store/{name}"));
            assert_eq!((nar.hash.hex().as_str(), nar.size), (hash, size), "{name}");
        }
    }

    #[test]
    fn what_is_cached_is_what_was_hashed_and_only_of_paths_with_a_hash() {
        let root = tempfile::tempdir().unwrap();
        let plain = "/nix/store/plain";
        for path in [NAMED, plain] {
            write(&root.path().join(&path[1..]).join("file"), b"one", 0o644);
        }
        let store = Store::open("/nix/store", root.path()).unwrap();
        let paths = [plain, NAMED].map(|path| store.path(path).unwrap());
        let cache = Cache::open(&root.path().join("cache"), CacheOptions::on(1)).unwrap();
        assert_eq!(known(&store, &paths, &cache).unwrap(), [None, None]);
        let hashed = hash(&store, &paths, &cache).unwrap();
        assert_eq!(hashed[0], hashed[1], "a NAR does not have its path's name");
        assert_eq!(
            known(&store, &paths, &cache).unwrap(),
            [None, Some(hashed[1])]
        );
        // Nobody may do this to a path with a hash, so nobody looks.
        for path in [NAMED, plain] {
            write(&root.path().join(&path[1..]).join("file"), b"two", 0o644);
        }
        let again = hash(&store, &paths, &cache).unwrap();
        assert_eq!(again[1], hashed[1]);
        assert_ne!(again[0], hashed[0]);
        assert_eq!(hash(&store, &paths, &Cache::none()).unwrap()[1], again[0]);
    }

    #[test]
    fn a_path_that_is_missing_is_named() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("nix/store")).unwrap();
        let store = Store::open("/nix/store", root.path()).unwrap();
        let path = store.path(NAMED).unwrap();
        for error in [
            hash(&store, std::slice::from_ref(&path), &Cache::none()).unwrap_err(),
            size(&store, &path).unwrap_err(),
        ] {
            assert!(matches!(error, Error::Missing { .. }), "{error:?}");
        }
    }
}
