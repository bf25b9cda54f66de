//! `terrine diff`: what makes an image another.

use super::failure::Result;
use super::format::{Format, FormatArgs};
use super::images::ImagesArgs;
use super::stdin;
use super::{image_tables, output};

/// Show what a client that has one image pulls for another, and why
///
/// Layers are compared by their digests, and none is read. Where both images name their
/// store paths, those are told that are new, changed or in another layer.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The image that is there
    #[arg(value_parser = stdin::image_text)]
    old: String,

    /// The image that is wanted
    #[arg(value_parser = stdin::image_text)]
    new: String,

    #[command(flatten)]
    which: ImagesArgs,

    #[command(flatten, next_help_heading = "Output")]
    show: FormatArgs,
}

const EXAMPLES: &str = "\
Examples:
  terrine diff web-1.1.tar web-1.2.tar
  terrine diff docker://ghcr.io/acme/web:1.1 oci:layout:web
  terrine diff web-1.1.tar web-1.2.tar | jq .pullBytes";

pub(super) fn run(args: &Args) -> Result<()> {
    args.which.check(&[&args.old, &args.new])?;
    let old = args.which.open(&args.old)?;
    let new = args.which.open(&args.new)?;
    let diff = terrine::diff::diff(&old, &new)?;
    let text = match args.show.format() {
        Format::Json => diff.to_json(),
        Format::Table => image_tables::diff(&diff),
    };
    output::print(&text)
}
