//! `terrine completions`: what shells complete.

use clap::CommandFactory;
use clap_complete::Shell;

use super::failure::Result;
use super::{Cli, output};

/// Print what makes a shell complete terrine's commands and options
///
/// Bash reads it from `~/.local/share/bash-completion/completions/terrine`, zsh from a file `_terrine` in a folder of
/// `$fpath`, fish from `~/.config/fish/completions/terrine.fish`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let mut script = vec![];
    clap_complete::generate(args.shell, &mut Cli::command(), "terrine", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}
