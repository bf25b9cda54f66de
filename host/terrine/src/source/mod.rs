//! Images that exist, wherever they are.
//!
//! An [`Image`] is an immutable view: its configuration is read and held against its digest,
//! its layers are read when somebody wants them. Whatever comes from outside is hostile until
//! it is verified: sizes are bounded, digests are held against bytes, nothing is unpacked.

mod available;
pub(crate) mod changes;
mod docker_archive;
mod elsewhere;
mod error;
mod hashing;
mod image_index;
mod oci;
mod oci_archive;
mod oci_images;
mod oci_layout;
#[cfg(test)]
mod oci_tests;
mod open;
mod opener;
pub(crate) mod seekable;
mod spool;
#[cfg(test)]
pub(crate) mod testing;
mod unpacked;
mod verified;

use std::fmt;
use std::io::Read;
use std::sync::Arc;

use terrine_oci::{Configuration, Descriptor, Digest, Document, Repository};

pub use available::Available;
pub use docker_archive::DockerArchive;
pub(crate) use docker_archive::{check, normal};
pub use error::{Error, Fault};
pub(crate) use hashing::HashingReader;
pub use image_index::{
    ImageIndex, Listed, Opened, is_attestation, open_descriptor, open_document, pick,
};
pub(crate) use oci::layer_of_blob;
pub use oci::{Blobs, document, image};
pub(crate) use oci::{sized, unknown_document};
pub use oci_archive::open_archive;
pub use oci_images::OciImages;
pub use oci_layout::open_layout;
pub use open::{open, open_file, open_first, open_path};
pub use opener::{LocalOpener, Opener, RemoteOpener};
pub use spool::{Spool, Spooled};
use terrine_compress::Compression;
pub use terrine_tar::FilePart;
pub(crate) use unpacked::{input, unpacked};
pub use verified::Verified;

/// An image that exists.
#[derive(Debug, Clone)]
pub struct Image {
    /// The image's name in errors.
    pub name: String,
    /// The names with tags that its medium has for it: a docker-archive's.
    pub names: Vec<String>,
    /// Its manifest, where its medium has one: a docker-archive has not.
    pub manifest: Option<Document>,
    /// Its configuration.
    pub configuration: Configuration,
    /// Its layers, bottom to top: one for each diff id of the configuration.
    pub layers: Vec<Arc<dyn Layer>>,
}

/// A layer of an image that exists.
pub trait Layer: fmt::Debug + Send + Sync {
    /// Returns its name in its image: its member of a docker-archive, its digest elsewhere.
    fn name(&self) -> String;

    /// The digest of the plain layer, as the configuration has it.
    fn diff_id(&self) -> Digest;

    /// The blob as it is stored: media type, digest and size. A docker-archive tells no digest
    /// of a compressed layer, so there it is read for that.
    ///
    /// # Errors
    ///
    /// A layer that has to be read and cannot be.
    fn descriptor(&self) -> Result<Descriptor, Error>;

    /// Returns the number of bytes that are stored.
    fn stored_size(&self) -> u64;

    /// Returns their compression: by their first bytes where these are at hand or have been read by
    /// [`Layer::open`], else by the media type, which may be wrong.
    fn compression(&self) -> Compression;

    /// The same by their first bytes, which are fetched if nobody has read them yet.
    ///
    /// # Errors
    ///
    /// A layer that cannot be had.
    fn look(&self) -> Result<Compression, Error> {
        Ok(self.compression())
    }

    /// Returns the compression by the first bytes, if these are at hand or have been read.
    fn seen(&self) -> Option<Compression> {
        Some(self.compression())
    }

    /// Takes note of the compression that the same blob had when somebody read it before.
    fn told(&self, _compression: Compression) {}

    /// Reports whether the layer is not distributed with its image. A copy of the image does not
    /// include such a layer.
    fn is_foreign(&self) -> bool {
        false
    }

    /// The bytes as they are stored, as many as [`Layer::stored_size`] says or an error. They
    /// are not verified, see [`Verified`].
    ///
    /// # Errors
    ///
    /// A layer that cannot be had.
    fn open(&self) -> Result<Box<dyn Read + Send + '_>, Error>;

    /// The same where it can be read at any place, so that what is not wanted need not be
    /// read.
    ///
    /// # Errors
    ///
    /// A layer that cannot be had.
    fn content(&self) -> Result<Option<FilePart<'_>>, Error> {
        Ok(None)
    }

    /// The repository of a registry that has it.
    fn repository(&self) -> Option<&Repository> {
        None
    }

    /// Returns the fields of its member's header in an archive.
    fn attributes(&self) -> Attributes {
        Attributes::default()
    }
}

/// The fields of a member's header besides its name and size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// Permission bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: i64,
    /// Numeric group.
    pub gid: i64,
    /// Time of last modification, in seconds since 1970.
    pub mtime: i64,
    /// Name of the owner.
    pub uname: Vec<u8>,
    /// Name of the group.
    pub gname: Vec<u8>,
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            mode: 0o644,
            uid: 0,
            gid: 0,
            mtime: 0,
            uname: vec![],
            gname: vec![],
        }
    }
}
