//! What `build` and `stream` have in common: where the image goes, and how.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;

use anyhow::Context;
use terrine::cache::Cache;
use terrine::compress::{Pool, Setting};
use terrine::daemon;
use terrine::image::{Annotations, Reference};
use terrine::pack::{Image, Outcome, Shipping};
use terrine::ship::Destination;

use super::environment;
use super::exit::Usage;
use super::printer::Printer;
use super::progress::Progress;
use super::registry_args::RegistryArgs;
use super::target::{Target, is_stdout};

/// How many layers are under way at once, at least: some wait while others compute.
const MIN_JOBS: usize = 4;

/// Where an image goes.
#[derive(Debug, clap::Args)]
pub(super) struct ShipArgs {
    /// Write a docker-archive to this file instead of stdout
    ///
    /// The file appears when it is complete, and not if anything fails.
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,

    /// Where the image goes: a registry, a layout, an archive, or the storage of docker or podman
    ///
    /// docker://NAME:TAG, oci:DIRECTORY[:TAG], oci-archive:FILE[:TAG],
    /// docker-archive:FILE[:NAME:TAG], docker-daemon:NAME:TAG, containers-storage:NAME:TAG, or
    /// `-` for a docker-archive on stdout. What is there already is not made again.
    #[arg(long, value_name = "IMAGE", value_parser = reference, help_heading = "Output", conflicts_with = "output")]
    to: Option<Reference>,

    #[command(flatten)]
    pub(super) how: HowArgs,

    #[command(flatten)]
    pub(super) registry: RegistryArgs,
}

/// How layers are made.
#[derive(Debug, clap::Args)]
pub(super) struct HowArgs {
    /// How layers are compressed: none, gzip[:LEVEL] or zstd[:LEVEL] [default: gzip for
    /// registries, none elsewhere]
    ///
    /// A docker-archive is never compressed.
    #[arg(long, value_name = "HOW", help_heading = "Output")]
    pub(super) compression: Option<Setting>,

    /// An annotation of the image's manifest; may be repeated, an empty value removes one
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Output")]
    annotation: Vec<String>,

    /// How many layers are under way at once [default: 4, or as many as there are processors]
    #[arg(long, value_name = "N", help_heading = "Output")]
    jobs: Option<NonZeroUsize>,

    /// Do without the cache of layers
    ///
    /// The cache only saves time: no byte of an image depends on it. See `terrine cache`.
    #[arg(long, help_heading = "Output")]
    no_cache: bool,

    /// Cache layers of directories as well, by what the file system says of the files in them
    #[arg(long, help_heading = "Output", conflicts_with = "no_cache")]
    cache_directories: bool,
}

/// A reference, with its hint.
pub(super) fn reference(text: &str) -> Result<Reference, String> {
    text.parse::<Reference>().map_err(|error| format!("{error}\n  {}", error.hint()))
}

impl HowArgs {
    /// How what is compressed here is compressed on the way to a destination.
    pub(super) fn setting(&self, destination: &dyn Destination) -> Setting {
        self.compression.unwrap_or_else(|| match destination.repository() {
            Some(_) => Setting::GZIP,
            None => Setting::NONE,
        })
    }

    /// The annotations that were asked for.
    pub(super) fn annotations(&self) -> anyhow::Result<Annotations> {
        let pair = |text: &String| match text.split_once('=').filter(|(name, _)| !name.is_empty()) {
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => Err(Usage {
                message: format!("`--annotation {text}` is not of the form NAME=VALUE"),
                hint: "write the name, an equals sign and the value",
            }
            .into()),
        };
        self.annotation.iter().map(pair).collect()
    }

    /// How many layers are under way at once.
    pub(super) fn jobs(&self) -> NonZeroUsize {
        let least = NonZeroUsize::new(MIN_JOBS).unwrap_or(NonZeroUsize::MIN);
        self.jobs.unwrap_or_else(|| processors().max(least))
    }

    /// Who compresses.
    pub(super) fn pool(&self) -> Pool {
        Pool::new(self.jobs.map_or_else(processors, |jobs| jobs.min(processors())))
    }

    /// The cache of layers, unless it is not wanted.
    pub(super) fn cache(&self, printer: &Printer) -> Cache {
        if self.no_cache { Cache::none() } else { open_cache(printer) }
    }
}

/// The cache of layers. One that can not be had is told of, and done without.
pub(super) fn open_cache(printer: &Printer) -> Cache {
    let Some(directory) = environment::cache() else { return Cache::none() };
    Cache::open(&directory, terrine::cache::Options::on(environment::today())).unwrap_or_else(|error| {
        printer.warning(&format!("the cache of layers can not be used: {}", chain(&error)));
        Cache::none()
    })
}

/// Tells what went wrong with the cache, if anything did.
pub(super) fn tell(cache: &Cache, printer: &Printer) {
    cache.flush();
    if let Some(complaint) = cache.complaint() {
        printer.warning(complaint);
    }
}

fn processors() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

impl ShipArgs {
    /// Where the image goes.
    pub(super) fn target(&self) -> Reference {
        match (&self.to, &self.output) {
            (Some(to), _) => to.clone(),
            (None, Some(path)) => {
                Reference::DockerArchive { path: path.clone(), image: terrine::image::Selector::Only }
            }
            (None, None) => Reference::Stdio,
        }
    }

    /// Whether the image goes to stdout.
    pub(super) fn is_stdout(&self) -> bool {
        is_stdout(&self.target())
    }

    /// Checks what can not be meant.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let archive = matches!(
            self.target(),
            Reference::Stdio | Reference::DockerArchive { .. } | Reference::Path(_)
        );
        let asked = self.how.compression.as_ref().filter(|setting| **setting != Setting::NONE);
        if let Some(setting) = asked.filter(|_| archive) {
            return Err(Usage {
                message: format!("a docker-archive can not be compressed by `{setting}`"),
                hint: "leave out `--compression`, or write to an `oci-archive:` or a registry",
            }
            .into());
        }
        Ok(())
    }

    /// Brings the image where it is to be.
    pub(super) fn ship(
        &self,
        mut image: Image<'_>,
        target: &Target<'_>,
        cache: &Cache,
        progress: &Progress<'_>,
    ) -> anyhow::Result<Outcome> {
        if let Some(destination) = target.blobs() {
            let (setting, pool) = (self.how.setting(destination), self.how.pool());
            let shipping = Shipping {
                destination,
                setting: &setting,
                pool: &pool,
                jobs: self.how.jobs(),
                cache,
                cache_directories: self.how.cache_directories,
                annotations: &self.how.annotations()?,
            };
            return Ok(image.ship(&shipping, progress)?);
        }
        match target {
            Target::DockerArchive { output, name } => {
                rename(&mut image, name.as_deref());
                Ok(image.run(output, progress)?)
            }
            Target::Loader { loader, name } => {
                rename(&mut image, Some(name));
                let closed = terrine::pack::Error::is_closed;
                Ok(daemon::load(*loader, |stdin| image.run(stdin, progress), closed)?)
            }
            Target::Blobs(_) | Target::OciArchive { .. } => {
                anyhow::bail!("a destination for blobs is one")
            }
        }
    }
}

/// Gives the image another name.
fn rename(image: &mut Image<'_>, name: Option<&str>) {
    let Some((repository, tag)) = name.and_then(|name| name.rsplit_once(':')) else { return };
    image.resolved.repository = repository.to_owned();
    image.resolved.tag = tag.to_owned();
    image.resolved.tag_generated = false;
}

/// Opens the target of an image with this tag.
pub(super) fn open_target<'c>(
    args: &ShipArgs,
    client: &'c terrine::registry::Client,
    tag: &str,
) -> anyhow::Result<Target<'c>> {
    let reference = args.target();
    Target::open(&reference, client, Some(tag))
        .with_context(|| format!("can not write to `{reference}`"))
}
