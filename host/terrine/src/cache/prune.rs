//! Removing what a cache needs no longer.

use std::fs::{self, File as Opened};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{FlockOperation, flock};

use super::Error;
use super::file::{File, State};
use super::report::{Cleared, TREES, check, size};

/// The file of a tree whose time is that of its last use, and which is locked while the tree is read.
const USED: &str = "mentions";
const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// Limits of what stays in a cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PruneLimits {
    /// The day, counted from 1970, before which everything that was used last goes.
    pub unused_since: Option<u64>,
    /// The most bytes that everything may take. The least recently used goes first: trees of commands at the root,
    /// then entries.
    pub max_bytes: Option<u64>,
}

/// Removes what is beyond limits from the cache of a folder. Processes that use it carry on.
///
/// # Errors
///
/// A database that cannot be written, or that another process holds for seconds.
pub fn prune(directory: &Path, limits: PruneLimits) -> Result<Cleared, Error> {
    check(directory)?;
    let file = File::existing(directory)?;
    let database = |file: &File| size(file.path());
    let before = file.as_ref().map_or(0, database);
    let room = limits
        .max_bytes
        .map(|most| most.saturating_sub(before.min(most)));
    let mut cleared = prune_trees(&directory.join(TREES), limits.unused_since, room);
    let Some(file) = file else {
        return Ok(cleared);
    };
    let failed = Error::database(file.path());
    if file.state().map_err(&failed)? == State::Ours {
        cleared.entries += file
            .prune(limits.unused_since, limits.max_bytes)
            .map_err(&failed)?;
        cleared.bytes += before.saturating_sub(database(&file));
    }
    Ok(cleared)
}

/// A tree, when it was used last, and its size.
struct Tree {
    used: SystemTime,
    path: PathBuf,
    bytes: u64,
}

/// Removes trees that were used last before a day, and the least recently used that do not fit into the room.
fn prune_trees(folder: &Path, before: Option<u64>, room: Option<u64>) -> Cleared {
    let mut trees: Vec<Tree> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Tree::at(entry.path()))
        .collect();
    trees.sort_unstable_by(|a, b| (b.used, &b.path).cmp(&(a.used, &a.path)));
    let (mut cleared, mut kept) = (Cleared::default(), 0);
    for tree in trees {
        let is_old = before.is_some_and(|before| tree.day() < before);
        let fits = room.is_none_or(|room| kept + tree.bytes <= room);
        if (is_old || !fits) && tree.remove() {
            cleared.entries += 1;
            cleared.bytes += tree.bytes;
        } else {
            kept += tree.bytes;
        }
    }
    cleared
}

impl Tree {
    /// The tree of a folder that is one.
    fn at(path: PathBuf) -> Option<Self> {
        let used = fs::metadata(path.join(USED)).ok()?.modified().ok()?;
        let files = fs::read_dir(&path).ok()?.flatten();
        let bytes = files
            .filter_map(|file| Some(file.metadata().ok()?.len()))
            .sum();
        Some(Self { used, path, bytes })
    }

    /// The day of its last use, counted from 1970.
    fn day(&self) -> u64 {
        let since = self.used.duration_since(UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs() / SECONDS_PER_DAY)
    }

    /// Removes it, unless a process reads it.
    fn remove(&self) -> bool {
        let Ok(used) = Opened::open(self.path.join(USED)) else {
            return false;
        };
        flock(&used, FlockOperation::NonBlockingLockExclusive).is_ok()
            && fs::remove_dir_all(&self.path).is_ok()
    }
}
