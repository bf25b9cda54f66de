//! What can be wrong with a base image.

use std::io;
use std::path::{Path, PathBuf};

use super::Compression;

/// A base image that can not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refused.
    #[error("reading the base image `{}`", path.display())]
    Io {
        /// The base image.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// There is no room to unpack it, or no way.
    #[error("unpacking the base image `{}` to `{}`", path.display(), directory.display())]
    Spool {
        /// The base image.
        path: PathBuf,
        /// Where temporary files go.
        directory: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It is not what it has to be.
    #[error("the base image `{}` can not be used", path.display())]
    Fault {
        /// The base image.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        fault: Fault,
    },
}

impl Error {
    pub(super) fn fault(path: &Path, fault: Fault) -> Self {
        Self::Fault { path: path.to_owned(), fault }
    }

    /// What the user can do about it, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Fault { fault, .. } => fault.hint(),
            Self::Spool { .. } => {
                Some("make room there, or name another folder by the variable `TMPDIR`")
            }
            Self::Io { .. } => None,
        }
    }
}

/// What is wrong with a base image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A directory, where an archive is needed.
    #[error("it is a directory")]
    Directory,
    /// An OCI archive, which has no `manifest.json`.
    #[error("it is an OCI archive, without the `manifest.json` of a docker-archive")]
    OciArchive,
    /// It ends too early.
    #[error("it is truncated: {size} bytes are needed at {position}, and it has {length} in all")]
    Truncated {
        /// Where the member starts.
        position: u64,
        /// How large it says that it is.
        size: u64,
        /// The archive's length.
        length: u64,
    },
    /// A header that is none.
    #[error("it is not a tar archive, or a broken one: no valid header at {0}")]
    BadHeader(u64),
    /// More members than any image has.
    #[error("it has more than {0} members")]
    TooManyMembers(usize),
    /// A name that leads out of the archive.
    #[error("it holds `{0}`, which leads out of the archive")]
    Escapes(String),
    /// A name that no image has.
    #[error("it holds the name {0:?}, which is too long or has control characters")]
    BadName(String),
    /// A member in a form that only GNU tar knows.
    #[error("its member `{0}` is stored as a sparse file")]
    Sparse(String),
    /// Something is larger than it can sensibly be.
    #[error("{what} has {size} bytes, and {limit} are allowed")]
    TooLarge {
        /// What it is.
        what: String,
        /// Its size in bytes.
        size: u64,
        /// The largest allowed.
        limit: u64,
    },
    /// Compressed bytes that can not be unpacked.
    #[error("{what} can not be unpacked by {compression}: {why}")]
    Compression {
        /// What was to be unpacked.
        what: String,
        /// What it is compressed by.
        compression: Compression,
        /// What the decoder says.
        why: String,
    },
    /// A layer that can not be read.
    #[error("its layer `{name}` can not be listed")]
    Layer {
        /// The layer's member.
        name: String,
        /// What is wrong with it.
        #[source]
        fault: Box<Fault>,
    },
    /// A member that something refers to is not there.
    #[error("it has no member `{0}`")]
    NoMember(String),
    /// A member that something refers to is not a file.
    #[error("its member `{0}` is not a file")]
    NotAFile(String),
    /// A layer under a name that means something else to whoever reads the archive.
    #[error("it lists `{0}` as a layer")]
    NotALayer(String),
    /// Links that lead to each other.
    #[error("its member `{0}` is a link that leads nowhere")]
    LinkLoop(String),
    /// JSON that is none, or not what is expected.
    #[error("its `{member}` can not be read: {why}")]
    Json {
        /// The member.
        member: String,
        /// What the parser says.
        why: String,
    },
    /// An archive without an image.
    #[error("its `manifest.json` lists no image")]
    NoImage,
    /// Layers and diff ids do not go together.
    #[error("it lists {layers} layers and {diff_ids} diff ids")]
    LayerCount {
        /// Layers in the manifest.
        layers: usize,
        /// Diff ids in the configuration.
        diff_ids: usize,
    },
    /// Bytes that are not those that a digest names.
    #[error("its `{member}` has the digest {actual}, not {expected}")]
    Digest {
        /// The member.
        member: String,
        /// What the name or the configuration says.
        expected: String,
        /// What the bytes say.
        actual: String,
    },
}

impl Fault {
    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Directory | Self::OciArchive => Some(
                "a base image is a docker-archive, as `docker save` and `skopeo copy ... docker-archive:` write it",
            ),
            Self::Truncated { .. } | Self::Compression { .. } | Self::Digest { .. } => {
                Some("fetch or build the base image again")
            }
            Self::Layer { fault, .. } => fault.hint(),
            _ => None,
        }
    }
}
