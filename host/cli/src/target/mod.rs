//! Destinations of images, as the arguments name them.

mod archive;
mod blobs;
mod place;

use std::path::Path;

use terrine::daemon::Loader;
use terrine::layout::LockWait;
use terrine::oci::{Reference, Selector};
use terrine::registry::Client;

pub(super) use archive::{ArchiveReference, ArchiveTarget};
pub(super) use blobs::{BlobReference, BlobTarget};
pub(super) use place::{Place, names, places};

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
            Reference::DockerDaemon(_) => Self::Archive(ArchiveReference::Loader(Loader::Docker)),
            Reference::ContainersStorage(_) => {
                Self::Archive(ArchiveReference::Loader(Loader::Podman))
            }
        }
    }

    /// Opens the destination, where the image gets all names of a place.
    pub(super) fn open<'c>(
        self,
        client: &'c Client,
        place: &Place,
        wait: LockWait,
    ) -> Result<Target<'c>> {
        match self {
            Self::Blobs(blobs) => blobs.open(client, place, wait).map(Target::Blobs),
            Self::Archive(archive) => archive.open(place).map(Target::Archive),
        }
    }
}

impl Target<'_> {
    /// Writes what was gathered, and gives it its name.
    pub(super) fn commit(self) -> Result<()> {
        match self {
            Self::Blobs(blobs) => blobs.commit(),
            Self::Archive(archive) => archive.commit(),
        }
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
