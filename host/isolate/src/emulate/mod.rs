//! An illusion of all that the kernel does not grant, recorded and shown again: owners, devices, identities.
//!
//! The supervisor is asked about system calls (`seccomp`), looks at what they mean, and answers:
//! the kernel shall do it, or it is done, or it fails. It is an illusion for commands that mean
//! well, and no wall: a command could change a path between question and answer. What keeps
//! commands in are the name spaces.

mod clock;
mod create;
mod ids;
mod look;
mod modes;
mod nodes;
mod owners;
mod records;
mod resolve;
mod wanted;
mod young;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

pub(crate) use ids::Ids;
pub(crate) use modes::is_special;
pub(crate) use nodes::STAND_IN;
pub(crate) use records::{Device, Key, Record, Records};
use resolve::{Resolver, Target};
pub(crate) use wanted::MAKES;
use wanted::Wanted;
use young::Young;

use crate::seccomp::Faked;
use crate::sys::memory::{read_exact, write};
use crate::sys::process;
use crate::sys::seccomp::{self, Question};

/// The answer to a call, in the place of the kernel's.
pub(crate) enum Reply {
    /// The kernel does it.
    Continue,
    /// It returns this.
    Value(i64),
    /// It returns a descriptor for this file, with these flags.
    File(OwnedFd, u32),
}

/// The rights that the kernel grants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Granted {
    /// The ids that it takes for owners, as ranges from the first to the last.
    pub(crate) ids: Vec<(u32, u32)>,
    /// True if it makes devices, and keeps the permissions of what root writes to, because this is
    /// root outside of any user name space.
    pub(crate) devices: bool,
}

/// The supervisor's knowledge.
pub(crate) struct Emulator {
    pub(crate) records: Records,
    pub(crate) faked: Faked,
    /// The rights that the kernel grants in this step; none in a step of a user without rights.
    pub(crate) granted: Granted,
    /// True if a program may have capabilities.
    pub(crate) has_capabilities: bool,
    /// The owner of files without a record, where owners are not the kernel's.
    pub(crate) default_owner: (u32, u32),
    /// The mounts where owners are the kernel's or recorded. What lies elsewhere is root's.
    pub(crate) own_mounts: Vec<u64>,
    /// Those of the base image's store paths, whose owners are shown and cannot be changed.
    pub(crate) base_mounts: Vec<u64>,
    ids: Vec<Ids>,
    resolver: Resolver,
    young: Young,
}

impl Emulator {
    pub(crate) fn new(proc: OwnedFd, faked: Faked) -> Self {
        Self {
            records: Records::default(),
            faked,
            granted: Granted::default(),
            has_capabilities: false,
            default_owner: (0, 0),
            own_mounts: vec![],
            base_mounts: vec![],
            ids: vec![Ids::root()],
            resolver: Resolver::new(proc),
            young: Young::default(),
        }
    }

    /// Begins a step in which processes are this at first. The root of its processes is the one
    /// that this process has now.
    pub(crate) fn begin(&mut self, first: Ids) -> Result<(), Errno> {
        self.default_owner = (first.fsuid, first.fsgid);
        self.ids = vec![first];
        self.resolver.begin()
    }

    /// Answers the next question that waits.
    pub(crate) fn serve(&mut self, listener: BorrowedFd<'_>) -> Result<(), Errno> {
        let question = match seccomp::next(listener) {
            // The process that asked is dead.
            Err(Errno::NOENT | Errno::INTR | Errno::AGAIN) => return Ok(()),
            question => question?,
        };
        let reply = self.reply(listener, &question);
        let sent = match reply {
            Ok(Reply::Continue) => seccomp::answer(listener, &question, Ok(None)),
            Ok(Reply::Value(value)) => seccomp::answer(listener, &question, Ok(Some(value))),
            Ok(Reply::File(file, flags)) => {
                match seccomp::give(listener, &question, file.as_fd(), flags) {
                    Ok(number) => seccomp::answer(listener, &question, Ok(Some(number))),
                    Err(errno) => seccomp::answer(listener, &question, Err(errno)),
                }
            }
            Err(errno) => seccomp::answer(listener, &question, Err(errno)),
        };
        match sent {
            Err(Errno::NOENT) => Ok(()),
            sent => sent,
        }
    }

    /// Changes the record of an open file.
    fn record(&mut self, file: &impl AsFd, found: &libc::statx, change: impl FnOnce(&mut Record)) {
        let open = || self.resolver.reopen(file);
        self.young.keep(found, open);
        self.records.change(Key::of(found), change);
    }

    /// Changes the record of a file that was looked at.
    fn record_at(
        &mut self,
        pid: i32,
        file: &Target,
        found: &libc::statx,
        change: impl FnOnce(&mut Record),
    ) {
        let key = Key::of(found);
        let mut is_gone = false;
        let open = || {
            let opened = self.resolver.open(pid, file);
            let same = opened.filter(|opened| Key::of(&opened.stat) == key);
            // What cannot be opened for another reason is there all the same.
            is_gone = same.is_none()
                && self.resolver.look(pid, file).map(|now| Key::of(&now)) != Some(key);
            same.map(|found| found.fd)
        };
        self.young.keep(found, open);
        if !is_gone {
            self.records.change(key, change);
        }
    }

    /// Lets go of files that are kept open only for a moment. Returns whether there are more of them.
    pub(crate) fn release(&mut self) -> bool {
        self.young.release();
        !self.young.is_empty()
    }

    fn reply(&mut self, listener: BorrowedFd<'_>, question: &Question) -> Result<Reply, Errno> {
        let wanted = match Wanted::of(question) {
            // A process that keeps its memory to itself does without.
            Ok(None) | Err(Errno::PERM | Errno::SRCH) => return Ok(Reply::Continue),
            Ok(Some(wanted)) => wanted,
            Err(errno) => return Err(errno),
        };
        // From here on what was read is of the thread that asked, and of no other.
        if !seccomp::still_waits(listener, question) {
            return Ok(Reply::Continue);
        }
        let pid = question.pid;
        match wanted {
            Wanted::Look { file, into } => self.look(pid, &file, into),
            Wanted::Own { file, uid, gid } => self.own(pid, &file, uid, gid),
            Wanted::Node { at, mode, device } => self.node(pid, &at, mode, device),
            Wanted::Open { at, flags, mode } => self.open(pid, &at, flags, mode),
            Wanted::Directory { at, mode } => self.directory(pid, &at, mode),
            Wanted::Symlink { at, target } => self.symlink(pid, &at, &target),
            Wanted::Mode { file, mode } => self.mode(pid, &file, mode),
            Wanted::Attribute(attribute) => self.attribute(pid, &attribute),
            Wanted::Signal(address) => {
                restart_calls(pid, address);
                Ok(Reply::Continue)
            }
            Wanted::Root => {
                self.resolver.roots_differ();
                Ok(Reply::Continue)
            }
            Wanted::Identity => self.identity(question),
        }
    }

    /// Returns the ids of a process.
    fn who(&self, pid: i32) -> &Ids {
        // As long as none became another one, all are the first.
        if self.ids.len() == 1 {
            return &self.ids[0];
        }
        let mark = process::mark(pid).unwrap_or_default();
        usize::try_from(mark)
            .ok()
            .and_then(|mark| self.ids.get(mark))
            .unwrap_or(&self.ids[0])
    }

    /// Returns whether a process may do what root may.
    fn is_privileged(&self, pid: i32) -> bool {
        if self.faked.ids {
            self.who(pid).is_root()
        } else {
            // Where ids are the kernel's, so are capabilities.
            self.resolver.may_chown(pid)
        }
    }

    /// Makes a process somebody else.
    fn become_other(&mut self, pid: i32, ids: Ids) -> Result<(), Errno> {
        let mark = match self.ids.iter().position(|known| *known == ids) {
            Some(mark) => mark,
            None => {
                self.ids.push(ids);
                self.ids.len() - 1
            }
        };
        process::set_mark(pid, mark as u64)
    }

    /// Returns whether a file lies where owners are another machine's, and shown as root's.
    pub(crate) fn is_foreign(&self, found: &libc::statx) -> bool {
        let mount = found.stx_mnt_id;
        !self.own_mounts.is_empty()
            && !self.own_mounts.contains(&mount)
            && !self.base_mounts.contains(&mount)
    }

    /// Returns whether a file lies where nothing can be changed.
    pub(crate) fn is_read_only(&self, found: &libc::statx) -> bool {
        !self.own_mounts.is_empty() && !self.own_mounts.contains(&found.stx_mnt_id)
    }

    /// Returns whether the kernel takes these ids for owners.
    fn grants(&self, uid: Option<u32>, gid: Option<u32>) -> bool {
        let within = |id: u32| {
            let mut ranges = self.granted.ids.iter();
            ranges.any(|(first, last)| (*first..=*last).contains(&id))
        };
        uid.is_none_or(within) && gid.is_none_or(within)
    }
}

/// Lets system calls that a signal interrupts go on afterwards, in the structure that a process gives
/// for handling it.
///
/// A call about which a question is asked can be interrupted until the supervisor has read the
/// question, and fail where it never fails by itself: a shell would not expect that of open(2)
/// because a job in the background has ended.
fn restart_calls(pid: i32, address: u64) {
    /// The handlers that are none.
    const NONE: [u64; 2] = [libc::SIG_DFL as u64, libc::SIG_IGN as u64];
    let mut action = [0; 16];
    if address == 0 || read_exact(pid, address, &mut action).is_err() {
        return;
    }
    let word = |at: usize| {
        let bytes: [u8; 8] = action[at..at + 8].try_into().unwrap_or_default();
        u64::from_ne_bytes(bytes)
    };
    let (handler, flags) = (word(0), word(8));
    let restart = libc::SA_RESTART as u64;
    if !NONE.contains(&handler) && flags & restart == 0 {
        // What cannot be written to stays as it is.
        let _ = write(pid, address + 8, &(flags | restart).to_ne_bytes());
    }
}

impl Emulator {
    /// Returns whether the kernel takes these for the owner of a file now.
    pub(crate) fn takes(&self, (uid, gid): (u32, u32)) -> bool {
        !self.granted.ids.is_empty() && self.grants(Some(uid), Some(gid))
    }
}
