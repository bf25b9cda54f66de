//! Exit codes, and what is said on the way out.

use std::borrow::Cow;
use std::io;
use std::process::ExitCode;

use terrine::hint::Hint;
use terrine::oci::ParseReferenceError;
use terrine::{
    assemble, cache, closure, copy, daemon, destination, export, history, layout, plan, planner,
    registry, replay, sequence, source, spec,
};

use super::printer::Printer;

/// The part of `--help` about exit codes.
pub(super) const HELP: &str = "\
Exit status:
  0    done
  1    the input is wrong, or something failed
  2    the arguments are wrong
  130  interrupted";

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Done,
    Failed,
    Usage,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(match status {
            Status::Done => 0,
            Status::Failed => 1,
            Status::Usage => 2,
        })
    }
}

/// Arguments that are well-formed and still can not be meant.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Usage {
    pub(super) message: String,
    pub(super) hint: &'static str,
}

/// A failure that has been told already.
#[derive(Debug, thiserror::Error)]
#[error("something is wrong, as was told")]
pub(super) struct Told;

/// Says what went wrong, if anything did.
pub(super) fn report(outcome: anyhow::Result<()>, printer: &Printer) -> Status {
    let Err(error) = outcome else {
        return Status::Done;
    };
    // Whoever reads the output has seen enough, and does not want to read about it.
    if error.chain().any(is_broken_pipe) {
        return Status::Failed;
    }
    if error.is::<Told>() {
        return Status::Failed;
    }
    complain(&error, printer);
    if error.is::<Usage>() {
        Status::Usage
    } else {
        Status::Failed
    }
}

/// Says what an error is, what caused it, and what to do about it.
pub(super) fn complain(error: &anyhow::Error, printer: &Printer) {
    let chain: Vec<String> = error.chain().map(ToString::to_string).collect();
    printer.error(&chain, hint(error).as_deref());
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn hint(error: &anyhow::Error) -> Option<Cow<'_, str>> {
    error.chain().find_map(|error| {
        macro_rules! hint_of {
            ($($error:ty),*) => {
                $(if let Some(error) = error.downcast_ref::<$error>() {
                    return error.hint();
                })*
            };
        }
        if let Some(error) = error.downcast_ref::<Usage>() {
            return Some(error.hint.into());
        }
        if let Some(error) = error.downcast_ref::<ParseReferenceError>() {
            return error.hint();
        }
        hint_of!(
            assemble::Error,
            plan::Error,
            closure::Error,
            spec::SpecError,
            planner::Error,
            planner::ComponentizeError,
            source::Error,
            copy::Error,
            destination::Error,
            layout::Error,
            registry::Error,
            daemon::Error,
            cache::Error,
            export::Error,
            history::Error,
            replay::Error,
            sequence::Error,
            sequence::Fault
        );
        None
    })
}
