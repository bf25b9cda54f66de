//! Images to files, layouts and a registry: layouts against `cp -r` of the same store paths, pushes against what
//! skopeo takes to push the same image out of an archive that has been made before.

mod equal;
mod place;
mod skopeos;
mod tasks;

use std::path::Path;

use terrine_tests::registry::Registry;

use super::Result;
use super::measure::Samples;
use super::store::Store;
use super::table::{self, Budget, FAILED, Row};
use place::Place;
use skopeos::Skopeo;
use tasks::{By, Limit, Task};

/// The most times that everything is measured: it takes minutes.
const ROUNDS: usize = 3;
/// The memory that terrine may need, in bytes.
const MEMORY: u64 = 119_000_000;

/// A task, and the runs of it.
struct Measured {
    task: Task,
    samples: Samples,
    /// The bytes that it left at its destination, if it was done.
    stored: Option<u64>,
}

/// Measures files and layouts.
pub(super) fn layouts(store: &Store, rounds: usize) -> Result<()> {
    let rounds = rounds.min(ROUNDS);
    let place = Place::new(store, vec![], None)?;
    section("files and layouts", &place, store, rounds);
    let all = measure(&place, tasks::of_layouts(), rounds);
    all.iter().for_each(|measured| measured.print(&all));
    complete(&all)
}

/// Measures pushes to a registry of this machine. They are compared with its skopeo, and with one that was given.
pub(super) fn pushes(store: &Store, rounds: usize, given: Option<&Path>) -> Result<()> {
    let rounds = rounds.min(ROUNDS);
    let Some(registry) = Registry::start() else {
        table::note("without a registry, pushes are not measured");
        return Ok(());
    };
    let skopeos = skopeos::all(given)?;
    let place = Place::new(store, skopeos.clone(), Some(registry))?;
    section("pushes to a registry", &place, store, rounds);
    table::note(
        "skopeo starts from an archive that exists, terrine from the store paths; their layers are the same",
    );
    table::note("`build` starts from the store paths, and its policy chooses the layers");
    let all = measure(&place, tasks::of_pushes(&skopeos), rounds);
    all.iter().for_each(|measured| measured.print(&all));
    match skopeos.iter().enumerate().next_back() {
        Some((number, newest)) => equal::print(number, newest, &all),
        None => table::note("without skopeo, pushes are not compared"),
    }
    complete(&all)
}

/// Prints the heading of a section.
fn section(what: &str, place: &Place, store: &Store, rounds: usize) {
    let (store, layers) = (store.summary(), place.layers());
    table::section(&format!(
        "{what}, {store}, {layers} layers, {rounds} rounds"
    ));
}

/// Does all tasks in each round, so that they are measured by turns.
fn measure(place: &Place, tasks: Vec<Task>, rounds: usize) -> Vec<Measured> {
    let mut all: Vec<Measured> = tasks.into_iter().map(Measured::new).collect();
    for _ in 0..rounds {
        for measured in &mut all {
            match place.measure(&measured.task) {
                Ok((sample, stored)) => {
                    measured.samples.push(sample);
                    measured.stored = Some(stored);
                }
                Err(error) => table::note(&format!("{}: {error}", measured.task.what)),
            }
        }
    }
    all
}

/// Fails if a task was never done.
fn complete(all: &[Measured]) -> Result<()> {
    let failed = all.iter().filter(|measured| measured.samples.is_empty());
    let names: Vec<&str> = failed.map(|measured| measured.task.what.trim()).collect();
    if names.is_empty() {
        Ok(())
    } else {
        Err(format!("{FAILED}: {}", names.join(", ")).into())
    }
}

impl Measured {
    fn new(task: Task) -> Self {
        Self {
            task,
            samples: Samples::default(),
            stored: None,
        }
    }

    /// The first task that a command does, if it was done: the one that finds nothing at the destination.
    fn find(all: &[Self], by: By) -> Option<&Self> {
        all.iter()
            .find(|measured| measured.task.by == by)
            .filter(|measured| !measured.samples.is_empty())
    }

    /// Its row, under a name, with nothing to compare it with.
    fn row(&self, what: &str) -> Row {
        let row = Row::of(what, &self.samples);
        match self.stored {
            Some(bytes) => row.stored(bytes),
            None => row,
        }
    }

    /// Prints its row.
    fn print(&self, all: &[Self]) {
        let (task, samples) = (&self.task, &self.samples);
        let mut row = self.row(&task.what);
        if samples.is_empty() {
            return row.print();
        }
        let other = task.against.and_then(|by| Self::find(all, by));
        let ratio = other.map(|other| samples.ratio(&other.samples));
        if let Some(ratio) = ratio {
            row = row.ratio(ratio);
        }
        row = match (task.limit, ratio) {
            (Limit::Time(most), _) => row.budget(Budget::time(samples.median(), most)),
            (Limit::Times(most), Some(ratio)) => row.budget(Budget::times(ratio, most)),
            _ => row,
        };
        if task.by.is_terrine() {
            row = row.budget(Budget::memory(samples.peak(), MEMORY));
        }
        row.print();
    }
}
