//! Formats of output: a table for people, or JSON for programs.

use std::io::IsTerminal;

use clap::ValueEnum;

use super::headings;

/// A format of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Table for people
    Table,
    /// JSON for programs
    Json,
}

/// The format of output that the user chooses.
#[derive(Debug, clap::Args)]
pub(super) struct FormatArgs {
    /// Format of the output [default: table on a terminal, json elsewhere]
    #[arg(long, value_name = "FORMAT", help_heading = headings::OUTPUT)]
    format: Option<Format>,
}

impl FormatArgs {
    /// The one that was asked for; else a table on a terminal, and JSON elsewhere.
    pub(super) fn format(&self) -> Format {
        self.format.unwrap_or_else(|| {
            if std::io::stdout().is_terminal() {
                Format::Table
            } else {
                Format::Json
            }
        })
    }
}
