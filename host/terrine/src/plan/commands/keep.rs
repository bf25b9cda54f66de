//! Trees of earlier runs, each in a folder by its key.

use std::any::Any;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tempfile::TempDir;
use terrine_isolate::Changes;
use terrine_oci::Digest;

/// The number of trees that are kept: the ones least recently used go.
const MOST: usize = 32;
/// The start of the names of folders in which commands run.
const WORK: &str = ".work-";
/// The file with the store paths that a tree mentions.
const MENTIONS: &str = "mentions";

/// A tree that commands left.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) changes: Changes,
    /// The store paths that it mentions.
    pub(super) joined: Vec<String>,
    /// A hold that keeps its files from being removed as long as they are needed: the folder that they
    /// are in, where that does not stay, or a lock on it.
    pub(super) held: Option<Held>,
}

/// Something that has to live as long as files are needed.
pub(super) type Held = Arc<dyn Any + Send + Sync>;

/// The folder of trees.
pub(super) struct Trees<'a> {
    folder: Option<&'a Path>,
}

/// A folder in which commands run, of which other processes know that it is in use.
pub(super) struct Work {
    folder: TempDir,
    _lock: File,
}

impl Work {
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl<'a> Trees<'a> {
    /// Opens a folder, and removes what processes that were killed left in it.
    pub(super) fn open(folder: Option<&'a Path>) -> io::Result<Self> {
        if let Some(folder) = folder {
            terrine_support::folder::make(folder).map_err(io::Error::other)?;
            for entry in fs::read_dir(folder)?.flatten() {
                let is_work = entry.file_name().to_string_lossy().starts_with(WORK);
                // Held until it is gone, so that the process that has just made it sees that.
                if let Some(_lock) = Some(entry.path()).filter(|_| is_work).and_then(left) {
                    let _ = fs::remove_dir_all(entry.path());
                }
            }
        }
        Ok(Self { folder })
    }

    /// A new folder for commands to run in.
    pub(super) fn folder(&self) -> io::Result<Work> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(WORK);
        loop {
            let folder = match self.folder {
                Some(folder) => builder.tempdir_in(fs::canonicalize(folder)?),
                None => builder.tempdir_in(fs::canonicalize(std::env::temp_dir())?),
            }?;
            // Another process may take it for one that is left, as long as it is not locked.
            let lock = match File::open(folder.path()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                lock => lock?,
            };
            lock.lock()?;
            if folder.path().exists() {
                return Ok(Work {
                    folder,
                    _lock: lock,
                });
            }
        }
    }

    /// The tree of a key, if it is there and whole.
    pub(super) fn find(&self, key: Digest) -> Option<Kept> {
        let folder = self.place(key)?;
        let held = hold(&folder)?;
        let (changes, joined) = kept(&folder).ok()?;
        // What was used last stays longest.
        let file = File::open(folder.join(MENTIONS));
        let _ = file.and_then(|file| file.set_modified(SystemTime::now()));
        Some(Kept {
            changes,
            joined,
            held: Some(held),
        })
    }

    fn place(&self, key: Digest) -> Option<PathBuf> {
        Some(self.folder?.join(key.hex()))
    }

    /// Keeps a tree that was made in a folder.
    pub(super) fn keep(
        &self,
        key: Digest,
        changes: Changes,
        joined: Vec<String>,
        work: Work,
    ) -> io::Result<Kept> {
        // The last of the jobs has the files of all.
        let out = last_out(work.path())?;
        let Some(place) = self.place(key) else {
            return Ok(Kept {
                changes,
                joined,
                held: Some(Arc::new(work.folder)),
            });
        };
        let text: String = joined.iter().map(|path| format!("{path}\n")).collect();
        fs::write(out.join(MENTIONS), text)?;
        let (changes, joined) = match changes.clone().keep(&out, &place) {
            Ok(changes) => (changes, joined),
            // Another process was faster, or something that is not whole is there.
            Err(_) => match kept(&place) {
                Ok(kept) => kept,
                Err(_) => {
                    fs::remove_dir_all(&place)?;
                    (changes.keep(&out, &place)?, joined)
                }
            },
        };
        let held = hold(&place);
        self.make_room();
        Ok(Kept {
            changes,
            joined,
            held,
        })
    }

    /// Removes the trees that were least recently used.
    fn make_room(&self) {
        let Some(folder) = self.folder else { return };
        let mut trees: Vec<(SystemTime, PathBuf)> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let used = fs::metadata(entry.path().join(MENTIONS))
                    .ok()?
                    .modified()
                    .ok()?;
                Some((used, entry.path()))
            })
            .collect();
        trees.sort_unstable_by(|a, b| b.cmp(a));
        for (_, tree) in trees.into_iter().skip(MOST) {
            // One that another process reads stays for now.
            if let Some(_lock) = left(tree.join(MENTIONS)) {
                let _ = fs::remove_dir_all(tree);
            }
        }
    }
}

/// The tree in a folder, and the store paths that it mentions: what two runs of the same commands leave may differ.
fn kept(folder: &Path) -> io::Result<(Changes, Vec<String>)> {
    let changes = Changes::kept(folder)?;
    let joined = fs::read_to_string(folder.join(MENTIONS))?;
    Ok((changes, joined.lines().map(str::to_owned).collect()))
}

/// The files of the last job.
fn last_out(work: &Path) -> io::Result<PathBuf> {
    let outs = (0..)
        .map(|number: usize| work.join(number.to_string()).join("out"))
        .take_while(|out| out.is_dir());
    outs.last().ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Keeps a tree from being removed.
fn hold(tree: &Path) -> Option<Held> {
    let file = File::open(tree.join(MENTIONS)).ok()?;
    file.lock_shared().ok()?;
    Some(Arc::new(file))
}

/// Locks a folder or a file that no process uses.
fn left(folder: PathBuf) -> Option<File> {
    let folder = File::open(folder).ok()?;
    folder.try_lock().is_ok().then_some(folder)
}
