//! `terrine index`: images of several platforms under one name.

use terrine::oci::{Descriptor, Reference};
use terrine::plan::DestinationFacts;
use terrine::source::Image;

use super::copy::{self, Copied};
use super::copy_args::CopyArgs;
use super::exit::Usage;
use super::failure::{Context, Result};
use super::images::{Images, ImagesArgs};
use super::landing::LandingArgs;
use super::printer::Printer;
use super::progress::Progress;
use super::target::{BlobReference, Place, TargetReference};
use super::{argument, stdin, target};

/// Put images of several platforms under one name
///
/// Each image is copied where the index is to be; what is there already is not copied again.
/// Of an image that is an index itself, all its platforms are taken.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Where the index is to be: docker://NAME:TAG, oci:DIRECTORY[:TAG] or oci-archive:FILE[:TAG];
    /// may be repeated
    #[arg(long, value_name = "IMAGE", required = true, value_parser = argument::read::<Reference>)]
    to: Vec<Reference>,

    /// A tag for destinations that name none; may be repeated
    #[arg(long, help_heading = "Output")]
    tag: Vec<String>,

    /// The images, one for each platform
    #[arg(value_name = "IMAGE", required = true, value_parser = stdin::image)]
    from: Vec<Reference>,

    #[command(flatten)]
    landing: LandingArgs,

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
    for to in &args.to {
        blobs(to)?;
        args.copy.check(to)?;
    }
    let named = args.to.iter().map(|reference| Place {
        reference: reference.clone(),
        names: target::names(reference, |_| args.tag.clone()),
    });
    let places = target::places(named.collect())?;
    let landings = args.landing.open(places.iter())?;
    let named: Vec<&Reference> = args.from.iter().chain(&args.to).collect();
    let images = Images::new(&args.images.registry, &named)?;
    let mut listed = vec![];
    for from in &args.from {
        let opened = images.all(from, args.images.platform.as_ref());
        listed.extend(opened.context("can not make the index")?);
    }
    let mut copied = Copied::default();
    let alone = places.len() == 1;
    for place in &places {
        let cannot = format!("can not make the index `{}`", place.title());
        match one(args, &listed, place, &images, printer).with_context(|| cannot) {
            Ok(landed) => copied.landed.push(landed),
            Err(failure) if alone || failure.is::<Usage>() => return Err(failure),
            Err(failure) => copied.failures.push(failure),
        }
    }
    copied.finish(landings, printer)
}

/// Returns the destination that a reference names, where that has a place for an index.
fn blobs(to: &Reference) -> Result<BlobReference<'_>> {
    match TargetReference::of(to) {
        TargetReference::Blobs(to) => Ok(to),
        TargetReference::Archive(_) => Err(Usage {
            message: format!("`{to}` has no place for an index"),
            hint: "write docker://NAME:TAG, oci:DIRECTORY:TAG or oci-archive:FILE:TAG",
        }
        .into()),
    }
}

/// Puts images under one name at one place.
fn one(
    args: &Args,
    listed: &[(Option<Descriptor>, Image)],
    place: &Place,
    images: &Images,
    printer: &Printer,
) -> Result<DestinationFacts> {
    let wait = args.copy.encode.lock_wait(printer);
    let target = blobs(&place.reference)?.open(images.client(), place, wait)?;
    let destination = target.destination();
    let context = args.copy.context(destination, printer)?;
    let layers = listed.iter().map(|(_, image)| image.layers.len());
    let progress = Progress::new(printer, layers.sum());
    let copying = context.copying(destination, &progress);
    let document = copying.index(listed)?;
    context.close(printer);
    copy::finish(&document, place, target, progress, printer)?;
    Ok(place.landed(Some(&document.descriptor()), &[]))
}
