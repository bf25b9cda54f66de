//! `terrine digest`: the digest by which an image is pinned.

use serde::Serialize;
use terrine::copy;
use terrine::oci::{Descriptor, Document, Reference, to_json_text};
use terrine::source::{self, Opened};

use super::failure::{Context, Result};
use super::format::Format;
use super::images::{Images, ImagesArgs};
use super::{argument, headings, output};

/// Print the digest of an image's manifest
///
/// Reads the manifest of an image and prints its digest to stdout. For an image for several
/// platforms, this is the digest of the index, unless `--platform` selects one image.
/// Docker-archives and the storage of docker or podman have no manifest: their layers are read, and
/// the digest is that of the manifest that `terrine copy IMAGE oci:DIRECTORY` writes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Image: a file, a directory, or a reference such as docker://debian:12; `-` for stdin
    #[arg(value_name = "IMAGE", value_parser = argument::read::<Reference>)]
    image: Reference,

    #[command(flatten)]
    which: ImagesArgs,

    /// Format of the output [default: the digest alone]
    #[arg(long, value_name = "FORMAT", help_heading = headings::OUTPUT)]
    format: Option<Format>,
}

const EXAMPLES: &str = "\
Examples:
  terrine digest docker://ghcr.io/acme/web:1.2
  terrine digest docker://debian:12 --platform linux/arm64
  terrine digest oci:./layout:web --format json | jq .size";

/// The facts about a manifest or an index.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Facts<'a> {
    schema_version: u32,
    image: String,
    #[serde(flatten)]
    descriptor: &'a Descriptor,
    /// None for an index.
    #[serde(skip_serializing_if = "Option::is_none")]
    image_id: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let cannot = || format!("cannot determine the digest of `{}`", args.image);
    let opened = Images::new(&args.which.registry, &[&args.image])?
        .open(&args.image)
        .with_context(cannot)?;
    let opened = match (opened, &args.which.platform) {
        (opened @ (Opened::Image(_) | Opened::Index(_)), None) => opened,
        (opened, platform) => {
            Opened::Image(source::pick(opened, platform.as_ref()).with_context(cannot)?)
        }
    };
    let (document, image_id): (Document, _) = match &opened {
        Opened::Index(index) | Opened::Choice { images: index, .. } => {
            (index.document.clone(), None)
        }
        Opened::Image(image) => (
            copy::manifest(image).with_context(cannot)?,
            Some(image.configuration.digest().to_string()),
        ),
    };
    if args.format != Some(Format::Json) {
        return output::print(&format!("{}\n", document.digest()));
    }
    output::print(&to_json_text(&Facts {
        schema_version: 1,
        image: args.image.to_string(),
        descriptor: &document.descriptor(),
        image_id,
    }))
}
