//! Exit codes, and what is said on the way out.

use std::borrow::Cow;
use std::io;
use std::process::ExitCode;

use terrine::hint::Hint;
use terrine::oci::MissingTransport;

use super::failure::{Failure, Result};
use super::printer::Printer;
use super::stdin;

/// The part of `--help` about exit codes.
pub(super) const HELP: &str = "\
Exit status:
  0    success
  1    failure: the input is wrong, or an operation failed
  2    wrong arguments
  130  interrupted by SIGINT (143 by SIGTERM)";

/// The outcome of a run, which decides the exit status.
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

/// Arguments that are well-formed and still cannot be meant.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Usage {
    pub(super) message: String,
    pub(super) hint: &'static str,
}

impl Hint for Usage {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Some(self.hint.into())
    }
}

/// A failure that has been told already.
#[derive(Debug, thiserror::Error)]
#[error("the problem was reported before")]
pub(super) struct Told;

impl Hint for Told {}

/// Says what went wrong with several things of which others were done. A reader that does not want
/// more is no news.
pub(super) fn several(failures: &[Failure], printer: &Printer) -> Result<()> {
    if failures.is_empty() {
        return Ok(());
    }
    for failure in failures {
        if !failure.chain().any(is_broken_pipe) {
            complain(failure, printer);
        }
    }
    Err(Told.into())
}

/// Says what went wrong, if anything did.
pub(super) fn report(outcome: Result<()>, printer: &Printer) -> Status {
    let Err(failure) = outcome else {
        return Status::Done;
    };
    // Whoever reads the output has seen enough, and does not want to read about it.
    if failure.chain().any(is_broken_pipe) {
        return Status::Failed;
    }
    if failure.is::<Told>() {
        return Status::Failed;
    }
    complain(&failure, printer);
    if failure.is::<Usage>() || failure.is::<MissingTransport>() {
        Status::Usage
    } else {
        Status::Failed
    }
}

/// Says what went wrong, what caused it, and what to do about it.
pub(super) fn complain(failure: &Failure, printer: &Printer) {
    let messages: Vec<String> = failure
        .messages()
        .iter()
        .map(|message| stdin::renamed(message))
        .collect();
    printer.error(&messages, failure.hint().as_deref());
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
