//! Archives to a pipe, against `tar` over the same files.

use std::path::Path;
use std::process::Command;

use super::Result;
use super::caches::Caches;
use super::image::Image;
use super::machine::Machine;
use super::measure::{self, Samples};
use super::store::Store;
use super::table::{self, Budget, Row, Value};

/// The memory that an archive to a pipe may need, in bytes. Two thirds of it are pages of the program, of which one system keeps more in memory
/// than another.
pub(super) const MEMORY: u64 = 33_000_000;
/// The memory that one of an unusual store may need, in bytes.
const UNUSUAL_MEMORY: u64 = 64_000_000;
/// The multiple of `tar`'s time that an image may take of which no layer is known: SHA-256 takes less of AMD's
/// processors.
const UNKNOWN: f64 = 1.0;
/// The same on AMD's processors.
const UNKNOWN_ON_AMD: f64 = 0.85;
/// The multiple of `tar`'s time that an image may take of which the cache knows all layers.
const KNOWN: f64 = 0.6;

/// The things that are measured, by turns.
#[derive(Debug, Clone, Copy)]
enum Run {
    /// `tar`.
    Tar,
    /// `terrine stream` with a cache that knows no layer.
    Unknown,
    /// `terrine stream` with a cache that knows all layers.
    Known,
    /// `terrine build`, the same.
    KnownBuild,
}

/// All of them, and their names.
const RUNS: [(Run, &str); 4] = [
    (Run::Tar, "tar | cat"),
    (Run::Unknown, "stream, nothing known"),
    (Run::Known, "stream, layers known"),
    (Run::KnownBuild, "build, layers known"),
];

/// terrine and `tar` over the same store paths, by turns.
pub(super) fn against_tar(store: &Store, rounds: usize) -> Result<()> {
    let image = Image::of(store)?;
    let caches = Caches::new()?;
    caches.without_layers("known")?;
    let layers = image.layers();
    table::section(&format!(
        "to a pipe, {}, {layers} layers, {rounds} rounds",
        store.summary()
    ));
    let mut samples = [(); RUNS.len()].map(|()| Samples::default());
    // The first round brings the files into memory, and the layers into the cache.
    for round in 0..=rounds {
        for ((run, _), samples) in RUNS.iter().zip(&mut samples) {
            let sample = measure::pipeline(&mut run.command(&image, &caches)?)?;
            if round > 0 {
                samples.push(sample);
            }
        }
    }
    let [tar, unknown, ..] = &samples;
    for ((run, what), samples) in RUNS.iter().zip(&samples) {
        print(*run, what, samples, tar);
    }
    match image.original()? {
        Some(mut original) => against_original(&mut original, unknown),
        None => Ok(()),
    }
}

impl Run {
    fn command(self, image: &Image, caches: &Caches) -> Result<Command> {
        let with = |mut command: Command, cache: &Path| {
            command.env("XDG_CACHE_HOME", cache);
            command
        };
        Ok(match self {
            Self::Tar => image.tar(),
            Self::Unknown => with(image.terrine(), &caches.without_layers("unknown")?),
            Self::Known => with(image.terrine(), &caches.at("known")),
            Self::KnownBuild => with(image.build("-", "none"), &caches.at("known")),
        })
    }

    /// The multiple of `tar`'s time that it may take.
    fn limit(self) -> Option<f64> {
        match self {
            Self::Tar => None,
            Self::Unknown if Machine::this().is_amd => Some(UNKNOWN_ON_AMD),
            Self::Unknown => Some(UNKNOWN),
            Self::Known | Self::KnownBuild => Some(KNOWN),
        }
    }
}

/// Prints a run's row.
fn print(run: Run, what: &str, samples: &Samples, tar: &Samples) {
    let row = Row::of(what, samples);
    let Some(limit) = run.limit() else {
        return row.print();
    };
    let ratio = samples.ratio(tar);
    row.ratio(ratio)
        .budget(Budget::times(ratio, limit))
        .budget(Budget::memory(samples.peak(), MEMORY))
        .print();
}

/// The way the original does it: once, for it takes its time.
fn against_original(original: &mut Command, terrine: &Samples) -> Result<()> {
    let mut samples = Samples::default();
    samples.push(measure::pipeline(original)?);
    Row::of("the original's way, once", &samples).print();
    let times = samples.ratio(terrine);
    Row::new("  terrine is faster by", Value::Factor(times)).print();
    Ok(())
}

/// terrine over something unusual: that it works, and what it takes.
pub(super) fn unusual(store: &Store, rounds: usize) -> Result<()> {
    let image = Image::of(store)?;
    table::section(&format!("to a pipe, {}, {rounds} rounds", store.summary()));
    let mut samples = Samples::default();
    measure::pipeline(&mut image.terrine())?;
    for _ in 0..rounds {
        samples.push(measure::pipeline(&mut image.terrine())?);
    }
    Row::of("stream", &samples)
        .budget(Budget::memory(samples.peak(), UNUSUAL_MEMORY))
        .print();
    Ok(())
}
