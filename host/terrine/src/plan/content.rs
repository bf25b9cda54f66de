//! The content of files whose names say nothing about it: directories of this machine, copies,
//! and store paths without a hash.
//!
//! The files are found without opening any. They are read only where the image's tag is generated
//! from them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::{ffi::OsStr, thread};

use rustix::fs::OFlags;
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use terrine_oci::Digest;
use terrine_planner_host as planner;
use terrine_tar::Kind;

use super::complete::Complete;
use super::identity::{Content, Copied, PathContent};
use crate::layer::{
    self, Change, Error, LayerOfStore, Ownership, Store, StoreLayer, StorePath, Tree,
};
use crate::parallel;
use crate::pipe::Stamp;
use crate::rootfs::{Data, SourceFile};

/// The size of the read buffer in bytes.
const BUFFER: usize = 1 << 16;

/// The store paths and copies of an image, before any of them is read.
pub(super) struct Unread<'a> {
    store: &'a Store,
    ownership: &'a Ownership,
    /// The store paths in the order of the graph, with their files; none for those that are
    /// known by their names.
    paths: Vec<Option<(&'a StorePath, Range<usize>)>>,
    copies: Vec<Copy<'a>>,
    /// The files to read.
    files: Vec<Unnamed<'a>>,
}

/// A file that is copied to the root.
struct Copy<'a> {
    path: &'a [u8],
    source: CopySource,
}

/// The source of the content of a copy.
enum CopySource {
    /// From this path of the image, in a store path whose name carries a hash.
    Named(Vec<u8>),
    /// From one of the files to read.
    Read(usize),
}

/// A file of which only the size is known.
struct Unnamed<'a> {
    place: Place<'a>,
    size: u64,
}

/// The location of a file.
enum Place<'a> {
    /// At this path of the image, in the store.
    Store(Vec<u8>),
    /// Here on this machine.
    Here(SourceFile<'a>),
}

/// The contents of the store paths and copies of an image.
#[derive(Debug)]
pub(super) struct Contents<'a> {
    /// The store paths in the order of the graph; none for those that are known by their names.
    pub(super) paths: Vec<Option<PathContent>>,
    /// The files that are copied to the root.
    pub(super) copies: Vec<Copied<'a>>,
    /// The state of those that were read, by their paths in the image.
    pub(super) stamps: BTreeMap<Vec<u8>, Stamp>,
}

impl<'a> Unread<'a> {
    /// Finds what would have to be read.
    pub(super) fn find(complete: &'a Complete, ownership: &'a Ownership) -> Result<Self, Error> {
        let mut unread = Self {
            store: &complete.store,
            ownership,
            paths: vec![],
            copies: vec![],
            files: vec![],
        };
        for path in &complete.paths.paths {
            let joined = complete.has_joined(path.as_str());
            let unnamed = !joined && !is_named(&complete.store, path);
            let files = unnamed.then(|| unread.list(path)).transpose()?;
            unread.paths.push(files.map(|files| (path, files)));
        }
        // What commands left is known by all that went into them.
        let entries = complete.ran.is_none().then(|| complete.root.entries());
        let names = Names::of(&complete.store);
        for entry in entries.into_iter().flatten() {
            if let Data::Source(place) = entry.data {
                let source = match names.find(&place) {
                    Some(name) => CopySource::Named(name),
                    None => CopySource::Read(unread.push(Place::Here(place), entry.size)),
                };
                let path = entry.path;
                unread.copies.push(Copy { path, source });
            }
        }
        Ok(unread)
    }

    /// Lists the files of a store path.
    fn list(&mut self, path: &StorePath) -> Result<Range<usize>, Error> {
        let start = self.files.len();
        Tree::walk(self.store, std::slice::from_ref(path))?.for_each(|entry| {
            if entry.kind == Kind::File {
                self.push(Place::Store(entry.path.to_vec()), entry.size);
            }
            Ok::<_, Error>(())
        })?;
        Ok(start..self.files.len())
    }

    fn push(&mut self, place: Place<'a>, size: u64) -> usize {
        self.files.push(Unnamed { place, size });
        self.files.len() - 1
    }

    /// One of the files that have to be read, if any has to.
    pub(super) fn example(&self) -> Option<PathBuf> {
        // What is in an empty one is known.
        let file = self.files.iter().find(|file| file.size > 0)?;
        Some(file.path(self.store).components().collect())
    }

    /// Reads them, several at a time.
    pub(super) fn read(self) -> Result<Contents<'a>, Error> {
        let jobs = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let read = parallel::each(&self.files, jobs, |_, file| file.read(self.store))?;
        let (digests, stamps): (Vec<Digest>, Vec<Option<Stamp>>) = read.into_iter().unzip();
        let stamp = |copy: &Copy<'_>| match &copy.source {
            CopySource::Read(index) => Some((copy.path.to_vec(), stamps[*index]?)),
            CopySource::Named(_) => None,
        };
        let stamps = self.copies.iter().filter_map(stamp).collect();
        let mut paths = vec![];
        for path in &self.paths {
            let read = path.as_ref().map(|(path, files)| {
                Ok::<_, Error>(PathContent {
                    entries: self.entries(path)?,
                    content: all(&digests[files.clone()]),
                })
            });
            paths.push(read.transpose()?);
        }
        let copies = self.copies.into_iter().map(|Copy { path, source }| Copied {
            path,
            content: match source {
                CopySource::Named(name) => Content::Named(name),
                CopySource::Read(index) => Content::Bytes(digests[index]),
            },
        });
        Ok(Contents {
            paths,
            copies: copies.collect(),
            stamps,
        })
    }

    /// A digest of the entries of a store path as they go into a layer.
    fn entries(&self, path: &StorePath) -> Result<Digest, Error> {
        let layer = StoreLayer {
            named: vec![],
            paths: vec![path.clone()],
            nar_hashes: vec![],
            hashed: vec![],
            label: String::new(),
            weight: 0,
        };
        let measure = layer::measure(&LayerOfStore {
            watches: [None; 2],
            layer: &layer,
            store: self.store,
            ownership: self.ownership,
        })?;
        Ok(measure.outline)
    }
}

/// Reports whether the name of a store path identifies its content.
pub(super) fn is_named(store: &Store, path: &StorePath) -> bool {
    planner::is_hashed(path.as_str()) && !store.is_grafted(path)
}

/// A digest of digests, each of the same length.
fn all(digests: &[Digest]) -> Digest {
    digests
        .iter()
        .fold(Sha256::new(), |hash, digest| {
            hash.chain_update(digest.as_bytes())
        })
        .into()
}

/// The names that files in the store go by on this machine.
struct Names<'a> {
    store: &'a Store,
    /// The store's directory, as it is given and without links.
    directories: [Option<PathBuf>; 2],
}

impl<'a> Names<'a> {
    fn of(store: &'a Store) -> Self {
        let given = store.locate(Path::new(store.dir()));
        let real = fs::canonicalize(&given).ok();
        Self {
            store,
            directories: [Some(given), real],
        }
    }

    /// The path in the image of a file in the store, if its name carries a hash.
    fn find(&self, file: &SourceFile<'_>) -> Option<Vec<u8>> {
        let below = self.below(&file.place()).map(Path::to_owned);
        let below = below.or_else(|| self.below(&file.real()).map(Path::to_owned))?;
        let top = below.components().next()?.as_os_str().to_str()?;
        let name = [
            self.store.dir().as_bytes(),
            b"/",
            below.as_os_str().as_bytes(),
        ]
        .concat();
        planner::is_hashed(top).then_some(name)
    }

    fn below<'p>(&self, place: &'p Path) -> Option<&'p Path> {
        self.directories
            .iter()
            .flatten()
            .find_map(|directory| place.strip_prefix(directory).ok())
    }
}

impl Unnamed<'_> {
    /// Returns the path of the file on this machine.
    fn path(&self, store: &Store) -> PathBuf {
        match &self.place {
            Place::Store(path) => store.locate(Path::new(OsStr::from_bytes(path))),
            Place::Here(file) => file.place(),
        }
    }

    /// The digest of what is in it, and its state before it was read; none of an empty one.
    fn read(&self, store: &Store) -> Result<(Digest, Option<Stamp>), Error> {
        if self.size == 0 {
            return Ok((Digest::of(b""), None));
        }
        let path = || self.path(store);
        let file = self
            .open(store)
            .map_err(|errno| layer::opening(&path(), errno))?;
        let failed = |source| Error::Io {
            action: "reading",
            path: path(),
            source,
        };
        let stamp = Stamp::of(file.as_fd()).map_err(|errno| failed(errno.into()))?;
        let (digest, count) = hash(file, self.size).map_err(failed)?;
        let changed = |change| Error::Changed {
            path: path(),
            change,
        };
        match count.cmp(&self.size) {
            std::cmp::Ordering::Less => Err(changed(Change::Shrank)),
            std::cmp::Ordering::Equal => Ok((digest, Some(stamp))),
            std::cmp::Ordering::Greater => Err(changed(Change::Grew)),
        }
    }

    /// Opens it, never through a link, and never waiting for a fifo's other end.
    fn open(&self, store: &Store) -> Result<File, Errno> {
        let file = match &self.place {
            Place::Store(path) => store.open_at(path, OFlags::NONBLOCK)?,
            Place::Here(file) => return file.open(),
        };
        Ok(file.into())
    }
}

/// The digest of a file's bytes, and how many there are: one more than expected at most.
fn hash(file: File, expected: u64) -> io::Result<(Digest, u64)> {
    let mut file = file.take(expected.saturating_add(1));
    let mut buffer = vec![0; BUFFER];
    let (mut hash, mut count) = (Sha256::new(), 0);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((hash.into(), count)),
            Ok(length) => {
                hash.update(&buffer[..length]);
                count += length as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
