//! `terrine inspect`: what an image is.

use std::io::Write;

use anyhow::Context;

use super::format::Format;
use super::images::ImagesArgs;
use super::{image_tables, images};

/// Show what an image is: its layers, what it runs, the store paths in it
///
/// No layer is read.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The image: a file or an OCI layout, or a reference such as docker://debian:12; `-` for stdin
    image: String,

    #[command(flatten)]
    which: ImagesArgs,

    /// How to show it [default: table on a terminal, json elsewhere]
    #[arg(long, value_name = "FORMAT", help_heading = "Output")]
    format: Option<Format>,
}

const EXAMPLES: &str = "\
Examples:
  terrine inspect web.tar
  terrine inspect docker://debian:12 --platform linux/arm64
  terrine inspect web.tar | jq '.layers[].storePaths'";

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let image = images::open(&args.image, &args.which)?;
    let facts = terrine::inspect::inspect(&image)?;
    let text = match Format::of(args.format) {
        Format::Json => facts.to_json(),
        Format::Table => image_tables::inspection(&facts),
    };
    std::io::stdout().write_all(text.as_bytes()).context("writing to stdout")
}
