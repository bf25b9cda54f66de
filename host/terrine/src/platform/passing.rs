//! Executables of store paths that pass by on their way from a binary cache into a layer.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use terrine_oci::Digest;
use terrine_tar::Kind;

use super::scan::{EXECUTE, key, remember};
use super::{Bytes, Findings, HEAD};
use crate::cache::Cache;
use crate::layer::{Error, Store, StorePath, TreeEntry, Watch, Watcher};

/// The number of bytes of an executable that are kept to look at. What loads a program comes first in it.
const KEPT: usize = 1 << 20;

/// The executables of store paths, as far as the paths have passed by.
#[derive(Debug)]
pub struct Passing {
    paths: BTreeMap<StorePath, Option<Digest>>,
    found: Mutex<BTreeMap<StorePath, Findings>>,
}

impl Passing {
    /// The executables of these paths, none of which has passed by.
    ///
    /// # Errors
    ///
    /// A path that is missing.
    pub fn new(store: &Store, paths: &[StorePath]) -> Result<Self, Error> {
        let keys = paths
            .iter()
            .map(|path| Ok((path.clone(), key(store, path)?)));
        Ok(Self {
            paths: keys.collect::<Result<_, Error>>()?,
            found: Mutex::default(),
        })
    }

    /// Returns the findings on all paths that have passed by, taken together.
    pub fn findings(&self) -> Findings {
        let mut all = Findings::default();
        self.found()
            .values()
            .for_each(|found| all.merge(found.clone()));
        all
    }

    /// Lets the cache remember what was found.
    pub fn remember(&self, cache: &Cache) {
        let found = self.found();
        let keys = found.iter().filter_map(|(path, found)| {
            let key = self.paths.get(path).copied().flatten()?;
            Some((key, found))
        });
        remember(cache, keys);
    }

    fn found(&self) -> MutexGuard<'_, BTreeMap<StorePath, Findings>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch for Passing {
    fn begin(&self, path: &StorePath) -> Option<Box<dyn Watcher + '_>> {
        self.paths.contains_key(path).then(|| {
            Box::new(Watching {
                passing: self,
                path: path.clone(),
                findings: Findings::default(),
                executable: None,
            }) as Box<dyn Watcher>
        })
    }
}

/// One path, as far as it has passed by.
struct Watching<'a> {
    passing: &'a Passing,
    path: StorePath,
    findings: Findings,
    executable: Option<Executable>,
}

impl Watching<'_> {
    /// Looks at the executable whose content has passed by.
    fn look(&mut self) {
        if let Some(executable) = self.executable.take() {
            let head = &executable.start[..executable.start.len().min(HEAD)];
            self.findings.add(&executable.path, head, &executable);
        }
    }
}

impl Watcher for Watching<'_> {
    fn entry(&mut self, entry: &TreeEntry<'_>) {
        self.look();
        if entry.kind == Kind::File && entry.mode & EXECUTE != 0 && entry.size > 0 {
            self.executable = Some(Executable {
                path: entry.path.to_vec(),
                size: entry.size,
                start: vec![],
            });
        }
    }

    fn content(&mut self, bytes: &[u8]) {
        if let Some(executable) = &mut self.executable {
            let room = KEPT - executable.start.len();
            executable
                .start
                .extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }

    fn end(mut self: Box<Self>) {
        self.look();
        let findings = std::mem::take(&mut self.findings);
        self.passing.found().insert(self.path, findings);
    }
}

/// The start of an executable, and its size.
struct Executable {
    path: Vec<u8>,
    /// In bytes.
    size: u64,
    start: Vec<u8>,
}

impl Bytes for Executable {
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let wanted = offset.saturating_add(length as u64).min(self.size);
        if wanted <= self.start.len() as u64 || offset >= self.size {
            return self.start.read_at(offset, length);
        }
        // It is there, and was not kept.
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_were_not_kept_are_not_missing() {
        let executable = Executable {
            path: vec![],
            size: 10,
            start: b"abcd".to_vec(),
        };
        let read = |offset, length| executable.read_at(offset, length).ok();
        assert_eq!(read(0, 4), Some(b"abcd".to_vec()));
        assert_eq!(read(1, 2), Some(b"bc".to_vec()));
        assert_eq!(read(2, 3), None);
        assert_eq!(read(9, 1), None);
        assert_eq!(read(10, 1), Some(vec![]));
        let whole = Executable {
            size: 4,
            ..executable
        };
        assert_eq!(whole.read_at(2, 9).ok(), Some(b"cd".to_vec()));
    }
}
