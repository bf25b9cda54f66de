//! Errors of commands.

use std::borrow::Cow;
use std::io;

use terrine_support::hint::Hint;

use crate::request::{Ending, Failure};
use crate::{Level, output::Tail};

/// The step that fails where the root of commands cannot be the tree.
pub(crate) const CHANGING_ROOT: &str = "changing the root";

/// The ways round commands on a system that cannot run them.
const NEEDS_LINUX: &str = "build this image on Linux, such as in a virtual machine, or replace the commands by `files` and `permissions`";

/// Commands that could not run, or that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The helper process could not be started, or ended without an answer.
    #[error("cannot run commands in a separate process")]
    Helper(#[source] io::Error),
    /// The base image could not be read while it was unpacked.
    #[error("cannot unpack the base image for commands")]
    Base(#[source] io::Error),
    /// This system is not Linux, which alone has what isolates commands.
    #[error("commands at the root run on Linux only")]
    NoLinux,
    /// No level works on this machine.
    #[error("commands cannot be isolated on this machine: {}", listed(tried))]
    NoLevel {
        /// The levels, each with the step that failed and the error of the system.
        tried: Vec<(Level, String, i32)>,
        /// True if the level was asked for.
        is_given: bool,
    },
    /// A step failed.
    #[error("`{}` failed: {}{}{}", failure.step, ended(failure.ending), at(failure.line), said(tail))]
    Failed {
        /// The step, and its end.
        failure: Failure,
        /// The last lines that commands printed.
        tail: Tail,
        /// The level at which they ran.
        level: Level,
    },
    /// Something other than the commands went wrong.
    #[error("commands cannot continue: {action}")]
    Broken {
        /// The step that failed.
        action: String,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
}

fn listed(tried: &[(Level, String, i32)]) -> String {
    let one = |(level, action, errno): &(Level, String, i32)| {
        let error = io::Error::from_raw_os_error(*errno);
        format!("level `{level}`: {action}: {error}")
    };
    tried.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn ended(ending: Ending) -> String {
    match ending {
        Ending::Exit(code) => format!("exit status {code}"),
        Ending::Signal(signal) => format!("ended by signal {signal}"),
        Ending::Time(seconds) => format!("it took longer than {seconds} s"),
        Ending::Processes(most) => format!("it had more than {most} processes at once"),
        Ending::NoShell(errno) => {
            let error = io::Error::from_raw_os_error(errno);
            format!("its shell cannot be started: {error}")
        }
    }
}

fn at(line: Option<u32>) -> String {
    line.map_or_else(String::new, |line| format!(" at line {line}"))
}

fn said(tail: &Tail) -> String {
    let text = tail.text();
    if text.is_empty() {
        String::new()
    } else {
        format!("\n{text}")
    }
}

impl Hint for Error {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::NoLinux => Some(NEEDS_LINUX.into()),
            Self::NoLevel { tried, is_given } => Some(way_out(tried, *is_given)),
            Self::Failed {
                failure,
                tail,
                level,
            } => remedy(failure, tail, *level),
            Self::Broken { source, .. } if source.raw_os_error() == Some(libc::ENOSPC) => Some(
                "make room where the cache is, or set `XDG_CACHE_HOME` to another folder".into(),
            ),
            _ => None,
        }
    }
}

fn way_out(tried: &[(Level, String, i32)], is_given: bool) -> Cow<'static, str> {
    let is_refused = tried.iter().any(|(level, _, errno)| {
        *level != Level::Record && matches!(*errno, libc::EPERM | libc::EACCES)
    });
    let restricted = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
    if is_refused && std::fs::read_to_string(restricted).is_ok_and(|text| text.trim() == "1") {
        return "this system does not allow users to create namespaces: \
                `sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0` allows it"
            .into();
    }
    // Of those that ask for no name spaces it is the last, and it had all else.
    if tried.iter().any(|(_, action, _)| action == CHANGING_ROOT) {
        return "commands whose `/` is the image need namespaces, or the right to call chroot(2): \
                be root in this container, use another `--root-level` if one is given, or use \
                `fakeRootCommands` without `enableFakechroot`"
            .into();
    }
    if is_given {
        return "leave out `--root-level` to use the best level of this machine".into();
    }
    "allow user namespaces (`sysctl user.max_user_namespaces`, in a container its seccomp profile), \
     or give `--root-level record --unsafe-host` if the commands may see this machine"
        .into()
}

fn remedy(failure: &Failure, tail: &Tail, level: Level) -> Option<Cow<'static, str>> {
    match failure.ending {
        Ending::Processes(_) => Some("`--root-processes` allows more".into()),
        Ending::Time(_) => Some("`--root-time` allows more".into()),
        Ending::NoShell(_) => Some(
            "add a package with a shell to `commands.path`, or name it in `commands.shell`".into(),
        ),
        Ending::Exit(126 | 127) | Ending::Exit(1) if tail.missing().is_some() => {
            let tool = tail.missing().unwrap_or_default();
            Some(format!("add the package that has `{tool}` to `commands.path`").into())
        }
        _ if tail.is_refused() => Some(
            format!(
                "at level `{level}` the system may refuse permissions, owners or capabilities: \
                 set them by `permissions`, or use another `--root-level`"
            )
            .into(),
        ),
        _ => None,
    }
}
