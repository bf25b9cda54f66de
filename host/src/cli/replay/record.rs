//! `terrine replay record`: a sequence of closures, from images or specifications.

use super::super::printer::Printer;

/// Record the closures of images as a sequence
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_: &Args, _: &Printer) -> anyhow::Result<()> {
    Ok(())
}
