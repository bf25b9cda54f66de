//! Arguments of what brings images that exist to a destination: `copy` and `index`.

use std::num::NonZeroUsize;
use std::str::FromStr;

use terrine::cache::Cache;
use terrine::compress::{ParseSettingError, Pool, Setting};
use terrine::copy::Copying;
use terrine::destination::{Carrier, Destination, Foreign, Recompress, Reporter};
use terrine::oci::{Annotations, Reference};

use super::argument;
use super::cache_args::close_cache;
use super::encode_args::{EncodeArgs, setting};
use super::failure::Result;
use super::printer::Printer;

/// Arguments of what brings images that exist to a destination.
#[derive(Debug, clap::Args)]
pub(super) struct CopyArgs {
    /// Compress layers anew: none, gzip[:LEVEL] or zstd[:LEVEL] [default: as they are, but plain
    /// ones by gzip for registries, unless they come from one]
    ///
    /// Without a level, layers that are compressed in that way stay as they are.
    #[arg(long, value_name = "HOW", value_parser = argument::read::<Reencode>, help_heading = "Output")]
    compression: Option<Reencode>,

    /// Copy layers that are not distributed with their images, too, as far as the source has them
    ///
    /// Such layers, those of Windows for example, are left where their image's manifest says that they are.
    #[arg(long, help_heading = "Output")]
    all_layers: bool,

    #[command(flatten)]
    pub(super) encode: EncodeArgs,
}

/// Compression that layers which exist are to have.
#[derive(Debug, Clone, Copy)]
struct Reencode {
    setting: Setting,
    /// True if a level was asked for: nothing tells that of a layer.
    level: bool,
}

impl FromStr for Reencode {
    type Err = ParseSettingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self {
            setting: text.parse()?,
            level: text.contains(':'),
        })
    }
}

impl CopyArgs {
    /// Checks what cannot be meant.
    pub(super) fn check(&self, to: &Reference) -> Result<()> {
        self.encode.check(to, self.setting().as_ref())
    }

    /// Returns the compression that was asked for.
    fn setting(&self) -> Option<Setting> {
        self.compression.map(|reencode| reencode.setting)
    }

    /// Makes what it takes to bring images to a destination.
    pub(super) fn context(
        &self,
        destination: &dyn Destination,
        printer: &Printer,
    ) -> Result<CopyContext> {
        Ok(CopyContext {
            setting: setting(self.setting(), destination),
            recompress: self.recompress(destination),
            foreign: if self.all_layers {
                Foreign::Brought
            } else {
                Foreign::Left
            },
            pool: self.encode.pool(),
            jobs: self.encode.jobs(),
            cache: self.encode.cache.layers(printer),
            annotations: self.encode.annotations()?,
        })
    }

    /// Tells which layers are compressed anew.
    fn recompress(&self, destination: &dyn Destination) -> Recompress {
        match (&self.compression, destination.repository()) {
            (Some(Reencode { level: true, .. }), _) => Recompress::Always,
            (Some(_), _) => Recompress::All,
            // A registry is not the place for plain layers.
            (None, Some(_)) => Recompress::Plain,
            (None, None) => Recompress::Never,
        }
    }
}

/// Everything that it takes to bring images that exist to a destination.
pub(super) struct CopyContext {
    setting: Setting,
    recompress: Recompress,
    foreign: Foreign,
    pool: Pool,
    jobs: NonZeroUsize,
    cache: Cache,
    annotations: Annotations,
}

impl CopyContext {
    /// Returns what brings them.
    pub(super) fn copying<'a>(
        &'a self,
        destination: &'a dyn Destination,
        reporter: &'a dyn Reporter,
    ) -> Copying<'a> {
        let Self {
            setting,
            recompress,
            foreign,
            pool,
            jobs,
            cache,
            annotations,
        } = self;
        let (recompress, foreign, jobs) = (*recompress, *foreign, *jobs);
        // Manifests of Docker have their place in registries only.
        let only_oci = destination.repository().is_none();
        let carrier = Carrier {
            destination,
            setting,
            pool,
            cache,
            cache_directories: false,
            recompress,
            foreign,
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
