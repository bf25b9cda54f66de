//! The identity of processes: set*id and get*id, by the rules of Linux for a process that has all
//! capabilities as long as its effective user is root.

use rustix::io::Errno;

use super::{Emulator, Reply};
use crate::sys::memory::{read_exact, write};
use crate::sys::seccomp::Question;

/// The number of groups that a process may have.
const MAX_GROUPS: u64 = 65536;

/// The ids of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ids {
    uid: u32,
    euid: u32,
    suid: u32,
    pub(crate) fsuid: u32,
    gid: u32,
    egid: u32,
    sgid: u32,
    pub(crate) fsgid: u32,
    groups: Vec<u32>,
    /// True if it asked to keep its capabilities when it becomes a user.
    keeps: bool,
    /// True if it is a user that kept them.
    kept: bool,
}

/// An id as a call has it: the highest number leaves what is.
fn given(argument: u64) -> Option<u32> {
    (argument as u32 != u32::MAX).then_some(argument as u32)
}

impl Ids {
    /// Of root.
    pub(crate) fn root() -> Self {
        Self::of(0, 0)
    }

    /// Of a user and a group.
    pub(crate) fn of(uid: u32, gid: u32) -> Self {
        Self {
            uid,
            euid: uid,
            suid: uid,
            fsuid: uid,
            gid,
            egid: gid,
            sgid: gid,
            fsgid: gid,
            groups: vec![],
            keeps: false,
            kept: false,
        }
    }

    /// Returns whether it has the rights of root.
    pub(crate) fn is_root(&self) -> bool {
        self.euid == 0 || self.kept
    }

    /// Returns whether a user of it is root's.
    fn has_root(&self) -> bool {
        [self.uid, self.euid, self.suid].contains(&0)
    }

    /// Is another program: of capabilities, only those of root stay.
    fn start(&mut self) {
        (self.keeps, self.kept) = (false, false);
    }

    /// Returns whether it is in a group.
    pub(crate) fn is_in(&self, gid: u32) -> bool {
        self.fsgid == gid || self.groups.contains(&gid)
    }

    fn is_user(&self, id: u32) -> bool {
        [self.uid, self.euid, self.suid].contains(&id)
    }

    fn is_group(&self, id: u32) -> bool {
        [self.gid, self.egid, self.sgid].contains(&id)
    }

    fn set_user(&mut self, id: Option<u32>) -> Result<(), Errno> {
        let id = id.ok_or(Errno::INVAL)?;
        if self.is_root() {
            (self.uid, self.suid) = (id, id);
        } else if id != self.uid && id != self.suid {
            return Err(Errno::PERM);
        }
        (self.euid, self.fsuid) = (id, id);
        Ok(())
    }

    fn set_group(&mut self, id: Option<u32>) -> Result<(), Errno> {
        let id = id.ok_or(Errno::INVAL)?;
        if self.is_root() {
            (self.gid, self.sgid) = (id, id);
        } else if id != self.gid && id != self.sgid {
            return Err(Errno::PERM);
        }
        (self.egid, self.fsgid) = (id, id);
        Ok(())
    }

    fn set_users(&mut self, real: Option<u32>, effective: Option<u32>) -> Result<(), Errno> {
        if !self.is_root() {
            let allowed = real.is_none_or(|id| id == self.uid || id == self.euid)
                && effective.is_none_or(|id| self.is_user(id));
            if !allowed {
                return Err(Errno::PERM);
            }
        }
        let before = self.uid;
        self.uid = real.unwrap_or(self.uid);
        self.euid = effective.unwrap_or(self.euid);
        if real.is_some() || effective.is_some_and(|id| id != before) {
            self.suid = self.euid;
        }
        self.fsuid = self.euid;
        Ok(())
    }

    fn set_real_groups(&mut self, real: Option<u32>, effective: Option<u32>) -> Result<(), Errno> {
        if !self.is_root() {
            let allowed = real.is_none_or(|id| id == self.gid || id == self.egid)
                && effective.is_none_or(|id| self.is_group(id));
            if !allowed {
                return Err(Errno::PERM);
            }
        }
        let before = self.gid;
        self.gid = real.unwrap_or(self.gid);
        self.egid = effective.unwrap_or(self.egid);
        if real.is_some() || effective.is_some_and(|id| id != before) {
            self.sgid = self.egid;
        }
        self.fsgid = self.egid;
        Ok(())
    }

    fn set_all_users(&mut self, ids: [Option<u32>; 3]) -> Result<(), Errno> {
        if !self.is_root() && !ids.into_iter().flatten().all(|id| self.is_user(id)) {
            return Err(Errno::PERM);
        }
        let [real, effective, saved] = ids;
        self.uid = real.unwrap_or(self.uid);
        self.euid = effective.unwrap_or(self.euid);
        self.suid = saved.unwrap_or(self.suid);
        self.fsuid = self.euid;
        Ok(())
    }

    fn set_all_groups(&mut self, ids: [Option<u32>; 3]) -> Result<(), Errno> {
        if !self.is_root() && !ids.into_iter().flatten().all(|id| self.is_group(id)) {
            return Err(Errno::PERM);
        }
        let [real, effective, saved] = ids;
        self.gid = real.unwrap_or(self.gid);
        self.egid = effective.unwrap_or(self.egid);
        self.sgid = saved.unwrap_or(self.sgid);
        self.fsgid = self.egid;
        Ok(())
    }

    /// Sets the user for files, and returns the one before.
    fn set_file_user(&mut self, id: Option<u32>) -> u32 {
        let before = self.fsuid;
        if let Some(id) = id
            && (self.is_root() || self.is_user(id) || id == before)
        {
            self.fsuid = id;
        }
        before
    }

    fn set_file_group(&mut self, id: Option<u32>) -> u32 {
        let before = self.fsgid;
        if let Some(id) = id
            && (self.is_root() || self.is_group(id) || id == before)
        {
            self.fsgid = id;
        }
        before
    }
}

impl Emulator {
    /// Answers a call that asks who the caller is, or that makes it somebody else.
    pub(super) fn identity(&mut self, question: &Question) -> Result<Reply, Errno> {
        let Question {
            pid,
            call,
            arguments: [a, b, c, ..],
            ..
        } = *question;
        let who = self.who(pid).clone();
        let value = |id: u32| Ok(Reply::Value(id.into()));
        match call {
            libc::SYS_getuid => return value(who.uid),
            libc::SYS_geteuid => return value(who.euid),
            libc::SYS_getgid => return value(who.gid),
            libc::SYS_getegid => return value(who.egid),
            libc::SYS_getresuid => return tell(pid, [a, b, c], [who.uid, who.euid, who.suid]),
            libc::SYS_getresgid => return tell(pid, [a, b, c], [who.gid, who.egid, who.sgid]),
            libc::SYS_getgroups => return groups(pid, a, b, &who.groups),
            _ => {}
        }
        let was = who.clone();
        let mut new = who;
        let mut value = 0;
        match call {
            libc::SYS_setuid => new.set_user(given(a))?,
            libc::SYS_setgid => new.set_group(given(a))?,
            libc::SYS_setreuid => new.set_users(given(a), given(b))?,
            libc::SYS_setregid => new.set_real_groups(given(a), given(b))?,
            libc::SYS_setresuid => new.set_all_users([a, b, c].map(given))?,
            libc::SYS_setresgid => new.set_all_groups([a, b, c].map(given))?,
            libc::SYS_setfsuid => value = new.set_file_user(given(a)),
            libc::SYS_setfsgid => value = new.set_file_group(given(a)),
            libc::SYS_prctl => new.keeps = b != 0,
            libc::SYS_execve | libc::SYS_execveat => new.start(),
            libc::SYS_setgroups => {
                if !new.is_root() {
                    return Err(Errno::PERM);
                }
                new.groups = read_groups(pid, a, b)?;
            }
            _ => return Ok(Reply::Continue),
        }
        if was.has_root() && !new.has_root() {
            new.kept = was.keeps;
        }
        if new != was {
            self.become_other(pid, new)?;
        }
        // What is no change of ids the kernel does, too.
        match call {
            libc::SYS_prctl | libc::SYS_execve | libc::SYS_execveat => Ok(Reply::Continue),
            _ => Ok(Reply::Value(value.into())),
        }
    }
}

fn tell(pid: i32, addresses: [u64; 3], ids: [u32; 3]) -> Result<Reply, Errno> {
    for (address, id) in addresses.into_iter().zip(ids) {
        write(pid, address, &id.to_ne_bytes())?;
    }
    Ok(Reply::Value(0))
}

fn groups(pid: i32, room: u64, address: u64, groups: &[u32]) -> Result<Reply, Errno> {
    let count = groups.len() as u64;
    let room = u64::from(room as u32);
    if room != 0 {
        if room < count {
            return Err(Errno::INVAL);
        }
        let bytes: Vec<u8> = groups.iter().flat_map(|id| id.to_ne_bytes()).collect();
        if !bytes.is_empty() {
            write(pid, address, &bytes)?;
        }
    }
    Ok(Reply::Value(count as i64))
}

fn read_groups(pid: i32, count: u64, address: u64) -> Result<Vec<u32>, Errno> {
    // What a caller has in the upper half of a register is nothing to the kernel.
    let count = u64::from(count as u32);
    if count > MAX_GROUPS {
        return Err(Errno::INVAL);
    }
    let mut bytes = vec![0; 4 * count as usize];
    if !bytes.is_empty() {
        read_exact(pid, address, &mut bytes)?;
    }
    let ids = bytes.chunks_exact(4);
    let mut groups: Vec<u32> = ids
        .map(|id| u32::from_ne_bytes(id.try_into().unwrap_or_default()))
        .collect();
    groups.sort_unstable();
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_becomes_a_user_for_good() {
        let mut ids = Ids::root();
        ids.set_group(Some(5)).unwrap();
        ids.set_user(Some(7)).unwrap();
        assert_eq!(ids, Ids::of(7, 5));
        assert_eq!(ids.set_user(Some(0)), Err(Errno::PERM));
        assert_eq!(ids.set_group(Some(0)), Err(Errno::PERM));
        assert_eq!(ids.set_user(None), Err(Errno::INVAL));
    }

    #[test]
    fn rights_that_are_kept_end_with_the_program() {
        let mut ids = Ids::of(7, 5);
        ids.kept = true;
        ids.set_all_groups([Some(1), Some(1), Some(1)]).unwrap();
        assert!(ids.is_root() && !ids.has_root());
        ids.start();
        assert_eq!(ids.set_user(Some(0)), Err(Errno::PERM));
    }

    #[test]
    fn a_user_for_a_while_comes_back() {
        let mut ids = Ids::root();
        ids.set_all_users([None, Some(7), None]).unwrap();
        assert!(!ids.is_root());
        assert_eq!((ids.fsuid, ids.uid, ids.suid), (7, 0, 0));
        ids.set_users(None, Some(0)).unwrap();
        assert!(ids.is_root());
        ids.set_users(Some(7), Some(7)).unwrap();
        assert_eq!(ids.set_all_users([None, Some(0), None]), Err(Errno::PERM));
    }

    #[test]
    fn the_user_for_files_is_returned_as_it_was() {
        let mut ids = Ids::root();
        assert_eq!(ids.set_file_user(Some(7)), 0);
        assert_eq!(ids.set_file_user(None), 7);
        let mut ids = Ids::of(7, 5);
        assert_eq!(ids.set_file_group(Some(9)), 5);
        assert_eq!(ids.fsgid, 5);
    }
}
