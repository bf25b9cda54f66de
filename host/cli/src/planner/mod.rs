//! `terrine planner`: the components that group store paths into layers.

mod author;
mod check;
mod check_tables;
mod describe;
mod list;

use std::io::Write;
use std::path::PathBuf;

use clap::Subcommand;
use terrine::planner::{ComponentFile, EMBEDDED, Planner, Runtime};

use super::cache_args::CacheArgs;
use super::format;
use super::headings;
use super::limit_args::LimitArgs;
use super::output::{Output, print};
use super::planner_args::{component, imports, not_for_the_built_in};
use super::printer::Printer;
use crate::failure::{Context, JsonError, Result};

/// Manage planners, the components that group store paths into layers
///
/// A planner is a WebAssembly component with one or more policies. The built-in one is used unless `--planner` names
/// a file. These commands describe and test planners and help to write one.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(super) enum Command {
    List(list::Args),
    Describe(describe::Args),
    Check(check::Args),
    /// Write the built-in planner to a file
    ///
    /// Writes a WebAssembly component of the world `terrine:planner/planner@0.1.0` to a file or to stdout. It has no
    /// imports, so any host of the component model can run it.
    #[command(after_help = EXPORT_EXAMPLES)]
    Export {
        /// File to write; `-` for stdout
        file: PathBuf,
    },
    Wit(author::WitArgs),
    Componentize(author::ComponentizeArgs),
}

const EXAMPLES: &str = "\
Examples:
  terrine planner list
  terrine planner describe my-policy.wasm
  terrine planner check my-policy.wasm";

const EXPORT_EXAMPLES: &str = "\
Examples:
  terrine planner export planner.wasm
  terrine planner export - | sha256sum";

pub(super) fn run(command: &Command, printer: &Printer) -> Result<()> {
    match command {
        Command::List(args) => list::run(args, printer),
        Command::Describe(args) => describe::run(args, printer),
        Command::Check(args) => check::run(args, printer),
        Command::Export { file } => {
            let output = Output::open(Some(file))?;
            (&output)
                .write_all(EMBEDDED)
                .with_context(|| format!("writing `{}`", file.display()))?;
            output.commit()
        }
        Command::Wit(args) => author::wit(args),
        Command::Componentize(args) => author::componentize(args, printer),
    }
}

/// A planner, and its limits.
#[derive(Debug, clap::Args)]
struct ComponentArgs {
    /// File of the component [default: the built-in planner]
    #[arg(value_name = "FILE[@sha256:HEX]", value_parser = component)]
    file: Option<ComponentFile>,

    /// Give the component a WASI without access to anything
    #[arg(long, help_heading = headings::LAYERS)]
    sealed_wasi: bool,

    #[command(flatten)]
    limits: LimitArgs,

    #[command(flatten)]
    cache: CacheArgs,
}

impl ComponentArgs {
    /// Returns a runtime for it.
    fn runtime(&self, printer: &Printer) -> Result<Runtime> {
        self.limits.runtime(self.cache, printer)
    }

    fn load<'r>(&self, runtime: &'r Runtime) -> Result<Planner<'r>> {
        match &self.file {
            Some(file) => Ok(runtime.load_file(file, imports(self.sealed_wasi))?),
            None if self.sealed_wasi => Err(not_for_the_built_in()),
            None if self.limits.says_fuel() => Ok(runtime.embedded()?.within(self.limits.limits())),
            None => Ok(runtime.embedded()?),
        }
    }

    /// The file's name, where it has one.
    fn path(&self) -> Option<String> {
        self.file
            .as_ref()
            .map(|file| file.path.display().to_string())
    }
}

/// JSON text, indented, with a newline at the end.
fn json(value: &impl serde::Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)
        .map_err(JsonError)
        .context("writing JSON")?
        + "\n")
}

/// The version of the JSON that these commands write. It grows when a field goes or changes
/// its meaning, not when one is added.
const SCHEMA_VERSION: u32 = 1;
