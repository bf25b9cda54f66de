//! `terrine planner list`: the policies that are built in.

use std::fmt::Write;

use serde::Serialize;
use terrine::plan::DEFAULT_POLICY;
use terrine::planner::Planner;
use terrine::planner::layering::{Info, PolicyInfo};

use super::super::cache_args::CacheArgs;
use super::super::limit_args::LimitArgs;
use super::super::printer::Printer;
use super::format::{Format, FormatArgs};
use super::{SCHEMA_VERSION, json, print};
use crate::failure::Result;

/// List the built-in policies
///
/// Prints to stdout the name and the summary of each built-in policy, and the commands that use it
/// by default. `terrine planner describe FILE` describes the policies of a component in a file.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    show: FormatArgs,
}

const EXAMPLES: &str = "\
Examples:
  terrine planner list
  terrine planner list --format json | jq -r '.policies[].name'";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    schema_version: u32,
    defaults: Defaults<'a>,
    policies: Vec<Policy<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Policy<'a> {
    name: &'a str,
    summary: &'a str,
    uses_history: bool,
}

pub(super) fn run(args: &Args, printer: &Printer) -> Result<()> {
    let runtime = LimitArgs::default().runtime(CacheArgs::default(), printer)?;
    let planner = runtime.embedded()?;
    let info = planner.describe()?;
    let defaults = Defaults::of(&planner, &info);
    let text = match args.show.format() {
        Format::Table => table(&info, &defaults),
        Format::Json => {
            let policies = info.policies.iter().map(Policy::from).collect();
            json(&List {
                schema_version: SCHEMA_VERSION,
                defaults,
                policies,
            })?
        }
    };
    print(&text)
}

/// The policies that are used where none is named.
#[derive(Serialize)]
pub(super) struct Defaults<'a> {
    /// That of `build` and `plan`.
    build: &'a str,
    /// That of `layers` and `replay`: the component's first policy.
    layers: &'a str,
}

impl<'a> Defaults<'a> {
    pub(super) fn of(planner: &Planner<'_>, info: &'a Info) -> Self {
        // No component is without policies.
        let first = info.policies.first();
        let first = first.map_or("", |policy| policy.name.as_str());
        let build = if planner.is_embedded() {
            DEFAULT_POLICY
        } else {
            first
        };
        Self {
            build,
            layers: first,
        }
    }

    /// For people, behind a policy.
    pub(super) fn mark(&self, policy: &str) -> &'static str {
        if self.build == self.layers && policy == self.build {
            " (the default)"
        } else if policy == self.build {
            " (the default of `build` and `plan`)"
        } else if policy == self.layers {
            " (the default of `layers` and `replay`)"
        } else {
            ""
        }
    }
}

impl<'a> From<&'a PolicyInfo> for Policy<'a> {
    fn from(info: &'a PolicyInfo) -> Self {
        let PolicyInfo {
            name,
            summary,
            uses_history,
            ..
        } = info;
        Self {
            name,
            summary,
            uses_history: *uses_history,
        }
    }
}

fn table(info: &Info, defaults: &Defaults<'_>) -> String {
    let width = info
        .policies
        .iter()
        .map(|policy| policy.name.len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for PolicyInfo { name, summary, .. } in &info.policies {
        let mark = defaults.mark(name);
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<width$}  {summary}{mark}");
    }
    text
}
