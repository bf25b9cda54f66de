//! `terrine planner check`: what a component does with graphs of many kinds.

use std::path::PathBuf;

use terrine::closure;
use terrine::history::Past;
use terrine::plan::{Grouping, request};
use terrine::planner::Planner;
use terrine::planner::check::{Case, Outcome, Trial, budgets, corpus, trials};
use terrine::planner::layering::Info;
use terrine::spec::Json;

use super::super::headings;
use super::super::printer::Printer;
use super::super::stdin;
use super::check_tables::{Checked, PolicyTrials, to_json, to_table};
use super::format::{Format, FormatArgs};
use super::{ComponentArgs, print};
use crate::exit::Usage;
use crate::failure::{Context, Failure, Result};
use crate::planner_args::merge;

/// Test a planner on many kinds of graphs
///
/// Runs each policy of the component on built-in graphs, or on a graph from a file. Prints to
/// stdout the layers, fuel and memory of each plan, as a table or JSON. Each graph is planned four
/// times: twice unchanged, once with its paths in another order, and once with other hashes in
/// their names. A plan must follow the contract. A policy may refuse a number of layers or its
/// options; any other error is a failure, with exit status 1.
///
/// A call for a graph of up to 100 paths first gets a part of the fuel and time. If that is not
/// enough, the graph is planned again with the full limits. A policy that exceeds the fuel or time
/// in two cases is not run on the others. Fuel and memory are the same on every machine.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    component: ComponentArgs,

    /// Policy to test [default: all policies of the planner]
    #[arg(long, value_name = "POLICY", help_heading = headings::LAYERS)]
    policy: Option<String>,

    /// Option of the policy; may be repeated
    ///
    /// VALUE is JSON, or a string if it is not valid JSON. If a name is repeated, its last value is
    /// used.
    #[arg(long, value_name = "NAME=VALUE", help_heading = headings::LAYERS)]
    option: Vec<String>,

    /// Graph to use instead of the built-in ones, with several numbers of layers; `-` for stdin
    ///
    /// FILE is the output of `nix path-info --json --recursive`, the JSON of exportReferencesGraph,
    /// or the directory that closureInfo creates.
    #[arg(long, value_name = "FILE", value_parser = stdin::file_parser(), help_heading = headings::CONTENT)]
    closure: Option<PathBuf>,

    /// Directory of the package store in the graph
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/nix/store",
        requires = "closure",
        help_heading = headings::CONTENT
    )]
    store_dir: String,

    /// Show the time of each call
    #[arg(long, help_heading = headings::OUTPUT)]
    time: bool,

    #[command(flatten)]
    show: FormatArgs,
}

const EXAMPLES: &str = "\
Examples:
  terrine planner check my-policy.wasm
  terrine planner check my-policy.wasm --policy spread --option by=3
  terrine planner check my-policy.wasm --closure graph.json --time";

pub(super) fn run(args: &Args, printer: &Printer) -> Result<()> {
    let runtime = args.component.runtime(printer)?;
    let planner = args.component.load(&runtime)?;
    let info = planner
        .describe()
        .context("cannot list the policies of the planner")?;
    let options = merge(Json::Object(Default::default()), &args.option)?.to_string();
    let policies = policies(args, &planner, &info, &options)?;
    let cases = cases(args)?;
    let policies = policies
        .into_iter()
        .map(|policy| {
            let trials = trials(&planner, &policy, &options, &cases);
            PolicyTrials { policy, trials }
        })
        .collect();
    let checked = Checked {
        planner: &planner,
        info: &info,
        file: args.component.path(),
        cases: &cases,
        policies,
        time: args.time,
    };
    print(&match args.show.format() {
        Format::Table => to_table(&checked),
        Format::Json => to_json(&checked)?,
    })?;
    verdict(&checked)
}

/// An error where something failed.
fn verdict(checked: &Checked<'_>) -> Result<()> {
    let all: Vec<&Trial> = checked
        .policies
        .iter()
        .flat_map(|policy| &policy.trials)
        .collect();
    let count = |of: fn(&Outcome) -> bool| all.iter().filter(|trial| of(&trial.outcome)).count();
    let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    let not_run = match count(|outcome| matches!(outcome, Outcome::NotRun(_))) {
        0 => String::new(),
        count => format!(", and {count} were not run"),
    };
    match failed {
        0 => Ok(()),
        failed => {
            let name = checked.planner.name();
            Err(Failure::new(format!(
                "planner `{name}` failed in {failed} of {} cases{not_run}",
                all.len()
            )))
        }
    }
}

/// The policies to try, whose names and options the planner has.
fn policies(args: &Args, planner: &Planner<'_>, info: &Info, options: &str) -> Result<Vec<String>> {
    if let Some(policy) = &args.policy {
        return Ok(vec![
            planner.check_request(info, policy, options)?.name.clone(),
        ]);
    }
    if args.option.is_empty() {
        return Ok(info
            .policies
            .iter()
            .map(|policy| policy.name.clone())
            .collect());
    }
    if info.policies.len() > 1 {
        return Err(Usage {
            message: "options are those of one policy, and the planner has several".to_owned(),
            hint: "choose one with `--policy`",
        }
        .into());
    }
    Ok(vec![planner.check_request(info, "", options)?.name.clone()])
}

fn cases(args: &Args) -> Result<Vec<Case>> {
    let Some(file) = &args.closure else {
        return Ok(corpus());
    };
    let graph = closure::read(file, &args.store_dir)?;
    let past = Past::default();
    let grouping = Grouping {
        past: &past,
        graph: &graph,
        roots: &graph.roots(),
        excluded: &[],
        store_dir: &args.store_dir,
        policy: "",
        options: "{}",
        max_layers: None,
    };
    Ok(budgets(&file.display().to_string(), &request(&grouping)))
}
