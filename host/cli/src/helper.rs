//! This program as the process in which commands at the root run.

use std::env;
use std::process::ExitCode;

use terrine::isolate::helper;

/// Returns whether this process was started to run commands.
pub(super) fn is_wanted() -> bool {
    let mut arguments = env::args_os().skip(1);
    arguments
        .next()
        .is_some_and(|first| first == helper::ARGUMENT)
        && arguments.next().is_none()
}

/// Runs them, before anything else is set up: only a process with one thread can do it.
pub(super) fn run() -> ExitCode {
    if helper::main() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
