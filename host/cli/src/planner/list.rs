//! `terrine planner list`: the policies that are built in.

use std::fmt::Write;

use serde::Serialize;
use terrine::planner::Limits;
use terrine::planner::layering::{Info, PolicyInfo};

use super::format::{Format, FormatArgs};
use super::{SCHEMA_VERSION, json, print, runtime};

/// List the policies that are built in
///
/// Those of a component in a file are shown by `planner describe`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    show: FormatArgs,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    schema_version: u32,
    policies: Vec<Policy<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Policy<'a> {
    name: &'a str,
    summary: &'a str,
    uses_history: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = runtime(Limits::default())?;
    let info = runtime.embedded()?.describe()?;
    let text = match args.show.format() {
        Format::Table => table(&info),
        Format::Json => {
            let policies = info.policies.iter().map(Policy::from).collect();
            json(&List {
                schema_version: SCHEMA_VERSION,
                policies,
            })?
        }
    };
    print(&text)
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

fn table(info: &Info) -> String {
    let width = info
        .policies
        .iter()
        .map(|policy| policy.name.len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for (index, PolicyInfo { name, summary, .. }) in info.policies.iter().enumerate() {
        let default = if index == 0 { " (the default)" } else { "" };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<width$}  {summary}{default}");
    }
    text
}
