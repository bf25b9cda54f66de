//! What commands find at their root where nothing can be mounted: put into the tree for them, and
//! taken out afterwards.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, chmodat, makedev, mknodat};

use super::Trying;
use super::supervisor::clean;
use super::world::{PRIVATE, World};
use crate::request::Refusal;

/// The devices that commands find, with their numbers.
const DEVICES: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

/// What lies in a tree for as long as commands run there.
pub(super) struct Borrowed {
    /// What was in the tree, and where it is meanwhile.
    aside: Vec<(PathBuf, PathBuf)>,
    /// What was not.
    added: Vec<PathBuf>,
}

impl Borrowed {
    /// Puts devices, tools and store paths in place.
    pub(super) fn place(world: &World<'_>) -> Result<Self, Refusal> {
        let mut borrowed = Self {
            aside: vec![],
            added: vec![],
        };
        for name in ["dev", "proc", PRIVATE] {
            let place = world.tree.join(name);
            let aside = world.folder.join(name);
            fs::rename(&place, &aside).trying(format!("hiding `/{name}`"))?;
            borrowed.aside.push((place.clone(), aside));
            directory(&place).trying(format!("making `/{name}`"))?;
        }
        devices(&world.tree.join("dev"))?;
        for (number, tool) in world.job.tools.iter().enumerate() {
            let tools = world.tree.join(PRIVATE).join("tools");
            let copied = fs::create_dir_all(&tools)
                .and_then(|()| copy(tool, &tools.join(number.to_string())));
            copied.trying(format!("copying `{}`", tool.display()))?;
        }
        let store = world.tree.join(world.job.store_dir.trim_matches('/'));
        for (name, from) in &world.job.store {
            let at = store.join(name);
            if fs::symlink_metadata(&at).is_err() {
                borrowed.added.push(at.clone());
                copy(from, &at).trying(format!("copying `{}`", from.display()))?;
            }
        }
        Ok(borrowed)
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        for added in &self.added {
            if fs::remove_file(added).is_err() {
                clean(added);
            }
        }
        for (place, aside) in &self.aside {
            clean(place);
            // Where that fails the tree lacks a directory that is empty as a rule, and is not
            // used: the folder is full, or gone.
            let _ = fs::rename(aside, place);
        }
    }
}

fn directory(place: &Path) -> io::Result<()> {
    fs::create_dir(place)?;
    chmodat(
        CWD,
        place,
        Mode::from_raw_mode(0o755),
        rustix::fs::AtFlags::empty(),
    )?;
    Ok(())
}

fn devices(dev: &Path) -> Result<(), Refusal> {
    for (name, major, minor) in DEVICES {
        let place = dev.join(name);
        let mode = Mode::from_raw_mode(0o666);
        let made = mknodat(
            CWD,
            &place,
            FileType::CharacterDevice,
            mode,
            makedev(major, minor),
        );
        made.trying(format!("making `/dev/{name}`"))?;
    }
    for name in ["shm", "pts"] {
        directory(&dev.join(name)).trying("making directories")?;
    }
    // A file system may keep devices from being opened.
    let null = dev.join("null");
    let opened = fs::File::options().write(true).open(null);
    opened.trying("opening `/dev/null` where the tree is")?;
    Ok(())
}

/// Copies a tree with its permissions.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(from)?;
    if found.is_symlink() {
        symlink(fs::read_link(from)?, to)
    } else if found.is_dir() {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        fs::set_permissions(to, found.permissions())
    } else if found.is_file() {
        fs::copy(from, to).map(drop)
    } else {
        Ok(())
    }
}
