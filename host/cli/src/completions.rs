//! `terrine completions`: scripts for the completion of shells.

use clap_complete::Shell;

use super::failure::Result;
use super::{output, program};

/// Print shell completions
///
/// Prints a script to stdout that completes the commands, options and topics of terrine. Bash loads
/// it from `~/.local/share/bash-completion/completions/terrine`, zsh from a file `_terrine` in a
/// directory of `$fpath`, and fish from `~/.config/fish/completions/terrine.fish`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Shell to print completions for
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  terrine completions bash > ~/.local/share/bash-completion/completions/terrine
  terrine completions fish > ~/.config/fish/completions/terrine.fish";

pub(super) fn run(args: &Args) -> Result<()> {
    let mut script = vec![];
    clap_complete::generate(args.shell, &mut program::program(), "terrine", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}
