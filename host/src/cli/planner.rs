//! `terrine planner`: the components that decide.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use terrine::planner::EMBEDDED;

use super::author;
use super::output::Output;

/// Look after planners, the components that decide what goes into which layer
#[derive(Debug, Subcommand)]
pub(super) enum Command {
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

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Export { file } => {
            let output = Output::open(Some(file))?;
            (&output).write_all(EMBEDDED).with_context(|| format!("writing `{}`", file.display()))?;
            output.commit()
        }
        Command::Wit(args) => author::wit(args),
        Command::Componentize(args) => author::componentize(args),
    }
}
