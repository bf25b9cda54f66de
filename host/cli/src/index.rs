//! `terrine index`: images of several platforms under one name.

use terrine::copy;
use terrine::oci::{Descriptor, Document, Reference};
use terrine::source::Image;

use super::copied::Copied;
use super::copy_args::{CopyArgs, CopyTarget};
use super::exit::Usage;
use super::failure::{Context, Result};
use super::images::{Images, ImagesArgs};
use super::landing::LandingArgs;
use super::printer::Printer;
use super::progress::Progress;
use super::target::{BlobReference, BlobTarget, Place, Target, TargetReference};
use super::{argument, headings, stdin, target};

/// Create an index of images for several platforms
///
/// Copies images to each destination and writes an index that lists them. Then prints, for each
/// destination, the reference of the index with its digest. Layers that a destination already has
/// are not copied. If one of the images is an index itself, all of its images are listed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    images: ImagesArgs,

    /// Destination of the index: docker://NAME:TAG, oci:DIRECTORY[:TAG] or oci-archive:FILE[:TAG];
    /// may be repeated
    #[arg(long, value_name = "DESTINATION", help_heading = headings::OUTPUT, required = true, value_parser = argument::read::<Reference>)]
    to: Vec<Reference>,

    /// Tag at destinations that name none; may be repeated
    #[arg(long, help_heading = headings::OUTPUT)]
    tag: Vec<String>,

    /// Images to list, one for each platform
    #[arg(value_name = "IMAGE", required = true, value_parser = stdin::image)]
    from: Vec<Reference>,

    #[command(flatten)]
    landing: LandingArgs,

    #[command(flatten)]
    copy: CopyArgs,
}

const EXAMPLES: &str = "\
Examples:
  terrine index --to docker://ghcr.io/acme/web:1.2 oci:./amd64:web oci:./arm64:web
  terrine index --to oci:./layout:web web-amd64.tar web-arm64.tar";

pub(super) fn run(args: &Args, printer: &Printer) -> Result<()> {
    for to in &args.to {
        to.check_target()?;
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
    let images = images.with_layers_for(&args.copy, &args.to);
    let mut listed = vec![];
    for from in &args.from {
        let opened = images.all(from, args.images.platform.as_ref());
        listed.extend(opened.context("cannot make the index")?);
    }
    let mut copied = Copied::default();
    let cannot = |place: &Place| format!("cannot make the index `{}`", place.title());
    let open = |place: &Place| {
        let wait = args.copy.encode.lock_wait(printer);
        let target = blobs(&place.reference)?.open(images.client(), place, wait)?;
        Ok(Target::Blobs(target))
    };
    let opened = copied.open(places, open, cannot)?;
    let mut targets = vec![];
    for (place, target) in opened {
        if let Target::Blobs(target) = target {
            targets.push((place, target));
        }
    }
    let layers = listed.iter().map(|(_, image)| image.layers.len());
    let progress = Progress::new(printer, layers.sum());
    let outcomes = bring(args, &listed, &targets, &progress, printer);
    let outcomes = outcomes.with_context(|| match &targets[..] {
        [(place, _)] => cannot(place),
        _ => "cannot make the index".to_owned(),
    })?;
    for ((place, target), outcome) in targets.into_iter().zip(outcomes) {
        copied.blobs(&place, target, outcome, cannot)?;
    }
    progress.finish();
    let summary = progress.summary();
    drop(progress);
    copied.finish(landings, &summary, printer)
}

/// Returns the destination that a reference names, where that has a place for an index.
fn blobs(to: &Reference) -> Result<BlobReference<'_>> {
    match TargetReference::of(to) {
        TargetReference::Blobs(to) => Ok(to),
        TargetReference::Archive(_) => Err(Usage {
            message: format!("`{to}` does not support indexes"),
            hint: "write docker://NAME:TAG, oci:DIRECTORY:TAG or oci-archive:FILE:TAG",
        }
        .into()),
    }
}

/// Puts images under one name at all places.
fn bring(
    args: &Args,
    listed: &[(Option<Descriptor>, Image)],
    targets: &[(Place, BlobTarget<'_>)],
    progress: &Progress<'_>,
    printer: &Printer,
) -> Result<Vec<Result<Document, copy::Error>>> {
    let lanes = targets.iter();
    let lanes: Vec<CopyTarget<'_>> = lanes
        .map(|(_, target)| CopyTarget::Blobs(target.destination()))
        .collect();
    let context = args.copy.context(&lanes, printer)?;
    let carriers = context.carriers();
    let outcomes = context.copying(&carriers, progress).index(listed)?;
    context.close(printer);
    Ok(outcomes)
}
