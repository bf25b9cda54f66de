//! `terrine schema`: the JSON Schema of image specifications.

use super::failure::Result;
use super::output;

/// Print the JSON Schema of image specifications
///
/// Prints the schema to stdout. It describes each field of the files that `terrine build` and
/// `terrine plan` read. Editors use it to complete and validate these files.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {}

const EXAMPLES: &str = "\
Examples:
  terrine schema > image.schema.json
  terrine schema | jq .properties.contents";

pub(super) fn run(_: &Args) -> Result<()> {
    output::print(&terrine::spec::schema())
}
