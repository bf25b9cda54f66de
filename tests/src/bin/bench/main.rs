//! The benchmark: how `terrine stream` compares with `tar` over the same files,
//! on the same machine, in the same minutes; how long large closures take to be planned; and
//! how layouts and pushes compare with `skopeo`'s; how images out of a binary cache compare with those of the store;
//! and what commands at the root cost.
//!
//! ```text
//! cargo run --release -p terrine-tests --bin bench [-- --store DIR] [--rounds N] [--only PART]
//! ```
//!
//! What is printed are ratios, with the budgets that they are meant to stay within; no
//! time fails anything. Without `--store` the store paths are made once, below
//! `target/bench-store`, and are the same on every machine.

mod args;
mod binary_cache;
mod commands;
mod content;
mod image;
mod made;
mod measure;
mod nix;
mod plans;
mod random;
mod ship;
mod store;
mod table;

use std::error::Error;
use std::process::{Command, ExitCode};
use std::time::Duration;

use args::{Args, Part};
use image::Image;
use measure::{Samples, Startups};
use store::Store;
use table::{Budget, Row, Value};

/// The outcome of something that can fail to run.
type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// The number of times that an image with nothing in it is streamed.
const STARTUPS: usize = 20;

/// The multiple of `tar`'s time that terrine may take.
const TIMES_TAR: f64 = 1.3;

/// The memory that terrine may need, in bytes.
const MEMORY: u64 = 64_000_000;

/// The time that it may take until the archive of an image with nothing in it has begun,
/// and until it has ended.
const STARTUP: Duration = Duration::from_millis(60);

#[allow(
    clippy::print_stderr,
    reason = "what failed is said where errors are said"
)]
fn main() -> ExitCode {
    let args = match Args::parse(std::env::args_os().skip(1)) {
        Ok(args) => args,
        Err(error) => {
            eprintln!("{error}\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures everything, and prints each row as soon as there is something to print.
fn run(args: &Args) -> Result<()> {
    if cfg!(debug_assertions) {
        table::note("this is not a release build, and what is measured is not one either");
    }
    let store = match &args.store {
        Some(dir) => Store::at(dir)?,
        None => made::closure()?,
    };
    // Should cargo have something to say, let it not be in the midst of the table.
    terrine_tests::binary();
    let extremes = if args.wants(Part::Stream) {
        vec![made::wide()?, made::deep()?]
    } else {
        vec![]
    };
    table::heading();
    if args.wants(Part::Stream) {
        against_tar(&store, args.rounds)?;
        start_up()?;
        extremes
            .iter()
            .try_for_each(|extreme| alone(extreme, args.rounds))?;
    }
    if args.wants(Part::Plan) {
        plans::plan(args.rounds)?;
    }
    if args.wants(Part::Commands) {
        commands::commands(args.rounds)?;
    }
    if args.wants(Part::Nix) {
        nix::nix(args.rounds)?;
    }
    if args.wants(Part::Ship) {
        ship::ship(&store, args.rounds)?;
    }
    if args.wants(Part::BinaryCache) {
        binary_cache::binary_cache(&store, args.rounds)?;
    }
    Ok(())
}

/// terrine and `tar` over the same store paths, by turns.
fn against_tar(store: &Store, rounds: usize) -> Result<()> {
    let image = Image::of(store)?;
    table::section(&format!(
        "{}, {} layers, {rounds} rounds",
        store.summary(),
        image.layers()
    ));
    let (mut tar, mut terrine) = (Samples::default(), Samples::default());
    for round in 0..=rounds {
        let samples = [
            measure::pipeline(&mut image.tar())?,
            measure::pipeline(&mut image.terrine())?,
        ];
        // The first round brings the files into memory.
        if round > 0 {
            let [of_tar, of_terrine] = samples;
            tar.push(of_tar);
            terrine.push(of_terrine);
        }
    }
    let times = terrine.median().as_secs_f64() / tar.median().as_secs_f64();
    Row::new("tar", Value::Times(tar.best(), tar.median())).print();
    Row::new(
        "terrine stream",
        Value::Times(terrine.best(), terrine.median()),
    )
    .ratio(times)
    .budget(&Budget::new(
        format!("{TIMES_TAR} x tar"),
        times <= TIMES_TAR,
    ))
    .print();
    memory(&terrine, MEMORY);
    match image.original()? {
        Some(mut original) => against_original(&mut original, &terrine),
        None => Ok(()),
    }
}

/// The way the original does it: once, for it takes its time.
fn against_original(original: &mut Command, terrine: &Samples) -> Result<()> {
    let time = measure::pipeline(original)?.time;
    let times = time.as_secs_f64() / terrine.median().as_secs_f64();
    Row::new("the original's way, once", Value::Times(time, time)).print();
    Row::new("  terrine is faster by", Value::Factor(times)).print();
    Ok(())
}

/// Measures how long terrine takes when there is nothing to do.
fn start_up() -> Result<()> {
    let image = Image::empty()?;
    table::section(&format!("an image with no store layers, {STARTUPS} runs"));
    // Compiles the planner, should that not have been done.
    measure::startup(&mut image.terrine())?;
    let mut runs = Startups::default();
    for _ in 0..STARTUPS {
        runs.push(measure::startup(&mut image.terrine())?);
    }
    for (what, times) in [
        ("to the first byte", &runs.first),
        ("to the end", &runs.end),
    ] {
        let median = measure::median(times);
        Row::new(what, Value::Times(measure::best(times), median))
            .budget(&Budget::new(
                format!("{} ms", STARTUP.as_millis()),
                median <= STARTUP,
            ))
            .print();
    }
    Ok(())
}

/// terrine over something unusual: that it works, and what it takes.
fn alone(store: &Store, rounds: usize) -> Result<()> {
    let image = Image::of(store)?;
    table::section(&format!("{}, {rounds} rounds", store.summary()));
    let mut samples = Samples::default();
    measure::pipeline(&mut image.terrine())?;
    for _ in 0..rounds {
        samples.push(measure::pipeline(&mut image.terrine())?);
    }
    Row::new(
        "terrine stream",
        Value::Times(samples.best(), samples.median()),
    )
    .print();
    memory(&samples, MEMORY);
    Ok(())
}

/// The most memory that any of the runs needed.
fn memory(samples: &Samples, most: u64) {
    let peak = samples.peak();
    Row::new("  peak memory", Value::Memory(peak))
        .budget(&Budget::new(
            format!("{} MB", most / 1_000_000),
            peak <= most,
        ))
        .print();
}
