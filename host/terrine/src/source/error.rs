//! Failures to read an image.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use terrine_compress::Compression;
use terrine_oci::DocumentError;
use terrine_registry as registry;
use terrine_support::hint::Hint;

use super::Layer;
use super::available::Available;
use super::oci::NO_LAYER;
use crate::daemon;

/// An image that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refused.
    #[error("reading the image `{image}`")]
    Io {
        /// The image.
        image: String,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// There is no room to unpack it, or no way.
    #[error("unpacking the image `{image}` to `{}`", directory.display())]
    Spool {
        /// The image.
        image: String,
        /// The directory of temporary files.
        directory: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// It is in a registry.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// It is in a storage that is another program's.
    #[error(transparent)]
    Daemon(#[from] daemon::Error),
    /// It is not what it has to be.
    #[error("the image `{image}` cannot be used")]
    Fault {
        /// The image.
        image: String,
        /// The fault of the image.
        #[source]
        fault: Fault,
    },
}

impl Error {
    /// A failure to read an image's bytes: a [`Fault`] where they are not what they have to be,
    /// and what a registry says where they come from one.
    pub(crate) fn reading(image: &str, error: io::Error) -> Self {
        let image = image.to_owned();
        match error.downcast::<Fault>() {
            Ok(fault) => Self::Fault { image, fault },
            Err(error) => match error.downcast::<registry::Error>() {
                Ok(error) => Self::Registry(error),
                Err(source) => Self::Io { image, source },
            },
        }
    }

    /// A failure to unpack a layer: of the decoder, or of what it reads.
    pub(crate) fn unpacking(image: &str, layer: &dyn Layer, error: io::Error) -> Self {
        let compression = layer.compression();
        let inner = error.get_ref();
        let read = inner.is_some_and(|inner| inner.is::<Fault>() || inner.is::<registry::Error>());
        if read || compression == Compression::None {
            return Self::reading(image, error);
        }
        let (what, why) = (format!("its layer `{}`", layer.name()), error.to_string());
        Self::fault(
            image,
            Fault::Compression {
                what,
                compression,
                why,
            },
        )
    }

    pub(crate) fn fault(image: &str, fault: Fault) -> Self {
        Self::Fault {
            image: image.to_owned(),
            fault,
        }
    }

    /// Reports whether the failure is that a blob is missing.
    pub(crate) fn is_absent_blob(&self) -> bool {
        match self {
            Self::Registry(error) => error.is_not_found(),
            Self::Fault { fault, .. } => {
                matches!(fault, Fault::Archive(terrine_tar::Fault::NoMember(_)))
            }
            _ => false,
        }
    }

    /// Reports whether the failure is that a layer cannot be had because it is not distributed with
    /// its image.
    pub(crate) fn is_foreign_layer(&self) -> bool {
        match self {
            Self::Fault { fault, .. } => matches!(fault, Fault::Foreign { .. }),
            _ => false,
        }
    }

    /// Returns the reason why a layer that is not distributed with its image could not be had from
    /// another place, if one was asked.
    pub(crate) fn elsewhere(&self) -> Option<&str> {
        match self {
            Self::Fault {
                fault: Fault::Foreign { why, .. },
                ..
            } => why.as_deref(),
            _ => None,
        }
    }

    /// Reports whether the failure is only that a manifest is not one of an image, but of a
    /// signature, an attestation or a chart.
    pub(crate) fn is_no_image(&self) -> bool {
        match self {
            Self::Fault { fault, .. } => matches!(
                fault,
                Fault::Artifact(_) | Fault::LayerType { why: NO_LAYER, .. }
            ),
            _ => false,
        }
    }

    /// Reports whether nothing exists at the place of the image: no such file, tag or repository,
    /// as far as its medium tells that from other failures.
    pub fn is_missing(&self) -> bool {
        match self {
            Self::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
            Self::Registry(error) => error.is_not_found(),
            Self::Fault {
                fault: Fault::NoSuchImage { .. },
                ..
            } => true,
            Self::Spool { .. } | Self::Daemon(_) | Self::Fault { .. } => false,
        }
    }
}

impl Hint for Error {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Fault { fault, .. } => fault.hint(),
            Self::Spool { .. } => {
                Some("make room there, or set `TMPDIR` to another directory".into())
            }
            Self::Registry(error) => error.hint(),
            Self::Daemon(error) => error.hint(),
            Self::Io { .. } => None,
        }
    }
}

/// A fault of an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// An archive that is broken.
    #[error(transparent)]
    Archive(#[from] terrine_tar::Fault),
    /// A directory, where an archive is needed.
    #[error("it is a directory")]
    Directory,
    /// A file that is no image of any kind.
    #[error(
        "it is neither a docker-archive nor an OCI archive: it has no `manifest.json` and no `index.json`"
    )]
    NoKind,
    /// A directory that is no OCI layout.
    #[error("it is not an OCI layout: it has no `{0}`")]
    NoLayout(&'static str),
    /// A file that is no OCI layout.
    #[error("it is not an OCI layout: it is not a directory")]
    LayoutIsAFile,
    /// An OCI layout of another version.
    #[error("it is an OCI layout of version `{0}`, not 1.0.0")]
    LayoutVersion(String),
    /// An image that is in no file, where only files are opened.
    #[error("it is neither a file nor a directory")]
    NotAFileReference,
    /// A manifest or an index that cannot be used.
    #[error("its document `{name}` cannot be used")]
    Document {
        /// Its digest, or its member.
        name: String,
        /// The fault of the document.
        #[source]
        fault: DocumentError,
    },
    /// An index that leads to itself, or too deep.
    #[error("its index `{0}` is nested too deep")]
    Nested(String),
    /// More of something than any image has.
    #[error("it lists {count} {what}, but at most {limit} are allowed")]
    TooMany {
        /// The name of the things that are counted.
        what: &'static str,
        /// The number of them.
        count: usize,
        /// The largest number that is allowed.
        limit: usize,
    },
    /// An index without an image.
    #[error("its index lists no image")]
    EmptyIndex,
    /// A manifest of something else than an image.
    #[error("it is not an image, but another kind of artifact: its configuration is `{0}`")]
    Artifact(String),
    /// A layer of a kind that cannot be read.
    #[error("its layer `{name}` is `{media_type}`: {why}")]
    LayerType {
        /// The layer's digest.
        name: String,
        /// Its media type.
        media_type: String,
        /// The reason why it cannot be read.
        why: &'static str,
    },
    /// A layer that is not distributed with its image, where its bytes are needed.
    #[error(
        "its layer `{name}` is not distributed with it, but from {}{}",
        from(urls),
        because(why)
    )]
    Foreign {
        /// The layer's digest.
        name: String,
        /// The addresses that it can be fetched from.
        urls: Vec<String>,
        /// The reason why it could not be fetched from there, if an address was asked.
        why: Option<String>,
    },
    /// No image for the platform that is asked for.
    #[error("it has no image for {wanted}, only for {}", list(available))]
    NoPlatform {
        /// The platform that was asked for.
        wanted: String,
        /// The platforms that it has images for.
        available: Vec<String>,
    },
    /// A platform without an architecture, or with control characters.
    #[error("its platform {0:?} is not valid")]
    Platform(String),
    /// An image that no digest stands for.
    #[error("it has no manifest, and so no digest")]
    NoManifest,
    /// Several images, and none was asked for.
    #[error("it contains {} images: {}", .0.names.len(), list(&.0.names))]
    Several(Available),
    /// An index of several images, and no platform was asked for.
    #[error("it contains {} images: {}", available.len(), list(available))]
    Platforms {
        /// Their platforms.
        available: Vec<String>,
    },
    /// The image that was asked for is not there.
    #[error("it has no image `{wanted}`, only {}", list(&available.names))]
    NoSuchImage {
        /// The image that was asked for.
        wanted: String,
        /// The images that it has.
        available: Available,
    },
    /// A size that is not what a descriptor says.
    #[error("its `{member}` has {actual} bytes, not {expected}")]
    Size {
        /// The member.
        member: String,
        /// The size that the descriptor states, in bytes.
        expected: u64,
        /// The size that was found, in bytes. The true one may be larger.
        actual: u64,
    },
    /// Something is larger than it can sensibly be.
    #[error("{what} has {size} bytes, but at most {limit} are allowed")]
    TooLarge {
        /// The name of the thing that is too large.
        what: String,
        /// Its size in bytes.
        size: u64,
        /// The largest allowed.
        limit: u64,
    },
    /// Files that come to more than the layer can sensibly hold, because they are next to nothing but holes.
    #[error(
        "`{member}` expands the files of {stored} bytes to {size} bytes, nearly all of which are holes"
    )]
    Holes {
        /// The file that is too much.
        member: String,
        /// The bytes of the layer as it is stored.
        stored: u64,
        /// The bytes of its files so far.
        size: u64,
    },
    /// Compressed bytes that cannot be unpacked.
    #[error("{what} cannot be unpacked by {compression}: {why}")]
    Compression {
        /// The name of the thing to be unpacked.
        what: String,
        /// The compression that it was taken for.
        compression: Compression,
        /// The error of the decoder.
        why: String,
    },
    /// A layer that is compressed in another way than its image says.
    #[error(
        "it says that its layer is compressed by {wanted}, but the layer is compressed by {found}"
    )]
    OtherCompression {
        /// The compression by the first bytes of the layer.
        found: Compression,
        /// The compression that its image names.
        wanted: Compression,
    },
    /// A layer that cannot be read.
    #[error("its layer `{name}` cannot be listed")]
    Layer {
        /// The layer's member.
        name: String,
        /// The fault of the layer.
        #[source]
        fault: Box<Fault>,
    },
    /// A layer under a name that means something else to whoever reads the archive.
    #[error("it lists `{0}` as a layer")]
    NotALayer(String),
    /// Something below what is no directory.
    #[error("it puts `{0}` below something that is not a directory")]
    NotADirectory(String),
    /// A hard link without a file.
    #[error("its hard link `{link}` leads to `{target}`, which is not a file of it")]
    NoTarget {
        /// The link.
        link: String,
        /// The target of the link.
        target: String,
    },
    /// A member that is no file, directory, link, device or fifo.
    #[error("its member `{name}` is of the unknown kind {kind:?}")]
    UnknownKind {
        /// The member.
        name: String,
        /// The letter in its header.
        kind: char,
    },
    /// Names that lead through more than any image has.
    #[error("its names lead through more than {0} directories and links")]
    TooManyLinks(u64),
    /// JSON that is none, or not what is expected.
    #[error("its `{member}` cannot be read: {why}")]
    Json {
        /// The member.
        member: String,
        /// The error of the parser.
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
        /// The digest that the name or the configuration states.
        expected: String,
        /// The digest of the bytes.
        actual: String,
    },
}

impl Hint for Fault {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::NoLayout(_) => Some(
                "an image in a directory is an OCI layout: see `terrine help references`; `copyToRoot` puts the files of a directory into an image".into(),
            ),
            Self::Directory | Self::LayoutIsAFile | Self::NoKind => Some(
                "an image is a docker-archive, an OCI layout or an archive of one, or in a registry: see `terrine help references`".into(),
            ),
            Self::Archive(terrine_tar::Fault::NoMember(name)) if name == "manifest.json" => Some(
                "an image is a docker-archive, an OCI layout or an archive of one, or in a registry: see `terrine help references`".into(),
            ),
            Self::Archive(
                terrine_tar::Fault::Truncated { .. } | terrine_tar::Fault::NoMember(_),
            )
            | Self::Compression { .. }
            | Self::OtherCompression { .. }
            | Self::Digest { .. }
            | Self::Size { .. } => Some("fetch or build the image again".into()),
            Self::NoPlatform { .. } | Self::Platforms { .. } => {
                Some("select one of them with `--platform`".into())
            }
            Self::Foreign { .. } => Some(
                "`terrine copy` leaves such a layer where it is; commands that read layers need an image that has it".into(),
            ),
            Self::Several(available) | Self::NoSuchImage { available, .. } => available.hint(),
            Self::Holes { .. } => Some("`terrine export --sparse` keeps holes as they are".into()),
            Self::Archive(fault) => fault.hint(),
            Self::Document { fault, .. } => fault.hint(),
            Self::Layer { fault, .. } => fault.hint(),
            _ => None,
        }
    }
}

/// The places of a layer for an error.
fn from(urls: &[String]) -> String {
    match urls {
        [] => "elsewhere".to_owned(),
        urls => {
            let shown: Vec<String> = urls.iter().map(|url| registry::shown_url(url)).collect();
            list(&shown)
        }
    }
}

/// The end of an error that has a reason.
fn because(why: &Option<String>) -> String {
    why.as_ref()
        .map_or_else(String::new, |why| format!(": {why}"))
}

/// Names for an error, the first of many.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let shown: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect();
    match names.len() {
        0 => "none at all".to_owned(),
        count if count > SHOWN => format!("{} and {} more", shown.join(", "), count - SHOWN),
        _ => shown.join(", "),
    }
}
