//! A layer of store paths.

use std::cell::{Cell, RefCell};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::OFlags;
use terrine_oci::Digest;
use terrine_planner_host::image::LayerRole;
use terrine_tar::Kind;

use super::feed::feed_visited;
use super::measure::largest_path;
use super::read::opening;
use super::{
    ArchiveEntry, Entries, EntryContent, Error, Hashed, LayerHistory, LayerOrigin, Measure,
    Measuring, NewLayer, Ownership, Store, StorePath, Tree, TreeEntry, Visit, Watcher, Watches,
    store_key,
};
use crate::cache::LayerKey;
use crate::pipe::Feeder;

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
    /// The state of those among these paths that were read before, for a NAR hash or for the tag.
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
    /// The watchers of the store paths as they go by.
    pub watches: Watches<'a>,
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
            layer: *self,
            is_streamed: self.is_streamed()?,
        }))
    }

    fn feed(&self, feeder: &mut Feeder<'_>, begin: &dyn Fn(u64)) -> Result<(), Error> {
        if self.is_streamed()? {
            // Without listings, nobody knows the size of the archive yet.
            begin(self.layer.weight);
            return self.stream(feeder);
        }
        let entries = self.entries()?;
        begin(entries.measure().size);
        entries.feed(feeder)
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

    /// Checks that paths are still those that were read before, for the key or for the tag.
    fn verify(&self, _: Digest) -> Result<(), Error> {
        let mut hashed = self.layer.hashed.iter();
        hashed.try_for_each(|hashed| hashed.check(self.store))
    }

    fn is_fetched(&self) -> Result<bool, Error> {
        self.is_streamed()
    }

    /// Files of store paths stay what they are. Those that are in binary caches are not on this machine, and those that
    /// somebody watches are to come by once.
    fn is_immutable(&self) -> bool {
        let is_elsewhere = |path| self.store.is_grafted(&self.store.top(path));
        self.watches.iter().all(Option::is_none)
            && !self.layer.paths.iter().any(is_elsewhere)
            && self.is_streamed().is_ok_and(|is_streamed| !is_streamed)
    }

    fn weight(&self) -> Option<u64> {
        Some(self.layer.weight).filter(|&weight| weight > 0)
    }
}

impl LayerOfStore<'_> {
    /// Calls `visit` with the entries of a tree whose files are on this machine.
    pub(super) fn visit(
        &self,
        tree: &Tree,
        watching: &Watching<'_>,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        let store = self.store;
        let mut header = Vec::new();
        tree.for_each(|entry| {
            header.clear();
            let mut attributes = vec![];
            let own = entry.header(self.ownership, &mut attributes);
            own.encode(&mut header);
            watching.entry(&entry);
            if entry.kind != Kind::File {
                return visit(ArchiveEntry::new(&header, 0, EntryContent::None));
            }
            let path = || store.locate(Path::new(OsStr::from_bytes(entry.path)));
            let open = || {
                // Never waiting for a fifo's other end.
                store
                    .open_at(entry.path, OFlags::NONBLOCK)
                    .map_err(|errno| opening(&path(), errno))
            };
            let seen = |bytes: &[u8]| watching.content(bytes);
            let content = EntryContent::File {
                open: &open,
                path: &path,
                seen: watching.is_any().then_some(&seen),
            };
            visit(ArchiveEntry::new(&header, entry.size, content))
        })
    }
}

/// The entries of a layer of store paths.
struct StoreEntries<'a> {
    tree: Tree,
    measure: Measure,
    layer: LayerOfStore<'a>,
    /// True if files are read out of binary caches.
    is_streamed: bool,
}

impl Entries for StoreEntries<'_> {
    fn measure(&self) -> Measure {
        self.measure
    }

    fn visit(&self, visit: &mut Visit<'_>) -> Result<(), Error> {
        let watching = Watching::new(&self.layer.layer.paths, self.layer.watches);
        self.layer.visit(&self.tree, &watching, visit)?;
        watching.end();
        Ok(())
    }

    fn feed(&self, feeder: &mut Feeder<'_>) -> Result<(), Error> {
        if self.is_streamed {
            // The listings that the measure is from are compared with the NARs.
            self.layer.stream(feeder)
        } else {
            feed_visited(feeder, self)
        }
    }
}

/// The watchers of the path that is gone through.
pub(super) struct Watching<'a> {
    watches: Watches<'a>,
    /// The paths that have not come yet.
    rest: Cell<&'a [StorePath]>,
    watchers: RefCell<Vec<Box<dyn Watcher + 'a>>>,
}

impl<'a> Watching<'a> {
    pub(super) fn new(paths: &'a [StorePath], watches: Watches<'a>) -> Self {
        Self {
            watches,
            rest: Cell::new(paths),
            watchers: RefCell::default(),
        }
    }

    /// Returns whether anybody watches.
    fn is_any(&self) -> bool {
        self.watches.iter().any(Option::is_some)
    }

    pub(super) fn entry(&self, entry: &TreeEntry<'_>) {
        if !self.is_any() {
            return;
        }
        if let [path, rest @ ..] = self.rest.get()
            && path.as_str().as_bytes() == entry.path
        {
            self.end();
            self.rest.set(rest);
            let watches = self.watches.into_iter().flatten();
            let watchers = watches.filter_map(|watch| watch.begin(path));
            self.watchers.replace(watchers.collect());
        }
        for watcher in self.watchers.borrow_mut().iter_mut() {
            watcher.entry(entry);
        }
    }

    pub(super) fn content(&self, bytes: &[u8]) {
        for watcher in self.watchers.borrow_mut().iter_mut() {
            watcher.content(bytes);
        }
    }

    pub(super) fn end(&self) {
        self.watchers.take().into_iter().for_each(Watcher::end);
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
