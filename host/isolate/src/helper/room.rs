//! Room in a tree that is the root of commands: the directories on which files for the commands
//! alone are mounted, and, where nothing can be mounted, those files themselves.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{
    CWD, Dir, FileType, Mode, OFlags, ResolveFlags, fstat, makedev, mknodat, openat, openat2,
    readlinkat,
};
use rustix::io::Errno;

use super::Trying;
use super::world::{DEVICES, LINKS, PRIVATE, ours};
use crate::request::{Job, Refusal};

/// The places in a tree that were made, and those that were emptied.
pub(super) struct Room<'a> {
    tree: &'a Path,
    /// Directories that were missing, each after those that it is in.
    made: Vec<PathBuf>,
    /// Directories that stand in for mounts, with those that were there before.
    filled: Vec<(PathBuf, Option<PathBuf>)>,
    /// Copies of store paths, beside those that the tree has.
    copies: Vec<PathBuf>,
}

impl<'a> Room<'a> {
    /// Makes the directories on which commands find what is mounted for them.
    pub(super) fn to_mount(tree: &'a Path, job: &Job) -> Result<Self, Refusal> {
        let mut room = Self {
            tree,
            made: vec![],
            filled: vec![],
            copies: vec![],
        };
        for path in ours(job) {
            room.directory(Path::new(&path))?;
        }
        Ok(room)
    }

    /// Puts into the tree what would be mounted on it. What it has at those places lies aside
    /// meanwhile, so that commands change it no more than if it were below a mount.
    pub(super) fn filled(tree: &'a Path, job: &Job, aside: &Path) -> Result<Self, Refusal> {
        let mut room = Self {
            tree,
            made: vec![],
            filled: vec![],
            copies: vec![],
        };
        fs::create_dir(aside).trying("making a folder")?;
        for name in ["proc", "dev", PRIVATE] {
            let (place, kept) = (tree.join(name), aside.join(name));
            let is_there = match fs::symlink_metadata(&place) {
                Ok(found) if !found.is_dir() => {
                    return Err(Errno::NOTDIR).trying(format!("using `/{name}`"));
                }
                found => found.is_ok(),
            };
            if is_there {
                fs::rename(&place, &kept).trying(format!("using `/{name}`"))?;
            }
            room.filled.push((place.clone(), is_there.then_some(kept)));
            make(&place, 0o755).trying(format!("creating `/{name}`"))?;
        }
        devices(&tree.join("dev")).trying("making `/dev`")?;
        room.store(job)?;
        let tools = tree.join(PRIVATE).join("tools");
        make(&tools, 0o755).trying("making directories")?;
        for (number, tool) in job.tools.iter().enumerate() {
            copy(tool, &tools.join(number.to_string()))
                .trying(format!("copying `{}`", tool.display()))?;
        }
        Ok(room)
    }

    /// The store paths that commands see. They are copies and no links: root may write to them.
    fn store(&mut self, job: &Job) -> Result<(), Refusal> {
        if job.store.is_empty() {
            return Ok(());
        }
        let store = Path::new(job.store_dir.trim_matches('/'));
        self.directory(store)?;
        for (name, source) in &job.store {
            let at = self.tree.join(store).join(name);
            if fs::symlink_metadata(&at).is_err() {
                self.copies.push(at.clone());
                copy(source, &at).trying(format!("copying `{}`", source.display()))?;
            }
        }
        Ok(())
    }

    /// Makes a directory, and those that it is in.
    fn directory(&mut self, path: &Path) -> Result<(), Refusal> {
        let mut place = PathBuf::new();
        for name in path {
            place.push(name);
            let whole = self.tree.join(&place);
            match fs::symlink_metadata(&whole) {
                Ok(found) if found.is_dir() => {}
                Ok(_) => return Err(Errno::NOTDIR).trying(format!("using `/{}`", path.display())),
                Err(_) => {
                    make(&whole, 0o755).trying(format!("creating `/{}`", path.display()))?;
                    self.made.push(whole);
                }
            }
        }
        Ok(())
    }

    /// Leaves the tree as commands would have left it below mounts.
    pub(super) fn clear(self) -> Result<(), Refusal> {
        for place in &self.copies {
            remove(place).trying("removing copies of store paths")?;
        }
        for (place, _) in &self.filled {
            remove(place).trying(format!("removing `{}`", place.display()))?;
        }
        for place in self.made.iter().rev() {
            // Commands may have removed it, or have put something in it that stays.
            let _ = fs::remove_dir(place);
        }
        for (place, kept) in self.filled {
            if let Some(kept) = kept {
                fs::rename(kept, &place).trying(format!("creating `{}`", place.display()))?;
            }
        }
        Ok(())
    }
}

fn make(place: &Path, mode: u32) -> io::Result<()> {
    fs::create_dir(place)?;
    fs::set_permissions(place, fs::Permissions::from_mode(mode))
}

/// Removes what is at a place, whatever it is, and also if it is nothing.
fn remove(place: &Path) -> io::Result<()> {
    match fs::symlink_metadata(place) {
        Ok(found) if found.is_dir() => {
            super::supervisor::clean(place);
            match fs::symlink_metadata(place) {
                Ok(_) => Err(io::ErrorKind::DirectoryNotEmpty.into()),
                Err(_) => Ok(()),
            }
        }
        Ok(_) => fs::remove_file(place),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// The devices of a build of Nix, as far as they can be made and used here.
fn devices(dev: &Path) -> io::Result<()> {
    for (name, major, minor) in DEVICES {
        let at = dev.join(name);
        let device = makedev(major, minor);
        if mknodat(CWD, &at, FileType::CharacterDevice, Mode::empty(), device).is_err() {
            continue;
        }
        // A terminal need not be there; of the others each can be opened, unless the file system
        // has no devices.
        let opened = File::open(&at);
        if opened.is_err_and(|error| error.raw_os_error() == Some(libc::EACCES)) {
            fs::remove_file(&at)?;
            continue;
        }
        fs::set_permissions(&at, fs::Permissions::from_mode(0o666))?;
    }
    for (name, target) in LINKS {
        symlink(target, dev.join(name))?;
    }
    make(&dev.join("shm"), 0o1777)?;
    make(&dev.join("pts"), 0o755)
}

/// Copies files, directories and links, with their permissions. What is copied is looked at and opened from the
/// directory that it is in, through no link, so that nothing leads out of it meanwhile.
fn copy(source: &Path, at: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (source.parent(), source.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let way = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = openat(CWD, parent, way, Mode::empty())?;
    let beneath = |path: &Path, flags: OFlags| {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        openat2(&parent, path, flags, Mode::empty(), resolve)
    };
    let mut open = vec![(PathBuf::from(name), at.to_owned())];
    // Directories get their permissions when all is in them.
    let mut late = vec![];
    while let Some((path, at)) = open.pop() {
        let found = fstat(beneath(&path, OFlags::PATH)?)?;
        let mode = fs::Permissions::from_mode(found.st_mode & 0o7777);
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Symlink => {
                let link = beneath(&path, OFlags::PATH)?;
                let target = readlinkat(&link, c"", Vec::new())?;
                symlink(OsStr::from_bytes(target.as_bytes()), &at)?;
            }
            FileType::Directory => {
                make(&at, 0o700)?;
                for entry in Dir::read_from(beneath(&path, OFlags::DIRECTORY)?)? {
                    let entry = entry?;
                    let name = entry.file_name();
                    if name != c"." && name != c".." {
                        let name = OsStr::from_bytes(name.to_bytes());
                        open.push((path.join(name), at.join(name)));
                    }
                }
                late.push((at, mode));
            }
            FileType::RegularFile => {
                let mut from = File::from(beneath(&path, OFlags::NONBLOCK)?);
                let mut to = File::create_new(&at)?;
                io::copy(&mut from, &mut to)?;
                to.set_permissions(mode)?;
            }
            _ => {}
        }
    }
    for (directory, permissions) in late.into_iter().rev() {
        fs::set_permissions(directory, permissions)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Job;

    fn job(folder: &Path) -> Job {
        let store = folder.join("a");
        fs::create_dir(&store).unwrap();
        fs::write(store.join("file"), "a").unwrap();
        symlink("file", store.join("link")).unwrap();
        fs::set_permissions(&store, fs::Permissions::from_mode(0o555)).unwrap();
        Job {
            work: folder.to_owned(),
            scratch: folder.to_owned(),
            entries: vec![],
            base: false,
            tmp: false,
            store_dir: "/nix/store".to_owned(),
            store: vec![
                ("1-a".to_owned(), store.clone()),
                ("2-a".to_owned(), store.clone()),
            ],
            tools: vec![store],
            steps: vec![],
            max_processes: 1,
            max_seconds: None,
            unsafe_host: false,
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_tree_is_left_as_it_was_found() {
        let folder = tempfile::tempdir().unwrap();
        let job = job(folder.path());
        let tree = folder.path().join("tree");
        fs::create_dir_all(tree.join("nix/store/2-a")).unwrap();
        fs::create_dir(tree.join("dev")).unwrap();
        fs::write(tree.join("dev/kept"), "").unwrap();

        let room = Room::filled(&tree, &job, &folder.path().join("aside")).unwrap();
        assert_eq!(names(&tree), [".terrine", "dev", "nix", "proc"]);
        assert_eq!(names(&tree.join("nix/store/1-a")), ["file", "link"]);
        assert!(names(&tree.join("nix/store/2-a")).is_empty());
        assert_eq!(
            fs::read_to_string(tree.join(".terrine/tools/0/link")).unwrap(),
            "a"
        );
        assert!(!tree.join("dev/kept").exists());
        // What commands do there is lost, as if it were on a mount.
        fs::write(tree.join("dev/new"), "").unwrap();
        fs::write(tree.join("nix/store/1-a/file"), "changed").unwrap();
        fs::remove_dir(tree.join("proc")).unwrap();
        fs::write(tree.join("new"), "").unwrap();
        room.clear().unwrap();
        assert_eq!(names(&tree), ["dev", "new", "nix"]);
        assert_eq!(names(&tree.join("dev")), ["kept"]);
        assert_eq!(names(&tree.join("nix/store")), ["2-a"]);
        assert_eq!(
            fs::read_to_string(folder.path().join("a/file")).unwrap(),
            "a"
        );
    }

    #[test]
    fn directories_to_mount_on_are_there_for_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let job = job(folder.path());
        let tree = folder.path().join("tree");
        fs::create_dir(&tree).unwrap();
        let room = Room::to_mount(&tree, &job).unwrap();
        assert_eq!(names(&tree), [".terrine", "dev", "nix", "proc"]);
        fs::create_dir(tree.join("nix/var")).unwrap();
        room.clear().unwrap();
        assert_eq!(names(&tree), ["nix"]);
        assert_eq!(names(&tree.join("nix")), ["var"]);
    }
}
