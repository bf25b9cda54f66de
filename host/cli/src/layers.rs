//! `terrine layers`: the grouping alone, for Nixpkgs' tools.

use std::path::{Path, PathBuf};

use terrine::closure::{self, Graph};
use terrine::history::{self, Past, Previous};
use terrine::plan::{Grouping, group};
use terrine::remark::Remark;

use super::cache_args::CacheArgs;
use super::failure::{Context, Failure, JsonError, Result};
use super::headings;
use super::history_args::HistoryArgs;
use super::images::Images;
use super::output;
use super::planner_args::{self, PlannerArgs};
use super::printer::Printer;
use super::registry_args::RegistryArgs;
use super::stdin;
use super::strict_args::StrictArgs;

/// Group the store paths of a graph into layers
///
/// Reads a graph of store paths and prints the store paths of each layer to stdout, bottom to top,
/// as a JSON list of lists. Nixpkgs' make-layers has the same output format, so this command can
/// replace the Python tools of dockerTools.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Graph of store paths; `-` for stdin
    ///
    /// FILE is the output of `nix path-info --json --recursive`, the JSON of exportReferencesGraph,
    /// or the directory that closureInfo creates.
    #[arg(long, value_name = "FILE", help_heading = headings::CONTENT, value_parser = stdin::file_parser())]
    graph: PathBuf,

    /// Maximum number of layers
    #[arg(
        long,
        value_name = "N",
        help_heading = headings::LAYERS,
        required_unless_present = "pipeline",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    max_layers: Option<u32>,

    #[command(flatten)]
    planner: PlannerArgs,

    /// Layering pipeline of dockerTools, in a JSON file
    #[arg(long, value_name = "FILE", value_parser = stdin::file_parser(), help_heading = headings::LAYERS)]
    pipeline: Option<PathBuf>,

    /// All options of the policy, as a JSON object
    #[arg(
        long,
        value_name = "JSON",
        help_heading = headings::LAYERS,
        conflicts_with = "pipeline",
        default_value = "{}",
        hide_default_value = true
    )]
    options: String,

    /// Store path of the graph to leave out of all layers; may be repeated
    #[arg(long, value_name = "PATH", help_heading = headings::CONTENT)]
    exclude: Vec<String>,

    /// Directory of the package store
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/nix/store",
        help_heading = headings::CONTENT
    )]
    store_dir: String,

    #[command(flatten)]
    past: HistoryArgs,

    #[command(flatten)]
    registry: RegistryArgs,

    #[command(flatten)]
    cache: CacheArgs,

    #[command(flatten)]
    strict: StrictArgs,
}

const EXAMPLES: &str = "\
Examples:
  terrine layers --graph graph.json --max-layers 40
  nix path-info --json --recursive ./result | terrine layers --graph - --max-layers 40
  terrine layers --graph graph.json --max-layers 40 --policy popularity | jq length";

pub(super) fn run(args: &Args, printer: &Printer) -> Result<()> {
    let graph = closure::read(&args.graph, &args.store_dir)?;
    let excluded = excluded(args, &graph)?;
    let (policy, options) = match &args.pipeline {
        Some(file) => ("pipeline", pipeline(file)?),
        None => (
            args.planner.policy.as_deref().unwrap_or_default(),
            options(args)?,
        ),
    };
    let runtime = args.planner.limits.runtime(args.cache, printer)?;
    let planner = match &args.planner.planner {
        Some(file) => runtime.load_file(file, planner_args::imports(args.planner.sealed_wasi))?,
        None if args.planner.sealed_wasi => return Err(planner_args::not_for_the_built_in()),
        None => runtime.embedded()?,
    };
    let (past, mut remarks) = past(args)?;
    remarks.extend(past.remark(&planner, policy)?.map(Remark::from));
    args.strict.print(&remarks, printer)?;
    let grouping = Grouping {
        graph: &graph,
        roots: &graph.roots(),
        excluded: &excluded,
        store_dir: &args.store_dir,
        policy,
        options: &options,
        max_layers: args.max_layers,
        past: &past,
    };
    let layers = group(&grouping, &planner)
        .with_context(|| format!("cannot group the paths of `{}`", args.graph.display()))?;
    let text = serde_json::to_string(&layers)
        .map_err(JsonError)
        .context("writing JSON")?
        + "\n";
    output::print(&text)
}

/// The paths that go into no layer. Those that the graph does not have are in none anyway.
fn excluded(args: &Args, graph: &Graph) -> Result<Vec<usize>> {
    let mut excluded: Vec<usize> = args
        .exclude
        .iter()
        .filter_map(|path| graph.find(path))
        .collect();
    excluded.sort_unstable();
    excluded.dedup();
    Ok(excluded)
}

/// Reads the past from the files and images that the arguments name. Returns it with remarks
/// about previous images that are missing.
fn past(args: &Args) -> Result<(Past, Vec<Remark>)> {
    let (mut past, mut remarks) = (Past::default(), vec![]);
    if let Some(file) = &args.past.history {
        past.read_updates(file, &args.store_dir)?;
    }
    let images = Images::new(&args.registry, &args.past.named())?;
    for reference in &args.past.previous {
        match history::open(reference, images.opener(), None)? {
            Previous::Held(image) => past.held.push(image),
            Previous::Missing(_) if args.past.allow_missing_previous => {
                let message = format!("the previous image `{reference}` does not exist");
                remarks.push(Remark::warning(message));
            }
            Previous::Missing(error) => return Err(error.into()),
        }
    }
    Ok((past, remarks))
}

/// The options: all of them at once, and single ones over them.
fn options(args: &Args) -> Result<String> {
    if args.planner.option.is_empty() {
        return Ok(args.options.clone());
    }
    let options = serde_json::from_str(&args.options)
        .map_err(JsonError)
        .context("the value of `--options` is not JSON")?;
    Ok(planner_args::merge(options, &args.planner.option)?.to_string())
}

fn pipeline(file: &Path) -> Result<String> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("reading `{}`", file.display()))?;
    // Looked at here, so that what is wrong is not told of a place inside other text.
    let steps: Box<serde_json::value::RawValue> = serde_json::from_str(&text)
        .map_err(JsonError)
        .with_context(|| format!("`{}` is not JSON", file.display()))?;
    if !steps.get().starts_with('[') {
        return Err(Failure::new(format!(
            "`{}` is not a pipeline: it must be a list of steps",
            file.display()
        )));
    }
    Ok(format!("{{\"pipeline\":{steps}}}"))
}
