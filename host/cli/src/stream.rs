//! `terrine stream`: what Nixpkgs' `stream_layered_image.py` does.

use std::path::PathBuf;

use terrine::cache::Cache;
use terrine::oci::Platform;
use terrine::plan::dockertools::{self, Conf, ConfOptions};
use terrine::planner::{Limits, Runtime};
use terrine::spec::Time;

use super::cache_args::close_cache;
use super::failure::{Context, Result};
use super::github::{self, Outputs};
use super::images::{Images, linux};
use super::output::Output;
use super::printer::Printer;
use super::progress::Progress;
use super::ship_args::{ShipArgs, open_target};
use super::strict_args::StrictArgs;
use super::target::{Target, names_tag};

/// Write the image that a dockerTools conf.json describes
///
/// Takes the place of Nixpkgs' stream_layered_image.py: the same conf.json gives the same
/// image id. Without `--to` and `--output` a docker-archive goes to stdout, for
/// `docker load`, `podman load` and others.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The conf.json that streamLayeredImage made
    conf: PathBuf,

    /// Load the image under this name instead of the one in conf.json
    ///
    /// Without a tag, one is generated from the image's description.
    #[arg(short = 't', long, alias = "repo_tag", value_name = "NAME:TAG")]
    repo_tag: Option<String>,

    /// Make the image for this platform instead of the one in conf.json, such as linux/arm64
    #[arg(long, value_name = "OS/ARCH", value_parser = linux)]
    platform: Option<Platform>,

    #[command(flatten)]
    ship: ShipArgs,

    #[command(flatten)]
    strict: StrictArgs,

    /// Look for store paths below this directory
    ///
    /// For Nix's chroot stores: /nix/store/x is then DIR/nix/store/x.
    #[arg(long, value_name = "DIR", default_value = "/")]
    store_root: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  terrine stream conf.json | docker load
  terrine stream conf.json --to oci-archive:web.tar
  terrine stream conf.json --to docker://ghcr.io/acme/web:1.2";

pub(super) fn run(args: &Args, printer: &Printer) -> Result<()> {
    args.ship.check()?;
    // A terminal is refused before anything is done.
    let early = args
        .ship
        .is_stdout()
        .then(|| Output::open(None))
        .transpose()?;
    drop(early);
    let conf = Conf::read(&args.conf)?;
    let images = Images::new(&args.ship.registry);
    let options = ConfOptions {
        store_root: args.store_root.clone(),
        // Given but empty is not given, as in the original.
        repo_tag: args.repo_tag.clone().filter(|name| !name.is_empty()),
        platform: args.platform.clone(),
        now: Time::now(),
    };
    let runtime = Runtime::new(
        Limits::default(),
        args.ship.encode.cache.planners(printer).as_deref(),
    )?;
    let planner = runtime.embedded()?;
    // It knows the layers of a base image that is no archive.
    let on_conf = conf.from_image.as_deref().is_some_and(dockertools::is_conf);
    let cache = if on_conf {
        args.ship.encode.cache.layers(printer)
    } else {
        Cache::none()
    };
    let image =
        dockertools::prepare(&conf, &options, &planner, &cache).with_context(|| cannot(args))?;
    args.strict
        .print(&dockertools::remarks(&image), printer)
        .with_context(|| cannot(args))?;
    let target = open_target(&args.ship, images.client(), &image.resolved.tag, printer)?;
    let cache = match &target {
        Target::Blobs(_) if !on_conf => args.ship.encode.cache.layers(printer),
        // An archive is made without it.
        Target::Blobs(_) | Target::Archive(_) => cache,
    };
    let progress = Progress::new(printer, image.layer_count());
    let generated = image.tag_is_generated();
    let name = target.name().unwrap_or_else(|| image.reference());
    let outcome = args
        .ship
        .ship(image, &target, &cache, &progress)
        .with_context(|| cannot(args))?;
    close_cache(&cache, printer);
    target.commit()?;
    progress.finish();
    let (id, summary) = (outcome.id, progress.summary());
    let digest = outcome.published.map(|image| image.manifest.digest);
    github::leave(&Outputs::of(&args.ship.target(), &name, digest), printer);
    if generated && !names_tag(&args.ship.target()) {
        // Nobody could know it otherwise, so it is said to those who want quiet as well.
        printer.result(&format!("{id} {name} (tag generated), {summary}"));
    } else {
        printer.status(&format!("{id} {name}, {summary}"));
    }
    Ok(())
}

fn cannot(args: &Args) -> String {
    format!("can not stream `{}`", args.conf.display())
}
