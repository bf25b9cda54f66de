//! The benchmark: terrine against `tar`, `cp` and skopeo with the same files, on the same machine, in the same
//! minutes; the time that plans of large closures, commands at the root and images in Nix take; and images out of a
//! binary cache against those of the store.
//!
//! ```text
//! cargo run --release -p terrine-tests --bin bench [-- OPTIONS]
//! ```
//!
//! | option | effect |
//! |---|---|
//! | `--store DIR` | uses the store paths in a directory. Without it, they are made once, below `target/bench-store`, and are the same on every machine |
//! | `--small` | makes small stores, to see in seconds that everything runs |
//! | `--rounds N` | measures each thing so many times. Layouts, pushes and binary caches are measured three times at most |
//! | `--skopeo PROGRAM` | compares with this skopeo as well. Pushes have budgets against the newest one |
//! | `--only PART` | measures one part: `stream`, `plan`, `commands`, `nix`, `layout`, `ship` or `binary-cache` |
//!
//! The table has the best time and the median, the ratio of medians, the bytes that are stored in the end, the peak
//! memory, and the budgets that these are meant to stay within. No time and no size fails anything. The exit status
//! is 1 if something could not be measured. With `TERRINE_REQUIRE_PEERS=1`, a missing program is such a failure.
//!
//! Runs that are compared do the same work, by turns. Outputs of earlier runs are removed, and the disk is
//! waited for, before a time is taken. Outputs are in the directory of temporary files: `TMPDIR` sets another one.

mod args;
mod binary_cache;
mod caches;
mod commands;
mod content;
mod image;
mod machine;
mod made;
mod measure;
mod nix;
mod pipes;
mod plans;
mod process;
mod random;
mod ship;
mod size;
mod startup;
mod store;
mod table;

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use args::{Args, Part};
use machine::Machine;
use store::Store;

/// The outcome of something that can fail to run.
type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

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
    let stores = match Stores::new(&args) {
        Ok(stores) => stores,
        Err(error) => {
            eprintln!("bench: {error}");
            return ExitCode::FAILURE;
        }
    };
    if args.size.is_small {
        table::note("the stores are small: the figures only show that everything runs");
    }
    table::heading(&Machine::this());
    let mut code = ExitCode::SUCCESS;
    for (part, name) in Part::ALL {
        if !args.wants(part) {
            continue;
        }
        // The harness of the tests panics where it cannot go on. The other parts can.
        let outcome = catch_unwind(AssertUnwindSafe(|| measure(part, &args, &stores)));
        if let Err(error) = outcome.unwrap_or_else(|_| Err("it panicked".into())) {
            eprintln!("bench: {name}: {error}");
            code = ExitCode::FAILURE;
        }
    }
    code
}

/// The parts that need a closure in a store.
const WITH_STORE: [Part; 4] = [Part::Stream, Part::Layout, Part::Ship, Part::BinaryCache];

/// The stores that are measured.
struct Stores {
    /// None if no part needs it.
    closure: Option<Store>,
    unusual: Vec<Store>,
}

impl Stores {
    /// Makes the stores that do not exist, and the program under test, so that nothing is said of them in the midst of
    /// the table.
    fn new(args: &Args) -> Result<Self> {
        if cfg!(debug_assertions) {
            table::note("this is not a release build, and what is measured is not one either");
        }
        let is_needed = WITH_STORE.iter().any(|part| args.wants(*part));
        let closure = match &args.store {
            _ if !is_needed => None,
            Some(dir) => Some(Store::at(dir)?),
            None => Some(made::closure(args.size)?),
        };
        let unusual = if args.wants(Part::Stream) {
            vec![made::wide(args.size)?, made::deep(args.size)?]
        } else {
            vec![]
        };
        terrine_tests::binary();
        Ok(Self { closure, unusual })
    }
}

/// Measures a part, and prints each row as soon as there is something to print.
fn measure(part: Part, args: &Args, stores: &Stores) -> Result<()> {
    let (size, rounds) = (args.size, args.rounds());
    let store = || stores.closure.as_ref().ok_or("there is no store");
    match part {
        Part::Stream => {
            pipes::against_tar(store()?, rounds)?;
            startup::startup(size.startups)?;
            let mut unusual = stores.unusual.iter();
            unusual.try_for_each(|store| pipes::unusual(store, rounds))
        }
        Part::Plan => plans::plan(size.closures, rounds),
        Part::Commands => commands::commands(size.made, rounds),
        Part::Nix => nix::nix(size.nix, rounds),
        Part::Layout => ship::layouts(store()?, rounds),
        Part::Ship => ship::pushes(store()?, rounds, args.skopeo.as_deref()),
        Part::BinaryCache => binary_cache::binary_cache(store()?, rounds),
    }
}
