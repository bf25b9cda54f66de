//! NARs that are hashed while layers of their paths are made, so that files are read once.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};
use terrine_oci::Digest;

use super::entries::Entry;
use super::framing::{Framing, Part};
use super::{FACT, Nar, hash, keys, to_text};
use crate::cache::Cache;
use crate::layer::{Error, Store, StorePath, TreeEntry, Watch, Watcher};

/// The NARs of paths, as far as the paths have come by.
#[derive(Debug)]
pub struct Passing {
    paths: BTreeMap<StorePath, Option<Digest>>,
    found: Mutex<BTreeMap<StorePath, Nar>>,
}

impl Passing {
    /// The NARs of these paths, none of which has come by.
    ///
    /// # Errors
    ///
    /// A path that is missing.
    pub fn new(store: &Store, paths: &[StorePath]) -> Result<Self, Error> {
        let keys = keys(store, paths)?;
        Ok(Self {
            paths: paths.iter().cloned().zip(keys).collect(),
            found: Mutex::default(),
        })
    }

    /// Returns the NARs of all paths. Those that have not come by are read.
    ///
    /// # Errors
    ///
    /// As [`hash`].
    pub fn all(&self, store: &Store) -> Result<BTreeMap<StorePath, Nar>, Error> {
        let mut all = self.found().clone();
        let missing = self.paths.keys().filter(|path| !all.contains_key(path));
        let missing: Vec<StorePath> = missing.cloned().collect();
        let hashed = hash(store, &missing, &Cache::none())?;
        all.extend(missing.into_iter().zip(hashed));
        self.found().clone_from(&all);
        Ok(all)
    }

    /// Lets the cache remember what is known.
    pub fn remember(&self, cache: &Cache) {
        let found = self.found();
        let facts: Vec<(Digest, String)> = found
            .iter()
            .filter_map(|(path, nar)| Some(((*self.paths.get(path)?)?, to_text(nar))))
            .collect();
        if !facts.is_empty() {
            cache.remember_facts(FACT, &facts);
        }
    }

    fn found(&self) -> MutexGuard<'_, BTreeMap<StorePath, Nar>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch for Passing {
    fn begin(&self, path: &StorePath) -> Option<Box<dyn Watcher + '_>> {
        let is_open = self.paths.contains_key(path) && !self.found().contains_key(path);
        is_open.then(|| {
            Box::new(Hashing {
                passing: self,
                path: path.clone(),
                framing: Framing::new(),
                hash: Sha256::new(),
                size: 0,
                before: vec![],
                rest: 0,
                is_nar: true,
            }) as Box<dyn Watcher>
        })
    }
}

/// The NAR of one path, as far as it has come by.
struct Hashing<'a> {
    passing: &'a Passing,
    path: StorePath,
    framing: Framing,
    hash: Sha256,
    size: u64,
    /// The path of the entry before.
    before: Vec<u8>,
    /// The bytes of its content that have not come yet.
    rest: u64,
    /// True if everything came whole and in the order of a NAR, which names that are not UTF-8
    /// need not have in a layer.
    is_nar: bool,
}

impl Hashing<'_> {
    fn take(&mut self, part: &Part<'_>) {
        if let Part::Bytes(bytes) = part {
            self.hash.update(bytes);
            self.size += bytes.len() as u64;
        }
    }
}

impl Watcher for Hashing<'_> {
    fn entry(&mut self, entry: &TreeEntry<'_>) {
        let top = self.path.as_str().as_bytes();
        let entry = Entry::of(entry, top);
        self.is_nar &= self.rest == 0 && entry.comes_after(&self.before);
        self.before.clone_from(&entry.path);
        self.rest = entry.size;
        let mut framing = std::mem::replace(&mut self.framing, Framing::new());
        let Ok(()) = framing.entry(&entry, &mut |part| {
            self.take(&part);
            Ok::<_, Infallible>(())
        });
        self.framing = framing;
    }

    fn content(&mut self, bytes: &[u8]) {
        match self.rest.checked_sub(bytes.len() as u64) {
            Some(rest) => self.rest = rest,
            None => self.is_nar = false,
        }
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
    }

    fn end(mut self: Box<Self>) {
        let framing = std::mem::replace(&mut self.framing, Framing::new());
        let Ok(()) = framing.end(&mut |part| {
            self.take(&part);
            Ok::<_, Infallible>(())
        });
        if self.is_nar && self.rest == 0 {
            let nar = Nar {
                hash: self.hash.into(),
                size: self.size,
            };
            self.passing.found().insert(self.path, nar);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::layer::{LayerOfStore, NewLayer, Ownership, Permissions, StoreLayer, feed};
    use crate::pipe;

    const NAMES: [&str; 3] = ["app", "file", "odd"];

    /// A directory, a file, and a directory with names that a layer orders in another way.
    fn store(root: &std::path::Path) -> (Store, Vec<StorePath>) {
        let top = root.join("nix/store");
        fs::create_dir_all(top.join("app/foo")).unwrap();
        fs::write(top.join("app/foo/a"), vec![7; 3 << 20]).unwrap();
        fs::write(top.join("app/foo-bar"), "").unwrap();
        fs::write(top.join("app/foo.txt"), "12345678").unwrap();
        symlink("foo", top.join("app/link")).unwrap();
        fs::write(top.join("file"), "hello").unwrap();
        fs::create_dir(top.join("odd")).unwrap();
        for name in [&b"\xff"[..], "\u{e000}".as_bytes()] {
            let name = std::ffi::OsStr::from_bytes(name);
            fs::write(top.join("odd").join(name), "x").unwrap();
        }
        let store = Store::open("/nix/store", root).unwrap();
        let path = |name| store.path(&format!("/nix/store/{name}")).unwrap();
        let paths = NAMES.into_iter().map(path).collect();
        (store, paths)
    }

    fn make(store: &Store, paths: &[StorePath], passing: &Passing) {
        let layer = StoreLayer {
            named: vec![],
            paths: paths.to_vec(),
            nar_hashes: vec![],
            hashed: vec![],
            label: String::new(),
            weight: 0,
        };
        let ownership = Ownership {
            uid: 0,
            gid: 0,
            uname: String::new(),
            gname: String::new(),
            mtime: 1,
            permissions: Permissions::default(),
        };
        let layer = LayerOfStore {
            layer: &layer,
            store,
            ownership: &ownership,
            watches: [Some(passing), None],
        };
        let entries = layer.entries().unwrap();
        pipe::run(io::sink(), &(), |feeder| {
            feed(feeder, entries.as_ref()).map_err(io::Error::other)
        })
        .unwrap();
    }

    #[test]
    fn what_came_by_is_not_read_again() {
        let root = tempfile::tempdir().unwrap();
        let (store, paths) = store(root.path());
        let expected = hash(&store, &paths, &Cache::none()).unwrap();
        let passing = Passing::new(&store, &paths).unwrap();
        make(&store, &paths, &passing);
        // A layer has the names of one path in an order that a NAR has not.
        assert_eq!(passing.found().len(), 2);
        for name in &NAMES[..2] {
            let path = root.path().join("nix/store").join(name);
            fs::rename(&path, root.path().join(name)).unwrap();
        }
        let all = passing.all(&store).unwrap();
        let found: Vec<Nar> = paths.iter().map(|path| all[path]).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_did_not_come_by_is_read() {
        let root = tempfile::tempdir().unwrap();
        let (store, paths) = store(root.path());
        let expected = hash(&store, &paths, &Cache::none()).unwrap();
        let passing = Passing::new(&store, &paths).unwrap();
        make(&store, &paths[1..2], &passing);
        let all = passing.all(&store).unwrap();
        let found: Vec<Nar> = paths.iter().map(|path| all[path]).collect();
        assert_eq!(found, expected);
    }
}
