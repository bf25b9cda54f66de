//! `terrine build`: an image from store paths and directories.

use terrine::plan::{self, CommandsTold, PlanOptions};
use terrine::planner::Planners;
use terrine::spec::ImageSpec;

use super::cache_args::close_cache;
use super::command_args::show;
use super::failure::{Context, Result};
use super::flag_names::FlagNames;
use super::headings;
use super::image_args::{ImageArgs, Merged};
use super::images::Images;
use super::printer::Printer;
use super::progress::Progress;
use super::ship_args::ShipArgs;
use super::strict_args::StrictArgs;

/// Build an image from store paths and directories
///
/// Reads an image specification, flags, or both, and the files that they name. Packs the files into
/// layers, compresses the layers and writes the image to each destination of `--to`. Then prints,
/// for each destination, the reference of the image with its digest. Without `--to` and `--output`,
/// writes a docker-archive to stdout, for `docker load` or `podman load`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    image: ImageArgs,

    #[command(flatten)]
    ship: ShipArgs,

    /// Identify layers of directories by the content of their files
    ///
    /// Reads each directory of `contents` once more, before it is packed. Layers of directories then have keys as layers of store paths do:
    /// unchanged ones are found in the cache, and `--layers-from` finds them in images that other
    /// machines built.
    #[arg(long, help_heading = headings::CACHE)]
    hash_contents: bool,

    #[command(flatten)]
    strict: StrictArgs,
}

const EXAMPLES: &str = "\
Examples:
  terrine build image.json | docker load
  terrine build image.json --to docker://ghcr.io/acme/web:1.2
  terrine build image.json --tag 1.2 --tag latest --to docker://ghcr.io/acme/web --to oci:./layout
  terrine build image.json --to oci:./layout:web --compression zstd
  terrine build --name web --copy-to-root ./web -o web.tar -- /bin/web --port 80";

pub(super) fn run(args: &Args, printer: &Printer) -> Result<()> {
    args.ship.check()?;
    let Merged { spec, names } = args.image.merge()?;
    build(args, &spec, &names, printer).map_err(|failure| failure.in_terms_of(names))
}

/// Builds the image of a specification.
fn build(args: &Args, spec: &ImageSpec, names: &FlagNames, printer: &Printer) -> Result<()> {
    let runtime = args
        .image
        .limits()
        .runtime(args.ship.encode.cache, printer)?;
    let cannot = || format!("cannot build {}", args.image.what());
    let planner = runtime.embedded()?;
    let component = plan::component(spec, &runtime).with_context(cannot)?;
    let planners = Planners::one(&planner).with_layering(component.as_ref());
    let mut named = args.image.named();
    let shipped = args.ship.named();
    named.extend(&shipped);
    let images = Images::new(&args.ship.registry, &named)?.with_all_layers();
    let cache = args.ship.cache(printer);
    let tell = |told: CommandsTold<'_>| show(told, printer);
    let commands = args
        .image
        .commands
        .options(args.ship.encode.cache.keeps(), &tell);
    let (web, settings) = (
        images.client().web(),
        args.image.binary_caches.settings(spec)?,
    );
    let caches = args.image.binary_caches.options(&web, &settings);
    let layers_from = args.ship.existing(spec);
    let options = PlanOptions {
        hash_contents: args.hash_contents,
        layers_from: &layers_from,
        ..args
            .image
            .options(images.opener(), &cache, commands, caches)
    };
    let prepared = plan::prepare(spec, &options, planners).with_context(cannot)?;
    let plan::Prepared { image, mut facts } = prepared;
    names.remarks(&mut facts.remarks);
    args.strict
        .print(&facts.remarks, printer)
        .with_context(cannot)?;
    let previous = plan::previous_images(spec).with_context(cannot)?;
    let progress = Progress::new(printer, image.layer_count());
    let (landings, shipped) = args
        .ship
        .ship((&image, &previous), &images, &cache, &progress, printer)
        .with_context(cannot)?;
    close_cache(&cache, printer);
    progress.finish();
    landings.tell(&shipped.landed, printer)?;
    if let Some(outcome) = &shipped.outcome {
        facts.complete(outcome);
        facts.transferred = Some(progress.transferred());
        facts.destinations.clone_from(&shipped.landed);
        landings.write(&shipped.landed, Some(outcome.id), Some(facts.to_json()))?;
    }
    shipped.tell(&progress.summary(), printer)
}
