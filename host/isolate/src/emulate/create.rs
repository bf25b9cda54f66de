//! Making files, directories and links for a process that is not root, or in a directory that
//! passes on its group: the kernel would make them root's.

use std::ffi::CString;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, mkdirat, openat, statat, symlinkat};
use rustix::io::Errno;

use super::records::Key;
use super::resolve::{Place, Resolver};
use super::{Emulator, Reply};

impl Emulator {
    /// Who owns what a process makes in a directory.
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
    pub(super) fn record_owner(&mut self, made: &libc::statx, owner: (u32, u32)) {
        let state = self.state(made);
        if (state.uid, state.gid) != owner {
            let record = Some(owner);
            self.records
                .change(Key::of(made), |known| known.owner = record);
        }
    }

    /// The directory and the name that a process makes something at; none where the kernel can
    /// make it: it would have the right owner.
    fn place<'p>(
        &self,
        pid: i32,
        place: &'p Place,
    ) -> Option<(rustix::fd::OwnedFd, &'p [u8], (u32, u32))> {
        let (directory, name) = self.resolver.at(pid, place)?;
        let found = Resolver::stat(&directory).ok()?;
        if !self.own_mounts.is_empty() && !self.own_mounts.contains(&found.stx_mnt_id) {
            return None;
        }
        let owner = self.owner_of_new(pid, &found);
        (owner != self.default_owner).then_some((directory, name, owner))
    }

    pub(super) fn open(
        &mut self,
        pid: i32,
        place: &Place,
        flags: u64,
        mode: u32,
    ) -> Result<Reply, Errno> {
        let Some((directory, name, owner)) = self.place(pid, place) else {
            return Ok(Reply::Continue);
        };
        let name = CString::new(name).map_err(|_| Errno::INVAL)?;
        // What is there already keeps its owner.
        if statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Ok(Reply::Continue);
        }
        let umask = self.resolver.umask(pid).unwrap_or(0o022);
        let given = OFlags::from_bits_retain(flags as u32);
        let file = match openat(
            &directory,
            &name,
            // Nothing that came there meanwhile is opened: of a fifo this process would wait for
            // the other end, and answer nobody.
            given | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOCTTY,
            Mode::from_raw_mode(mode & 0o7777 & !umask),
        ) {
            Err(Errno::EXIST) => return Ok(Reply::Continue),
            file => file?,
        };
        self.record_owner(&Resolver::stat(&file)?, owner);
        Ok(Reply::File(file, flags as u32 & libc::O_CLOEXEC as u32))
    }

    pub(super) fn directory(&mut self, pid: i32, place: &Place, mode: u32) -> Result<Reply, Errno> {
        let Some((directory, name, owner)) = self.place(pid, place) else {
            return Ok(Reply::Continue);
        };
        let name = CString::new(name).map_err(|_| Errno::INVAL)?;
        let umask = self.resolver.umask(pid).unwrap_or(0o022);
        let mode = Mode::from_raw_mode(mode & 0o1777 & !umask);
        mkdirat(&directory, &name, mode)?;
        self.made(&directory, &name, owner)
    }

    pub(super) fn symlink(
        &mut self,
        pid: i32,
        place: &Place,
        target: &[u8],
    ) -> Result<Reply, Errno> {
        let Some((directory, name, owner)) = self.place(pid, place) else {
            return Ok(Reply::Continue);
        };
        let name = CString::new(name).map_err(|_| Errno::INVAL)?;
        symlinkat(target, &directory, &name)?;
        self.made(&directory, &name, owner)
    }

    /// Makes a fifo, a socket or an empty file.
    pub(super) fn special(&mut self, pid: i32, place: &Place, mode: u32) -> Result<Reply, Errno> {
        if self.place(pid, place).is_none() {
            return Ok(Reply::Continue);
        }
        let kind = match mode & libc::S_IFMT {
            0 => FileType::RegularFile,
            kind => FileType::from_raw_mode(kind),
        };
        match self.make(pid, place, kind, mode)? {
            Some(_) => Ok(Reply::Value(0)),
            None => Ok(Reply::Continue),
        }
    }

    fn made(
        &mut self,
        directory: &rustix::fd::OwnedFd,
        name: &CString,
        owner: (u32, u32),
    ) -> Result<Reply, Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = openat(directory, name, flags, Mode::empty())?;
        self.record_owner(&Resolver::stat(&made)?, owner);
        Ok(Reply::Value(0))
    }
}
