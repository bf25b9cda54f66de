//! `terrine schema`: what an image specification may say.

use super::output;

/// Print the JSON Schema of image specifications
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_: &Args) -> anyhow::Result<()> {
    output::print(&terrine::spec::schema())
}
