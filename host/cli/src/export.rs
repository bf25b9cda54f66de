//! `terrine export`: the files of an image, as dockerTools' exportImage has them.

use std::path::PathBuf;

use indicatif::DecimalBytes;
use terrine::export::{self, Holes};

use super::failure::{Context, Result};
use super::images::OneImage;
use super::output::Output;
use super::printer::Printer;
use super::progress::Progress;
use super::{argument, headings};

/// Export the files of an image as a tar archive
///
/// Reads the layers of an image and writes the files that a container would see as one tar archive
/// to stdout, or to a file with `--output`. Nothing is unpacked, so owners, devices and extended
/// attributes need no privileges. Files are in the order of the layers, each after its directory.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    image: OneImage,

    /// Write the archive to this file instead of stdout
    ///
    /// The file appears once it is complete. If the command fails, no file is written.
    #[arg(short, long, value_name = "FILE", help_heading = headings::OUTPUT, value_parser = argument::output)]
    output: Option<PathBuf>,

    /// Keep the holes of sparse files, as `tar --sparse` does
    ///
    /// Only files that a layer stores as sparse have holes. By default, holes are written as zeros,
    /// and a sparse file that is far larger than its layer is an error. GNU tar, bsdtar, Python and
    /// Go can read sparse files in archives.
    #[arg(long, help_heading = headings::OUTPUT)]
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
