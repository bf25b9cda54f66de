//! `terrine schema`: what an image specification may say.

use std::io::Write;

use anyhow::Context;

/// Print the JSON Schema of image specifications
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_: &Args) -> anyhow::Result<()> {
    std::io::stdout().write_all(terrine::spec::schema().as_bytes()).context("writing to stdout")
}
