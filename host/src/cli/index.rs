//! `terrine index`: images of several platforms under one name.

use anyhow::Context;
use terrine::image::Reference;
use terrine::ship::{Carrier, Recompress};
use terrine::transfer::Copying;

use super::copy;
use super::exit::Usage;
use super::images::{Images, ImagesArgs};
use super::printer::Printer;
use super::progress::Progress;
use super::ship_args::{HowArgs, reference, tell};
use super::target::Target;

/// Put images of several platforms under one name
///
/// Each image is copied where the index is to be; what is there already is not copied again.
/// Of an image that is an index itself, all its platforms are taken.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Where the index is to be: docker://NAME:TAG, oci:DIRECTORY[:TAG] or oci-archive:FILE[:TAG]
    #[arg(long, value_name = "IMAGE", value_parser = reference)]
    to: Reference,

    /// The images, one for each platform
    #[arg(value_name = "IMAGE", required = true, value_parser = reference)]
    from: Vec<Reference>,

    #[command(flatten)]
    how: HowArgs,

    #[command(flatten)]
    images: ImagesArgs,
}

const EXAMPLES: &str = "\
Examples:
  terrine index --to docker://ghcr.io/acme/web:1.2 oci:./amd64:web oci:./arm64:web";

pub(super) fn run(args: &Args, printer: &Printer) -> anyhow::Result<()> {
    let cannot = || format!("can not make the index `{}`", args.to);
    let images = Images::new(&args.images.registry);
    let mut listed = vec![];
    for from in &args.from {
        listed.extend(images.all(from, args.images.platform.as_ref()).with_context(cannot)?);
    }
    let target = Target::open(&args.to, images.client(), None).with_context(cannot)?;
    let Some(destination) = target.blobs() else {
        return Err(Usage {
            message: format!("`{}` has no place for an index", args.to),
            hint: "write docker://NAME:TAG, oci:DIRECTORY:TAG or oci-archive:FILE",
        }
        .into());
    };
    let (setting, pool) = (args.how.setting(destination), args.how.pool());
    let cache = args.how.cache(printer);
    let progress = Progress::new(printer, listed.iter().map(|image| image.layers.len()).sum());
    let copying = Copying {
        carrier: Carrier {
            destination,
            setting: &setting,
            pool: &pool,
            cache: &cache,
            recompress: match (&args.how.compression, destination.repository()) {
                (Some(_), _) => Recompress::All,
                (None, Some(_)) => Recompress::Plain,
                (None, None) => Recompress::Never,
            },
        },
        jobs: args.how.jobs(),
        only_oci: target.only_oci(),
        annotations: &args.how.annotations()?,
        reporter: &progress,
    };
    let document = copying.index(&listed).with_context(cannot)?;
    target.commit()?;
    progress.finish();
    tell(&cache, printer);
    copy::done(&document, &args.to, &progress, printer);
    Ok(())
}
