//! Arguments about commands at the root.

use std::num::NonZeroU32;

use terrine::isolate::Level;
use terrine::plan::{CommandOptions, CommandsTold, MAX_PROCESSES};

use super::argument;
use super::environment;
use super::printer::Printer;

/// Arguments about commands at the root.
#[derive(Debug, clap::Args)]
pub(super) struct CommandArgs {
    /// Run commands at the root twice, and name the first difference
    #[arg(long, help_heading = "Commands at the root")]
    check_root: bool,

    /// The level at which commands are isolated: real, range, single or record [default: the first that works]
    ///
    /// `real` needs root, `range` subordinate ids and newuidmap, `single` user name spaces, and
    /// `record` a place that is isolated already. The layer is the same at each.
    #[arg(long, value_name = "LEVEL", value_parser = argument::read::<Level>, help_heading = "Commands at the root")]
    root_level: Option<Level>,

    /// The number of processes that commands may have at once
    #[arg(long, value_name = "N", default_value_t = MAX_PROCESSES, help_heading = "Commands at the root")]
    root_processes: NonZeroU32,

    /// The time that commands may take, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Commands at the root")]
    root_time: Option<u64>,

    /// Let commands see this machine where nothing isolates them, at level `record`
    #[arg(long, help_heading = "Commands at the root")]
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
            printer.status("commands at the root: nothing changed since they ran");
        }
    }
}
