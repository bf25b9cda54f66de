//! The stores that the benchmark makes for itself, once: they lie below
//! `target/bench-store`, and are the same on every machine.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use terrine_tests::workspace;

use super::random::Random;
use super::size::Size;
use super::store::Store;
use super::{Result, content, table};

/// To be counted up when other stores are to be made.
const VERSION: &str = "3\n";

/// One directory is made for so many files.
const FILES_PER_DIRECTORY: usize = 6;

/// One link is made for so many files.
const FILES_PER_LINK: usize = 34;

/// The names that directories have, with a number.
const DIRECTORIES: [&str; 8] = [
    "lib",
    "share",
    "include",
    "doc",
    "site-packages",
    "locale",
    "src",
    "man",
];

/// The names that files have, with a number.
const NAMES: [&str; 8] = [
    "index.html",
    "module.py",
    "libgeneric.so",
    "header.h",
    "README",
    "messages.mo",
    "x",
    "data.json",
];

/// The digits of the hashes in the names of store paths.
const DIGITS: [char; 32] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'f', 'g', 'h', 'i', 'j',
    'k', 'l', 'm', 'n', 'p', 'q', 'r', 's', 'v', 'w', 'x', 'y', 'z',
];

/// The closure of something big, in everything but what its files say.
pub(super) fn closure(size: &Size) -> Result<Store> {
    made("closure", &folder(size), |store| {
        let mut random = Random::new(1);
        let mut sizes = sizes(size.files, &mut random);
        for rank in (1..=size.paths).rev() {
            let rest = sizes.split_off(sizes.len() - share(rank, sizes.len()));
            Tree::new(store, &mut random)?.fill(&rest)?;
        }
        Ok(())
    })
}

/// A store path with very many files in one directory.
pub(super) fn wide(size: &Size) -> Result<Store> {
    made("a wide path", &folder(size).join("wide"), |store| {
        let mut random = Random::new(2);
        let path = store.join(name(&mut random));
        fs::create_dir(&path)?;
        for number in 0..size.width {
            fs::write(path.join(format!("file-{number}")), number.to_string())?;
        }
        Ok(())
    })
}

/// A store path with very many directories in each other, and a file in each.
pub(super) fn deep(size: &Size) -> Result<Store> {
    made("a deep path", &folder(size).join("deep"), |store| {
        let mut path = store.join(name(&mut Random::new(3)));
        for number in 0..size.depth {
            path.push(format!("directory-{number}"));
            fs::create_dir_all(&path)?;
            fs::write(path.join("file"), number.to_string())?;
        }
        Ok(())
    })
}

/// The folder of the stores of a size.
fn folder(size: &Size) -> PathBuf {
    workspace().join("target/bench-store").join(size.folder)
}

/// A store below a root of its own: the existing one, if it is complete, else a
/// new one.
fn made(title: &str, root: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<Store> {
    let (nix, marker) = (root.join("nix"), root.join("complete"));
    if fs::read_to_string(&marker).is_ok_and(|version| version == VERSION) {
        return Store::open(title, root.to_owned(), "/nix/store");
    }
    table::note(&format!("making {title} in {}", root.display()));
    if nix.exists() {
        fs::remove_dir_all(&nix)?;
    }
    let store = nix.join("store");
    fs::create_dir_all(&store)?;
    make(&store)?;
    // So that nothing of it is still being written while times are taken.
    Command::new("sync").status()?;
    fs::write(marker, VERSION)?;
    Store::open(title, root.to_owned(), "/nix/store")
}

/// The sizes of all files, in no order, by the numbers of those with so many bits.
fn sizes(files: &[usize], random: &mut Random) -> Vec<usize> {
    let mut sizes = vec![];
    for (bits, &count) in files.iter().enumerate() {
        let least = (1 << bits) / 2;
        sizes.extend((0..count).map(|_| least + random.below(least.max(1))));
    }
    random.shuffle(&mut sizes);
    sizes
}

/// Returns the number of remaining files that a path gets, if those of lower rank have theirs:
/// the second gets half as many as the first, the third a third.
fn share(rank: usize, left: usize) -> usize {
    let weights: f64 = (1..=rank).map(|rank| 1.0 / rank as f64).sum();
    (left as f64 / (rank as f64 * weights)).round() as usize
}

/// The name of a store path.
fn name(random: &mut Random) -> String {
    let hash: String = (0..32).map(|_| *random.pick(&DIGITS)).collect();
    format!("{hash}-pkg-1.0")
}

/// A store path that is being made.
struct Tree<'r> {
    random: &'r mut Random,
    directories: Vec<PathBuf>,
}

impl<'r> Tree<'r> {
    /// One with nothing in it.
    fn new(store: &Path, random: &'r mut Random) -> Result<Self> {
        let path = store.join(name(random));
        fs::create_dir(&path)?;
        Ok(Self {
            random,
            directories: vec![path],
        })
    }

    /// Files of these sizes, with directories around and links between them.
    fn fill(&mut self, sizes: &[usize]) -> Result<()> {
        for (number, &size) in sizes.iter().enumerate() {
            if self.random.below(FILES_PER_DIRECTORY) == 0 {
                self.directory(number)?;
            }
            let file = format!("{number}-{}", self.random.pick(&NAMES));
            let directory = self.somewhere();
            write(&directory.join(&file), size, self.random)?;
            if self.random.below(FILES_PER_LINK) == 0 {
                symlink(&file, directory.join(format!("{file}.1")))?;
            }
        }
        Ok(())
    }

    /// One of the directories, rather a late one: so they are nested, but not too deep.
    fn somewhere(&mut self) -> PathBuf {
        let newest = &self.directories[self.directories.len().saturating_sub(40)..];
        self.random.pick(newest).clone()
    }

    /// One more directory in one of the others.
    fn directory(&mut self, number: usize) -> Result<()> {
        let parent = self.random.pick(&self.directories);
        let path = parent.join(format!("{}-{number}", self.random.pick(&DIRECTORIES)));
        fs::create_dir(&path)?;
        self.directories.push(path);
        Ok(())
    }
}

/// Writes a file of something, with Nix's permissions.
fn write(path: &Path, size: usize, random: &mut Random) -> Result<()> {
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o444)
        .open(path)?;
    let mut buffer = vec![0; size.min(1 << 20)];
    let mut left = size;
    while left > 0 {
        let part = left.min(buffer.len());
        content::fill(&mut buffer[..part], random);
        file.write_all(&buffer[..part])?;
        left -= part;
    }
    Ok(())
}
