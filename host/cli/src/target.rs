//! Where an image is to be, as the arguments say it.

use std::path::Path;

use terrine::daemon::Loader;
use terrine::destination::{Destination, LayoutDestination, OciArchive, RegistryDestination};
use terrine::layout::Layout;
use terrine::oci::{Digest, Reference, Repository, Selector};
use terrine::registry::Client;

use super::exit::Usage;
use super::failure::{Context, Failure, Result};
use super::interrupt;
use super::output::Output;

/// Where an image is to be.
pub(super) enum Target<'c> {
    /// A docker-archive, where the image has this name instead of its own.
    DockerArchive {
        output: Output,
        name: Option<String>,
    },
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
    ) -> Result<Self> {
        match reference {
            Reference::Registry(repository) => {
                if repository.digest.is_some() {
                    return Err(usage(
                        "a digest is what comes out, and can not be asked for",
                    ));
                }
                let tag = repository.tag.clone().or(tag.map(ToOwned::to_owned));
                let repository = Repository {
                    tag,
                    ..repository.clone()
                }
                .or_latest();
                Ok(Self::Blobs(Box::new(RegistryDestination::new(
                    client, repository,
                ))))
            }
            Reference::OciLayout { path, image } => {
                let tag = self::tag(image, tag)?;
                let layout = Layout::create(path)?;
                interrupt::watch(layout.pending());
                // What dead runs left is in nobody's way.
                let _ = layout.sweep();
                Ok(Self::Blobs(Box::new(LayoutDestination::new(layout, tag))))
            }
            Reference::OciArchive { path, image } => {
                let tag = self::tag(image, tag)?;
                let output = Output::open(Some(path))?;
                Ok(Self::OciArchive {
                    archive: OciArchive::new(reference.to_string(), tag),
                    output,
                })
            }
            Reference::DockerArchive { path, image } => {
                let name = match image {
                    Selector::Only => None,
                    Selector::Name(name) => Some(image_name(name, tag)?),
                    _ => return Err(usage("an image is written by its name, not by its number")),
                };
                Ok(Self::DockerArchive {
                    output: Output::open(Some(path))?,
                    name,
                })
            }
            Reference::Path(path) => {
                // A directory is one of something, and what is not there may be anything.
                if path.is_dir() {
                    return Err(usage(&format!("`{}` is a directory", path.display())));
                }
                Ok(Self::DockerArchive {
                    output: Output::open(Some(path))?,
                    name: None,
                })
            }
            Reference::Stdio => Ok(Self::DockerArchive {
                output: Output::open(Some(Path::new("-")))?,
                name: None,
            }),
            Reference::DockerDaemon(name) => Ok(Self::Loader {
                loader: Loader::Docker,
                name: image_name(name, tag)?,
            }),
            Reference::ContainersStorage(name) => Ok(Self::Loader {
                loader: Loader::Podman,
                name: image_name(name, tag)?,
            }),
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

    /// What the image is called there, where that is not its own name.
    pub(super) fn name(&self) -> Option<String> {
        match self {
            Self::Blobs(_) | Self::OciArchive { .. } => self.blobs().map(Destination::name),
            Self::DockerArchive { name, .. } => name.clone(),
            Self::Loader { name, .. } => Some(name.clone()),
        }
    }

    /// Writes what was gathered, and gives it its name.
    pub(super) fn commit(self) -> Result<()> {
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

/// Whether a reference leads to a docker-archive, or to a program that takes one.
pub(super) fn is_docker_archive(reference: &Reference) -> bool {
    match reference {
        Reference::Stdio
        | Reference::Path(_)
        | Reference::DockerArchive { .. }
        | Reference::DockerDaemon(_)
        | Reference::ContainersStorage(_) => true,
        Reference::Registry(_) | Reference::OciLayout { .. } | Reference::OciArchive { .. } => {
            false
        }
    }
}

/// Whether a reference says by what tag the image is to be known.
pub(super) fn names_tag(reference: &Reference) -> bool {
    match reference {
        Reference::Registry(repository) => repository.tag.is_some(),
        Reference::DockerArchive { image, .. }
        | Reference::OciLayout { image, .. }
        | Reference::OciArchive { image, .. } => *image != Selector::Only,
        Reference::DockerDaemon(name) | Reference::ContainersStorage(name) => name
            .rsplit_once(':')
            .is_some_and(|(_, tag)| !tag.contains('/')),
        Reference::Path(_) | Reference::Stdio => false,
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

fn tag(image: &Selector, tag: Option<&str>) -> Result<Option<String>> {
    match image {
        Selector::Only => {
            let hint = "name the tag that it is to have there: `oci:DIRECTORY:TAG`";
            let fits = |tag: &str| terrine::layout::check_name(tag).map(|()| tag.to_owned());
            tag.map(fits).transpose().map_err(|error| {
                let message = error.to_string();
                Usage { message, hint }.into()
            })
        }
        Selector::Name(name) => {
            terrine::layout::check_name(name)?;
            Ok(Some(name.clone()))
        }
        Selector::Number(_) | Selector::Digest(_) => Err(usage(
            "an image is written by its tag, not by its number or digest",
        )),
    }
}

/// A name that Docker and podman load an image by: they take none without a tag, which is
/// that of the image, if it has one.
fn image_name(name: &str, tag: Option<&str>) -> Result<String> {
    let named = match name.rsplit_once(':') {
        Some((_, tag)) if !tag.contains('/') => name.to_owned(),
        _ => format!("{name}:{}", tag.unwrap_or("latest")),
    };
    match named.parse::<Repository>() {
        Err(why) => Err(usage(&why)),
        // Also `sha256:ID`, which looks like a name and a tag.
        Ok(_) if name.contains('@') || name.parse::<Digest>().is_ok() => Err(usage(
            "a digest is what comes out, and can not be asked for",
        )),
        Ok(_) => Ok(named),
    }
}

fn usage(why: &str) -> Failure {
    Usage {
        message: why.to_owned(),
        hint: "write docker://NAME:TAG, oci:DIRECTORY:TAG, oci-archive:FILE:TAG, docker-archive:FILE:NAME:TAG, docker-daemon:NAME:TAG or containers-storage:NAME:TAG",
    }
    .into()
}
