//! The world that commands see.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive,
    mount_change, unmount,
};
use rustix::process::{chdir, chroot, pivot_root};

use super::Trying;
use crate::Level;
use crate::error::CHANGING_ROOT;
use crate::request::{Directory, Identity, Job, Place, Refusal, Step};
use crate::sys::process::restrict_mounts;

/// The directory at the root that is there for the commands alone.
pub(super) const PRIVATE: &str = ".terrine";
/// The place of a tree that is not the root.
const TREE: &str = "build/root";
/// The devices that Nix gives its builds, with their numbers.
pub(super) const DEVICES: [(&str, u32, u32); 6] = [
    ("full", 1, 7),
    ("null", 1, 3),
    ("random", 1, 8),
    ("tty", 5, 0),
    ("urandom", 1, 9),
    ("zero", 1, 5),
];
/// The links beside them.
pub(super) const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// The world of one step.
pub(super) struct World<'a> {
    pub(super) level: Level,
    pub(super) job: &'a Job,
    pub(super) step: &'a Step,
    /// The tree on this machine.
    pub(super) tree: &'a Path,
    /// An empty folder on this machine.
    pub(super) folder: PathBuf,
    /// True if devices can be made for it, so that it has none of the machine's.
    pub(super) makes_devices: bool,
}

/// The directories that commands find at the root of a tree which are not part of it.
pub(super) fn ours(job: &Job) -> Vec<String> {
    let store = job.store_dir.trim_matches('/').to_owned();
    ["proc", "dev", PRIVATE]
        .into_iter()
        .map(str::to_owned)
        .chain([store])
        .collect()
}

impl World<'_> {
    /// Returns whether there are name spaces to see something else in.
    fn is_own(&self) -> bool {
        self.level != Level::Record
    }

    /// Returns the directory that is there for the commands alone, as they see it.
    pub(super) fn private(&self) -> PathBuf {
        if self.is_own() || self.step.place == Place::Root {
            Path::new("/").join(PRIVATE)
        } else {
            self.folder.clone()
        }
    }

    /// The place of the tree, as commands see it.
    pub(super) fn tree(&self) -> PathBuf {
        match self.step.place {
            Place::Root => "/".into(),
            Place::Directory if self.is_own() => Path::new("/").join(TREE),
            Place::Directory => self.tree.to_owned(),
        }
    }

    /// Returns the directory for temporary files.
    pub(super) fn temporary(&self) -> PathBuf {
        match self.step.place {
            Place::Directory if self.is_own() => "/build".into(),
            _ => self.private().join("tmp"),
        }
    }

    /// A path as commands see it.
    pub(super) fn seen(&self, directory: &Directory) -> PathBuf {
        let is_host = !self.is_own() && self.step.place == Place::Directory;
        match directory {
            Directory::Absolute(path) => path.into(),
            Directory::Tree(path) => self.tree().join(path),
            Directory::Tool(number, path) if is_host => self.job.tools[*number].join(path),
            Directory::Tool(number, path) => self
                .private()
                .join("tools")
                .join(number.to_string())
                .join(path),
            Directory::Store(path) => {
                let (name, rest) = path.split_once('/').unwrap_or((path, ""));
                let place = self.job.store.iter().find(|(known, _)| known == name);
                match place {
                    Some((_, place)) if is_host => place.join(rest),
                    _ => Path::new(&self.job.store_dir).join(path),
                }
            }
        }
    }

    /// Makes this the world of the process, with the tree as its working directory.
    pub(super) fn enter(&self) -> Result<(), Refusal> {
        if self.is_own() {
            self.mounted()?;
        } else {
            self.shared()?;
        }
        chdir(self.tree()).trying("entering the tree")?;
        if let (Place::Directory, true) = (self.step.place, self.is_own()) {
            self.furnish()?;
        }
        Ok(())
    }

    /// A world of mounts.
    fn mounted(&self) -> Result<(), Refusal> {
        let all = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", all).trying("making mounts private")?;
        let root = match self.step.place {
            Place::Root => {
                mount_bind(self.tree, self.tree).trying("mounting the tree")?;
                self.tree.to_owned()
            }
            Place::Directory => {
                temporary_files(&self.folder, "mode=0755")?;
                let tree = self.folder.join(TREE);
                fs::create_dir_all(&tree).trying("making directories")?;
                mount_bind(self.tree, &tree).trying("mounting the tree")?;
                restrict(&tree, libc::MOUNT_ATTR_NODEV, false)?;
                fs::create_dir(self.folder.join("tmp")).trying("making directories")?;
                permit(&self.folder.join("tmp"), 0o1777)?;
                self.folder.clone()
            }
        };
        restrict(
            &root,
            libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOSUID,
            false,
        )?;
        self.store(&root)?;
        devices(&root, self.makes_devices)?;
        self.give(&root)?;
        let proc = root.join("proc");
        fs::create_dir_all(&proc).trying("making directories")?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount("proc", &proc, "proc", flags, None).trying("mounting `/proc`")?;
        machine_is_read_only(&proc)?;
        chdir(&root).trying("entering the root")?;
        pivot_root(".", ".").trying("changing the root")?;
        unmount(".", UnmountFlags::DETACH).trying("leaving the old root")?;
        Ok(())
    }

    /// The store paths that commands see, read-only.
    fn store(&self, root: &Path) -> Result<(), Refusal> {
        let inside = self.job.store_dir.trim_start_matches('/');
        let store = root.join(inside);
        let in_tree = self.tree.join(inside);
        let held: Vec<PathBuf> = match self.step.place {
            Place::Root => fs::read_dir(&in_tree)
                .map(|entries| entries.filter_map(|e| Some(e.ok()?.path())).collect())
                .unwrap_or_default(),
            Place::Directory => vec![],
        };
        // Opened before it is hidden.
        let mut kept = vec![];
        for path in held {
            let file = File::open(&path).trying("opening the base image's store")?;
            kept.push((path, file));
        }
        if self.job.store.is_empty() && kept.is_empty() {
            return Ok(());
        }
        fs::create_dir_all(&store).trying("making directories")?;
        temporary_files(&store, "mode=0755")?;
        for (name, place) in &self.job.store {
            bind(place, &store.join(name))?;
        }
        for (path, file) in kept {
            use std::os::fd::AsRawFd;
            let at = store.join(path.file_name().unwrap_or_default());
            if !at.exists() {
                bind(
                    &PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())),
                    &at,
                )?;
            }
        }
        restrict(
            &store,
            libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NODEV,
            true,
        )
    }

    /// Puts in place all that is there for the commands alone: the script, tools, room for temporary files.
    fn give(&self, root: &Path) -> Result<(), Refusal> {
        let private = root.join(PRIVATE);
        fs::create_dir_all(&private).trying("making directories")?;
        temporary_files(&private, "mode=0755")?;
        for (number, tool) in self.job.tools.iter().enumerate() {
            let at = private.join("tools").join(number.to_string());
            fs::create_dir_all(at.parent().unwrap_or(&private)).trying("making directories")?;
            bind(tool, &at)?;
            restrict(&at, libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NODEV, true)?;
        }
        self.write(&private)
    }

    /// Writes the script, and the file for the line that fails.
    fn write(&self, private: &Path) -> Result<(), Refusal> {
        let mut script = File::options()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(private.join(&self.step.name))
            .trying("writing the script")?;
        script
            .write_all(&self.step.script)
            .trying("writing the script")?;
        let line = private.join("line");
        File::create(&line).trying("writing the script")?;
        permit(&line, 0o666)?;
        let tmp = private.join("tmp");
        fs::create_dir(&tmp).trying("making directories")?;
        permit(&tmp, 0o1777)
    }

    /// The rest of a world whose root is not the tree, as builds of Nix have it.
    fn furnish(&self) -> Result<(), Refusal> {
        let user = match self.step.identity {
            Identity::User => "nixbld:x:1000:100:Nix build user:/build:/noshell\n",
            Identity::Root => "",
        };
        let passwd = format!(
            "root:x:0:0:root:/build:/noshell\n{user}nobody:x:65534:65534:Nobody:/:/noshell\n"
        );
        for directory in ["/etc", "/bin"] {
            fs::create_dir(directory).trying("making directories")?;
        }
        for (file, text) in [
            ("/etc/passwd", &*passwd),
            ("/etc/group", "root:x:0:\nnixbld:!:100:\nnogroup:x:65534:\n"),
            ("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
        ] {
            fs::write(file, text).trying(format!("writing `{file}`"))?;
            permit(Path::new(file), 0o644)?;
        }
        if let Some(shell) = self.shell() {
            symlink(shell, "/bin/sh").trying("making `/bin/sh`")?;
        }
        Ok(())
    }

    /// The shell, if there is one.
    pub(super) fn shell(&self) -> Option<PathBuf> {
        if let Some(shell) = &self.step.shell {
            return Some(self.seen(shell));
        }
        let on_path = ["bash", "sh"].into_iter().flat_map(|name| {
            let directories = self.step.path.iter();
            directories.map(move |directory| self.seen(directory).join(name))
        });
        // In a world that is not the tree's these are nobody's, or the machine's.
        let of_root: &[&str] = match self.step.place {
            Place::Root => &["/bin/bash", "/bin/sh"],
            Place::Directory => &[],
        };
        let mut all = on_path.chain(of_root.iter().map(PathBuf::from));
        all.find(|path| fs::metadata(path).is_ok_and(|found| found.is_file()))
    }

    /// The world that is there, with the tree as its root where that is asked for. The supervisor
    /// has put into the tree what cannot be mounted.
    fn shared(&self) -> Result<(), Refusal> {
        if self.step.place == Place::Directory {
            return self.write(&self.folder);
        }
        self.write(&self.tree.join(PRIVATE))?;
        chroot(self.tree).trying(CHANGING_ROOT)?;
        chdir("/").trying("entering the root")
    }
}

fn temporary_files(place: &Path, options: &str) -> Result<(), Refusal> {
    let options = CString::new(options).unwrap_or_default();
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", place, "tmpfs", flags, Some(&*options)).trying("mounting a tmpfs")
}

/// Devices whose owners do not depend on the machine. Only they can be opened: the file system that has them
/// is out of reach, and commands can make others on none where devices can be opened.
fn own_devices(dev: &Path) -> Result<(), Refusal> {
    let made = dev.join("made");
    fs::create_dir(&made).trying("making directories")?;
    mount("tmpfs", &made, "tmpfs", MountFlags::NOSUID, None).trying("mounting a tmpfs")?;
    for (name, major, minor) in DEVICES {
        let (device, mode) = (made.join(name), Mode::from_raw_mode(0o666));
        let number = makedev(major, minor);
        mknodat(CWD, &device, FileType::CharacterDevice, mode, number).trying("making devices")?;
        permit(&device, 0o666)?;
        bind(&device, &dev.join(name))?;
    }
    unmount(&made, UnmountFlags::DETACH).trying("unmounting a tmpfs")?;
    fs::remove_dir(&made).trying("removing a directory")
}

fn permit(path: &Path, mode: u32) -> Result<(), Refusal> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).trying("setting permissions")
}

fn restrict(place: &Path, attributes: u64, recursive: bool) -> Result<(), Refusal> {
    let path = CString::new(place.as_os_str().as_bytes()).unwrap_or_default();
    restrict_mounts(&path, attributes, recursive).trying("restricting a mount")
}

/// Keeps what `/proc` has of the machine, and not of a process, from being written: the kernel
/// lets the machine's root write to it, whatever name space and capabilities that has.
fn machine_is_read_only(proc: &Path) -> Result<(), Refusal> {
    for entry in fs::read_dir(proc).trying("listing `/proc`")? {
        let entry = entry.trying("listing `/proc`")?;
        let name = entry.file_name();
        if name.as_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        // What is gone meanwhile cannot be written to either.
        let Ok(found) = fs::symlink_metadata(entry.path()) else {
            continue;
        };
        let is_writable = found.is_file() && found.permissions().mode() & 0o222 != 0;
        if found.is_dir() || is_writable {
            let place = entry.path();
            mount_bind(&place, &place).trying("mounting `/proc`")?;
            restrict(&place, libc::MOUNT_ATTR_RDONLY, false)?;
        }
    }
    Ok(())
}

/// Shows a file or directory of this machine at another place.
fn bind(source: &Path, at: &Path) -> Result<(), Refusal> {
    let action = || format!("mounting `{}`", source.display());
    let found = fs::symlink_metadata(source).trying(action())?;
    let is_held = source.starts_with("/proc/self/fd");
    if found.is_symlink() && !is_held {
        let target = fs::read_link(source).trying(action())?;
        return symlink(target, at).trying(action());
    }
    let is_directory = fs::metadata(source).trying(action())?.is_dir();
    if is_directory {
        fs::create_dir(at).trying(action())?;
    } else {
        File::create(at).trying(action())?;
    }
    mount_bind_recursive(source, at).trying(action())
}

/// The devices of a build of Nix.
fn devices(root: &Path, can_make: bool) -> Result<(), Refusal> {
    let dev = root.join("dev");
    fs::create_dir_all(&dev).trying("making directories")?;
    temporary_files(&dev, "mode=0755")?;
    if can_make {
        own_devices(&dev)?;
    } else {
        for (name, ..) in DEVICES {
            bind(&Path::new("/dev").join(name), &dev.join(name))?;
        }
    }
    for (name, target) in LINKS {
        symlink(target, dev.join(name)).trying("making links in `/dev`")?;
    }
    let shm = dev.join("shm");
    fs::create_dir(&shm).trying("making directories")?;
    temporary_files(&shm, "mode=1777")?;
    let pts = dev.join("pts");
    fs::create_dir(&pts).trying("making directories")?;
    // Terminals are a comfort that not every place has.
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    let _ = mount(
        "devpts",
        &pts,
        "devpts",
        flags,
        Some(c"newinstance,ptmxmode=0666,mode=620"),
    );
    Ok(())
}
