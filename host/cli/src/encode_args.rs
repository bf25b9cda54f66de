//! Arguments of everything that makes layers: how many at once, with which cache and annotations.

use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

use terrine::compress::{Pool, Setting};
use terrine::destination::Destination;
use terrine::layout::LockWait;
use terrine::oci::{Annotations, Reference};

use super::cache_args::CacheArgs;
use super::exit::Usage;
use super::failure::Result;
use super::headings;
use super::image_args::pair;
use super::printer::Printer;
use super::target::TargetReference;

/// Number of layers that are under way at once, at least: some wait while others compute.
const MIN_JOBS: usize = 4;

/// Options of commands that make layers.
#[derive(Debug, clap::Args)]
pub(super) struct EncodeArgs {
    /// Annotation of the manifest; may be repeated
    ///
    /// An empty value removes the annotation.
    #[arg(long, value_name = "NAME=VALUE", help_heading = headings::OUTPUT)]
    annotation: Vec<String>,

    /// Number of layers to process at once [default: 4, or the number of processors if it is
    /// larger]
    #[arg(long, value_name = "N", help_heading = headings::OUTPUT)]
    jobs: Option<NonZeroUsize>,

    /// Time to wait for another process that writes to the same layout, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=86_400), help_heading = headings::OUTPUT, hide_short_help = true)]
    lock_timeout: u64,

    #[command(flatten)]
    pub(super) cache: CacheArgs,
}

impl EncodeArgs {
    /// Checks that nothing is asked of a docker-archive that it has no form for.
    pub(super) fn check(&self, to: &Reference, compression: Option<&Setting>) -> Result<()> {
        self.annotations()?;
        to.check_target()?;
        if let TargetReference::Blobs(_) = TargetReference::of(to) {
            return Ok(());
        }
        let message = match compression.filter(|setting| **setting != Setting::NONE) {
            Some(setting) => format!("`{to}` does not support layers compressed by `{setting}`"),
            None if !self.annotation.is_empty() => format!("`{to}` does not support annotations"),
            None => return Ok(()),
        };
        let hint = "leave it out: docker-archives and the storage of docker and podman support neither compression nor annotations; registries, `oci:` and `oci-archive:` support both";
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

    /// Returns how long other writers of a layout are waited for, which is told.
    pub(super) fn lock_wait(&self, printer: &Printer) -> LockWait {
        let printer = *printer;
        LockWait::new(Duration::from_secs(self.lock_timeout), move |holder| {
            printer.status(&format!(
                "waiting for the lock of the layout, held by {holder}"
            ));
        })
    }

    /// Starts what compresses.
    pub(super) fn pool(&self) -> Pool {
        Pool::new(
            self.jobs
                .map_or_else(processors, |jobs| jobs.min(processors())),
        )
    }
}

fn processors() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Compression of what is compressed here on the way to a destination.
pub(super) fn setting(asked: Option<Setting>, destination: &dyn Destination) -> Setting {
    asked.unwrap_or_else(|| match destination.repository() {
        Some(_) => Setting::GZIP,
        None => Setting::NONE,
    })
}
