//! `terrine diff`: the difference between two images.

use super::failure::Result;
use super::format::{Format, FormatArgs};
use super::images::ImagesArgs;
use super::stdin;
use super::{image_tables, output};

/// Compare two images: the layers that an update pulls, and why
///
/// Reads the manifests and configurations of two images, but not their layers. Prints to stdout the
/// layers that a client with OLD downloads when it pulls NEW. If the metadata of both images lists
/// their store paths, the paths that are new, changed or in another layer are printed, too.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Image that the client has
    #[arg(value_name = "OLD", value_parser = stdin::image_text)]
    old: String,

    /// Image that the client pulls
    #[arg(value_name = "NEW", value_parser = stdin::image_text)]
    new: String,

    #[command(flatten)]
    which: ImagesArgs,

    #[command(flatten)]
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
