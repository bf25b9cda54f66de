//! `terrine planner list`: the policies that are built in.

use std::fmt::Write;

use serde::Serialize;
use terrine::planner::Limits;
use terrine::planner::layering::{Info, PolicyInfo};

use super::format::Format;
use super::{Policy, SCHEMA_VERSION, json, print, runtime};

/// List the policies that are built in
///
/// Those of a component in a file are shown by `planner describe`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// How to show it [default: table on a terminal, json elsewhere]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    schema_version: u32,
    policies: Vec<Policy<'a>>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = runtime(Limits::default())?;
    let info = runtime.embedded()?.describe()?;
    let text = match Format::of(args.format) {
        Format::Table => table(&info),
        Format::Json => {
            let policies = info.policies.iter().map(Policy::from).collect();
            json(&List { schema_version: SCHEMA_VERSION, policies })?
        }
    };
    print(&text)
}

fn table(info: &Info) -> String {
    let width = info.policies.iter().map(|policy| policy.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (index, PolicyInfo { name, summary, .. }) in info.policies.iter().enumerate() {
        let default = if index == 0 { " (the default)" } else { "" };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<width$}  {summary}{default}");
    }
    text
}
