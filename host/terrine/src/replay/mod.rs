//! Replaying updates: what clients would have pulled, had their images been layered by one
//! policy or another.
//!
//! A [`Fleet`] is one recorded sequence of closures ([`updates`](crate::sequence)) or several that
//! go side by side, one for each image. Each [`Task`], a policy with a budget, plans every image
//! at every step; a client follows, and what it pulls is counted ([`replay`]). How that is
//! counted:
//!
//! - **A layer is the same** as another if it holds the same set of store paths, in whatever
//!   image. Its size is the sum of its paths' sizes, uncompressed.
//! - **A client** pulls all images. It holds the layers of the images that it pulled last, or
//!   all that it ever pulled ([`Keep`]), and pulls those that it does not hold, each once.
//! - **The lower bound** is the size of the store paths in the images that are in none of the
//!   layers that it holds: what it would pull if it could pull paths one by one.
//! - **Requests** are the layers that it pulls, and for each image that has changed since its
//!   last pull two more: manifest and configuration. An image that has not changed costs nothing.
//! - **The first pull** is told apart and is in no sum.
//!
//! Nothing here reads a clock: the time that plans take is measured with the caller's
//! ([`Settings::clock`]).

mod changes;
mod client;
mod error;
mod fleet;
mod page;
mod plans;
mod report;
mod run;
#[cfg(test)]
mod tests;
mod uncertain;

use std::fmt;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub use error::Error;
pub use fleet::Fleet;
pub use page::page;
pub use report::{
    ImageFacts, Planning, Report, Run, SCHEMA_VERSION, SettingFacts, Shared, StepFacts, StepLabel,
    Total, Worst,
};
pub use uncertain::remark as uncertain_remark;

use terrine_planner_host::Planner;

/// A policy of a component, with its options.
#[derive(Debug, Clone)]
pub struct Candidate<'p> {
    /// The component.
    pub planner: &'p Planner<'p>,
    /// The name of the component, for people.
    pub component: String,
    /// The policy's name.
    pub policy: String,
    /// Its options, as JSON text.
    pub options: String,
    /// True if it looks at the history that it is given.
    pub uses_history: bool,
}

/// A policy with a budget, which is to be replayed.
#[derive(Debug, Clone)]
pub struct Task<'p> {
    /// The policy.
    pub candidate: Candidate<'p>,
    /// The largest number of layers of store paths in an image; none for as many as the policy likes.
    pub max_layers: Option<u32>,
}

impl fmt::Display for Task<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` with ", self.candidate.policy)?;
        match self.max_layers {
            Some(1) => f.write_str("1 layer"),
            Some(max) => write!(f, "{max} layers"),
            None => f.write_str("any number of layers"),
        }
    }
}

/// The layers that a client keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keep {
    /// Those of the images that it pulled last.
    #[default]
    Last,
    /// All that it ever pulled.
    All,
}

/// The settings of a replay.
#[derive(Clone)]
pub struct Settings<'c> {
    /// The steps that there are, from 1. Those after the last one of an image find it as it
    /// was then.
    pub steps: RangeInclusive<usize>,
    /// The step of the first pull. Those before it are history.
    pub from: usize,
    /// The number of steps from one pull of the client to the next.
    pub pull_every: NonZeroUsize,
    /// The layers that it keeps.
    pub keep: Keep,
    /// True if each plan knows the closures before it.
    pub with_history: bool,
    /// True if each plan knows the layers of the one before it.
    pub with_previous: bool,
    /// Tells the time, from any start on, if the time that plans take is wanted.
    pub clock: Option<&'c Clock>,
}

/// Tells how much time has gone by since some moment.
pub type Clock = dyn Fn() -> Duration + Sync;

impl fmt::Debug for Settings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("steps", &self.steps)
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

impl Settings<'_> {
    /// All steps of a fleet, a client that pulls each of them, and plans that know nothing of
    /// history.
    pub fn new(fleet: &Fleet) -> Self {
        Self {
            steps: 1..=fleet.steps(),
            from: 1,
            pull_every: NonZeroUsize::MIN,
            keep: Keep::Last,
            with_history: false,
            with_previous: false,
            clock: None,
        }
    }

    /// Returns the number of steps that are planned.
    pub fn planned(&self) -> usize {
        self.steps.end().saturating_add(1).saturating_sub(self.from)
    }

    fn check(&self, fleet: &Fleet) -> Result<(), Error> {
        let (first, last, steps) = (*self.steps.start(), *self.steps.end(), fleet.steps());
        if first < 1 || first > last || last > steps {
            return Err(Error::Steps { first, last, steps });
        }
        if self.steps.contains(&self.from) {
            Ok(())
        } else {
            Err(Error::From {
                from: self.from,
                first,
                last,
            })
        }
    }
}

/// Hears of each step that is planned, from any thread.
pub trait Observer: Sync {
    /// All images of a step have been planned.
    fn planned(&self);
}

/// Replays a fleet's updates for each task, on so many threads. The runs of the report are in
/// the order of the tasks, and the same whatever the number of threads.
///
/// # Errors
///
/// Steps that there are not, and a plan that cannot be made: that of the first task to fail
/// in their order, as far as they were tried.
pub fn replay(
    fleet: &Fleet,
    tasks: &[Task<'_>],
    settings: &Settings<'_>,
    threads: NonZeroUsize,
    observer: &dyn Observer,
) -> Result<Report, Error> {
    settings.check(fleet)?;
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let runs: Vec<Mutex<Option<Result<Run, Error>>>> =
        tasks.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..threads.get().min(tasks.len()) {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(task) = tasks.get(index) else { return };
                    let run = run::run(fleet, task, settings, observer);
                    failed.fetch_or(run.is_err(), Ordering::Relaxed);
                    *runs[index].lock().unwrap_or_else(PoisonError::into_inner) = Some(run);
                }
            });
        }
    });
    let runs = runs
        .into_iter()
        .filter_map(|run| run.into_inner().unwrap_or_else(PoisonError::into_inner));
    Ok(report::report(
        fleet,
        settings,
        runs.collect::<Result<_, _>>()?,
    ))
}
