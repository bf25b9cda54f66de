//! Writing an image, wherever it is to be.
//!
//! A docker-archive is a stream: see [`docker_archive`]. Everything else takes blobs that are
//! named by their digests, and is a [`Destination`]: a blob that is there already is not made,
//! one that is made is staged first, and documents come after all that they refer to.

mod blob;
mod carrier;
pub mod docker_archive;
mod error;
mod gathered;
mod layout;
mod members;
mod oci_archive;
mod presence;
mod registry;
mod report;
mod shared_layers;
mod staged;
#[cfg(test)]
mod tests;

use std::fmt;

pub use blob::from_bytes;
pub use carrier::{
    Brought, Carried, Carrier, CarryError, Foreign, Part, Recompress, Shipped, all, blob,
};
pub use docker_archive::DockerArchive;
pub use error::Error;
use error::temporary_place;
pub use gathered::GatheredLayers;
pub use layout::LayoutDestination;
pub(crate) use members::Members;
pub use oci_archive::OciArchive;
pub use presence::Presence;
pub use registry::RegistryDestination;
pub use report::{LayerOutcome, Reporter};
pub use shared_layers::{Author, SharedLayers};
pub use staged::Staged;
use terrine_oci::{Descriptor, Document, Platform, Repository};

/// A place for blobs and the documents that make images of them.
///
/// All of it may be called from several threads at once.
pub trait Destination: fmt::Debug + Sync {
    /// Tells if the destination has a blob, so that it need not be made. May take it over
    /// from one of `origins`, the repositories that are said to have it, if that moves no bytes.
    ///
    /// # Errors
    ///
    /// A place that cannot be asked.
    fn holds(&self, blob: &Descriptor, origins: &[Repository]) -> Result<Presence, Error>;

    /// Asks the place whether it is there and lets us in: before something is made that takes
    /// its time, and once.
    ///
    /// # Errors
    ///
    /// A place that cannot be asked.
    fn ready(&self) -> Result<(), Error> {
        Ok(())
    }

    /// A place for the bytes of a blob whose digest is not known yet.
    ///
    /// # Errors
    ///
    /// No room.
    fn stage(&self) -> Result<Staged, Error>;

    /// Returns the place where staged bytes wait, for messages.
    fn waiting_place(&self) -> String {
        temporary_place()
    }

    /// Takes what was staged, if it is not there by now; `sent` is told of bytes that leave.
    ///
    /// # Errors
    ///
    /// A place that does not take it.
    fn keep(&self, staged: Staged, blob: &Descriptor, sent: &dyn Fn(u64)) -> Result<(), Error>;

    /// Takes a document under its digest. What it refers to has to be there.
    ///
    /// # Errors
    ///
    /// A place that does not take it.
    fn put_document(&self, document: &Document) -> Result<(), Error>;

    /// Takes a document of a type that terrine does not know; none where documents are blobs like others.
    ///
    /// # Errors
    ///
    /// A place that does not take it.
    fn put_unknown(&self, _document: &Descriptor, _bytes: &[u8]) -> Option<Result<(), Error>> {
        None
    }

    /// Takes a document, and gives it the name that the destination has. `platform` is what an
    /// image runs on.
    ///
    /// # Errors
    ///
    /// A place that does not take it.
    fn publish(&self, document: &Document, platform: Option<&Platform>) -> Result<(), Error>;

    /// The registry and the repository, where it is one.
    fn repository(&self) -> Option<&Repository> {
        None
    }

    /// Returns the place where the image is afterwards, described for people.
    fn name(&self) -> String;
}
