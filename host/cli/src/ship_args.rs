//! What `build` and `stream` have in common: where the image goes, and how.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::thread;

use terrine::assemble::{Image, Outcome, Shipping};
use terrine::cache::Cache;
use terrine::compress::{ParseSettingError, Pool, Setting};
use terrine::copy::Copying;
use terrine::daemon;
use terrine::destination::{Carrier, Destination, Recompress, Reporter};
use terrine::oci::{Annotations, Reference};

use super::argument;
use super::environment;
use super::exit::Usage;
use super::failure::{Context, Failure, Result};
use super::printer::Printer;
use super::progress::Progress;
use super::registry_args::RegistryArgs;
use super::target::{Target, is_docker_archive, is_stdout};

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
    #[arg(long, value_name = "IMAGE", value_parser = argument::read::<Reference>, help_heading = "Output", conflicts_with = "output")]
    to: Option<Reference>,

    /// How layers are compressed: none, gzip[:LEVEL] or zstd[:LEVEL] [default: gzip for
    /// registries, none elsewhere]
    ///
    /// Layers of a base image that are compressed stay as they are. Nothing is compressed in
    /// docker-archives, and on the way to the storage of docker or podman. Docker pulls zstd
    /// since version 23.
    #[arg(long, value_name = "HOW", value_parser = argument::read::<Setting>, help_heading = "Output")]
    compression: Option<Setting>,

    /// Cache layers of directories as well, by what the file system says of the files in them
    #[arg(long, help_heading = "Output", conflicts_with = "no_cache")]
    cache_directories: bool,

    #[command(flatten)]
    pub(super) how: HowArgs,

    #[command(flatten)]
    pub(super) registry: RegistryArgs,
}

/// How images that exist are brought elsewhere.
#[derive(Debug, clap::Args)]
pub(super) struct CarryArgs {
    /// Compress layers anew: none, gzip[:LEVEL] or zstd[:LEVEL] [default: as they are, but plain
    /// ones by gzip for registries, unless they come from one]
    ///
    /// Without a level, layers that are compressed in that way stay as they are.
    #[arg(long, value_name = "HOW", value_parser = argument::read::<Anew>, help_heading = "Output")]
    compression: Option<Anew>,

    #[command(flatten)]
    pub(super) how: HowArgs,
}

/// How layers that exist are to be compressed.
#[derive(Debug, Clone, Copy)]
struct Anew {
    setting: Setting,
    /// Whether a level was asked for: nothing tells that of a layer.
    level: bool,
}

impl FromStr for Anew {
    type Err = ParseSettingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self {
            setting: text.parse()?,
            level: text.contains(':'),
        })
    }
}

/// How layers are made.
#[derive(Debug, clap::Args)]
pub(super) struct HowArgs {
    /// An annotation of the manifest; may be repeated, an empty value removes one
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
}

/// How what is compressed here is compressed on the way to a destination.
fn setting(asked: Option<Setting>, destination: &dyn Destination) -> Setting {
    asked.unwrap_or_else(|| match destination.repository() {
        Some(_) => Setting::GZIP,
        None => Setting::NONE,
    })
}

/// Checks that nothing is asked of a docker-archive that it has no place for.
fn check(to: &Reference, compression: Option<&Setting>, how: &HowArgs) -> Result<()> {
    how.annotations()?;
    if !is_docker_archive(to) {
        return Ok(());
    }
    let message = match compression.filter(|setting| **setting != Setting::NONE) {
        Some(setting) => format!("`{to}` takes no layers that are compressed by `{setting}`"),
        None if !how.annotation.is_empty() => format!("`{to}` has no place for annotations"),
        None => return Ok(()),
    };
    let hint = "leave it out: docker-archives and the storage of docker and podman have neither compression nor annotations; registries, `oci:` and `oci-archive:` have both";
    Err(Usage { message, hint }.into())
}

impl CarryArgs {
    /// Checks what can not be meant.
    pub(super) fn check(&self, to: &Reference) -> Result<()> {
        check(
            to,
            self.compression.as_ref().map(|anew| &anew.setting),
            &self.how,
        )
    }

    /// What it takes to bring images to a destination.
    pub(super) fn means(&self, destination: &dyn Destination, printer: &Printer) -> Result<Means> {
        Ok(Means {
            setting: setting(self.compression.map(|anew| anew.setting), destination),
            recompress: self.recompress(destination),
            pool: self.how.pool(),
            jobs: self.how.jobs(),
            cache: self.how.cache(printer),
            annotations: self.how.annotations()?,
        })
    }

    /// Which layers are compressed anew.
    fn recompress(&self, destination: &dyn Destination) -> Recompress {
        match (&self.compression, destination.repository()) {
            (Some(Anew { level: true, .. }), _) => Recompress::Always,
            (Some(_), _) => Recompress::All,
            // A registry is not the place for plain layers.
            (None, Some(_)) => Recompress::Plain,
            (None, None) => Recompress::Never,
        }
    }
}

/// What it takes to bring images that exist to a destination.
pub(super) struct Means {
    setting: Setting,
    recompress: Recompress,
    pool: Pool,
    jobs: NonZeroUsize,
    cache: Cache,
    annotations: Annotations,
}

impl Means {
    /// What brings them.
    pub(super) fn copying<'a>(
        &'a self,
        destination: &'a dyn Destination,
        reporter: &'a dyn Reporter,
    ) -> Copying<'a> {
        let Self {
            setting,
            recompress,
            pool,
            jobs,
            cache,
            annotations,
        } = self;
        let (recompress, jobs) = (*recompress, *jobs);
        // Manifests of Docker have their place in registries only.
        let only_oci = destination.repository().is_none();
        let carrier = Carrier {
            destination,
            setting,
            pool,
            cache,
            cache_directories: false,
            recompress,
        };
        Copying {
            carrier,
            jobs,
            only_oci,
            annotations,
            reporter,
        }
    }

    /// Keeps what was learnt on the way.
    pub(super) fn close(&self, printer: &Printer) {
        close_cache(&self.cache, printer);
    }
}

impl HowArgs {
    /// The annotations that were asked for.
    pub(super) fn annotations(&self) -> Result<Annotations> {
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
        Pool::new(
            self.jobs
                .map_or_else(processors, |jobs| jobs.min(processors())),
        )
    }

    /// The cache of layers, unless it is not wanted.
    pub(super) fn cache(&self, printer: &Printer) -> Cache {
        if self.no_cache {
            Cache::none()
        } else {
            open_cache(printer)
        }
    }
}

/// The cache of layers. One that can not be had is told of, and done without.
pub(super) fn open_cache(printer: &Printer) -> Cache {
    let Some(directory) = environment::cache() else {
        return Cache::none();
    };
    Cache::open(
        &directory,
        terrine::cache::Options::on(environment::today()),
    )
    .unwrap_or_else(|error| {
        printer.warning(&format!(
            "the cache of layers can not be used: {}",
            chain(&error)
        ));
        Cache::none()
    })
}

fn processors() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Keeps what the cache has learnt, and tells of it if that could not be done.
pub(super) fn close_cache(cache: &Cache, printer: &Printer) {
    cache.flush();
    if let Some(complaint) = cache.complaint() {
        printer.warning(&format!("the cache of layers: {complaint}"));
    }
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
            (None, Some(path)) => Reference::DockerArchive {
                path: path.clone(),
                image: terrine::oci::Selector::Only,
            },
            (None, None) => Reference::Stdio,
        }
    }

    /// Whether the image goes to stdout.
    pub(super) fn is_stdout(&self) -> bool {
        is_stdout(&self.target())
    }

    /// Checks what can not be meant.
    pub(super) fn check(&self) -> Result<()> {
        check(&self.target(), self.compression.as_ref(), &self.how)
    }

    /// Brings the image where it is to be.
    pub(super) fn ship(
        &self,
        mut image: Image<'_>,
        target: &Target<'_>,
        cache: &Cache,
        progress: &Progress<'_>,
    ) -> Result<Outcome> {
        if let Some(destination) = target.blobs() {
            let (setting, pool) = (setting(self.compression, destination), self.how.pool());
            let shipping = Shipping {
                destination,
                setting: &setting,
                pool: &pool,
                jobs: self.how.jobs(),
                cache,
                cache_directories: self.cache_directories,
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
                let closed = terrine::assemble::Error::is_closed;
                Ok(daemon::load(
                    *loader,
                    |stdin| image.run(stdin, progress),
                    closed,
                )?)
            }
            Target::Blobs(_) | Target::OciArchive { .. } => {
                Err(Failure::new("a destination for blobs is one"))
            }
        }
    }
}

/// Gives the image another name.
fn rename(image: &mut Image<'_>, name: Option<&str>) {
    let Some((repository, tag)) = name.and_then(|name| name.rsplit_once(':')) else {
        return;
    };
    image.resolved.repository = repository.to_owned();
    image.resolved.tag = tag.to_owned();
    image.resolved.tag_generated = false;
}

/// Opens the target of an image with this tag.
pub(super) fn open_target<'c>(
    args: &ShipArgs,
    client: &'c terrine::registry::Client,
    tag: &str,
) -> Result<Target<'c>> {
    let reference = args.target();
    Target::open(&reference, client, Some(tag))
        .with_context(|| format!("can not write to `{reference}`"))
}
