//! Answering what a file is: stat and its kin.

use rustix::io::Errno;

use super::records::Key;
use super::resolve::Target;
use super::{Emulator, Reply};
use crate::sys::memory::{Plain, bytes_of, write};

/// The form of an answer about a file, and its place in the caller's memory.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Into {
    /// As a `struct stat` at this address.
    Stat(u64),
    /// As a `struct statx`.
    Statx { address: u64, flags: i32, mask: u32 },
}

/// The state of a file as commands see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileState {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Type and permission bits.
    pub(crate) mode: u32,
    /// Major and minor number of a device.
    pub(crate) device: (u32, u32),
}

impl FileState {
    fn of(found: &libc::statx) -> Self {
        Self {
            uid: found.stx_uid,
            gid: found.stx_gid,
            mode: found.stx_mode.into(),
            device: (found.stx_rdev_major, found.stx_rdev_minor),
        }
    }
}

impl Emulator {
    /// Returns what a file is for commands.
    pub(crate) fn state(&self, found: &libc::statx) -> FileState {
        let mut state = FileState::of(found);
        if self.is_foreign(found) {
            (state.uid, state.gid) = (0, 0);
            return state;
        }
        if self.granted.ids.is_empty() {
            (state.uid, state.gid) = self.default_owner;
        }
        if let Some(record) = self.records.get(&Key::of(found)) {
            (state.uid, state.gid) = record.owner.unwrap_or((state.uid, state.gid));
            if let Some(mode) = record.mode {
                state.mode = state.mode & libc::S_IFMT | mode;
            }
            if let Some(device) = record.device {
                let kind = if device.block {
                    libc::S_IFBLK
                } else {
                    libc::S_IFCHR
                };
                state.mode = state.mode & 0o7777 | kind;
                state.device = (device.major, device.minor);
            }
        }
        state
    }

    pub(super) fn look(&mut self, pid: i32, file: &Target, into: Into) -> Result<Reply, Errno> {
        let Some(mut found) = self.resolver.look(pid, file) else {
            return Ok(Reply::Continue);
        };
        let state = self.state(&found);
        if state == FileState::of(&found) {
            return Ok(Reply::Continue);
        }
        (found.stx_uid, found.stx_gid) = (state.uid, state.gid);
        found.stx_mode = state.mode as u16;
        (found.stx_rdev_major, found.stx_rdev_minor) = state.device;
        match into {
            Into::Stat(address) => write(pid, address, bytes_of(&stat(&found)))?,
            Into::Statx {
                address,
                flags,
                mask,
            } => {
                let sync = libc::AT_STATX_FORCE_SYNC | libc::AT_STATX_DONT_SYNC;
                let known =
                    sync | libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT;
                if flags & !known != 0 || flags & sync == sync || mask >> 31 != 0 {
                    return Err(Errno::INVAL);
                }
                write(pid, address, bytes_of(&found))?;
            }
        }
        Ok(Reply::Value(0))
    }
}

/// The same as a `struct stat`.
fn stat(found: &libc::statx) -> libc::stat {
    let mut stat = libc::stat::zeroed();
    stat.st_dev = libc::makedev(found.stx_dev_major, found.stx_dev_minor);
    stat.st_ino = found.stx_ino;
    stat.st_nlink = found.stx_nlink as _;
    stat.st_mode = found.stx_mode.into();
    stat.st_uid = found.stx_uid;
    stat.st_gid = found.stx_gid;
    stat.st_rdev = libc::makedev(found.stx_rdev_major, found.stx_rdev_minor);
    stat.st_size = found.stx_size as _;
    stat.st_blksize = found.stx_blksize as _;
    stat.st_blocks = found.stx_blocks as _;
    stat.st_atime = found.stx_atime.tv_sec;
    stat.st_atime_nsec = found.stx_atime.tv_nsec.into();
    stat.st_mtime = found.stx_mtime.tv_sec;
    stat.st_mtime_nsec = found.stx_mtime.tv_nsec.into();
    stat.st_ctime = found.stx_ctime.tv_sec;
    stat.st_ctime_nsec = found.stx_ctime.tv_nsec.into();
    stat
}
