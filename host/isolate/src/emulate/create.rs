//! Making files, directories and links for a process that is not root, or in a directory that
//! passes on its group: the kernel would make them root's.

use std::ffi::CString;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, mkdirat, openat, statat, symlinkat};
use rustix::io::Errno;

use super::look::FileState;
use super::resolve::{Found, Place, Resolver, Target};
use super::wanted::NAMELESS;
use super::{Emulator, Reply};

impl Emulator {
    /// Returns the owner of files that a process makes in a directory.
    pub(super) fn owner_of_new(&self, pid: i32, directory: &libc::statx) -> (u32, u32) {
        let state = self.state(directory);
        let (uid, gid) = if self.faked.ids {
            let who = self.who(pid);
            (who.fsuid, who.fsgid)
        } else {
            self.default_owner
        };
        if state.mode & libc::S_ISGID != 0 {
            (uid, state.gid)
        } else {
            (uid, gid)
        }
    }

    /// Records the owner of what was made, unless that is what it has anyway.
    pub(super) fn record_owner(
        &mut self,
        made: &OwnedFd,
        owner: (u32, u32),
    ) -> Result<libc::statx, Errno> {
        let found = Resolver::stat(made)?;
        let state = self.state(&found);
        if (state.uid, state.gid) != owner {
            self.record(made, &found, |record| record.owner = Some(owner));
        }
        Ok(found)
    }

    /// Returns the place at which a process makes something; none where the kernel can make it: it would have the right
    /// owner.
    fn place(&self, pid: i32, place: &Place) -> Option<At> {
        let found = self.resolver.look_around(pid, place)?;
        if self.is_read_only(&found) {
            return None;
        }
        let owner = self.owner_of_new(pid, &found);
        let state = self.state(&found);
        // Where the bit is on the disk, the kernel passes it on.
        let is_on_disk = u32::from(found.stx_mode) & libc::S_ISGID != 0;
        let passes_on = state.mode & libc::S_ISGID != 0 && !is_on_disk;
        if owner == self.default_owner && !passes_on {
            return None;
        }
        let (Found { fd: directory, .. }, name) = self.resolver.at(pid, place)?;
        let name = CString::new(name).ok()?;
        let may = self.may_write(pid, &state);
        Some(At {
            directory,
            name,
            owner,
            passes_on,
            may,
        })
    }

    /// Returns whether a process may make something in a directory. The kernel takes it for root.
    fn may_write(&self, pid: i32, directory: &FileState) -> bool {
        let who = self.who(pid);
        let bits = if who.fsuid == directory.uid {
            directory.mode >> 6
        } else if who.is_in(directory.gid) {
            directory.mode >> 3
        } else {
            directory.mode
        };
        !self.faked.ids || who.is_root() || bits & 0o3 == 0o3
    }

    pub(super) fn open(
        &mut self,
        pid: i32,
        place: &Place,
        flags: u64,
        mode: u32,
    ) -> Result<Reply, Errno> {
        if flags & NAMELESS != 0 {
            return self.open_nameless(pid, place, flags, mode);
        }
        if place.is_directory() {
            return Ok(Reply::Continue);
        }
        let Some(at) = self.place(pid, place) else {
            return Ok(Reply::Continue);
        };
        // A file that exists already keeps its owner.
        if at.is_taken() {
            return Ok(Reply::Continue);
        }
        at.check()?;
        let umask = self.resolver.umask(pid).unwrap_or(0o022);
        let given = OFlags::from_bits_retain(flags as u32);
        // Another process may make something else there meanwhile, such as a fifo, on which this
        // process would wait for ever.
        let made = openat(
            &at.directory,
            &at.name,
            given | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOCTTY,
            Mode::from_raw_mode(mode & 0o7777 & !umask),
        );
        let file = match made {
            Err(Errno::EXIST) => return Ok(Reply::Continue),
            made => made?,
        };
        self.record_owner(&file, at.owner)?;
        Ok(Reply::File(file, flags as u32 & libc::O_CLOEXEC as u32))
    }

    /// Makes a file that has no name yet, in a directory.
    fn open_nameless(
        &mut self,
        pid: i32,
        place: &Place,
        flags: u64,
        mode: u32,
    ) -> Result<Reply, Errno> {
        let target = Target::Path {
            from: place.from,
            path: place.path.clone(),
            follow: true,
        };
        let Some(Found { fd, stat: found }) = self.resolver.open(pid, &target) else {
            return Ok(Reply::Continue);
        };
        let owner = self.owner_of_new(pid, &found);
        if self.is_read_only(&found) || owner == self.default_owner {
            return Ok(Reply::Continue);
        }
        if !self.may_write(pid, &self.state(&found)) {
            return Err(Errno::ACCESS);
        }
        let umask = self.resolver.umask(pid).unwrap_or(0o022);
        let given = OFlags::from_bits_retain(flags as u32) | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode & 0o7777 & !umask);
        let file = openat(&fd, c".", given, mode)?;
        self.record_owner(&file, owner)?;
        Ok(Reply::File(file, flags as u32 & libc::O_CLOEXEC as u32))
    }

    pub(super) fn directory(&mut self, pid: i32, place: &Place, mode: u32) -> Result<Reply, Errno> {
        let Some(at) = self.place(pid, place) else {
            return Ok(Reply::Continue);
        };
        at.check()?;
        let umask = self.resolver.umask(pid).unwrap_or(0o022);
        let mode = mode & 0o1777 & !umask;
        mkdirat(&at.directory, &at.name, Mode::from_raw_mode(mode))?;
        let (made, found) = self.made(&at)?;
        if at.passes_on {
            let mode = Some(mode | libc::S_ISGID);
            self.record(&made, &found, |record| record.mode = mode);
        }
        Ok(Reply::Value(0))
    }

    pub(super) fn symlink(
        &mut self,
        pid: i32,
        place: &Place,
        target: &[u8],
    ) -> Result<Reply, Errno> {
        if place.is_directory() {
            return Ok(Reply::Continue);
        }
        let Some(at) = self.place(pid, place) else {
            return Ok(Reply::Continue);
        };
        at.check()?;
        symlinkat(target, &at.directory, &at.name)?;
        self.made(&at)?;
        Ok(Reply::Value(0))
    }

    /// Makes a fifo, a socket or an empty file.
    pub(super) fn special(&mut self, pid: i32, place: &Place, mode: u32) -> Result<Reply, Errno> {
        let Some(at) = self.place(pid, place) else {
            return Ok(Reply::Continue);
        };
        at.check()?;
        let kind = match mode & libc::S_IFMT {
            0 => FileType::RegularFile,
            kind => FileType::from_raw_mode(kind),
        };
        match self.make(pid, place, kind, mode)? {
            Some(_) => Ok(Reply::Value(0)),
            None => Ok(Reply::Continue),
        }
    }

    fn made(&mut self, at: &At) -> Result<(OwnedFd, libc::statx), Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = openat(&at.directory, &at.name, flags, Mode::empty())?;
        let found = self.record_owner(&made, at.owner)?;
        Ok((made, found))
    }
}

/// The place of a new file, and its owner.
struct At {
    directory: OwnedFd,
    name: CString,
    owner: (u32, u32),
    /// True if the directory passes on its group, and with it that it does so.
    passes_on: bool,
    /// True if the process may make something there.
    may: bool,
}

impl At {
    fn is_taken(&self) -> bool {
        statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Refuses what the kernel would refuse; it tells first that a name is taken.
    fn check(&self) -> Result<(), Errno> {
        if self.may || self.is_taken() {
            Ok(())
        } else {
            Err(Errno::ACCESS)
        }
    }
}
