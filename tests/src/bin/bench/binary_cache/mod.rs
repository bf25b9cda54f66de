//! Images out of a binary cache on a machine that has nothing else, against an image of the store on disk.

mod nar;
mod peers;
mod place;
mod server;
mod written;

use std::time::Duration;

use terrine_tests::registry::Registry;

use super::Result;
use super::measure::Samples;
use super::store::Store;
use super::table::{self, Budget, Row, Value};
use place::{Origin, Place};

/// The most times that everything is measured: it takes minutes.
const ROUNDS: usize = 3;
/// The memory that a push may need, in bytes.
const MEMORY: u64 = 200_000_000;
/// The multiple of the time from the store that the time from the cache may be.
const TIMES_STORE: f64 = 1.3;
/// The time that an unchanged image may take.
const UNCHANGED: Duration = Duration::from_secs(1);
/// The bytes that may be moved for it.
const UNCHANGED_BYTES: u64 = 2_000_000;
/// The time that an image may take of which one path has changed.
const CHANGED: Duration = Duration::from_millis(1500);

/// The runs, in the order in which they are measured: some need what the one before left in the registry.
const RUNS: [(Origin, &str); 4] = [
    (Origin::Store, "from the store"),
    (Origin::Cache, "from the cache"),
    (Origin::CacheAndTarget, "  again, unchanged"),
    (Origin::Changed, "  one path changed"),
];

/// Measures everything.
pub(super) fn binary_cache(store: &Store, rounds: usize) -> Result<()> {
    let rounds = rounds.min(ROUNDS);
    let Some(registry) = Registry::start() else {
        return Ok(());
    };
    let place = Place::new(store, registry)?;
    table::section(&format!(
        "from a binary cache, {}, {rounds} rounds",
        store.summary()
    ));
    let mut samples = [(); RUNS.len()].map(|()| Samples::default());
    let mut moved = [0; RUNS.len()];
    for round in 0..=rounds {
        let mut digests = vec![];
        for (number, (from, what)) in RUNS.iter().enumerate() {
            let run = place
                .push(*from)
                .map_err(|error| format!("{what}: {error}"))?;
            digests.push(place.digest()?);
            // The first round brings the files into memory.
            if round > 0 {
                samples[number].push(run.sample);
                moved[number] = run.bytes.max(moved[number]);
            }
        }
        // The store on disk may have other permissions than those that everything from a cache has.
        if digests[1] != digests[2] {
            return Err("the unchanged image is another one".into());
        }
    }
    let of_store = samples[0].median();
    for ((from, what), (samples, moved)) in RUNS.iter().zip(samples.iter().zip(moved)) {
        print(*from, what, samples, of_store);
        moved_bytes(*from, moved);
    }
    others(&place, of_store)
}

/// Prints the times of a run.
fn print(from: Origin, what: &str, samples: &Samples, of_store: Duration) {
    let median = samples.median();
    let ratio = median.as_secs_f64() / of_store.as_secs_f64();
    let row = Row::of(what, samples).ratio(ratio);
    let row = match from {
        Origin::Store => row,
        Origin::Cache => row.budget(Budget::times(ratio, TIMES_STORE)),
        Origin::CacheAndTarget => row.budget(Budget::time(median, UNCHANGED)),
        Origin::Changed => row.budget(Budget::time(median, CHANGED)),
    };
    row.budget(Budget::memory(samples.peak(), MEMORY)).print();
}

/// Prints the bytes that a run moved.
fn moved_bytes(from: Origin, bytes: u64) {
    let row = Row::new("  moved", Value::Memory(bytes));
    match from {
        Origin::CacheAndTarget => {
            let limit = format!("{} MB", UNCHANGED_BYTES / 1_000_000);
            row.budget(Budget::new(limit, bytes <= UNCHANGED_BYTES))
                .print();
        }
        _ => row.print(),
    }
}

/// Prints the times of other tools, once, for they take their time.
fn others(place: &Place<'_>, of_store: Duration) -> Result<()> {
    let Some(steps) = peers::steps(place)? else {
        table::note("there is no Nix or no skopeo to compare with");
        return Ok(());
    };
    for (what, time) in [
        ("nix copy, once", steps.copy),
        ("  and the archive", steps.archive),
        ("  and skopeo copy", steps.push),
        ("  all of them", steps.sum()),
    ] {
        let ratio = time.as_secs_f64() / of_store.as_secs_f64();
        Row::new(what, Value::Times(time, time))
            .ratio(ratio)
            .print();
    }
    Ok(())
}
