//! Arguments about commands at the root.

use std::num::NonZeroU32;

use terrine::isolate::Level;
use terrine::plan::{CommandOptions, CommandsTold, MAX_PROCESSES};

use super::argument;
use super::printer::Printer;
use super::{environment, headings};

/// Options for commands at the root.
#[derive(Debug, clap::Args)]
pub(super) struct CommandArgs {
    /// Run commands at the root twice and report the first difference
    ///
    /// Commands at the root are `runAsRoot`, `extraCommands` and `fakeRootCommands` of a
    /// specification.
    #[arg(long, help_heading = headings::ROOT, hide_short_help = true)]
    check_root: bool,

    /// Isolation of commands at the root: real, range, single or record [default: the first
    /// available]
    ///
    /// `real` requires root, `range` requires subordinate ids and newuidmap, `single` requires user
    /// namespaces, and `record` requires an environment that is isolated already. The resulting
    /// layer is the same at every level.
    #[arg(long, value_name = "LEVEL", value_parser = argument::read::<Level>, help_heading = headings::ROOT, hide_short_help = true)]
    root_level: Option<Level>,

    /// Maximum number of processes of commands at the root
    #[arg(long, value_name = "N", default_value_t = MAX_PROCESSES, help_heading = headings::ROOT, hide_short_help = true)]
    root_processes: NonZeroU32,

    /// Time limit for commands at the root, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..), help_heading = headings::ROOT, hide_short_help = true)]
    root_time: Option<u64>,

    /// Allow commands at level `record` to access this machine if nothing isolates them
    #[arg(long, help_heading = headings::ROOT, hide_short_help = true)]
    unsafe_host: bool,
}

impl CommandArgs {
    /// Returns how commands are run: by this program, in another process.
    pub(super) fn options<'a>(
        &self,
        keep: bool,
        tell: &'a (dyn Fn(CommandsTold<'_>) + Sync),
    ) -> CommandOptions<'a> {
        CommandOptions {
            program: std::env::current_exe().ok(),
            level: self.root_level,
            max_processes: self.root_processes,
            max_seconds: self.root_time,
            unsafe_host: self.unsafe_host,
            check: self.check_root,
            trees: keep.then(environment::trees).flatten(),
            tell,
        }
    }
}

/// Shows what commands do.
pub(super) fn show(told: CommandsTold<'_>, printer: &Printer) {
    match told {
        CommandsTold::Running(field) => printer.status(&format!("running `{field}`")),
        // An error shows the last of it.
        CommandsTold::Printed(_) => {}
        CommandsTold::Kept => {
            printer.status("commands at the root: unchanged, the cache has their result");
        }
    }
}
