//! `terrine planner wit` and `componentize`: commands for authors of policies.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use terrine::file;
use terrine::planner::{self, Imports, WIT};

use super::super::cache_args::CacheArgs;
use super::super::headings;
use super::super::limit_args::LimitArgs;
use super::super::printer::Printer;
use super::super::stdin;
use crate::failure::{Context, Result};
use crate::output::Output;

/// The largest module that is read, in bytes: as large as a component may be.
const MAX_SIZE: u64 = 128 << 20;

/// Write the contract of planners, as WIT files, to a directory
///
/// Writes the WIT files of the package `terrine:planner@0.1.0`. Tools such as wit-bindgen generate
/// bindings for a new policy from them.
#[derive(Debug, clap::Args)]
#[command(after_help = WIT_EXAMPLES)]
pub(crate) struct WitArgs {
    /// Directory to write to, which is created if it does not exist
    directory: PathBuf,
}

/// Convert a WebAssembly module to a component
///
/// Reads a core module with bindings that were generated from the contract, for example the output
/// of a compiler for `wasm32-unknown-unknown`. Writes a component that terrine can load as a
/// planner, after checking that it imports nothing and describes its policies.
#[derive(Debug, clap::Args)]
#[command(after_help = COMPONENTIZE_EXAMPLES)]
pub(crate) struct ComponentizeArgs {
    /// Module with bindings of the contract; `-` for stdin
    #[arg(value_parser = stdin::file_parser())]
    module: PathBuf,

    /// File to write; `-` for stdout
    #[arg(short, long, value_name = "FILE", help_heading = headings::OUTPUT)]
    output: PathBuf,

    #[command(flatten)]
    limits: LimitArgs,
}

const WIT_EXAMPLES: &str = "\
Examples:
  terrine planner wit ./wit";

const COMPONENTIZE_EXAMPLES: &str = "\
Examples:
  terrine planner componentize my_policy.wasm --output my-policy.wasm
  terrine planner check my-policy.wasm";

/// Writes the contract.
pub(super) fn wit(args: &WitArgs) -> Result<()> {
    let directory = &args.directory;
    fs::create_dir_all(directory).with_context(|| format!("creating `{}`", directory.display()))?;
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
