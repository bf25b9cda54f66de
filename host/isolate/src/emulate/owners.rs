//! Changing owners: chown and its kin.

use std::ffi::CString;
use std::os::fd::AsRawFd;

use rustix::fs::{AtFlags, Mode, chmodat, removexattr};
use rustix::io::Errno;

use super::look::FileState;
use super::modes::is_special;
use super::records::Key;
use super::resolve::{Found, Target};
use super::{Emulator, Ids, Reply};

impl Emulator {
    pub(super) fn own(
        &mut self,
        pid: i32,
        file: &Target,
        uid: Option<u32>,
        gid: Option<u32>,
    ) -> Result<Reply, Errno> {
        let Some(found) = self.resolver.look(pid, file) else {
            return Ok(Reply::Continue);
        };
        if self.is_read_only(&found) {
            // The kernel would say that the ids are wrong where the place is.
            return Err(Errno::ROFS);
        }
        let state = self.state(&found);
        if self.faked.ids && !may(self.who(pid), &state, uid, gid) {
            return Err(Errno::PERM);
        }
        let key = Key::of(&found);
        if self.grants(uid, gid) {
            // An owner that was recorded before, of which one half stays, stays recorded.
            let kept = self.records.get(&key).and_then(|record| record.owner);
            if kept.is_none() || (uid.is_some() && gid.is_some()) {
                self.records.change_known(&key, |record| {
                    record.owner = None;
                    record.mode = record.mode.map(without_special).filter(|m| is_special(*m));
                });
                return Ok(Reply::Continue);
            }
        }
        if !self.faked.ids && !self.is_privileged(pid) {
            return Err(Errno::PERM);
        }
        let owner = (uid.unwrap_or(state.uid), gid.unwrap_or(state.gid));
        self.lose_privileges(pid, file, &state, key)?;
        // The owner that it seems to have anyway need not be that of its record: in a step of a
        // user without rights all is root's in the end.
        if owner != (state.uid, state.gid) {
            self.record_at(pid, file, &found, |record| record.owner = Some(owner));
        }
        Ok(Reply::Value(0))
    }

    /// Takes away what the kernel takes away from a file that gets another owner.
    fn lose_privileges(
        &mut self,
        pid: i32,
        file: &Target,
        state: &FileState,
        key: Key,
    ) -> Result<(), Errno> {
        let mode = without_special(state.mode & 0o7777);
        let has_special = mode != state.mode & 0o7777;
        if state.mode & libc::S_IFMT != libc::S_IFREG || !(has_special || self.has_capabilities) {
            return Ok(());
        }
        let Some(Found { fd, stat: found }) = self.resolver.open(pid, file) else {
            return Ok(());
        };
        // Another one that has come there meanwhile keeps what it has.
        if Key::of(&found) != key {
            return Ok(());
        }
        // Through the link of the process file system: descriptors of places take no changes.
        let link = CString::new(format!("self/fd/{}", fd.as_raw_fd())).map_err(|_| Errno::INVAL)?;
        if has_special {
            if self
                .records
                .get(&key)
                .is_some_and(|record| record.mode.is_some())
            {
                self.records.change(key, |record| record.mode = Some(mode));
            } else {
                let mode = Mode::from_raw_mode(mode);
                chmodat(self.resolver.proc(), &link, mode, AtFlags::empty())?;
            }
        }
        self.records.change(key, |record| record.capability = None);
        let path = self.resolver.link(&fd)?;
        // There is rarely one, and where there is none that is no error.
        let _ = removexattr(path, c"security.capability");
        Ok(())
    }
}

/// The permissions of a file that gets another owner.
fn without_special(mode: u32) -> u32 {
    let mode = mode & !libc::S_ISUID;
    if mode & libc::S_IXGRP != 0 {
        mode & !libc::S_ISGID
    } else {
        mode
    }
}

/// Returns whether the kernel would let a process change an owner.
fn may(who: &Ids, state: &FileState, uid: Option<u32>, gid: Option<u32>) -> bool {
    if who.is_root() {
        return true;
    }
    let owns = who.fsuid == state.uid;
    let same = uid.is_none_or(|uid| uid == state.uid);
    let group = gid.is_none_or(|gid| gid == state.gid || who.is_in(gid));
    owns && same && group
}
