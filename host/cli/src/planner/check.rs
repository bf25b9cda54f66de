//! `terrine planner check`: what a component does with graphs of many kinds.

use std::path::PathBuf;

use terrine::closure;
use terrine::history::Past;
use terrine::plan::{Grouping, request};
use terrine::planner::Planner;
use terrine::planner::check::{Case, Outcome, Trial, budgets, corpus, trials};
use terrine::planner::layering::Info;
use terrine::spec::Json;

use super::super::printer::Printer;
use super::super::stdin;
use super::check_tables::{Checked, PolicyTrials, to_json, to_table};
use super::format::{Format, FormatArgs};
use super::{ComponentArgs, print};
use crate::exit::Usage;
use crate::failure::{Context, Failure, Result};
use crate::planner_args::merge;

/// Try a planner on graphs of many kinds
///
/// Each graph is planned four times: twice as it is, with its paths in another order, and with
/// other hashes in their names. Plans have to keep to the contract. Fuel and memory are the same
/// on every machine. A policy may refuse a budget or its options; anything else that is not a
/// plan is a failure, and makes the exit code 1.
///
/// Graphs of at most 100 paths have to do with a part of the fuel and of the time that a call may take;
/// where one cannot, it is tried again with all of it. A policy that has used up either in two cases
/// is not run on the others.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    component: ComponentArgs,

    /// Try this policy only [default: all of the planner's]
    #[arg(long, value_name = "POLICY")]
    policy: Option<String>,

    /// An option of the policy; may be repeated, the last one of a name counts
    ///
    /// A value that is JSON is that, and anything else a string.
    #[arg(long, value_name = "NAME=VALUE")]
    option: Vec<String>,

    /// Try it on this graph instead of the built-in ones, with several budgets
    ///
    /// What exportReferencesGraph or `nix path-info --json --recursive` write, or a folder of
    /// closureInfo; `-` for stdin.
    #[arg(long, value_name = "FILE", value_parser = stdin::file_parser())]
    closure: Option<PathBuf>,

    /// The directory of store paths in that graph
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/nix/store",
        requires = "closure"
    )]
    store_dir: String,

    /// Show how long each call took, too
    #[arg(long)]
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
        .context("asking which policies it has, for which a part of the limits has to do")?;
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
            hint: "say which one by `--policy`",
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
