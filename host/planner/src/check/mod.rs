//! Trying a planner: what it does with graphs of many kinds, and whether its plans depend on
//! what they had better not depend on.

mod change;
mod corpus;
mod draw;
mod past;
mod trials;

use std::time::{Duration, Instant};

use terrine_support::chain;

pub use corpus::{Case, budgets, corpus};
pub use trials::trials;

use super::layering::{ErrorKind, Planned, Request};
use super::{Error, Planner, Usage};

/// The result of trying a policy on a case.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The outcome of the call.
    pub outcome: Outcome,
    /// The fuel and the memory that the call used up; none where it failed.
    pub usage: Option<Usage>,
    /// The time that the call took, which is another one each time.
    pub elapsed: Duration,
    /// True if it failed because a call used up its fuel or its time.
    pub used_up: bool,
    /// True if the plan is another when the request lists the paths in another order. A request
    /// may list them in any order.
    pub depends_on_order: bool,
    /// True if the plan is another when the hashes in the paths are. They change with every
    /// rebuild, and with them the layers that clients have to pull.
    pub depends_on_hashes: bool,
}

/// The outcome of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A plan that keeps to the rules.
    Planned {
        /// The number of its layers.
        layers: usize,
        /// The number of paths that it leaves out, as the options ask for.
        left_out: usize,
    },
    /// The policy says that it cannot keep to the budget or needs other options, as it may.
    Refused(String),
    /// Anything else.
    Failed(String),
    /// It was not asked, for this reason.
    NotRun(String),
}

/// Asks a policy about a case: twice, with the paths in another order, and with other hashes. The
/// first failure ends it.
pub fn trial(planner: &Planner<'_>, policy: &str, options: &str, case: &Case) -> Trial {
    let request = asked(policy, options, &case.request);
    let ask = |request: &Request| planner.plan_measured(request, planner.empty_layers(policy));
    let start = Instant::now();
    let first = ask(&request);
    let elapsed = start.elapsed();
    let (planned, usage) = match first {
        Ok(planned) => planned,
        Err(error) => {
            return Trial {
                elapsed,
                ..Trial::unplanned(&error)
            };
        }
    };
    let outcome = Outcome::Planned {
        layers: planned.layers.len(),
        left_out: planned.left_out.len(),
    };
    let mut trial = Trial {
        usage: Some(usage),
        elapsed,
        ..Trial::ended(outcome)
    };
    match ask(&request) {
        Ok(again) if again == (planned.clone(), usage) => {}
        Ok(_) => {
            trial.outcome = Outcome::Failed("a repeated request got another plan".to_owned());
            return trial;
        }
        Err(error) => return trial.failed_again("when asked again", &error),
    }
    let (shuffled, places) = change::shuffled(&request);
    match ask(&shuffled) {
        Ok((other, _)) => {
            trial.depends_on_order = change::named(&other, &places) != places_of(&planned);
        }
        Err(error) => return trial.failed_again("with its paths in another order", &error),
    }
    match ask(&change::rehashed(&request)) {
        Ok((other, _)) => trial.depends_on_hashes = places_of(&other) != places_of(&planned),
        Err(error) => return trial.failed_again("with other hashes", &error),
    }
    trial
}

impl Trial {
    fn ended(outcome: Outcome) -> Self {
        Self {
            outcome,
            usage: None,
            elapsed: Duration::ZERO,
            used_up: false,
            depends_on_order: false,
            depends_on_hashes: false,
        }
    }

    fn unplanned(error: &Error) -> Self {
        Self {
            used_up: used_up(error),
            ..Self::ended(unplanned(error))
        }
    }

    fn failed_again(self, when: &str, error: &Error) -> Self {
        let outcome = Outcome::Failed(format!("{when}: {}", chain(error)));
        Self {
            outcome,
            used_up: used_up(error),
            ..self
        }
    }
}

fn used_up(error: &Error) -> bool {
    matches!(error, Error::Fuel { .. } | Error::Time { .. })
}

fn asked(policy: &str, options: &str, request: &Request) -> Request {
    Request {
        policy: policy.to_owned(),
        options: options.to_owned(),
        ..request.clone()
    }
}

/// The layers of a plan, as indices.
fn places_of(planned: &Planned) -> Vec<Vec<u32>> {
    planned
        .layers
        .iter()
        .map(|layer| layer.paths.clone())
        .collect()
}

fn unplanned(error: &Error) -> Outcome {
    match error {
        Error::Refused {
            kind,
            message,
            field,
            ..
        } => {
            let field = field
                .as_ref()
                .map_or(String::new(), |field| format!("`{field}`: "));
            match kind {
                Some(ErrorKind::OverBudget | ErrorKind::InvalidOptions) => {
                    Outcome::Refused(format!("{field}{message}"))
                }
                kind => Outcome::Failed(format!("{field}{message}{}", kind.map_or("", kind_name))),
            }
        }
        _ => Outcome::Failed(chain(error)),
    }
}

fn kind_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::UnknownPolicy => " (unknown-policy)",
        ErrorKind::InvalidOptions => " (invalid-options)",
        ErrorKind::InvalidRequest => " (invalid-request)",
        ErrorKind::OverBudget => " (over-budget)",
        ErrorKind::Failed => " (failed)",
    }
}
