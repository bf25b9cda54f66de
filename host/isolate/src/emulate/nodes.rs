//! Making special files: mknod and its kin.

use std::ffi::CString;
use std::os::fd::OwnedFd;

use rustix::fs::{FileType, Mode, OFlags, mknodat, openat};
use rustix::io::Errno;

use super::records::Device;
use super::resolve::{Place, Resolver};
use super::{Emulator, Reply};

/// The kind of file that stands in for a device: one that cannot be opened, as the devices that
/// commands make cannot where the kernel makes them.
pub(crate) const STAND_IN: FileType = FileType::Socket;

impl Emulator {
    pub(super) fn node(
        &mut self,
        pid: i32,
        place: &Place,
        mode: u32,
        device: u64,
    ) -> Result<Reply, Errno> {
        if place.is_directory() {
            return Ok(Reply::Continue);
        }
        let block = mode & libc::S_IFMT == libc::S_IFBLK;
        if !block && mode & libc::S_IFMT != libc::S_IFCHR {
            return self.special(pid, place, mode);
        }
        if self.granted.devices {
            return Ok(Reply::Continue);
        }
        if !self.is_privileged(pid) {
            return Err(Errno::PERM);
        }
        let device = Device {
            block,
            major: libc::major(device),
            minor: libc::minor(device),
        };
        let Some(made) = self.make(pid, place, STAND_IN, mode)? else {
            return Ok(Reply::Continue);
        };
        let found = Resolver::stat(&made)?;
        self.record(&made, &found, |record| record.device = Some(device));
        Ok(Reply::Value(0))
    }

    /// Makes a file of no content for a process, with the owner that it would have.
    pub(super) fn make(
        &mut self,
        pid: i32,
        place: &Place,
        kind: FileType,
        mode: u32,
    ) -> Result<Option<OwnedFd>, Errno> {
        let Some((directory, name)) = self.resolver.at(pid, place) else {
            return Ok(None);
        };
        let name = CString::new(name).map_err(|_| Errno::INVAL)?;
        let umask = self.resolver.umask(pid).unwrap_or(0o022);
        let mode = Mode::from_raw_mode(mode & 0o7777 & !umask);
        mknodat(&directory.fd, &name, kind, mode, 0)?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = openat(&directory.fd, &name, flags, Mode::empty())?;
        let owner = self.owner_of_new(pid, &directory.stat);
        self.record_owner(&made, owner)?;
        Ok(Some(made))
    }
}
