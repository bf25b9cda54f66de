//! `terrine diff`: what makes an image another.

use std::io::Write;

use anyhow::Context;

use super::format::Format;
use super::images::ImagesArgs;
use super::{image_tables, images};

/// Show what a client that has one image pulls for another, and why
///
/// Layers are compared by their digests, and none is read. Where both images name their
/// store paths, those are told that are new, changed or in another layer.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The image that is there
    old: String,

    /// The image that is wanted
    new: String,

    #[command(flatten)]
    which: ImagesArgs,

    /// How to show it [default: table on a terminal, json elsewhere]
    #[arg(long, value_name = "FORMAT", help_heading = "Output")]
    format: Option<Format>,
}

const EXAMPLES: &str = "\
Examples:
  terrine diff web-1.1.tar web-1.2.tar
  terrine diff docker://ghcr.io/acme/web:1.1 oci:layout:web
  terrine diff web-1.1.tar web-1.2.tar | jq .pullBytes";

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let old = images::open(&args.old, &args.which)?;
    let new = images::open(&args.new, &args.which)?;
    let diff = terrine::diff::diff(&old, &new)?;
    let text = match Format::of(args.format) {
        Format::Json => diff.to_json(),
        Format::Table => image_tables::diff(&diff),
    };
    std::io::stdout().write_all(text.as_bytes()).context("writing to stdout")
}
