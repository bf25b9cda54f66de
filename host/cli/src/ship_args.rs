//! Arguments that `build` and `stream` have in common: the destination of the image, and the form
//! that it has there.

use std::path::PathBuf;

use terrine::assemble::{self, NewImage, Outcome, Shipping};
use terrine::cache::Cache;
use terrine::compress::Setting;
use terrine::oci::{Reference, Selector};
use terrine::registry::Client;

use super::argument;
use super::encode_args::{EncodeArgs, setting};
use super::failure::{Context, Result};
use super::printer::Printer;
use super::progress::Progress;
use super::registry_args::RegistryArgs;
use super::target::{Target, TargetReference, is_stdout};

/// Arguments of what makes an image: its destination, and the form that it has there.
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
    pub(super) encode: EncodeArgs,

    #[command(flatten)]
    pub(super) registry: RegistryArgs,
}

impl ShipArgs {
    /// Returns the reference to the destination.
    pub(super) fn target(&self) -> Reference {
        match (&self.to, &self.output) {
            (Some(to), _) => to.clone(),
            (None, Some(path)) => Reference::DockerArchive {
                path: path.clone(),
                image: Selector::Only,
            },
            (None, None) => Reference::Stdio,
        }
    }

    /// Tells whether the image goes to stdout.
    pub(super) fn is_stdout(&self) -> bool {
        is_stdout(&self.target())
    }

    /// Checks what cannot be meant.
    pub(super) fn check(&self) -> Result<()> {
        self.encode.check(&self.target(), self.compression.as_ref())
    }

    /// Brings the image to its destination.
    pub(super) fn ship(
        &self,
        mut image: NewImage<'_>,
        target: &Target<'_>,
        cache: &Cache,
        progress: &Progress<'_>,
    ) -> Result<Outcome> {
        match target {
            Target::Blobs(target) => {
                let destination = target.destination();
                let shipping = Shipping {
                    destination,
                    setting: &setting(self.compression, destination),
                    pool: &self.encode.pool(),
                    jobs: self.encode.jobs(),
                    cache,
                    cache_directories: self.cache_directories,
                    annotations: &self.encode.annotations()?,
                };
                Ok(image.ship(&shipping, progress)?)
            }
            Target::Archive(target) => {
                rename(&mut image, target.name());
                let written =
                    target.write(|out| image.run(out, progress), assemble::Error::is_closed)?;
                image.remember(cache);
                Ok(written)
            }
        }
    }
}

/// Gives the image another name.
fn rename(image: &mut NewImage<'_>, name: Option<&str>) {
    let Some((repository, tag)) = name.and_then(|name| name.rsplit_once(':')) else {
        return;
    };
    image.resolved.repository = repository.to_owned();
    image.resolved.tag = tag.to_owned();
    image.resolved.tag_generated = false;
}

/// Opens the destination of an image with this tag.
pub(super) fn open_target<'c>(
    args: &ShipArgs,
    client: &'c Client,
    tag: &str,
    printer: &Printer,
) -> Result<Target<'c>> {
    let reference = args.target();
    TargetReference::of(&reference)
        .open(client, Some(tag), args.encode.lock_wait(printer))
        .with_context(|| format!("can not write to `{reference}`"))
}
