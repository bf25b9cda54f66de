//! `terrine planner`: the components that decide.

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
use super::limit_args::LimitArgs;
use super::output::{Output, print};
use super::planner_args::{component, imports, not_for_the_built_in};
use super::printer::Printer;
use crate::failure::{Context, JsonError, Result};

/// Look after planners, the components that decide what goes into which layer
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    List(list::Args),
    Describe(describe::Args),
    Check(check::Args),
    /// Write the built-in planner to a file
    ///
    /// It is a WebAssembly component of the world `terrine:planner/planner@0.1.0` without
    /// imports, which any host of the component model can run.
    Export {
        /// The file, or `-` for stdout
        file: PathBuf,
    },
    Wit(author::WitArgs),
    Componentize(author::ComponentizeArgs),
}

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

/// Which component is meant.
#[derive(Debug, clap::Args)]
struct ComponentArgs {
    /// The component's file; the built-in planner if not given
    #[arg(value_name = "FILE[@sha256:HEX]", value_parser = component)]
    file: Option<ComponentFile>,

    /// Give it a WASI in which nothing can be read or reached
    #[arg(long)]
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
