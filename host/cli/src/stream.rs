//! `terrine stream`: the counterpart of Nixpkgs' `stream_layered_image.py`.

use std::path::PathBuf;

use terrine::cache::Cache;
use terrine::oci::{Platform, Reference, Repository, without_login};
use terrine::plan::dockertools::{self, Conf, ConfOptions};
use terrine::planner::{Limits, Runtime};
use terrine::spec::Time;

use super::cache_args::close_cache;
use super::exit::Usage;
use super::failure::{Context, Result};
use super::headings;
use super::images::{Images, linux};
use super::printer::Printer;
use super::progress::Progress;
use super::ship_args::ShipArgs;
use super::stdin;
use super::strict_args::StrictArgs;

/// Stream the image of a dockerTools conf.json
///
/// Reads the conf.json of Nixpkgs' streamLayeredImage and the store paths in it. Builds an image
/// with the same image id as Nixpkgs' stream_layered_image.py, and writes it to each destination of
/// `--to`. Then prints, for each destination, the reference of the image with its digest. Without
/// `--to` and `--output`, writes a docker-archive to stdout, for `docker load` or `podman load`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The conf.json of streamLayeredImage; `-` for stdin
    #[arg(value_parser = stdin::file_parser())]
    conf: PathBuf,

    /// Name of the image, instead of the one in conf.json
    ///
    /// Without a tag, one is generated from the description of the image.
    #[arg(short = 't', long, alias = "repo_tag", value_name = "NAME[:TAG]", help_heading = headings::IMAGE)]
    repo_tag: Option<String>,

    /// Platform of the image, instead of the one in conf.json, such as linux/arm64
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", value_parser = linux, help_heading = headings::IMAGE)]
    platform: Option<Platform>,

    /// Tag of the image, instead of the one in conf.json; may be repeated
    #[arg(long, value_name = "TAG", help_heading = headings::IMAGE)]
    tag: Vec<String>,

    #[command(flatten)]
    ship: ShipArgs,

    #[command(flatten)]
    strict: StrictArgs,

    /// Directory to read store paths from
    ///
    /// For chroot stores of Nix: /nix/store/x is read from DIR/nix/store/x.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/",
        help_heading = headings::CONTENT
    )]
    store_root: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  terrine stream conf.json | docker load
  terrine stream conf.json --to oci-archive:web.tar
  terrine stream conf.json --to docker://ghcr.io/acme/web:1.2";

pub(super) fn run(args: &Args, printer: &Printer) -> Result<()> {
    args.ship.check()?;
    let conf = Conf::read(&args.conf)?;
    let named = args.ship.named();
    let named: Vec<&Reference> = named.iter().collect();
    let images = Images::new(&args.ship.registry, &named)?.with_all_layers();
    let options = ConfOptions {
        store_root: args.store_root.clone(),
        repo_tag: repo_tag(args, &conf)?,
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
        args.ship.cache(printer)
    } else {
        Cache::none()
    };
    let mut image =
        dockertools::prepare(&conf, &options, &planner, &cache).with_context(|| cannot(args))?;
    image.tags = args.tag.iter().skip(1).cloned().collect();
    args.strict
        .print(&dockertools::remarks(&image), printer)
        .with_context(|| cannot(args))?;
    // An image without store paths has nothing that it knows.
    let cache = if on_conf || (args.ship.is_archive() && image.layers.is_empty()) {
        cache
    } else {
        args.ship.cache(printer)
    };
    let progress = Progress::new(printer, image.layer_count());
    let (landings, shipped) = args
        .ship
        .ship((&image, &[]), &images, &cache, &progress, printer)
        .with_context(|| cannot(args))?;
    close_cache(&cache, printer);
    progress.finish();
    landings.tell(&shipped.landed, printer)?;
    if let Some(outcome) = &shipped.outcome {
        landings.write(&shipped.landed, Some(outcome.id), None)?;
    }
    shipped.tell(&progress.summary(), printer)
}

/// Returns the name and the first tag that were given instead of those in conf.json.
fn repo_tag(args: &Args, conf: &Conf) -> Result<Option<String>> {
    // Given but empty is not given, as in the original.
    let given = args.repo_tag.as_ref().filter(|name| !name.is_empty());
    for tag in &args.tag {
        let read = format!("image:{tag}").parse::<Repository>();
        if read.is_err() {
            return Err(Usage {
                message: format!("`--tag {}`: it is not a tag", without_login(tag)),
                hint: "a tag has up to 128 letters, digits, `_`, `.` and `-`, and starts with one of the first three",
            }
            .into());
        }
    }
    let Some(tag) = args.tag.first() else {
        return Ok(given.cloned());
    };
    let name = given.unwrap_or(&conf.repo_tag);
    let bare = match name.rsplit_once(':') {
        Some((bare, tag)) if !tag.contains('/') => bare,
        _ => name,
    };
    Ok(Some(format!("{bare}:{tag}")))
}

fn cannot(args: &Args) -> String {
    format!("cannot stream `{}`", args.conf.display())
}
