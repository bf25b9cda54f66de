//! The process that becomes the shell.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::fs::Mode;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{getppid, setsid, umask};

use super::Trying;
use super::world::World;
use crate::Level;
use crate::request::{Identity, Refusal};
use crate::seccomp::{self, Faked};
use crate::sys::process;
use crate::wire;

/// The number of files that a process may have open.
const MAX_FILES: u64 = 4096;
/// The number of processes that there may be beyond those that end the commands, until that is seen.
const MORE_PROCESSES: u64 = 4096;
/// The capabilities that root has in commands, as in a container of Docker's: those with which
/// owners, permissions and identities are changed, and devices made, which no mount lets open.
pub(super) const KEPT: &[u64] = &[
    0,  // chown
    1,  // dac_override
    3,  // fowner
    4,  // fsetid
    5,  // kill
    6,  // setgid
    7,  // setuid
    8,  // setpcap
    10, // net_bind_service
    18, // sys_chroot
    27, // mknod
    31, // setfcap
];

/// Messages of the child to its supervisor before it is the shell.
pub(super) const LISTENER: u8 = b'L';
pub(super) const REFUSED: u8 = b'R';
pub(super) const NO_SHELL: u8 = b'S';

/// Becomes the shell of a step. Returns only if that fails, after telling the supervisor.
pub(super) fn run(world: &World<'_>, faked: Faked, to: &UnixStream) {
    let told = match prepare(world, faked, to) {
        Ok(input) => {
            let errno = start(world, input).raw_os_error().unwrap_or(libc::EIO);
            [&[NO_SHELL], &errno.to_le_bytes()[..]].concat()
        }
        Err(refusal) => {
            let mut message = vec![REFUSED];
            let _ = wire::send(&mut message, &refusal);
            message
        }
    };
    let _ = (&mut &*to).write_all(&told);
}

/// Prepares this process. Returns what commands read from.
fn prepare(world: &World<'_>, faked: Faked, to: &UnixStream) -> Result<File, Refusal> {
    process::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as u64)
        .trying("setting the parent-death signal")?;
    // No command runs yet that this process would have to hide from, and the supervisor follows it.
    process::prctl(libc::PR_SET_DUMPABLE, 1).trying("allowing the supervisor to trace")?;
    setsid().trying("starting a session")?;
    umask(Mode::from_raw_mode(0o022));
    if world.level != Level::Record {
        process::unshare(libc::CLONE_NEWNS).trying("creating namespaces")?;
    }
    // Opened here: a tree that is the root need not have it.
    let input = File::open("/dev/null").trying("opening `/dev/null`")?;
    world.enter()?;
    process::bound(libc::RLIMIT_CORE, 0).trying("setting limits")?;
    process::bound(libc::RLIMIT_NOFILE, MAX_FILES).trying("setting limits")?;
    if world.level != Level::Record {
        // So much more than what ends the commands that they are seen before they run into this.
        let most = u64::from(world.job.max_processes) + MORE_PROCESSES;
        process::bound(libc::RLIMIT_NPROC, most).trying("setting limits")?;
    }
    process::set_mark(0, 0).trying("setting limits")?;
    // Not every place allows it, and little depends on it.
    let _ = process::fix_addresses();
    match world.step.identity {
        Identity::User => process::drop_capabilities().trying("dropping capabilities")?,
        Identity::Root if world.level != Level::Record => {
            process::keep_capabilities(KEPT).trying("dropping capabilities")?;
        }
        Identity::Root => {}
    }
    process::prctl(libc::PR_SET_NO_NEW_PRIVS, 1).trying("setting `no_new_privs`")?;
    let supervisor = getppid().map_or(1, |pid| pid.as_raw_nonzero().get());
    let listener = seccomp::install(faked, supervisor).trying("filtering system calls")?;
    send(to, &listener).trying("connecting to the supervisor")?;
    // The supervisor follows this process before it can be gone.
    let mut followed = [0];
    (&mut &*to)
        .read_exact(&mut followed)
        .trying("connecting to the supervisor")?;
    Ok(input)
}

fn send(to: &UnixStream, listener: &OwnedFd) -> io::Result<()> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [listener.as_fd()];
    control.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(
        to,
        &[IoSlice::new(&[LISTENER])],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

/// Returns the text that the shell runs before the script: to end at the first error, and to tell its line.
fn prelude(world: &World<'_>) -> String {
    let private = world.private();
    let (line, script) = (private.join("line"), private.join(&world.step.name));
    let (line, script) = (line.display(), script.display());
    let pipefail = if world.step.pipefail {
        "(set -o pipefail) 2>/dev/null && set -o pipefail\n"
    } else {
        ""
    };
    format!(
        "if [ -n \"${{BASH_VERSION:-}}\" ]; then\n\
         shopt -s inherit_errexit\nset -E\ntrap 'echo $LINENO > \"{line}\"' ERR\n\
         else\ntrap 'echo $LINENO > \"{line}\"' EXIT\nfi\n\
         {pipefail}. \"{script}\"\n"
    )
}

/// Starts the shell in the place of this process. Returns only if that fails.
fn start(world: &World<'_>, input: File) -> io::Error {
    let Some(shell) = world.shell() else {
        return io::Error::from_raw_os_error(libc::ENOENT);
    };
    let output = match io::stderr().as_fd().try_clone_to_owned() {
        Ok(output) => output,
        Err(error) => return error,
    };
    let path: Vec<PathBuf> = world.step.path.iter().map(|d| world.seen(d)).collect();
    let path = std::env::join_paths(path).unwrap_or_else(|_| OsString::new());
    let temporary = world.temporary();
    Command::new(shell)
        .args(["-e", "-c", &prelude(world)])
        .env_clear()
        .env("PATH", path)
        .envs(
            ["TMPDIR", "TMP", "TEMP", "TEMPDIR", "NIX_BUILD_TOP"]
                .map(|name| (name, temporary.as_os_str())),
        )
        .env("PWD", world.tree())
        .envs(
            world
                .step
                .environment
                .iter()
                .map(|(name, value)| (name, value)),
        )
        .stdin(Stdio::from(input))
        .stdout(Stdio::from(output))
        .exec()
}
