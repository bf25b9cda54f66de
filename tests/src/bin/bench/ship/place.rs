//! The place where tasks are done: images, destinations and the cache.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use terrine_tests::registry::Registry;

use super::Skopeo;
use super::tasks::{By, Finds, Task, To};
use crate::Result;
use crate::caches::{Caches, remove};
use crate::image::Image;
use crate::measure::{self, Sample};
use crate::process;
use crate::store::Store;

/// The size of the path that changes, in bytes.
const CHANGED: u64 = 10_000_000;
/// The name of the cache that runs fill.
const CACHE: &str = "cache";

/// Everything that tasks need.
pub(super) struct Place {
    image: Image,
    changed: Image,
    caches: Caches,
    skopeos: Vec<Skopeo>,
    registry: Option<Registry>,
    /// The folder of the other destinations.
    folder: tempfile::TempDir,
    /// The number of copies of the store so far. They stay until the end: ext4 gives out no inode that was deleted
    /// in the last minutes, and to search for others takes longer than to copy.
    copies: Cell<usize>,
}

impl Place {
    /// Makes the images, and brings the store's files into memory.
    pub(super) fn new(
        store: &Store,
        skopeos: Vec<Skopeo>,
        registry: Option<Registry>,
    ) -> Result<Self> {
        let place = Self {
            image: Image::before(store, CHANGED)?,
            changed: Image::of(store)?,
            caches: Caches::new()?,
            skopeos,
            registry,
            folder: terrine_tests::temporary(),
            copies: Cell::new(0),
        };
        measure::alone(&mut place.image.terrine())?;
        Ok(place)
    }

    /// Returns the number of layers of its image.
    pub(super) fn layers(&self) -> usize {
        self.image.layers()
    }

    /// Does one task, and returns the bytes that it left at its destination.
    pub(super) fn measure(&self, task: &Task) -> Result<(Sample, u64)> {
        self.prepare(task)?;
        let mut command = self.command(task)?;
        let sample = measure::alone(command.env("XDG_CACHE_HOME", self.caches.at(CACHE)))?;
        Ok((sample, self.stored(task.to)?))
    }

    /// Removes the output of the tasks before, but for what the task is to find.
    fn prepare(&self, task: &Task) -> Result<()> {
        remove(&self.at(To::Tar))?;
        if task.finds != Finds::All {
            remove(&self.at(To::Layout))?;
            self.registry.iter().for_each(Registry::clear);
        }
        if task.finds == Finds::Nothing {
            self.caches.without_layers(CACHE)?;
        }
        match task.to {
            To::Archive => remove(&self.at(To::Archive))?,
            To::Directory => {
                self.copies.set(self.copies.get() + 1);
                fs::create_dir(self.at(To::Directory))?;
            }
            To::Tar | To::Layout | To::Registry => {}
        }
        // So that nothing of the task before is still being written.
        process::succeed(&mut Command::new("sync"))
    }

    /// The file or the folder of a destination; for a registry, that of its blobs.
    fn at(&self, to: To) -> PathBuf {
        let name = match to {
            To::Directory => {
                return self
                    .folder
                    .path()
                    .join(format!("copy {}", self.copies.get()));
            }
            To::Tar => "store.tar",
            To::Archive => "image.tar",
            To::Layout => "layout",
            To::Registry => {
                let storage = self.registry.as_ref().map(Registry::storage);
                return storage.unwrap_or_default().join("blobs");
            }
        };
        self.folder.path().join(name)
    }

    fn command(&self, task: &Task) -> Result<Command> {
        let to = match (task.to, &self.registry) {
            (To::Registry, Some(registry)) => format!("docker://{}/big:1", registry.host()),
            (To::Registry, None) => return Err("there is no registry".into()),
            (to, _) => format!("oci:{}:big", self.at(to).display()),
        };
        Ok(match task.by {
            By::Copy => self.image.copy(&self.at(task.to)),
            By::Tar => self.image.tar_to(&self.at(task.to)),
            By::Archive => self.image.archive(&self.at(task.to)),
            By::Stream(compression) => self.image.ship(&to, compression),
            By::Changed(compression) => self.changed.ship(&to, compression),
            By::Build(compression) => self.image.build(&to, compression),
            By::Skopeo(number, compression) => {
                let skopeo = self.skopeos.get(number).ok_or("there is no such skopeo")?;
                skopeo.copy(&self.at(To::Archive), &to, compression, self.folder.path())
            }
        })
    }

    /// The bytes of the files at a destination.
    fn stored(&self, to: To) -> Result<u64> {
        size(&self.at(to))
    }
}

/// The bytes of a file, or of all files below a directory. Links are not followed.
fn size(path: &Path) -> Result<u64> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    let mut sum = 0;
    for entry in fs::read_dir(path)? {
        sum += size(&entry?.path())?;
    }
    Ok(sum)
}
