//! How something is shown: to people, or to programs.

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

impl Format {
    /// The one that was asked for; else a table on a terminal, and JSON elsewhere.
    pub(super) fn of(asked: Option<Self>) -> Self {
        let terminal = || std::io::stdout().is_terminal();
        asked.unwrap_or_else(|| if terminal() { Self::Table } else { Self::Json })
    }
}
