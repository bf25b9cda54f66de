//! `terrine build`: an image out of store paths and directories.

use std::io::Write;
use std::path::{Path, PathBuf};

use terrine::plan::{self, CommandsTold};
use terrine::planner::Planners;

use super::cache_args::close_cache;
use super::command_args::show;
use super::exit::Usage;
use super::failure::{Context, Result};
use super::github::{self, Outputs};
use super::image_args::ImageArgs;
use super::images::Images;
use super::output::Output;
use super::printer::Printer;
use super::progress::Progress;
use super::ship_args::{ShipArgs, open_target};
use super::strict_args::StrictArgs;
use super::target::names_tag;

/// Build an image out of store paths and directories
///
/// Without `--to` and `--output` a docker-archive goes to stdout, for `docker load`,
/// `podman load` and others.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    image: ImageArgs,

    #[command(flatten)]
    ship: ShipArgs,

    #[command(flatten)]
    strict: StrictArgs,

    /// Write what the image turned out to be to this file, as JSON; `-` for stdout
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    summary: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  terrine build image.json | docker load
  terrine build image.json --to docker://ghcr.io/acme/web:1.2
  terrine build image.json --to oci:./layout:web --compression zstd
  terrine build --name web --contents ./web -o web.tar -- /bin/web --port 80";

pub(super) fn run(args: &Args, printer: &Printer) -> Result<()> {
    check_outputs(args)?;
    args.ship.check()?;
    let summary = args
        .summary
        .as_deref()
        .map(|path| Output::open(Some(path)))
        .transpose()?;
    // A terminal is refused before anything is done.
    let early = args
        .ship
        .is_stdout()
        .then(|| Output::open(None))
        .transpose()?;
    drop(early);
    let spec = args.image.spec()?;
    let runtime = args
        .image
        .limits()
        .runtime(args.ship.encode.cache, printer)?;
    let cannot = || format!("can not build {}", args.image.what());
    let planner = runtime.embedded()?;
    let component = plan::component(&spec, &runtime).with_context(cannot)?;
    let planners = Planners::one(&planner).with_layering(component.as_ref());
    let images = Images::new(&args.ship.registry);
    let cache = args.ship.encode.cache.layers(printer);
    let tell = |told: CommandsTold<'_>| show(told, printer);
    let commands = args
        .image
        .commands
        .options(args.ship.encode.cache.keeps(), &tell);
    let options = args.image.options(images.opener(), &cache, commands);
    let prepared = plan::prepare(&spec, &options, planners).with_context(cannot)?;
    let plan::Prepared { image, mut facts } = prepared;
    args.strict
        .print(&facts.remarks, printer)
        .with_context(cannot)?;
    let target = open_target(&args.ship, images.client(), &image.resolved.tag, printer)?;
    let progress = Progress::new(printer, image.layer_count());
    let name = target.name().unwrap_or_else(|| image.reference());
    let outcome = args
        .ship
        .ship(image, &target, &cache, &progress)
        .with_context(cannot)?;
    close_cache(&cache, printer);
    facts.complete(&outcome);
    target.commit()?;
    if let Some(summary) = &summary {
        let mut file = summary;
        file.write_all(facts.to_json().as_bytes())
            .context("writing the summary")?;
    }
    summary.map_or(Ok(()), Output::commit)?;
    progress.finish();
    let (id, written) = (outcome.id, progress.summary());
    let digest = outcome.published.map(|image| image.manifest.digest);
    github::leave(&Outputs::of(&args.ship.target(), &name, digest), printer);
    if facts.tag_generated && !names_tag(&args.ship.target()) {
        // Nobody could know it otherwise, so it is said to those who want quiet as well.
        printer.result(&format!("{id} {name} (tag generated), {written}"));
    } else {
        printer.status(&format!("{id} {name}, {written}"));
    }
    Ok(())
}

/// Checks that no two things go to stdout.
fn check_outputs(args: &Args) -> Result<()> {
    if args.ship.is_stdout() && args.summary.as_deref() == Some(Path::new("-")) {
        return Err(Usage {
            message: "the archive and the summary can not both go to stdout".to_owned(),
            hint: "name a file with `-o` or with `--summary`",
        }
        .into());
    }
    Ok(())
}
