//! Arguments of everything that makes layers: how many at once, with which cache and annotations.

use std::num::NonZeroUsize;
use std::thread;

use terrine::cache::Cache;
use terrine::compress::{Pool, Setting};
use terrine::destination::Destination;
use terrine::hint::Hint;
use terrine::oci::{Annotations, Reference};

use super::environment;
use super::exit::Usage;
use super::failure::Result;
use super::image_args::pair;
use super::printer::Printer;
use super::target::TargetReference;

/// Number of layers that are under way at once, at least: some wait while others compute.
const MIN_JOBS: usize = 4;

/// Arguments of everything that makes layers.
#[derive(Debug, clap::Args)]
pub(super) struct EncodeArgs {
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

impl EncodeArgs {
    /// Checks that nothing is asked of a docker-archive that it has no form for.
    pub(super) fn check(&self, to: &Reference, compression: Option<&Setting>) -> Result<()> {
        self.annotations()?;
        if let TargetReference::Blobs(_) = TargetReference::of(to) {
            return Ok(());
        }
        let message = match compression.filter(|setting| **setting != Setting::NONE) {
            Some(setting) => format!("`{to}` takes no layers that are compressed by `{setting}`"),
            None if !self.annotation.is_empty() => format!("`{to}` has no place for annotations"),
            None => return Ok(()),
        };
        let hint = "leave it out: docker-archives and the storage of docker and podman have neither compression nor annotations; registries, `oci:` and `oci-archive:` have both";
        Err(Usage { message, hint }.into())
    }

    /// Returns the annotations that were asked for.
    pub(super) fn annotations(&self) -> Result<Annotations> {
        self.annotation
            .iter()
            .map(|text| {
                let (name, value) = pair(text, "--annotation")?;
                Ok((name.to_owned(), value.to_owned()))
            })
            .collect()
    }

    /// Returns how many layers are under way at once.
    pub(super) fn jobs(&self) -> NonZeroUsize {
        let least = NonZeroUsize::new(MIN_JOBS).unwrap_or(NonZeroUsize::MIN);
        self.jobs.unwrap_or_else(|| processors().max(least))
    }

    /// Starts what compresses.
    pub(super) fn pool(&self) -> Pool {
        Pool::new(
            self.jobs
                .map_or_else(processors, |jobs| jobs.min(processors())),
        )
    }

    /// Returns whether anything is kept for later runs.
    pub(super) fn keeps(&self) -> bool {
        !self.no_cache
    }

    /// Opens the cache of layers, unless it is not wanted.
    pub(super) fn cache(&self, printer: &Printer) -> Cache {
        if self.no_cache {
            Cache::none()
        } else {
            open_cache(printer)
        }
    }
}

/// Opens the cache of layers. One that cannot be had is told of, and done without.
pub(super) fn open_cache(printer: &Printer) -> Cache {
    let Some(directory) = environment::cache() else {
        return Cache::none();
    };
    Cache::open(
        &directory,
        terrine::cache::CacheOptions::on(environment::today()),
    )
    .unwrap_or_else(|error| {
        printer.warning_with_hint(
            &format!("the cache of layers can not be used: {}", chain(&error)),
            error.hint().as_deref(),
        );
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

/// Error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// Compression of what is compressed here on the way to a destination.
pub(super) fn setting(asked: Option<Setting>, destination: &dyn Destination) -> Setting {
    asked.unwrap_or_else(|| match destination.repository() {
        Some(_) => Setting::GZIP,
        None => Setting::NONE,
    })
}
