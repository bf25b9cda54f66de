//! This program as the process in which commands at the root run, or as the one that compiles planners.

use std::env;
use std::process::ExitCode;

use terrine::isolate::{confine, helper};
use terrine::planner::compile;

/// Returns whether this process was started to run commands.
pub(super) fn is_wanted() -> bool {
    let mut arguments = env::args_os().skip(1);
    arguments
        .next()
        .is_some_and(|first| first == helper::ARGUMENT)
        && arguments.next().is_none()
}

/// The first argument of the process that compiles a planner.
pub(super) const COMPILE: &str = "__compile-planner";

/// Compiles a planner, if this process was started for that. Returns its exit code.
pub(super) fn compiled() -> Option<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    let first = arguments.next()?;
    (first == COMPILE).then(|| compile::run(arguments, confine).into())
}

/// Runs them, before anything else is set up: only a process with one thread can do it.
pub(super) fn run() -> ExitCode {
    if helper::main() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
