//! The processes that commands started: counting, reaping and ending them.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use rustix::fs::{Dir, Mode, OFlags, openat};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// All processes but the supervisor itself, whichever process started them.
pub(super) struct Processes<'a> {
    proc: &'a OwnedFd,
    /// True if there are no others than those of the commands.
    alone: bool,
}

impl<'a> Processes<'a> {
    /// Those that the process file system shows; only descendants of this process where it is not
    /// alone in its name space.
    pub(super) fn new(proc: &'a OwnedFd, alone: bool) -> Self {
        Self { proc, alone }
    }

    /// Returns their number.
    pub(super) fn count(&self) -> usize {
        self.list().len()
    }

    fn list(&self) -> Vec<i32> {
        let own = std::process::id() as i32;
        let all = self.all();
        if self.alone {
            return all
                .into_iter()
                .filter(|pid| *pid != 1 && *pid != own)
                .collect();
        }
        let parents: Vec<(i32, i32)> = all
            .iter()
            .filter_map(|pid| Some((*pid, self.parent(*pid)?)))
            .collect();
        let mut ours = vec![own];
        let mut next = 0;
        while let Some(parent) = ours.get(next).copied() {
            let children = parents.iter().filter(|(_, of)| *of == parent);
            ours.extend(children.map(|(pid, _)| *pid));
            next += 1;
        }
        ours.split_off(1)
    }

    fn all(&self) -> Vec<i32> {
        let Ok(directory) = openat(
            self.proc,
            c".",
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        ) else {
            return vec![];
        };
        let Ok(entries) = Dir::new(directory) else {
            return vec![];
        };
        let number = |name: &CStr| name.to_str().ok()?.parse().ok();
        entries
            .filter_map(|entry| number(entry.ok()?.file_name()))
            .collect()
    }

    fn parent(&self, pid: i32) -> Option<i32> {
        self.told(pid, 1)?.parse().ok()
    }

    /// Returns whether a process could make others.
    fn is_moving(&self, pid: i32) -> bool {
        let state = self.told(pid, 0);
        state.is_some_and(|state| !matches!(&*state, "T" | "t" | "Z" | "X"))
    }

    /// One of the words that follow the name of a process: its state, its parent.
    fn told(&self, pid: i32, word: usize) -> Option<String> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = openat(self.proc, format!("{pid}/stat"), flags, Mode::empty()).ok()?;
        let text = std::io::read_to_string(std::fs::File::from(file)).ok()?;
        // The name stands in brackets, and may hold anything.
        let (_, rest) = text.rsplit_once(')')?;
        rest.split_whitespace().nth(word).map(str::to_owned)
    }

    /// Lets them all stand still, so that none makes others faster than they are ended. The first
    /// process of a name space ends with it what it does not end itself.
    fn halt(&self) {
        if self.alone {
            return;
        }
        for _ in 0..1000 {
            let moving = self.list();
            let moving = moving.into_iter().filter(|pid| self.is_moving(*pid));
            let stopped = moving.filter_map(Pid::from_raw).map(|pid| {
                let _ = kill_process(pid, Signal::STOP);
            });
            if stopped.count() == 0 {
                return;
            }
            reap(None);
        }
    }

    /// Ends them all, and what they start meanwhile.
    pub(super) fn end(&self) {
        let before = sched_getaffinity(None);
        if !self.alone {
            // Faster than those that make others on the one processor that they have.
            any_processor();
        }
        self.end_all();
        // What is started next has one again.
        if let Ok(before) = before {
            let _ = sched_setaffinity(None, &before);
        }
    }

    fn end_all(&self) {
        self.halt();
        for _ in 0..1000 {
            let list = self.list();
            for pid in &list {
                if let Some(pid) = Pid::from_raw(*pid) {
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
            reap(None);
            if list.is_empty() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}

/// Lets this process run on all processors of the machine.
fn any_processor() {
    let mut all = CpuSet::new();
    (0..CpuSet::MAX_CPU).for_each(|cpu| all.set(cpu));
    let _ = sched_setaffinity(None, &all);
}

/// Buries those that are dead. Returns how `main` ended, if it is among them.
pub(super) fn reap(main: Option<i32>) -> Option<WaitStatus> {
    let mut ended = None;
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if Some(pid.as_raw_nonzero().get()) == main {
            ended = Some(status);
        }
    }
    ended
}
