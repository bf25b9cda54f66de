//! Successes that the distribution specification does not list: their effect is looked for.

use ureq::http::StatusCode;

use super::answer::Answer;
use super::error::{Cause, Failure};
use super::location;

/// The presence of a blob, as a registry reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// It is not there.
    Missing,
    /// It is there, with so many bytes.
    Size(u64),
    /// It is there, and the registry does not say how large it is.
    Unmeasured,
    /// The registry does not answer this.
    Unknown,
}

impl Presence {
    /// Reports whether the blob certainly exists.
    pub(super) fn is_there(self) -> bool {
        matches!(self, Self::Size(_) | Self::Unmeasured)
    }
}

/// An answer that says that something was taken, in a way that may mean something else.
#[derive(Debug)]
pub(super) struct Took {
    host: String,
    status: StatusCode,
}

impl Took {
    pub(super) fn of(answer: &Answer) -> Self {
        Self {
            host: location::host(&answer.uri),
            status: answer.status,
        }
    }

    /// The failure of an answer after which there is nothing. What was accepted may come later.
    pub(super) fn nothing(&self, what: &str) -> Failure {
        let cause = Cause::Answer {
            host: self.host.clone(),
            why: format!("it is {} without a {what}", self.status),
        };
        if self.status == StatusCode::ACCEPTED {
            Failure::passing(cause)
        } else {
            cause.into()
        }
    }
}
