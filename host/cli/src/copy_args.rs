//! Arguments of what brings images that exist to destinations: `copy` and `index`.

use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Arc;

use terrine::cache::Cache;
use terrine::compress::{ParseSettingError, Pool, Setting};
use terrine::copy::Copying;
use terrine::destination::{Carrier, Destination, Foreign, GatheredLayers, Recompress, Reporter};
use terrine::oci::{Annotations, Reference};

use super::argument;
use super::cache_args::close_cache;
use super::encode_args::{EncodeArgs, setting};
use super::failure::Result;
use super::headings;
use super::printer::Printer;
use super::target::TargetReference;

/// Options of commands that copy existing images.
#[derive(Debug, clap::Args)]
pub(super) struct CopyArgs {
    /// Change the compression of layers: none, gzip[:LEVEL] or zstd[:LEVEL] [default: keep layers
    /// as they are, but compress uncompressed ones with gzip for registries]
    ///
    /// Without a level, layers that already have this compression stay as they are. With a level,
    /// all layers are compressed again. By default, uncompressed layers from one registry stay
    /// uncompressed in another.
    #[arg(long, value_name = "COMPRESSION", value_parser = argument::read::<Reencode>, help_heading = headings::OUTPUT)]
    compression: Option<Reencode>,

    /// Also copy non-distributable layers, such as those of Windows
    ///
    /// They are read from the source, or else from the URLs in the manifest. By default, they are
    /// copied only to docker-archives and to the storage of docker or podman.
    #[arg(long, help_heading = headings::OUTPUT)]
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

    /// Tells whether all layers are needed: because that was asked for, or for a docker-archive.
    pub(super) fn needs_all_layers(&self, to: &[Reference]) -> bool {
        let is_archive = |to| matches!(TargetReference::of(to), TargetReference::Archive(_));
        self.all_layers || to.iter().any(is_archive)
    }

    /// Returns the compression that was asked for.
    fn setting(&self) -> Option<Setting> {
        self.compression.map(|reencode| reencode.setting)
    }

    /// Makes what it takes to bring images to destinations.
    pub(super) fn context<'d>(
        &self,
        targets: &'d [CopyTarget<'d>],
        printer: &Printer,
    ) -> Result<CopyContext<'d>> {
        let lanes = targets.iter().map(|target| {
            let destination = target.destination();
            match target {
                CopyTarget::Blobs(_) => CopyLane {
                    destination,
                    setting: setting(self.setting(), destination),
                    recompress: self.recompress(destination),
                    foreign: if self.all_layers {
                        Foreign::Brought
                    } else {
                        Foreign::Left
                    },
                },
                CopyTarget::Archive(_) => CopyLane {
                    destination,
                    setting: Setting::NONE,
                    recompress: Recompress::ForArchives,
                    foreign: Foreign::Needed,
                },
            }
        });
        Ok(CopyContext {
            lanes: lanes.collect(),
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

/// A destination of images that exist.
pub(super) enum CopyTarget<'d> {
    /// One for blobs.
    Blobs(&'d dyn Destination),
    /// Layers that wait for a docker-archive.
    Archive(Arc<GatheredLayers>),
}

impl CopyTarget<'_> {
    fn destination(&self) -> &dyn Destination {
        match self {
            Self::Blobs(destination) => *destination,
            Self::Archive(gathered) => gathered.as_ref(),
        }
    }
}

/// A destination, and the form that layers have there.
struct CopyLane<'d> {
    destination: &'d dyn Destination,
    setting: Setting,
    recompress: Recompress,
    foreign: Foreign,
}

/// Everything that it takes to bring images that exist to destinations.
pub(super) struct CopyContext<'d> {
    lanes: Vec<CopyLane<'d>>,
    pool: Pool,
    jobs: NonZeroUsize,
    cache: Cache,
    annotations: Annotations,
}

impl CopyContext<'_> {
    /// Returns what brings layers to each destination.
    pub(super) fn carriers(&self) -> Vec<Carrier<'_>> {
        let lanes = self.lanes.iter();
        lanes
            .map(|lane| Carrier {
                destination: lane.destination,
                setting: &lane.setting,
                pool: &self.pool,
                cache: &self.cache,
                cache_directories: false,
                claims: None,
                shared: None,
                recompress: lane.recompress,
                foreign: lane.foreign,
            })
            .collect()
    }

    /// Returns what brings images by carriers.
    pub(super) fn copying<'a>(
        &'a self,
        carriers: &'a [Carrier<'a>],
        reporter: &'a dyn Reporter,
    ) -> Copying<'a> {
        Copying {
            carriers,
            jobs: self.jobs,
            annotations: &self.annotations,
            reporter,
        }
    }

    /// Keeps what was learnt on the way.
    pub(super) fn close(&self, printer: &Printer) {
        close_cache(&self.cache, printer);
    }
}
