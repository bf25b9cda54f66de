//! The helper outside of the name spaces: it makes them, and waits.

use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, umask, waitpid};

use super::child::KEPT;
use super::supervisor::{self, Started};
use super::{Trying, ids};
use crate::Level;
use crate::emulate::Granted;
use crate::request::{Answer, Refusal, Request};
use crate::sys::process::{self, Fork};
use crate::wire;

/// The name spaces of the supervisor, beside that of users.
const SPACES: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

/// The capabilities that the supervisor needs beside those of root in commands.
const SUPERVISOR: &[u64] = &[
    12, // net_admin
    19, // sys_ptrace
    21, // sys_admin
];

/// Reads the request, and answers it or has it answered.
pub(super) fn main() -> io::Result<()> {
    let request: Request = wire::receive(io::stdin().lock())?;
    umask(Mode::empty());
    let answered = process::close_on_exec()
        .trying("closing files")
        .and_then(|()| match request.level {
            Level::Record => supervise(&request, Granted::default()),
            _ => isolate(&request),
        });
    match answered {
        Ok(()) => Ok(()),
        Err(refusal) => wire::send(io::stdout().lock(), &Answer::Refused(refusal)),
    }
}

/// Is the supervisor, here.
fn supervise(request: &Request, granted: Granted) -> Result<(), Refusal> {
    let answer = supervisor::run(&Started {
        level: request.level,
        job: &request.job,
        granted,
    });
    wire::send(io::stdout().lock(), &answer).trying("answering")
}

/// Starts the supervisor in name spaces of its own, and waits for it.
fn isolate(request: &Request) -> Result<(), Refusal> {
    let (here, there) = UnixStream::pair().trying("making sockets")?;
    let everything =
        (request.level == Level::Real && is_true_root(&request.job.work)).then(ids::everything);
    let spaces = match everything {
        Some(_) => SPACES,
        None => SPACES | libc::CLONE_NEWUSER,
    };
    match process::fork(spaces).trying("creating namespaces")? {
        Fork::Child => {
            drop(here);
            let run = || {
                // Ends with the process that waits for it.
                process::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as u64)
                    .trying("setting the parent-death signal")?;
                match wire::receive::<Option<Granted>>(&there) {
                    Ok(Some(granted)) => supervise(request, granted),
                    // The process that would have sent it has answered already.
                    _ => Ok(()),
                }
            };
            if let Err(refusal) = run() {
                wire::send(io::stdout().lock(), &Answer::Refused(refusal)).trying("answering")?;
            }
            Ok(())
        }
        Fork::Parent(pid) => {
            drop(there);
            let mapped = everything.map_or_else(|| ids::map(pid, request.level), Ok);
            let sent = wire::send(&here, &mapped.as_ref().ok());
            if mapped.is_err() || sent.is_err() {
                end(pid);
            }
            wait(pid);
            mapped.map(drop)
        }
    }
}

/// Returns whether this process has all rights that root has on a machine: then the kernel itself
/// does what commands ask for. A folder to make a device in tells.
fn is_true_root(folder: &Path) -> bool {
    let probe = folder.join("probe");
    let null = makedev(1, 3);
    let makes_devices = || {
        let made = mknodat(CWD, &probe, FileType::CharacterDevice, Mode::empty(), null);
        made.is_ok() && fs::remove_file(&probe).is_ok()
    };
    let all = SUPERVISOR.iter().chain(KEPT);
    let needed = all.fold(0, |needed, number| needed | 1 << number);
    ids::is_every()
        && process::capabilities().is_ok_and(|held| held & needed == needed)
        && makes_devices()
}

fn end(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn wait(pid: i32) {
    let pid = Pid::from_raw(pid);
    while let Err(Errno::INTR) = waitpid(pid, WaitOptions::empty()) {}
}
