//! Limits of planners from files, while they are compiled and while they run.

use std::time::Duration;

use terrine::planner::compile::{CompileLimits, Compiler};
use terrine::planner::{AtWork, Limits, Runtime, Work};

use super::cache_args::CacheArgs;
use super::failure::Result;
use super::headings;
use super::helper;
use super::printer::Printer;

/// Seconds of a processor.
const TIME: u64 = 30;
/// MiB of memory.
const MEMORY: u64 = 1024;
/// The longest time of all, in seconds: a day.
const LONGEST: u64 = 86_400;
/// The time for which nothing is said of a planner that is at work.
const SILENCE: Duration = Duration::from_secs(5);

/// Limits of planners from files.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct LimitArgs {
    /// Fuel for each call of a planner [default: 20,000,000,000]
    ///
    /// One unit is about one instruction, so the default is a few seconds of work. A call uses the
    /// same fuel on every machine. The built-in planner gets 100,000,000,000 or more, except in
    /// `planner check`.
    #[arg(long, value_name = "UNITS", value_parser = clap::value_parser!(u64).range(1..), help_heading = headings::PLANNER_LIMITS, hide_short_help = true)]
    planner_fuel: Option<u64>,

    /// Time for each call of a planner from a file, in seconds [default: 30]
    ///
    /// This limit ends calls that use little fuel but take long.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=LONGEST), help_heading = headings::PLANNER_LIMITS, hide_short_help = true)]
    planner_time: Option<u64>,

    /// Processor time for compiling a planner from a file, in seconds
    ///
    /// A planner is compiled once, in an isolated process, and then kept in the cache.
    #[arg(long, value_name = "SECONDS", default_value_t = TIME, value_parser = clap::value_parser!(u64).range(1..=LONGEST), help_heading = headings::PLANNER_LIMITS, hide_short_help = true)]
    compile_time: u64,

    /// Memory for compiling a planner from a file, in MiB
    #[arg(long, value_name = "MIB", default_value_t = MEMORY, value_parser = clap::value_parser!(u64).range(64..=1 << 20), help_heading = headings::PLANNER_LIMITS, hide_short_help = true)]
    compile_memory: u64,
}

impl Default for LimitArgs {
    fn default() -> Self {
        Self {
            planner_fuel: None,
            planner_time: None,
            compile_time: TIME,
            compile_memory: MEMORY,
        }
    }
}

impl LimitArgs {
    /// Returns what a call may use by the flags: less than what [`Limits`] say, or more.
    pub(super) fn limits(self) -> Limits {
        let mut limits = Limits::default();
        limits.fuel = self.planner_fuel.unwrap_or(limits.fuel);
        limits.time = self.planner_time.map_or(limits.time, Duration::from_secs);
        limits
    }

    /// Returns whether the fuel is said, and so holds for the built-in planner too.
    pub(super) fn says_fuel(self) -> bool {
        self.planner_fuel.is_some()
    }

    /// Returns a runtime of planners, those from files among them. It tells of one that takes long.
    pub(super) fn runtime(self, cache: CacheArgs, printer: &Printer) -> Result<Runtime> {
        let printer = *printer;
        let runtime = self.silent_runtime(cache, &printer)?;
        Ok(runtime.with_watch(SILENCE, move |at| printer.status(&at_work(at))))
    }

    /// The same, for what shows by itself how far it is.
    pub(super) fn silent_runtime(self, cache: CacheArgs, printer: &Printer) -> Result<Runtime> {
        let runtime = Runtime::new(self.limits(), cache.planners(printer).as_deref())?;
        // Without its own path the program cannot start itself: counts alone are left then.
        let Ok(program) = std::env::current_exe() else {
            printer.warning("the path of this program is unknown, so planners are compiled without limits on time and memory");
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

/// Says that a planner is still at work.
fn at_work(at: AtWork<'_>) -> String {
    let seconds = at.elapsed.as_secs();
    let mut text = match at.work {
        Work::Compile => format!("planner `{}` is still being compiled", at.component),
        Work::Call(function) => {
            format!(
                "planner `{}` is still running in `{function}`",
                at.component
            )
        }
        _ => format!("planner `{}` is still running", at.component),
    };
    text.push_str(&format!(", after {seconds} s"));
    match (at.work, at.limit) {
        // That limit is of a processor's time.
        (Work::Compile, Some(limit)) => text.push_str(&format!(
            "; the limit is {} s of processor time",
            limit.as_secs()
        )),
        (_, Some(limit)) => text.push_str(&format!("; the limit is {} s", limit.as_secs())),
        (_, None) => {}
    }
    text
}
