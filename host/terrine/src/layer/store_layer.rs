//! A layer of store paths.

use std::cell::{Cell, RefCell};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::OFlags;
use terrine_oci::Digest;
use terrine_planner_host::image::LayerRole;
use terrine_tar::Kind;

use super::measure::largest_path;
use super::read::opening;
use super::{
    ArchiveEntry, Entries, EntryContent, Error, Hashed, LayerHistory, LayerOrigin, Measure,
    Measuring, NewLayer, Ownership, Store, StorePath, Tree, TreeEntry, Visit, Watch, Watcher,
    store_key,
};
use crate::cache::LayerKey;

/// The store paths of a layer.
#[derive(Debug, Default)]
pub struct StoreLayer {
    /// The paths as the history writes them.
    pub named: Vec<String>,
    /// The same paths in the store.
    pub paths: Vec<StorePath>,
    /// The SHA-256 digests of the NARs of these paths, in the same order; none of a path whose NAR
    /// hash is not known. Paths beyond its end have none.
    pub nar_hashes: Vec<Option<Digest>>,
    /// The directories of this machine among these paths that were read for their NAR hashes.
    pub hashed: Vec<Hashed>,
    /// The names of the largest paths, for messages.
    pub label: String,
    /// The approximate size in bytes; 0 where nobody knows. Large layers are started first,
    /// so that none is left alone at the end.
    pub weight: u64,
}

/// A layer of store paths, with the store that they lie in and their owners.
#[derive(Debug, Clone, Copy)]
pub struct LayerOfStore<'a> {
    /// The store paths.
    pub layer: &'a StoreLayer,
    /// The store.
    pub store: &'a Store,
    /// The owners of the entries.
    pub ownership: &'a Ownership,
    /// The watcher of the store paths as they go by.
    pub watch: Option<&'a dyn Watch>,
}

impl NewLayer for LayerOfStore<'_> {
    fn entries(&self) -> Result<Box<dyn Entries + '_>, Error> {
        let tree = Tree::walk(self.store, &self.layer.paths)?;
        let mut measuring = Measuring::new();
        let mut header = Vec::new();
        tree.for_each(|entry| {
            header.clear();
            let mut attributes = vec![];
            let own = entry.header(self.ownership, &mut attributes);
            own.encode(&mut header);
            measuring.member(&header, content_size(&entry));
            Ok::<_, Error>(())
        })?;
        let measure = measuring.finish().ok_or_else(|| Error::TooLarge {
            path: largest_path(&tree),
        })?;
        Ok(Box::new(StoreEntries {
            tree,
            measure,
            store: self.store,
            ownership: self.ownership,
            paths: &self.layer.paths,
            watch: self.watch,
        }))
    }

    fn origin(&self) -> LayerOrigin<'_> {
        LayerOrigin::Store(&self.layer.label)
    }

    fn history(&self) -> LayerHistory {
        LayerHistory {
            role: LayerRole::Store,
            paths: self.layer.named.clone(),
            comment: None,
        }
    }

    fn store_paths(&self) -> &[StorePath] {
        &self.layer.paths
    }

    /// Every path is told by its NAR hash, or by the file system's metadata of its top.
    fn key(&self, directories: bool) -> Result<Option<LayerKey>, Error> {
        let StoreLayer {
            paths, nar_hashes, ..
        } = self.layer;
        store_key::key_in_store(self.store, self.ownership, paths, nar_hashes, directories)
    }

    /// Checks that the directories are still those whose NAR hashes are in the key.
    fn verify(&self, _: Digest) -> Result<(), Error> {
        let mut hashed = self.layer.hashed.iter();
        hashed.try_for_each(|hashed| hashed.check(self.store))
    }

    fn weight(&self) -> Option<u64> {
        Some(self.layer.weight).filter(|&weight| weight > 0)
    }
}

/// The entries of a layer of store paths.
struct StoreEntries<'a> {
    tree: Tree,
    measure: Measure,
    store: &'a Store,
    ownership: &'a Ownership,
    paths: &'a [StorePath],
    watch: Option<&'a dyn Watch>,
}

impl Entries for StoreEntries<'_> {
    fn measure(&self) -> Measure {
        self.measure
    }

    fn visit(&self, visit: &mut Visit<'_>) -> Result<(), Error> {
        let mut header = Vec::new();
        let watching = Watching::new(self.paths, self.watch);
        self.tree.for_each(|entry| {
            header.clear();
            let mut attributes = vec![];
            let own = entry.header(self.ownership, &mut attributes);
            own.encode(&mut header);
            watching.entry(&entry);
            if entry.kind != Kind::File {
                return visit(ArchiveEntry::new(&header, 0, EntryContent::None));
            }
            let path = || self.store.locate(Path::new(OsStr::from_bytes(entry.path)));
            let open = || {
                // Never waiting for a fifo's other end.
                self.store
                    .open_at(entry.path, OFlags::NONBLOCK)
                    .map_err(|errno| opening(&path(), errno))
            };
            let seen = |bytes: &[u8]| watching.content(bytes);
            let content = EntryContent::File {
                open: &open,
                path: &path,
                seen: self.watch.is_some().then_some(&seen),
            };
            visit(ArchiveEntry::new(&header, entry.size, content))
        })?;
        watching.end();
        Ok(())
    }
}

/// The watcher of the path that is gone through.
struct Watching<'a> {
    watch: Option<&'a dyn Watch>,
    /// The paths that have not come yet.
    rest: Cell<&'a [StorePath]>,
    watcher: RefCell<Option<Box<dyn Watcher + 'a>>>,
}

impl<'a> Watching<'a> {
    fn new(paths: &'a [StorePath], watch: Option<&'a dyn Watch>) -> Self {
        Self {
            watch,
            rest: Cell::new(paths),
            watcher: RefCell::new(None),
        }
    }

    fn entry(&self, entry: &TreeEntry<'_>) {
        let Some(watch) = self.watch else {
            return;
        };
        if let [path, rest @ ..] = self.rest.get()
            && path.as_str().as_bytes() == entry.path
        {
            self.end();
            self.rest.set(rest);
            self.watcher.replace(watch.begin(path));
        }
        if let Some(watcher) = self.watcher.borrow_mut().as_mut() {
            watcher.entry(entry);
        }
    }

    fn content(&self, bytes: &[u8]) {
        if let Some(watcher) = self.watcher.borrow_mut().as_mut() {
            watcher.content(bytes);
        }
    }

    fn end(&self) {
        if let Some(watcher) = self.watcher.take() {
            watcher.end();
        }
    }
}

/// The bytes that follow an entry's header.
fn content_size(entry: &TreeEntry<'_>) -> u64 {
    if entry.kind == Kind::File {
        entry.size
    } else {
        0
    }
}
