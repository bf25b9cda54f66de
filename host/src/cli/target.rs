//! Where an image is to be, as the arguments say it.

use std::path::Path;

use anyhow::Context;
use terrine::daemon::Loader;
use terrine::image::{Reference, Selector};
use terrine::layout::Layout;
use terrine::registry::Client;
use terrine::ship::{Destination, LayoutDestination, OciArchive, RegistryDestination};

use super::exit::Usage;
use super::interrupt;
use super::output::Output;

/// Where an image is to be.
pub(super) enum Target<'c> {
    /// A docker-archive, where the image has this name instead of its own.
    DockerArchive { output: Output, name: Option<String> },
    /// A program with a storage of its own.
    Loader { loader: Loader, name: String },
    /// A place for blobs.
    Blobs(Box<dyn Destination + 'c>),
    /// An archive of an OCI layout.
    OciArchive { archive: OciArchive, output: Output },
}

impl<'c> Target<'c> {
    /// Opens what a reference names. `tag` is the one in a layout if the reference has none.
    pub(super) fn open(
        reference: &Reference,
        client: &'c Client,
        tag: Option<&str>,
    ) -> anyhow::Result<Self> {
        match reference {
            Reference::Registry(repository) => {
                if repository.digest.is_some() {
                    return Err(usage(
                        reference,
                        "a digest is what comes out, and can not be asked for",
                    ));
                }
                Ok(Self::Blobs(Box::new(RegistryDestination::new(client, repository.clone()))))
            }
            Reference::OciLayout { path, image } => {
                let tag = self::tag(reference, image, tag)?;
                let layout = Layout::create(path)?;
                interrupt::watch(layout.pending());
                // What dead runs left is in nobody's way.
                let _ = layout.sweep();
                Ok(Self::Blobs(Box::new(LayoutDestination::new(layout, tag))))
            }
            Reference::OciArchive { path, image } => {
                let tag = self::tag(reference, image, tag)?;
                let output = Output::open(Some(path))?;
                Ok(Self::OciArchive { archive: OciArchive::new(reference.to_string(), tag), output })
            }
            Reference::DockerArchive { path, image } => {
                let name = match image {
                    Selector::Only => None,
                    Selector::Name(name) => Some(with_tag(name)),
                    _ => {
                        return Err(usage(
                            reference,
                            "an image is written by its name, not by its number",
                        ));
                    }
                };
                Ok(Self::DockerArchive { output: Output::open(Some(path))?, name })
            }
            Reference::Path(path) => {
                // A directory is one of something, and what is not there may be anything.
                if path.is_dir() {
                    return Err(usage(reference, "it is a directory"));
                }
                Ok(Self::DockerArchive { output: Output::open(Some(path))?, name: None })
            }
            Reference::Stdio => {
                Ok(Self::DockerArchive { output: Output::open(Some(Path::new("-")))?, name: None })
            }
            Reference::DockerDaemon(name) => {
                Ok(Self::Loader { loader: Loader::Docker, name: with_tag(name) })
            }
            Reference::ContainersStorage(name) => {
                Ok(Self::Loader { loader: Loader::Podman, name: with_tag(name) })
            }
        }
    }

    /// A destination for blobs, where this is one.
    pub(super) fn blobs(&self) -> Option<&dyn Destination> {
        match self {
            Self::Blobs(destination) => Some(&**destination),
            Self::OciArchive { archive, .. } => Some(archive),
            Self::DockerArchive { .. } | Self::Loader { .. } => None,
        }
    }

    /// Whether manifests of Docker have no place there.
    pub(super) fn only_oci(&self) -> bool {
        self.blobs().is_some_and(|destination| destination.repository().is_none())
    }

    /// Writes what was gathered, and gives it its name.
    pub(super) fn commit(self) -> anyhow::Result<()> {
        match self {
            Self::OciArchive { archive, output } => {
                archive.write(&mut &output).context("writing the archive")?;
                output.commit()
            }
            Self::DockerArchive { output, .. } => output.commit(),
            Self::Blobs(_) | Self::Loader { .. } => Ok(()),
        }
    }
}

/// Whether a reference leads to stdout.
pub(super) fn is_stdout(reference: &Reference) -> bool {
    let dash = Path::new("-");
    match reference {
        Reference::Stdio => true,
        Reference::DockerArchive { path, .. } | Reference::OciArchive { path, .. } => path == dash,
        _ => false,
    }
}

fn tag(reference: &Reference, image: &Selector, tag: Option<&str>) -> anyhow::Result<Option<String>> {
    match image {
        Selector::Only => Ok(tag.map(ToOwned::to_owned)),
        Selector::Name(name) => Ok(Some(name.clone())),
        Selector::Number(_) | Selector::Digest(_) => {
            Err(usage(reference, "an image is written by its tag, not by its number or digest"))
        }
    }
}

/// A name for Docker's storage, which takes none without a tag.
fn with_tag(name: &str) -> String {
    match name.rsplit_once(':') {
        Some((_, tag)) if !tag.contains('/') => name.to_owned(),
        _ => format!("{name}:latest"),
    }
}

fn usage(reference: &Reference, why: &str) -> anyhow::Error {
    let message = format!("an image can not be written to `{reference}`: {why}");
    Usage {
        message,
        hint: "write docker://NAME:TAG, oci:DIRECTORY:TAG, oci-archive:FILE or docker-archive:FILE",
    }
    .into()
}
