//! A look at the first bytes of every executable.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::fs::OFlags;
use rustix::io::{read, retry_on_intr};

use super::{Findings, HEAD};
use crate::layer::{Entry, Error, Kind, Store, StorePath, Tree};

/// How many look at once. More would wait for the same disk.
const THREADS: usize = 4;
/// The permissions of which one makes a file an executable.
const EXECUTE: u32 = 0o111;

/// Looks at the executables of store paths: the regular files that anyone may run.
///
/// # Errors
///
/// A path that can not be listed, and an executable that can not be read: the one of the
/// first path that has any.
pub fn scan(store: &Store, paths: &[StorePath]) -> Result<Findings, Error> {
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS).min(paths.len());
    let work = || {
        let mut findings = Findings::default();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = paths.get(index) else { return Ok(findings) };
            scan_path(store, path, &mut findings).map_err(|error| (index, error))?;
        }
    };
    let outcomes: Vec<Result<Findings, (usize, Error)>> = thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let join = |handle: thread::ScopedJoinHandle<'_, _>| {
            handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        handles.into_iter().map(join).collect()
    });
    let (mut findings, mut failed) = (Findings::default(), None::<(usize, Error)>);
    for outcome in outcomes {
        match outcome {
            Ok(more) => findings.merge(more),
            Err(other) if failed.as_ref().is_none_or(|(index, _)| other.0 < *index) => {
                failed = Some(other);
            }
            Err(_) => {}
        }
    }
    failed.map_or(Ok(findings), |(_, error)| Err(error))
}

fn scan_path(store: &Store, path: &StorePath, findings: &mut Findings) -> Result<(), Error> {
    let mut buffer = [0; HEAD];
    Tree::walk(store, std::slice::from_ref(path))?.for_each(|entry| {
        if entry.kind == Kind::File && entry.mode & EXECUTE != 0 && entry.size > 0 {
            let length = read_head(store, &entry, &mut buffer)?;
            findings.add(entry.path, &buffer[..length]);
        }
        Ok(())
    })
}

fn read_head(store: &Store, entry: &Entry<'_>, buffer: &mut [u8]) -> Result<usize, Error> {
    let file = store.open_at(entry.path, OFlags::NONBLOCK);
    let length = file.and_then(|file| retry_on_intr(|| read(&file, &mut *buffer)));
    length.map_err(|errno| Error::Io {
        action: "reading",
        path: store.locate(Path::new(OsStr::from_bytes(entry.path))),
        source: errno.into(),
    })
}

/// The first bytes of a file.
///
/// # Errors
///
/// A file that can not be read.
pub fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}
