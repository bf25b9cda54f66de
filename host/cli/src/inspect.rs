//! `terrine inspect`: the facts about an image.

use super::failure::Result;
use super::format::{Format, FormatArgs};
use super::images::OneImage;
use super::{image_tables, output};

/// Show the layers, configuration and store paths of an image
///
/// Reads the manifest and the configuration of an image, but no layer, and prints their facts to
/// stdout: platform, command, environment, each layer with its size and digest, and the store paths
/// in it if the image names them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    image: OneImage,

    #[command(flatten)]
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
