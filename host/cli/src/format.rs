//! Formats of output: a table for people, or JSON for programs.

use std::io::IsTerminal;

use clap::ValueEnum;

/// How something is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

/// How something is shown, where the user may say it.
#[derive(Debug, clap::Args)]
pub(super) struct FormatArgs {
    /// How to show it [default: table on a terminal, json elsewhere]
    #[arg(long, value_name = "FORMAT")]
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
