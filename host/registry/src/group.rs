//! Groups of processes that end with the program they were made for.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// The groups that there are at the moment.
static GROUPS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());
/// The number of looks at a killed process before a thread is left to wait for it.
const LOOKS: u32 = 100;
/// The time between two such looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Ends the credential helpers that run, with all that they started. For a process that is about
/// to end by a signal: after this no helper starts, and no thread that waits for one goes on.
///
/// Helpers are in groups of their own, so a terminal does not interrupt them.
pub fn end_helpers() {
    let groups = lock();
    groups.iter().copied().for_each(kill);
    // Held to the end, so that nobody tells of a helper that was killed.
    std::mem::forget(groups);
}

/// The state of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It runs.
    Running,
    /// It has ended. Others of its group may run.
    Ended,
    /// The system stopped it, because a group in the background may not use the terminal.
    Stopped,
}

/// A program in a group of its own. All of the group is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Group {
    child: Child,
    /// The program, and its group.
    pid: Pid,
    /// True once it was killed.
    is_over: bool,
}

impl Group {
    /// Starts a program.
    pub(super) fn start(command: &mut Command) -> io::Result<Self> {
        // Held while it starts, so that none is missed at a signal.
        let mut groups = lock();
        let child = command.process_group(0).spawn()?;
        let pid = Pid::from_child(&child);
        groups.push(pid);
        Ok(Self {
            child,
            pid,
            is_over: false,
        })
    }

    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Looks at the program, and leaves it to be waited for: until then nobody else has its number.
    pub(super) fn state(&self) -> io::Result<State> {
        let options = WaitIdOptions::EXITED
            | WaitIdOptions::STOPPED
            | WaitIdOptions::NOHANG
            | WaitIdOptions::NOWAIT;
        let status = match waitid(WaitId::Pid(self.pid), options) {
            Ok(Some(status)) => status,
            Ok(None) | Err(Errno::INTR) => return Ok(State::Running),
            Err(error) => return Err(error.into()),
        };
        Ok(match status.stopping_signal() {
            None => State::Ended,
            Some(signal) if is_for_the_terminal(signal) => State::Stopped,
            Some(_) => State::Running,
        })
    }

    /// Kills all of the group, and says how the program ended, which it must have done.
    pub(super) fn end(mut self) -> io::Result<ExitStatus> {
        self.kill();
        self.child.wait()
    }

    fn kill(&mut self) {
        if !self.is_over {
            self.is_over = true;
            let mut groups = lock();
            kill(self.pid);
            groups.retain(|pid| *pid != self.pid);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        for _ in 0..LOOKS {
            match self.child.try_wait() {
                Ok(None) => thread::sleep(PAUSE),
                _ => return,
            }
        }
        // One that waits for a disk ends when that answers.
        let pid = self.pid;
        thread::spawn(move || waitid(WaitId::Pid(pid), WaitIdOptions::EXITED));
    }
}

/// Kills a group. One that is gone, or another user's by now, is left alone.
fn kill(pid: Pid) {
    let _ = kill_process_group(pid, Signal::KILL);
}

fn is_for_the_terminal(signal: i32) -> bool {
    [Signal::TTIN, Signal::TTOU]
        .iter()
        .any(|stop| stop.as_raw() == signal)
}

/// The groups. None starts while they are held.
pub(super) fn lock() -> MutexGuard<'static, Vec<Pid>> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}
