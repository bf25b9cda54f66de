//! `terrine schema`: the JSON Schema of image specifications.

use super::failure::Result;
use super::output;

/// Print the JSON Schema of image specifications
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_: &Args) -> Result<()> {
    output::print(&terrine::spec::schema())
}
