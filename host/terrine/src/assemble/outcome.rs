//! The outcome that is reported when an image is made.

use terrine_oci::{Descriptor, Digest};

use crate::destination::Shipped;

/// An image that has been written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The image id: the digest of its configuration.
    pub id: Digest,
    /// Its layers, bottom to top.
    pub layers: Vec<Written>,
    /// The published image where there are manifests: not in a docker-archive.
    pub published: Option<Published>,
}

/// A layer that has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The digest of the uncompressed layer.
    pub diff_id: Digest,
    /// Its size without compression, in bytes; of a base layer the size that it has in the
    /// archive, the layout or the registry.
    pub size: u64,
}

/// An image as a registry or a layout has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its manifest.
    pub manifest: Descriptor,
    /// Its layers, bottom to top.
    pub layers: Vec<Shipped>,
}
