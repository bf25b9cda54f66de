//! Docker-archives: in files, on stdout, or on their way into a storage.

use std::io::Write;
use std::path::Path;

use terrine::daemon::{self, Loader};
use terrine::oci::{Digest, Repository, Selector};

use super::usage;
use crate::failure::Result;
use crate::output::Output;

/// Reference to a docker-archive, or to a program that takes one.
pub(crate) enum ArchiveReference<'r> {
    /// A file, or stdout.
    File { path: &'r Path, image: &'r Selector },
    /// A path of which nothing is said.
    Path(&'r Path),
    /// A program with a storage of its own.
    Loader { loader: Loader, name: &'r str },
}

/// Docker-archive, and the name that the image has there.
pub(crate) enum ArchiveTarget {
    /// A file, or stdout, where the image keeps its own name unless another is given.
    Output {
        output: Output,
        name: Option<String>,
    },
    /// A program that loads it.
    Loader { loader: Loader, name: String },
}

impl ArchiveReference<'_> {
    /// Opens the output. `tag` is the one of the image if the reference has a name without one.
    pub(crate) fn open(self, tag: Option<&str>) -> Result<ArchiveTarget> {
        match self {
            Self::File { path, image } => {
                let name = match image {
                    Selector::Only => None,
                    Selector::Name(name) => Some(image_name(name, tag)?),
                    _ => return Err(usage("an image is written by its name, not by its number")),
                };
                let output = Output::open(Some(path))?;
                Ok(ArchiveTarget::Output { output, name })
            }
            // A directory is one of something, and what is not there may be anything.
            Self::Path(path) if path.is_dir() => {
                Err(usage(&format!("`{}` is a directory", path.display())))
            }
            Self::Path(path) => Ok(ArchiveTarget::Output {
                output: Output::open(Some(path))?,
                name: None,
            }),
            Self::Loader { loader, name } => Ok(ArchiveTarget::Loader {
                loader,
                name: image_name(name, tag)?,
            }),
        }
    }
}

impl ArchiveTarget {
    /// Returns the name that the image has there, where that is not its own.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Output { name, .. } => name.as_deref(),
            Self::Loader { name, .. } => Some(name),
        }
    }

    /// Has `produce` write the archive. `is_closed` tells of its errors which only say that
    /// nobody reads any more.
    pub(crate) fn write<T, E: From<daemon::Error>>(
        &self,
        produce: impl FnOnce(&mut (dyn Write + Send)) -> Result<T, E>,
        is_closed: impl Fn(&E) -> bool,
    ) -> Result<T, E> {
        match self {
            Self::Output { output, .. } => produce(&mut &*output),
            Self::Loader { loader, .. } => daemon::load(*loader, |stdin| produce(stdin), is_closed),
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

/// Name that Docker and podman load an image by: they take none without a tag, which is that of
/// the image, if it has one.
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
