//! `terrine inspect`: what an image is.

use super::failure::Result;
use super::format::{Format, FormatArgs};
use super::images::OneImage;
use super::{image_tables, output};

/// Show what an image is: its layers, what it runs, the store paths in it
///
/// No layer is read.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    image: OneImage,

    #[command(flatten, next_help_heading = "Output")]
    show: FormatArgs,
}

const EXAMPLES: &str = "\
Examples:
  terrine inspect web.tar
  terrine inspect docker://debian:12 --platform linux/arm64
  terrine inspect web.tar | jq '.layers[].storePaths'";

pub(super) fn run(args: &Args) -> Result<()> {
    let image = args.image.open()?;
    let facts = terrine::inspect::inspect(&image)?;
    let text = match args.show.format() {
        Format::Json => facts.to_json(),
        Format::Table => image_tables::inspection(&facts),
    };
    output::print(&text)
}
