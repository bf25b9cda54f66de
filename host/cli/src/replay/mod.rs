//! `terrine replay`: a simulation of the pulls of clients.

mod candidates;
mod input;
mod progress;
mod record;
mod table;

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Subcommand, ValueEnum};
use terrine::replay::{self, Candidate, Fleet, Keep, Settings, Task};
use terrine::sequence;

use self::candidates::Candidates;
use self::progress::Plans;
use super::exit::Usage;
use super::format::{Format, FormatArgs};
use super::headings;
use super::output::{self, Output};
use super::printer::Printer;
use super::stdin;
use crate::failure::{Context, Result};

/// Simulate pulls of an image's updates with different policies
///
/// Reads a recorded sequence of closures and plans each step with each policy. Prints to stdout the
/// bytes that a client pulls, as a table or JSON. The client pulls the layers that it does not
/// have. The lower bound is the size of the store paths that it does not have. All sizes are before
/// compression. The first pull is not counted.
#[derive(Debug, clap::Args)]
#[command(
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    subcommand_help_heading = "Commands"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    /// File of a sequence, written by `terrine replay record`; with several files, each client
    /// pulls all of the images
    #[arg(required = true, value_parser = stdin::file_parser())]
    updates: Vec<PathBuf>,

    #[command(flatten)]
    candidates: Candidates,

    /// Maximum number of layers of store paths, or `none`; may be a list, separated by commas
    #[arg(
        long,
        value_name = "N",
        value_delimiter = ',',
        default_value = "100",
        value_parser = budget,
        help_heading = headings::LAYERS
    )]
    max_layers: Vec<Budget>,

    /// Steps to replay, counted from 1; steps before and after them are ignored
    #[arg(long, value_name = "A..B", value_parser = steps, help_heading = headings::REPLAY)]
    steps: Option<Steps>,

    /// Step of the client's first pull; earlier steps are history
    #[arg(long, value_name = "N", help_heading = headings::REPLAY)]
    from_step: Option<usize>,

    /// Pass the package changes of all earlier steps to each plan, as `--history` of `build`
    #[arg(long, help_heading = headings::REPLAY)]
    with_history: bool,

    /// Pass the layers of the previous plan to each plan, as `--previous` of `build`
    #[arg(long, help_heading = headings::REPLAY)]
    with_previous: bool,

    /// Number of steps from one pull of the client to the next
    #[arg(long, value_name = "N", default_value = "1", help_heading = headings::REPLAY)]
    pull_every: NonZeroUsize,

    /// Layers that the client keeps
    #[arg(
        long,
        value_name = "LAYERS",
        default_value = "last",
        help_heading = headings::REPLAY
    )]
    keep: KeepArg,

    #[command(flatten)]
    show: FormatArgs,

    /// Write a self-contained HTML page with plots to this file
    #[arg(long, value_name = "FILE", help_heading = headings::OUTPUT)]
    html: Option<PathBuf>,

    /// Measure the time of each plan, which differs between runs
    #[arg(long, help_heading = headings::OUTPUT)]
    time: bool,

    /// Number of replays to run at once, one for each policy and number of layers [default: number
    /// of processors]
    #[arg(long, value_name = "N", help_heading = headings::OUTPUT)]
    jobs: Option<NonZeroUsize>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Record(Box<record::Args>),
}

const EXAMPLES: &str = "\
Examples:
  terrine replay updates.json --max-layers 20,40,60 --policy auto --policy popularity
  terrine replay updates.json --max-layers 40 --html updates.html
  terrine replay web.json data.json --format json | jq '.runs[].total'
  terrine replay record docker://host/web:1.0 docker://host/web:1.1 -o updates.json";

/// Layers that a client keeps.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum KeepArg {
    /// Layers of the last images that it pulled
    Last,
    /// All layers that it pulled
    All,
}

/// The largest number of layers of store paths in an image; none for no limit.
type Budget = Option<u32>;

/// The first and the last step, where they are given.
type Steps = (Option<usize>, Option<usize>);

fn budget(text: &str) -> Result<Budget, String> {
    match text {
        "none" => Ok(None),
        _ => match text.parse() {
            Ok(0) | Err(_) => Err("it must be a number above 0, or `none`".to_owned()),
            Ok(max) => Ok(Some(max)),
        },
    }
}

fn steps(text: &str) -> Result<Steps, String> {
    let end = |text: &str| match text {
        "" => Ok(None),
        _ => text
            .parse()
            .map(Some)
            .map_err(|_| "it must be a range, such as 1..30, 53.. or ..30"),
    };
    let (first, last) = text
        .split_once("..")
        .ok_or("it must be a range, such as 1..30, 53.. or ..30")?;
    Ok((end(first)?, end(last.strip_prefix('=').unwrap_or(last))?))
}

pub(super) fn run(args: &Args, printer: &Printer) -> Result<()> {
    if let Some(Command::Record(args)) = &args.command {
        return record::run(args, printer);
    }
    if args.html.as_deref() == Some(Path::new("-")) {
        return Err(Usage {
            message: "the page and the report cannot both go to stdout".to_owned(),
            hint: "name a file with `--html`",
        }
        .into());
    }
    let page = args
        .html
        .as_deref()
        .map(|file| Output::open(Some(file)))
        .transpose()?;
    let fleet = fleet(args, printer)?;
    let runtime = args.candidates.runtime(printer)?;
    let components = args.candidates.compile(&runtime)?;
    let candidates = args.candidates.find(&components)?;
    let tasks = tasks(&candidates, &budgets(args));
    let start = Instant::now();
    let clock = move || start.elapsed();
    let mut settings = settings(args, &fleet);
    settings.clock = if args.time { Some(&clock) } else { None };
    candidates::remarks(&candidates, &settings)
        .iter()
        .for_each(|remark| printer.warning(remark));
    let paths: Vec<&str> = fleet.uncertain().into_iter().collect();
    if let Some(remark) = replay::uncertain_remark(&paths) {
        printer.remark(&remark);
    }
    let progress = Plans::new(printer, tasks.len().saturating_mul(settings.planned()));
    let report = replay::replay(&fleet, &tasks, &settings, jobs(args), &progress)?;
    progress.finish();
    if let Some(page) = &page {
        let mut file = page;
        file.write_all(replay::page(&fleet, &report).as_bytes())
            .with_context(|| {
                format!(
                    "writing `{}`",
                    args.html.as_deref().unwrap_or(Path::new("")).display()
                )
            })?;
    }
    page.map_or(Ok(()), Output::commit)?;
    let text = match args.show.format() {
        Format::Json => report.to_json(),
        Format::Table => table::report(&report),
    };
    output::print(&text)
}

fn fleet(args: &Args, printer: &Printer) -> Result<Fleet> {
    let mut sequences = vec![];
    for file in &args.updates {
        let sequence = sequence::read(file)?;
        let lost = sequence.lost_references();
        if lost > 0 {
            printer.warning(&format!(
                "`{}`: {lost} references lead to paths that are not in the step's closure, and are left out",
                file.display()
            ));
        }
        sequences.push(sequence);
    }
    Ok(Fleet::new(sequences))
}

/// Each policy with each budget.
fn tasks<'p>(candidates: &[Candidate<'p>], budgets: &[Budget]) -> Vec<Task<'p>> {
    let mut tasks = vec![];
    for candidate in candidates {
        tasks.extend(budgets.iter().map(|&max_layers| Task {
            candidate: candidate.clone(),
            max_layers,
        }));
    }
    tasks
}

/// The budgets, each once, in the order of the arguments.
fn budgets(args: &Args) -> Vec<Budget> {
    let mut budgets: Vec<Budget> = vec![];
    for &budget in &args.max_layers {
        if !budgets.contains(&budget) {
            budgets.push(budget);
        }
    }
    budgets
}

fn settings<'c>(args: &Args, fleet: &Fleet) -> Settings<'c> {
    let (first, last) = args.steps.unwrap_or_default();
    let first = first.unwrap_or(1);
    Settings {
        steps: first..=last.unwrap_or(fleet.steps()),
        from: args.from_step.unwrap_or(first),
        pull_every: args.pull_every,
        keep: match args.keep {
            KeepArg::Last => Keep::Last,
            KeepArg::All => Keep::All,
        },
        with_history: args.with_history,
        with_previous: args.with_previous,
        clock: None,
    }
}

fn jobs(args: &Args) -> NonZeroUsize {
    args.jobs
        .unwrap_or_else(|| std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
}
