//! Limits of compiling a planner from a file.

use std::time::Duration;

use terrine::planner::compile::{CompileLimits, Compiler};
use terrine::planner::{Limits, Runtime};

use super::failure::Result;
use super::printer::Printer;
use super::{environment, helper};

/// Seconds of a processor.
const TIME: u64 = 30;
/// MiB of memory.
const MEMORY: u64 = 1024;

/// Limits of compiling a planner from a file.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct CompileArgs {
    /// The processor time that compiling a planner from a file may take, in seconds
    ///
    /// It is compiled once, in a process that can do nothing else, and then kept in the cache.
    #[arg(long, value_name = "SECONDS", default_value_t = TIME, value_parser = clap::value_parser!(u64).range(1..=86_400), help_heading = "Planners from files")]
    compile_time: u64,

    /// The memory that compiling it may take, in MiB
    #[arg(long, value_name = "MIB", default_value_t = MEMORY, value_parser = clap::value_parser!(u64).range(64..=1 << 20), help_heading = "Planners from files")]
    compile_memory: u64,
}

impl Default for CompileArgs {
    fn default() -> Self {
        Self {
            compile_time: TIME,
            compile_memory: MEMORY,
        }
    }
}

impl CompileArgs {
    /// Returns a runtime of planners, those from files among them.
    pub(super) fn runtime(self, limits: Limits, printer: &Printer) -> Result<Runtime> {
        let cache = environment::planner_cache(printer);
        let runtime = Runtime::new(limits, cache.as_deref())?;
        // Without its own path the program cannot start itself: counts alone are left then.
        let Ok(program) = std::env::current_exe() else {
            printer.warning("this program does not know where it is, so planners are compiled without limits of time and memory");
            return Ok(runtime);
        };
        let time = Duration::from_secs(self.compile_time);
        Ok(runtime.with_compiler(Compiler {
            program,
            argument: helper::COMPILE.to_owned(),
            limits: CompileLimits::new(time, self.compile_memory << 20),
        }))
    }
}
