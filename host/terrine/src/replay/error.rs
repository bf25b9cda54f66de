//! The reasons why updates cannot be replayed.

use std::borrow::Cow;

use terrine_planner_host as planner;
use terrine_support::hint::Hint;

/// A reason why updates cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Steps that there are not.
    #[error("there are no steps {first} to {last}: there are {steps}, counted from 1")]
    Steps {
        /// The first that is asked for.
        first: usize,
        /// The last.
        last: usize,
        /// The number of steps.
        steps: usize,
    },
    /// A first pull at a step that is not replayed.
    #[error("the first pull cannot be at step {from}: the steps are {first} to {last}")]
    From {
        /// The step.
        from: usize,
        /// The first that is replayed.
        first: usize,
        /// The last.
        last: usize,
    },
    /// A plan that cannot be made.
    #[error("planning step {step} of `{image}` by {task}")]
    Plan {
        /// The step, from 1.
        step: usize,
        /// The image's name.
        image: String,
        /// The policy and its budget.
        task: String,
        /// The reason.
        #[source]
        source: Box<planner::Error>,
    },
}

impl Hint for Error {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Plan { source, .. } => source.hint(),
            Self::Steps { .. } | Self::From { .. } => None,
        }
    }
}
