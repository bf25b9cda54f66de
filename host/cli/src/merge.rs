//! `terrine merge`: several images in one docker-archive.

use std::path::PathBuf;

use serde::Serialize;
use terrine::copy::{self, Named};
use terrine::oci::{Digest, Platform, Reference, Selector, to_json_text};
use terrine::plan::DestinationFacts;
use terrine::source::{self, DockerArchive, Opened};

use super::copy::image_names;
use super::exit::Usage;
use super::failure::{Context, Failure, Result};
use super::images::{Images, ImagesArgs};
use super::landing::LandingArgs;
use super::printer::Printer;
use super::progress::Progress;
use super::target::{Place, TargetReference};
use super::{argument, headings, stdin};

/// Merge several images into one docker-archive
///
/// Writes several images to one docker-archive, like dockerTools.mergeImages. The archive goes to
/// stdout unless `--output` or `--to` is given, and `docker load` and `podman load` load all of its
/// images. Layers that images share are written once. All images of an existing docker-archive are
/// added, with their names.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    images: ImagesArgs,

    /// Images to merge
    #[arg(value_name = "IMAGE", required = true, value_parser = stdin::image)]
    from: Vec<Reference>,

    /// Write the docker-archive to this file instead of stdout
    #[arg(short, long, value_name = "FILE", help_heading = headings::OUTPUT, value_parser = argument::output)]
    output: Option<PathBuf>,

    /// Destination: docker-archive:FILE, a file, `-` for stdout, `docker-daemon:` or
    /// `containers-storage:`
    ///
    /// The images keep their names.
    #[arg(long, value_name = "DESTINATION", value_parser = to, help_heading = headings::OUTPUT, conflicts_with = "output")]
    to: Option<Reference>,

    #[command(flatten)]
    landing: LandingArgs,
}

const EXAMPLES: &str = "\
Examples:
  terrine merge web.tar oci:layout:db docker://ghcr.io/acme/cron:1 | docker load
  terrine merge web.tar oci:layout:db --to containers-storage:";

/// The merged images and their destinations, as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    schema_version: u32,
    images: Vec<ImageFacts>,
    destinations: &'a [DestinationFacts],
}

/// One of the images.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ImageFacts {
    image_id: Digest,
    names: Vec<String>,
}

pub(super) fn run(args: &Args, printer: &Printer) -> Result<()> {
    let place = place(args)?;
    let landings = args.landing.open([&place].into_iter())?;
    let mut named: Vec<&Reference> = args.from.iter().collect();
    named.push(&place.reference);
    let images = Images::new(&args.images.registry, &named)?.with_all_layers();
    let TargetReference::Archive(target) = TargetReference::of(&place.reference) else {
        return Err(no_place(&place.reference));
    };
    let target = target.open(&place)?;
    let all = open(&images, &args.from, args.images.platform.as_ref())?;
    let facts: Vec<ImageFacts> = all.iter().map(ImageFacts::of).collect();
    let names: Vec<String> = facts.iter().flat_map(|image| image.names.clone()).collect();
    let progress = Progress::new(
        printer,
        all.iter().map(|named| named.image.layers.len()).sum(),
    );
    let count = all.len();
    let written = target.write(
        |out| copy::write_archive(all, out.into_writer(), &progress),
        copy::Error::is_closed,
    );
    written.context("cannot merge the images")?;
    progress.finish();
    let summary = progress.summary();
    drop(progress);
    target.commit()?;
    let landed = [place.landed(None, &names)];
    landings.tell(&landed, printer)?;
    let facts = to_json_text(&Summary {
        schema_version: 1,
        images: facts,
        destinations: &landed,
    });
    landings.write(&landed, None, Some(facts))?;
    printer.status(&format!("{count} images, {summary}"));
    Ok(())
}

impl ImageFacts {
    fn of(named: &Named) -> Self {
        Self {
            image_id: named.image.configuration.digest(),
            names: named.names.clone(),
        }
    }
}

/// Reads where images go. A storage is named without an image.
fn to(text: &str) -> Result<Reference, String> {
    match text {
        "docker-daemon:" => Ok(Reference::DockerDaemon(String::new())),
        "containers-storage:" => Ok(Reference::ContainersStorage(String::new())),
        text => argument::read(text),
    }
}

/// Returns the place of the images, which keep their names there.
fn place(args: &Args) -> Result<Place> {
    let reference = match (&args.output, &args.to) {
        (Some(path), _) => Reference::DockerArchive {
            path: path.clone(),
            image: Selector::Only,
        },
        (None, Some(to)) => to.clone(),
        (None, None) => Reference::Stdio,
    };
    reference.check_target()?;
    let is_named = match &reference {
        Reference::DockerDaemon(name) | Reference::ContainersStorage(name) => !name.is_empty(),
        Reference::DockerArchive { image, .. } => *image != Selector::Only,
        Reference::Path(_) | Reference::Stdio => false,
        _ => return Err(no_place(&reference)),
    };
    if is_named {
        return Err(Usage {
            message: format!(
                "`{reference}` has the name of one image, but several images keep their own names"
            ),
            hint: "leave the name out; `terrine copy` gives an image another one",
        }
        .into());
    }
    let names = vec![];
    Ok(Place { reference, names })
}

fn no_place(reference: &Reference) -> Failure {
    Usage {
        message: format!("`{reference}` cannot hold several images"),
        hint: "write docker-archive:FILE, `docker-daemon:` or `containers-storage:`; `terrine index` puts images for several platforms under one name",
    }
    .into()
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
        all.extend(opened.with_context(|| format!("cannot merge `{from}`"))?);
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
