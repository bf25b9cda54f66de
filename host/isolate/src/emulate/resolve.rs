//! The files that other processes mean.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;
use rustix::process::{chroot, fchdir};

use crate::sys::files::statx;

/// A file as a call names it.
#[derive(Debug)]
pub(crate) enum Target {
    /// By a descriptor of the caller.
    Descriptor(i32),
    /// By a path, from a directory of the caller: `AT_FDCWD`, or a descriptor.
    Path {
        from: i32,
        path: Vec<u8>,
        /// True if a link at its end is followed.
        follow: bool,
    },
}

/// A name in a directory as a call has it.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) from: i32,
    pub(crate) path: Vec<u8>,
}

impl Place {
    /// Returns whether the name can be that of a directory only. The kernel refuses to make
    /// anything else there.
    pub(crate) fn is_directory(&self) -> bool {
        self.path.ends_with(b"/")
    }
}

/// Opens what other processes mean.
pub(crate) struct Resolver {
    /// The process file system, from which they are looked at.
    proc: OwnedFd,
    /// The device of the process file system.
    proc_device: (u32, u32),
    /// The root of this step's processes, which is that of this process.
    root: Option<(OwnedFd, Id)>,
    /// True if any process changed its root since the step began.
    roots_differ: bool,
}

/// A file that another process means, and what the kernel says of it.
pub(crate) struct Found {
    pub(crate) fd: OwnedFd,
    pub(crate) stat: libc::statx,
}

/// The numbers that tell a directory from all others.
type Id = (u32, u32, u64, u64);

fn id(found: &libc::statx) -> Id {
    (
        found.stx_dev_major,
        found.stx_dev_minor,
        found.stx_ino,
        found.stx_mnt_id,
    )
}

const OPEN: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// All that tells a file from others, and what is said of it.
const MASK: u32 = libc::STATX_BASIC_STATS | libc::STATX_BTIME | libc::STATX_MNT_ID;

fn stat(fd: &OwnedFd) -> Result<libc::statx, Errno> {
    statx(fd.as_fd(), c"", libc::AT_EMPTY_PATH, MASK)
}

impl Resolver {
    pub(crate) fn new(proc: OwnedFd) -> Self {
        let device = stat(&proc).map_or((0, 0), |found| (found.stx_dev_major, found.stx_dev_minor));
        Self {
            proc,
            proc_device: device,
            root: None,
            roots_differ: false,
        }
    }

    /// Takes the root of this process for that of all that follow.
    pub(crate) fn begin(&mut self) -> Result<(), Errno> {
        let root = openat(CWD, c"/", OPEN | OFlags::DIRECTORY, Mode::empty())?;
        let id = id(&stat(&root)?);
        self.root = Some((root, id));
        self.roots_differ = false;
        Ok(())
    }

    /// Notes that processes of this step may have other roots from now on.
    pub(crate) fn roots_differ(&mut self) {
        self.roots_differ = true;
    }

    /// Opens the file that a process means, as a place and not for reading. None where only
    /// the kernel can tell: for a missing file, and for one that depends on the process that looks.
    pub(crate) fn open(&self, pid: i32, target: &Target) -> Option<Found> {
        let (from, path, follow) = match target {
            Target::Descriptor(fd) => {
                // Through the link of the process file system, which leads to any kind of file.
                let link = CString::new(format!("{pid}/fd/{fd}")).ok()?;
                let fd = openat(&self.proc, &link, OPEN, Mode::empty()).ok()?;
                let stat = stat(&fd).ok()?;
                return Some(Found { fd, stat });
            }
            Target::Path { path, follow, .. } if *follow && descriptor(path).is_some() => {
                let fd = descriptor(path)?;
                return self.open(pid, &Target::Descriptor(fd));
            }
            Target::Path { from, path, follow } => (*from, path, *follow),
        };
        let flags = if follow {
            OPEN
        } else {
            OPEN | OFlags::NOFOLLOW
        };
        self.within(pid, from, path, |directory, path| {
            openat2(
                directory,
                path,
                flags,
                Mode::empty(),
                ResolveFlags::NO_MAGICLINKS,
            )
        })
    }

    /// Returns the kernel's word on the file that a process means, as [`Self::open`] finds it but
    /// with fewer calls where no link needs to be followed.
    pub(crate) fn look(&self, pid: i32, target: &Target) -> Option<libc::statx> {
        let found = match target {
            Target::Descriptor(fd) => {
                let link = CString::new(format!("{pid}/fd/{fd}")).ok()?;
                return statx(self.proc.as_fd(), &link, 0, MASK).ok();
            }
            Target::Path { from, path, follow } => match nearby(pid, *from, path) {
                None => None,
                Some(place) => {
                    let flags = libc::AT_SYMLINK_NOFOLLOW;
                    let found = statx(self.proc.as_fd(), &place, flags, MASK).ok()?;
                    let is_link = u32::from(found.stx_mode) & libc::S_IFMT == libc::S_IFLNK;
                    (!(*follow && is_link)).then_some(found)
                }
            },
        };
        match found {
            Some(found) => self.is_elsewhere(&found).then_some(found),
            None => self.open(pid, target).map(|found| found.stat),
        }
    }

    /// Returns whether a file is in no process file system, of which only the kernel can tell.
    fn is_elsewhere(&self, found: &libc::statx) -> bool {
        (found.stx_dev_major, found.stx_dev_minor) != self.proc_device
    }

    /// Returns the kernel's word on the directory in which a process means a name.
    pub(crate) fn look_around(&self, pid: i32, place: &Place) -> Option<libc::statx> {
        let (directory, _) = split(place)?;
        self.look(pid, &directory)
    }

    /// Returns the directory in which a process means a name, and the name. None where that
    /// cannot be told.
    pub(crate) fn at<'p>(&self, pid: i32, place: &'p Place) -> Option<(Found, &'p [u8])> {
        let (directory, name) = split(place)?;
        Some((self.open(pid, &directory)?, name))
    }

    /// Opens a path in the world of another process.
    fn within(
        &self,
        pid: i32,
        from: i32,
        path: &[u8],
        open: impl Fn(&OwnedFd, &CStr) -> Result<OwnedFd, Errno>,
    ) -> Option<Found> {
        // What these lead to depends on who looks.
        if path.starts_with(b"/proc/self") || path.starts_with(b"/proc/thread-self") {
            return None;
        }
        let path = CString::new(path).ok()?;
        let (root, id) = self.root.as_ref()?;
        let elsewhere = if self.roots_differ {
            self.other_root(pid, id)?
        } else {
            None
        };
        let directory = if path.to_bytes().starts_with(b"/") {
            None
        } else if from == libc::AT_FDCWD {
            let link = CString::new(format!("{pid}/cwd")).ok()?;
            Some(openat(&self.proc, &link, OPEN, Mode::empty()).ok()?)
        } else {
            let link = CString::new(format!("{pid}/fd/{from}")).ok()?;
            Some(openat(&self.proc, &link, OPEN, Mode::empty()).ok()?)
        };
        // A process that changed its root since: its links lead from there.
        if let Some(elsewhere) = &elsewhere {
            enter(elsewhere).ok()?;
        }
        let opened = open(
            directory.as_ref().or(elsewhere.as_ref()).unwrap_or(root),
            &path,
        );
        if elsewhere.is_some() {
            enter(root).ok()?;
        }
        let opened = opened.ok()?;
        let stat = stat(&opened).ok()?;
        self.is_elsewhere(&stat)
            .then_some(Found { fd: opened, stat })
    }

    /// The root of a process that has another one than this process. The outer option is none
    /// where that cannot be told.
    fn other_root(&self, pid: i32, ours: &Id) -> Option<Option<OwnedFd>> {
        let theirs = CString::new(format!("{pid}/root")).ok()?;
        let mask = libc::STATX_INO | libc::STATX_MNT_ID;
        let found = statx(self.proc.as_fd(), &theirs, 0, mask).ok()?;
        if id(&found) == *ours {
            return Some(None);
        }
        openat(&self.proc, &theirs, OPEN, Mode::empty())
            .ok()
            .map(Some)
    }

    /// Returns the kernel's word on an open file, with all that tells it from others.
    pub(crate) fn stat(fd: &OwnedFd) -> Result<libc::statx, Errno> {
        stat(fd)
    }

    /// Opens an open file once more, as a place.
    pub(crate) fn reopen(&self, file: &impl AsFd) -> Option<OwnedFd> {
        let link = format!("self/fd/{}", file.as_fd().as_raw_fd());
        openat(&self.proc, link, OPEN, Mode::empty()).ok()
    }

    /// The process file system.
    pub(crate) fn proc(&self) -> &OwnedFd {
        &self.proc
    }

    /// A path of an open file, for calls that take no descriptor of a place. It leads from the
    /// working directory, which is made the process file system: there need be none at the root.
    pub(crate) fn link(&self, fd: &OwnedFd) -> Result<String, Errno> {
        fchdir(&self.proc)?;
        Ok(format!("self/fd/{}", fd.as_raw_fd()))
    }

    /// The permissions that a process takes away from what it makes.
    pub(crate) fn umask(&self, pid: i32) -> Option<u32> {
        u32::from_str_radix(&self.status(pid, "Umask:")?, 8).ok()
    }

    /// Returns whether a process may change owners, the first of all capabilities.
    pub(crate) fn may_chown(&self, pid: i32) -> bool {
        let capabilities = self.status(pid, "CapEff:");
        capabilities
            .and_then(|text| u64::from_str_radix(&text, 16).ok())
            .is_some_and(|capabilities| capabilities & 1 != 0)
    }

    /// Returns a line that the process file system has of a process.
    fn status(&self, pid: i32, what: &str) -> Option<String> {
        let path = CString::new(format!("{pid}/status")).ok()?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = openat(&self.proc, &path, flags, Mode::empty()).ok()?;
        let text = std::io::read_to_string(std::fs::File::from(file)).ok()?;
        let value = text.lines().find_map(|line| line.strip_prefix(what))?;
        Some(value.trim().to_owned())
    }
}

/// The directory of a name, and the name; none for a directory's names for itself and others.
fn split(place: &Place) -> Option<(Target, &[u8])> {
    let path = place.path.as_slice();
    let end = path.iter().rposition(|&byte| byte != b'/')? + 1;
    let path = &path[..end];
    let start = path
        .iter()
        .rposition(|&byte| byte == b'/')
        .map_or(0, |slash| slash + 1);
    let (directory, name) = path.split_at(start);
    if matches!(name, b"." | b"..") {
        return None;
    }
    let directory = if directory.is_empty() {
        b"."
    } else {
        directory
    };
    let target = Target::Path {
        from: place.from,
        path: directory.to_vec(),
        follow: true,
    };
    Some((target, name))
}

/// The place of a file that a process means by a bare name in one of its directories, below the
/// process file system: no link is on the way there but that of the directory.
fn nearby(pid: i32, from: i32, path: &[u8]) -> Option<CString> {
    let name = path.strip_prefix(b"./").unwrap_or(path);
    if name.is_empty() || name == b".." || name.contains(&b'/') {
        return None;
    }
    let mut place = match from {
        libc::AT_FDCWD => format!("{pid}/cwd/"),
        from => format!("{pid}/fd/{from}/"),
    }
    .into_bytes();
    place.extend_from_slice(name);
    CString::new(place).ok()
}

/// The own descriptor that a process means by the path of its link.
fn descriptor(path: &[u8]) -> Option<i32> {
    const LINKS: [&[u8]; 3] = [b"/proc/self/fd/", b"/proc/thread-self/fd/", b"/dev/fd/"];
    let number = LINKS.iter().find_map(|links| path.strip_prefix(*links))?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

/// Takes an open directory for the root.
fn enter(root: &OwnedFd) -> Result<(), Errno> {
    fchdir(root)?;
    chroot(c".")
}
