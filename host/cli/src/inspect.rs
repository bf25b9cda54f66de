//! `terrine inspect`: the facts about an image.

use super::failure::Result;
use super::format::{Format, FormatArgs};
use super::images::OneImage;
use super::{image_tables, output};

/// Show the layers, configuration and store paths of an image
///
/// Reads the manifest and the configuration of an image, but not its layers. Prints to stdout the
/// platform, the command, the environment, and each layer with its size and digest. If the metadata
/// of the image lists the store paths of a layer, they are printed, too.
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
