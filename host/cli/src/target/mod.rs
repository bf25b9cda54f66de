//! Destinations of images, as the arguments name them.

mod archive;
mod blobs;

use std::path::Path;

use terrine::daemon::Loader;
use terrine::layout::LockWait;
use terrine::oci::{Reference, Selector};
use terrine::registry::Client;

pub(super) use archive::{ArchiveReference, ArchiveTarget};
pub(super) use blobs::{BlobReference, BlobTarget};

use super::exit::Usage;
use super::failure::{Failure, Result};

/// Destination that a reference names, of one kind or the other.
pub(super) enum TargetReference<'r> {
    Blobs(BlobReference<'r>),
    Archive(ArchiveReference<'r>),
}

/// Destination of an image.
pub(super) enum Target<'c> {
    /// One that takes blobs.
    Blobs(BlobTarget<'c>),
    /// A docker-archive.
    Archive(ArchiveTarget),
}

impl<'r> TargetReference<'r> {
    /// Tells which kind of destination a reference names.
    pub(super) fn of(reference: &'r Reference) -> Self {
        match reference {
            Reference::Registry(repository) => Self::Blobs(BlobReference::Registry(repository)),
            Reference::OciLayout { path, image } => {
                Self::Blobs(BlobReference::Layout { path, image })
            }
            Reference::OciArchive { path, image } => Self::Blobs(BlobReference::Archive {
                reference,
                path,
                image,
            }),
            Reference::DockerArchive { path, image } => {
                Self::Archive(ArchiveReference::File { path, image })
            }
            Reference::Path(path) => Self::Archive(ArchiveReference::Path(path)),
            Reference::Stdio => Self::Archive(ArchiveReference::File {
                path: Path::new("-"),
                image: &Selector::Only,
            }),
            Reference::DockerDaemon(name) => Self::Archive(ArchiveReference::Loader {
                loader: Loader::Docker,
                name,
            }),
            Reference::ContainersStorage(name) => Self::Archive(ArchiveReference::Loader {
                loader: Loader::Podman,
                name,
            }),
        }
    }

    /// Opens the destination. `tag` is the one of the image if the reference has none.
    pub(super) fn open<'c>(
        self,
        client: &'c Client,
        tag: Option<&str>,
        wait: LockWait,
    ) -> Result<Target<'c>> {
        match self {
            Self::Blobs(blobs) => blobs.open(client, tag, wait).map(Target::Blobs),
            Self::Archive(archive) => archive.open(tag).map(Target::Archive),
        }
    }
}

impl Target<'_> {
    /// Returns the name that the image has there, where that is not its own.
    pub(super) fn name(&self) -> Option<String> {
        match self {
            Self::Blobs(blobs) => Some(blobs.destination().name()),
            Self::Archive(archive) => archive.name().map(ToOwned::to_owned),
        }
    }

    /// Writes what was gathered, and gives it its name.
    pub(super) fn commit(self) -> Result<()> {
        match self {
            Self::Blobs(blobs) => blobs.commit(),
            Self::Archive(archive) => archive.commit(),
        }
    }
}

/// Tells whether a reference says by what tag the image is to be known.
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

/// Tells whether a reference leads to stdout.
pub(super) fn is_stdout(reference: &Reference) -> bool {
    let dash = Path::new("-");
    match reference {
        Reference::Stdio => true,
        Reference::DockerArchive { path, .. } | Reference::OciArchive { path, .. } => path == dash,
        _ => false,
    }
}

/// An error of a reference that names no destination.
fn usage(why: &str) -> Failure {
    Usage {
        message: why.to_owned(),
        hint: "write docker://NAME:TAG, oci:DIRECTORY:TAG, oci-archive:FILE:TAG, docker-archive:FILE:NAME:TAG, docker-daemon:NAME:TAG or containers-storage:NAME:TAG",
    }
    .into()
}
