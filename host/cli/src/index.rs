//! `terrine index`: images of several platforms under one name.

use terrine::oci::Reference;

use super::argument;
use super::copy;
use super::copy_args::CopyArgs;
use super::exit::Usage;
use super::failure::{Context, Result};
use super::images::{Images, ImagesArgs};
use super::printer::Printer;
use super::progress::Progress;
use super::target::TargetReference;

/// Put images of several platforms under one name
///
/// Each image is copied where the index is to be; what is there already is not copied again.
/// Of an image that is an index itself, all its platforms are taken.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Where the index is to be: docker://NAME:TAG, oci:DIRECTORY[:TAG] or oci-archive:FILE[:TAG]
    #[arg(long, value_name = "IMAGE", value_parser = argument::read::<Reference>)]
    to: Reference,

    /// The images, one for each platform
    #[arg(value_name = "IMAGE", required = true, value_parser = argument::read::<Reference>)]
    from: Vec<Reference>,

    #[command(flatten)]
    copy: CopyArgs,

    #[command(flatten)]
    images: ImagesArgs,
}

const EXAMPLES: &str = "\
Examples:
  terrine index --to docker://ghcr.io/acme/web:1.2 oci:./amd64:web oci:./arm64:web
  terrine index --to oci:./layout:web web-amd64.tar web-arm64.tar";

pub(super) fn run(args: &Args, printer: &Printer) -> Result<()> {
    let cannot = || format!("can not make the index `{}`", args.to);
    let TargetReference::Blobs(to) = TargetReference::of(&args.to) else {
        return Err(Usage {
            message: format!("`{}` has no place for an index", args.to),
            hint: "write docker://NAME:TAG, oci:DIRECTORY:TAG or oci-archive:FILE:TAG",
        }
        .into());
    };
    args.copy.check(&args.to)?;
    let images = Images::new(&args.images.registry);
    let mut listed = vec![];
    for from in &args.from {
        listed.extend(
            images
                .all(from, args.images.platform.as_ref())
                .with_context(cannot)?,
        );
    }
    let target = to
        .open(images.client(), None, args.copy.encode.lock_wait(printer))
        .with_context(cannot)?;
    let destination = target.destination();
    let context = args.copy.context(destination, printer)?;
    let progress = Progress::new(
        printer,
        listed.iter().map(|(_, image)| image.layers.len()).sum(),
    );
    let copying = context.copying(destination, &progress);
    let document = copying.index(&listed).with_context(cannot)?;
    context.close(printer);
    copy::finish(&document, &args.to, target, progress, printer)
}
