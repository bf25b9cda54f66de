//! `terrine merge`: several images in one docker-archive.

use std::path::PathBuf;

use terrine::copy::{self, Named};
use terrine::oci::{Platform, Reference, Selector};
use terrine::source::{self, DockerArchive, Opened};

use super::copy::image_names;
use super::failure::{Context, Result};
use super::images::{Images, ImagesArgs};
use super::output::Output;
use super::printer::Printer;
use super::progress::Progress;
use super::stdin;

/// Put several images into one docker-archive
///
/// As dockerTools.mergeImages does. Layers that they share are written once. `docker load` and `podman load` then load all of
/// them. Of a docker-archive all images are taken, with the names that they have there.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The images
    #[arg(value_name = "IMAGE", required = true, value_parser = stdin::image)]
    from: Vec<Reference>,

    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    images: ImagesArgs,
}

const EXAMPLES: &str = "\
Examples:
  terrine merge web.tar oci:layout:db docker://ghcr.io/acme/cron:1 | docker load";

pub(super) fn run(args: &Args, printer: &Printer) -> Result<()> {
    let output = Output::open(args.output.as_deref())?;
    let named: Vec<&Reference> = args.from.iter().collect();
    let images = Images::new(&args.images.registry, &named)?;
    let all = open(&images, &args.from, args.images.platform.as_ref())?;
    let progress = Progress::new(
        printer,
        all.iter().map(|named| named.image.layers.len()).sum(),
    );
    let count = all.len();
    copy::write_archive(all, &output, &progress).context("can not merge the images")?;
    progress.finish();
    let summary = progress.summary();
    drop(progress);
    output.commit()?;
    printer.status(&format!("{count} images, {summary}"));
    Ok(())
}

/// Opens all images that references lead to, with their names.
pub(super) fn open(
    images: &Images,
    references: &[Reference],
    platform: Option<&Platform>,
) -> Result<Vec<Named>> {
    let mut all = vec![];
    for from in references {
        let opened = named(images, from, platform);
        all.extend(opened.with_context(|| format!("can not merge `{from}`"))?);
    }
    Ok(all)
}

/// The images that a reference leads to, with their names.
fn named(images: &Images, from: &Reference, platform: Option<&Platform>) -> Result<Vec<Named>> {
    let path = match from {
        Reference::DockerArchive {
            path,
            image: Selector::Only,
        }
        | Reference::Path(path) => Some(path),
        _ => None,
    };
    let archive = path.filter(|path| path.is_file());
    if let Some(archive) = archive.map(|path| DockerArchive::open(&from.to_string(), path))
        // What is no docker-archive is opened as what it is.
        && let Ok(archive) = archive
    {
        let each = archive.manifests().iter().enumerate();
        let each = each.map(|(number, manifest)| {
            let image = Opened::Image(archive.image(&Selector::Number(number))?);
            let image = source::pick(image, platform)?;
            Ok(Named {
                image,
                names: manifest.repo_tags.clone(),
            })
        });
        return each.collect();
    }
    let image = images.image(from, platform)?;
    let names = image_names(from, &image);
    Ok(vec![Named { image, names }])
}
