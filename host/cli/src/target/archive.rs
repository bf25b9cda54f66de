//! Docker-archives: in files, on stdout, or on their way into a storage.

use std::os::fd::AsFd;
use std::path::Path;
use std::process::ChildStdin;

use terrine::daemon::{self, Loader};
use terrine::oci::{Digest, Repository, Selector};
use terrine::pipe::Outlet;

use super::{Place, usage};
use crate::failure::Result;
use crate::output::Output;

/// Reference to a docker-archive, or to a program that takes one.
pub(crate) enum ArchiveReference<'r> {
    /// A file, or stdout.
    File { path: &'r Path, image: &'r Selector },
    /// A path of which nothing is said.
    Path(&'r Path),
    /// A program with a storage of its own.
    Loader(Loader),
}

/// Docker-archive, and the names that the image has there.
pub(crate) enum ArchiveTarget {
    /// A file, or stdout, where the image keeps its own names unless others are given.
    Output { output: Output, names: Vec<String> },
    /// A program that loads it.
    Loader { loader: Loader, names: Vec<String> },
}

impl ArchiveReference<'_> {
    /// Opens the output, where the image gets all names of a place.
    pub(crate) fn open(self, place: &Place) -> Result<ArchiveTarget> {
        place.names.iter().try_for_each(|name| check_name(name))?;
        let names = place.names.clone();
        match self {
            Self::File { path, image } => {
                if matches!(image, Selector::Number(_) | Selector::Digest(_)) {
                    return Err(usage("an image is written under a name, not a number"));
                }
                let output = Output::open(Some(path))?;
                Ok(ArchiveTarget::Output { output, names })
            }
            // A directory is one of something, and what is not there may be anything.
            Self::Path(path) if path.is_dir() => {
                Err(usage(&format!("`{}` is a directory", path.display())))
            }
            Self::Path(path) => Ok(ArchiveTarget::Output {
                output: Output::open(Some(path))?,
                names,
            }),
            Self::Loader(loader) => Ok(ArchiveTarget::Loader { loader, names }),
        }
    }
}

impl ArchiveTarget {
    /// Returns the names that the image has there, where these are not its own.
    pub(crate) fn names(&self) -> Option<&[String]> {
        match self {
            Self::Output { names, .. } | Self::Loader { names, .. } => {
                (!names.is_empty()).then_some(names)
            }
        }
    }

    /// Has `produce` write the archive. `is_closed` tells of its errors which only say that
    /// nobody reads any more.
    pub(crate) fn write<T, E: From<daemon::Error>>(
        &self,
        produce: impl FnOnce(Outlet<'_>) -> Result<T, E>,
        is_closed: impl Fn(&E) -> bool,
    ) -> Result<T, E> {
        match self {
            Self::Output { output, .. } => produce(Outlet::of_file(&mut &*output, output.as_fd())),
            Self::Loader { loader, .. } => {
                let to_stdin = |mut stdin: &ChildStdin| {
                    let descriptor = ChildStdin::as_fd(stdin);
                    produce(Outlet::of_file(&mut stdin, descriptor))
                };
                daemon::load(*loader, to_stdin, is_closed)
            }
        }
    }

    /// Gives a file its name.
    pub(crate) fn commit(self) -> Result<()> {
        match self {
            Self::Output { output, .. } => output.commit(),
            Self::Loader { .. } => Ok(()),
        }
    }
}

/// Checks a name that Docker and podman are to load an image by.
fn check_name(name: &str) -> Result<()> {
    let bare = name.strip_suffix(":latest").unwrap_or(name);
    match name.parse::<Repository>() {
        Err(why) => Err(usage(&why)),
        // Also `sha256:ID`, which looks like a name and a tag.
        Ok(_)
            if name.contains('@')
                || [name, bare]
                    .iter()
                    .any(|name| name.parse::<Digest>().is_ok()) =>
        {
            Err(usage("the digest is computed, and cannot be chosen"))
        }
        Ok(_) => Ok(()),
    }
}
