//! The content of a cache, and emptying it.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Serialize;
use terrine_support::folder;

use super::Error;
use super::error::is_damage;
use super::file::{File, NAME, State};
use super::row::Kind;

/// The version of the JSON that [`Info`] is written as. It grows when a field goes or changes
/// its meaning, not when one is added.
pub const SCHEMA_VERSION: u32 = 1;

/// The folder in the cache's own that keeps what commands at the root left.
pub const TREES: &str = "trees";

/// The content of a cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The database.
    pub path: PathBuf,
    /// The number of bytes that it takes on disk.
    pub bytes: u64,
    /// The number of layers that are known by what they are made of.
    pub plain: u64,
    /// The number of compressed layers that are known.
    pub blobs: u64,
    /// The number of blobs of which it is known which repositories have them.
    pub locations: u64,
    /// The number of small facts that are known.
    pub facts: u64,
    /// The first day, counted from 1970, on which any entry was used last.
    pub oldest_use: Option<u64>,
    /// The last such day.
    pub newest_use: Option<u64>,
    /// The number of kept trees that commands at the root left.
    pub trees: u64,
    /// The number of bytes that these have.
    pub tree_bytes: u64,
}

impl Info {
    pub(super) fn empty(path: &Path) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            path: path.to_owned(),
            bytes: 0,
            plain: 0,
            blobs: 0,
            locations: 0,
            facts: 0,
            oldest_use: None,
            newest_use: None,
            trees: 0,
            tree_bytes: 0,
        }
    }

    /// Returns the number of entries in all.
    pub fn entries(&self) -> u64 {
        self.plain + self.blobs + self.locations + self.facts
    }

    /// The JSON of it, on lines of its own.
    pub fn to_json(&self) -> String {
        // A path that is not text cannot be written as JSON; it is named as far as it is text.
        let path = PathBuf::from(self.path.to_string_lossy().into_owned());
        let info = Self {
            path,
            ..self.clone()
        };
        serde_json::to_string_pretty(&info).map_or_else(|_| String::new(), |text| text + "\n")
    }
}

/// The entries and the bytes that were freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cleared {
    /// The number of entries that are gone. Those of a database that was damaged are not counted.
    pub entries: u64,
    /// The number of bytes of the disk that are free again.
    pub bytes: u64,
}

/// Returns what is in the cache of a folder. Nothing is made where there is none.
///
/// # Errors
///
/// A database that cannot be read, or is damaged.
pub fn info(directory: &Path) -> Result<Info, Error> {
    check(directory)?;
    let info = match File::existing(directory)? {
        Some(file) => of(&file)?,
        None => Info::empty(&directory.join(NAME)),
    };
    let trees = Trees::of(&directory.join(TREES));
    Ok(Info {
        trees: trees.count,
        tree_bytes: trees.bytes,
        ..info
    })
}

/// The trees in a folder.
#[derive(Default)]
struct Trees {
    count: u64,
    bytes: u64,
}

impl Trees {
    /// Counts what can be seen: what cannot is of no use to anyone.
    fn of(folder: &Path) -> Self {
        let mut trees = Self::default();
        for tree in fs::read_dir(folder).into_iter().flatten().flatten() {
            trees.count += 1;
            let files = fs::read_dir(tree.path()).into_iter().flatten().flatten();
            let sizes = files.filter_map(|file| Some(file.metadata().ok()?.len()));
            trees.bytes += sizes.sum::<u64>();
        }
        trees
    }
}

/// Empties the cache of a folder. Processes that use it at the time carry on, and find
/// nothing any more.
///
/// # Errors
///
/// A database that cannot be written, or that another process holds for seconds.
pub fn clear(directory: &Path) -> Result<Cleared, Error> {
    check(directory)?;
    // What is refused is told before anything is removed.
    let file = File::existing(directory)?;
    let folder = directory.join(TREES);
    let trees = Trees::of(&folder);
    match fs::remove_dir_all(&folder) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            return Err(Error::Io {
                path: folder,
                source,
            });
        }
        _ => {}
    }
    let Some(file) = file else {
        return Ok(Cleared {
            entries: trees.count,
            bytes: trees.bytes,
        });
    };
    let before = size(file.path());
    let cleared = file.state().and_then(|state| match state {
        State::Ours => file.clear(),
        State::Empty | State::Foreign => file.reset().map(|()| 0),
    });
    let cleared = match cleared {
        Err(error) if is_damage(&error) => file.reset().map(|()| 0),
        cleared => cleared,
    };
    let entries = cleared.map_err(Error::database(file.path()))?;
    Ok(Cleared {
        entries: entries + trees.count,
        bytes: before.saturating_sub(size(file.path())) + trees.bytes,
    })
}

/// Checks that the folder is the user's own, if it is there.
pub(super) fn check(directory: &Path) -> Result<(), Error> {
    folder::check(directory).map_err(|why| Error::NotOwn {
        path: directory.to_owned(),
        why,
    })
}

pub(super) fn of(file: &File) -> Result<Info, Error> {
    let failed = Error::database(file.path());
    let mut info = Info {
        bytes: size(file.path()),
        ..Info::empty(file.path())
    };
    match file.state().map_err(&failed)? {
        State::Ours => {}
        State::Empty => return Ok(info),
        State::Foreign => {
            return Err(Error::Damaged {
                path: file.path().to_owned(),
            });
        }
    }
    for kind in Kind::ALL {
        let count = match kind {
            Kind::Plain => &mut info.plain,
            Kind::Blob => &mut info.blobs,
            Kind::Location => &mut info.locations,
            Kind::Fact => &mut info.facts,
        };
        *count = file.count(Some(kind)).map_err(&failed)?;
    }
    let uses = file.uses().map_err(&failed)?;
    (info.oldest_use, info.newest_use) = uses.unzip();
    Ok(info)
}

/// The size of a file, and not of its journal, which is as good as nothing but for a moment.
pub(super) fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}
