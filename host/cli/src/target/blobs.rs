//! Destinations for blobs: registries, layouts, and archives of layouts.

use std::path::Path;

use terrine::destination::{Destination, LayoutDestination, OciArchive, RegistryDestination};
use terrine::layout::{Layout, LockWait};
use terrine::oci::{Reference, Repository, Selector};
use terrine::registry::Client;

use super::{Place, usage};
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
    /// Opens the destination, where the image gets all names of a place.
    pub(crate) fn open<'c>(
        self,
        client: &'c Client,
        place: &Place,
        wait: LockWait,
    ) -> Result<BlobTarget<'c>> {
        match self {
            Self::Registry(repository) => {
                if repository.digest.is_some() {
                    return Err(usage("the digest is computed, and cannot be chosen"));
                }
                let (repository, more) = place.tagged(repository);
                interrupt::leaves_blobs();
                let destination = RegistryDestination::new(client, repository).with_more_tags(more);
                Ok(BlobTarget::Direct(Box::new(destination)))
            }
            Self::Layout { path, image } => {
                check_tags(image, &place.names)?;
                let layout = Layout::create(path)?.with_wait(wait);
                interrupt::watch(layout.pending());
                // What dead runs left is in nobody's way.
                let _ = layout.sweep();
                let destination = LayoutDestination::new(layout, place.names.clone());
                Ok(BlobTarget::Direct(Box::new(destination)))
            }
            Self::Archive {
                reference,
                path,
                image,
            } => {
                check_tags(image, &place.names)?;
                let output = Output::open(Some(path))?;
                let archive = Box::new(OciArchive::new(reference.to_string(), place.names.clone()));
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

/// Checks that an image can have these tags in a layout.
fn check_tags(image: &Selector, tags: &[String]) -> Result<()> {
    match image {
        Selector::Only => tags.iter().try_for_each(|tag| {
            let checked = terrine::layout::check_name(tag);
            checked.map_err(|error| {
                let message = error.to_string();
                let hint = "name its tag: `oci:DIRECTORY:TAG`";
                Usage { message, hint }.into()
            })
        }),
        Selector::Name(name) => Ok(terrine::layout::check_name(name)?),
        Selector::Number(_) | Selector::Digest(_) => Err(usage(
            "an image is written under a tag, not a number or a digest",
        )),
    }
}
