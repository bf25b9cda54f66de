//! `terrine planner wit` and `componentize`: what it takes to write a policy.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use terrine::file;
use terrine::planner::{self, Imports, WIT};

use super::super::cache_args::CacheArgs;
use super::super::limit_args::LimitArgs;
use super::super::printer::Printer;
use super::super::stdin;
use crate::failure::{Context, Result};
use crate::output::Output;

/// The largest module that is read, in bytes: as large as a component may be.
const MAX_SIZE: u64 = 128 << 20;

/// Write the contract to a directory
///
/// These are the WIT files of the package `terrine:planner@0.1.0`, which a policy is written
/// against.
#[derive(Debug, clap::Args)]
pub(crate) struct WitArgs {
    /// The directory, which is made if need be
    directory: PathBuf,
}

/// Make a component of a WebAssembly module
///
/// Compilers write modules, for `wasm32-unknown-unknown` for instance; a planner is a component.
/// What is written imports nothing and says which policies it has.
#[derive(Debug, clap::Args)]
pub(crate) struct ComponentizeArgs {
    /// The module, whose bindings were generated from the contract; `-` for stdin
    #[arg(value_parser = stdin::file_parser())]
    module: PathBuf,

    /// The file to write, or `-` for stdout
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    #[command(flatten)]
    limits: LimitArgs,
}

/// Writes the contract.
pub(super) fn wit(args: &WitArgs) -> Result<()> {
    let directory = &args.directory;
    fs::create_dir_all(directory).with_context(|| format!("making `{}`", directory.display()))?;
    for (name, text) in WIT {
        write(&directory.join(name), text.as_bytes())?;
    }
    Ok(())
}

/// Makes a component of a module, and sees whether it can be used.
pub(super) fn componentize(args: &ComponentizeArgs, printer: &Printer) -> Result<()> {
    let name = args.module.display().to_string();
    let module = file::read(&args.module, MAX_SIZE)?;
    let component = planner::componentize(&name, &module)?;
    let runtime = args.limits.runtime(CacheArgs::default(), printer)?;
    runtime
        .load(&name, &component, Imports::Nothing)?
        .describe()?;
    write(&args.output, &component)
}

fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    let output = Output::open(Some(file))?;
    (&output)
        .write_all(bytes)
        .with_context(|| format!("writing `{}`", file.display()))?;
    output.commit()
}
