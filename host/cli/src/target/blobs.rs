//! Destinations for blobs: registries, layouts, and archives of layouts.

use std::path::Path;

use terrine::destination::{Destination, LayoutDestination, OciArchive, RegistryDestination};
use terrine::layout::{Layout, LockWait};
use terrine::oci::{Reference, Repository, Selector};
use terrine::registry::Client;

use super::usage;
use crate::exit::Usage;
use crate::failure::{Context, Result};
use crate::interrupt;
use crate::output::Output;

/// Reference to a destination for blobs.
pub(crate) enum BlobReference<'r> {
    Registry(&'r Repository),
    Layout {
        path: &'r Path,
        image: &'r Selector,
    },
    Archive {
        /// The reference, as errors call the archive.
        reference: &'r Reference,
        path: &'r Path,
        image: &'r Selector,
    },
}

/// Destination for blobs, and what it takes to finish it.
pub(crate) enum BlobTarget<'c> {
    /// One that has what it was given.
    Direct(Box<dyn Destination + 'c>),
    /// An archive of a layout, which is written at the end.
    Archive {
        archive: Box<OciArchive>,
        output: Output,
    },
}

impl BlobReference<'_> {
    /// Opens the destination. `tag` is the one of the image if the reference has none.
    pub(crate) fn open<'c>(
        self,
        client: &'c Client,
        tag: Option<&str>,
        wait: LockWait,
    ) -> Result<BlobTarget<'c>> {
        match self {
            Self::Registry(repository) => {
                if repository.digest.is_some() {
                    return Err(usage(
                        "a digest is what comes out, and can not be asked for",
                    ));
                }
                let repository = Repository {
                    tag: repository.tag.clone().or(tag.map(ToOwned::to_owned)),
                    ..repository.clone()
                }
                .or_latest();
                interrupt::leaves_blobs();
                let destination = RegistryDestination::new(client, repository);
                Ok(BlobTarget::Direct(Box::new(destination)))
            }
            Self::Layout { path, image } => {
                let tag = self::tag(image, tag)?;
                let layout = Layout::create(path)?.with_wait(wait);
                interrupt::watch(layout.pending());
                // What dead runs left is in nobody's way.
                let _ = layout.sweep();
                let destination = LayoutDestination::new(layout, tag);
                Ok(BlobTarget::Direct(Box::new(destination)))
            }
            Self::Archive {
                reference,
                path,
                image,
            } => {
                let tag = self::tag(image, tag)?;
                let output = Output::open(Some(path))?;
                let archive = Box::new(OciArchive::new(reference.to_string(), tag));
                Ok(BlobTarget::Archive { archive, output })
            }
        }
    }
}

impl BlobTarget<'_> {
    /// Returns the destination.
    pub(crate) fn destination(&self) -> &dyn Destination {
        match self {
            Self::Direct(destination) => &**destination,
            Self::Archive { archive, .. } => &**archive,
        }
    }

    /// Writes what was gathered, where that is not done yet.
    pub(crate) fn commit(self) -> Result<()> {
        match self {
            Self::Direct(_) => Ok(()),
            Self::Archive { archive, output } => {
                archive.write(&mut &output).context("writing the archive")?;
                output.commit()
            }
        }
    }
}

/// Tag that an image is to have in a layout: the one that the reference has, or else `tag`.
fn tag(image: &Selector, tag: Option<&str>) -> Result<Option<String>> {
    match image {
        Selector::Only => {
            let Some(tag) = tag else { return Ok(None) };
            terrine::layout::check_name(tag).map_err(|error| Usage {
                message: error.to_string(),
                hint: "name the tag that it is to have there: `oci:DIRECTORY:TAG`",
            })?;
            Ok(Some(tag.to_owned()))
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
