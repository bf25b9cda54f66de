//! `terrine export`: the files of an image, as dockerTools' exportImage has them.

use std::path::PathBuf;

use indicatif::DecimalBytes;
use terrine::export::{self, Holes};

use super::failure::{Context, Result};
use super::images::OneImage;
use super::output::Output;
use super::printer::Printer;
use super::progress::Progress;

/// Write the files of an image as one tar archive
///
/// The layers are put on top of each other as a container sees them. Nothing is unpacked
/// here, so owners, devices and extended attributes need no privileges. The archive is not
/// sorted: files come as the layers have them, each after the directories it is in.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    image: OneImage,

    /// Write to this file instead of stdout
    ///
    /// The file appears when it is complete, and not if anything fails.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Keep the holes of files that layers store sparsely, as `tar --sparse` does
    ///
    /// Otherwise they are written as zeros, and refused where they are out of all proportion to their layer. Only
    /// files that a layer has with holes get some. GNU tar, bsdtar, Python and Go read them.
    #[arg(long)]
    sparse: bool,
}

const EXAMPLES: &str = "\
Examples:
  terrine export web.tar | tar -tv
  terrine export docker://debian:12 --platform linux/arm64 -o debian.tar
  terrine export web.tar -o root.tar";

pub(super) fn run(args: &Args, printer: &Printer) -> Result<()> {
    let output = Output::open(args.output.as_deref())?;
    let image = args.image.open_for_export()?;
    let progress = Progress::new(printer, image.layers.len());
    let holes = if args.sparse {
        Holes::Kept
    } else {
        Holes::Filled
    };
    let exported = export::export(&image, &output, holes, &progress)
        .with_context(|| format!("cannot export `{}`", args.image.name))?;
    drop(progress);
    output.commit()?;
    let (members, bytes) = (exported.members, DecimalBytes(exported.bytes));
    printer.status(&format!("{members} members, {bytes} in files"));
    Ok(())
}
