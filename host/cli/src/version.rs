//! `terrine version`: the version of this program and of what it embeds.

use std::fmt::Write as _;

use serde::Serialize;
use terrine::oci::Digest;
use terrine::planner;
use terrine::platform::this_machine;

use super::failure::{JsonError, Result};
use super::format::{Format, FormatArgs};
use super::output;

/// The version of the JSON. It grows when a field goes or changes its meaning, not when one is added.
const SCHEMA_VERSION: u32 = 1;

/// Show the version
///
/// Prints to stdout the version of terrine, the platform that it runs on, and the digest and the
/// contract of the built-in planner. Annotations of images record this digest.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    show: FormatArgs,
}

const EXAMPLES: &str = "\
Examples:
  terrine version
  terrine version --format json | jq -r .planner.digest";

/// The output: the version of terrine, its platform, and its built-in planner.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    schema_version: u32,
    version: &'static str,
    platform: String,
    planner: PlannerVersion,
}

/// The version of the built-in planner: its digest and its contract.
#[derive(Debug, Serialize)]
struct PlannerVersion {
    digest: String,
    contract: &'static str,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let version = Version {
        schema_version: SCHEMA_VERSION,
        version: env!("CARGO_PKG_VERSION"),
        platform: format!("{}/{}", std::env::consts::OS, this_machine()),
        planner: PlannerVersion {
            digest: Digest::of(planner::EMBEDDED).to_string(),
            contract: planner::CONTRACT,
        },
    };
    output::print(&match args.show.format() {
        Format::Table => version.table(),
        Format::Json => serde_json::to_string_pretty(&version).map_err(JsonError)? + "\n",
    })
}

impl Version {
    fn table(&self) -> String {
        let mut text = String::new();
        for (name, value) in [
            ("terrine", self.version),
            ("platform", &self.platform),
            ("planner", &self.planner.digest),
            ("contract", self.planner.contract),
        ] {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name:<12}{value}");
        }
        text
    }
}
