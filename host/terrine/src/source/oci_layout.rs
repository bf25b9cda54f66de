//! `oci:`: images in a directory that is an OCI layout.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use terrine_oci::Descriptor;

use super::oci::Blobs;
use super::oci_images::OciImages;
use super::{Error, Fault, FilePart};
use crate::layout::{self, Layout, blob_name};

/// Opens a layout; `name` is what errors call it.
///
/// # Errors
///
/// A directory that is no layout, or whose index cannot be used.
pub fn open_layout(name: &str, path: &Path) -> Result<OciImages, Error> {
    let layout = Layout::open(path).map_err(|error| convert(name, error))?;
    let text = layout.index_text().map_err(|error| convert(name, error))?;
    OciImages::new(
        "oci",
        name,
        Arc::new(LayoutBlobs {
            name: name.to_owned(),
            layout,
        }),
        text,
    )
}

/// The blobs of a layout. Their files are opened when they are read: an image has more layers
/// than a process may have files.
#[derive(Debug)]
struct LayoutBlobs {
    name: String,
    layout: Layout,
}

impl LayoutBlobs {
    fn file(&self, blob: &Descriptor) -> Result<FilePart<'static>, Error> {
        let file = self
            .layout
            .blob(blob)
            .map_err(|error| convert(&self.name, error))?;
        Ok(FilePart::of(file, blob.size))
    }
}

impl Blobs for LayoutBlobs {
    fn blob(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send + '_>, Error> {
        Ok(Box::new(self.file(blob)?))
    }

    fn size(&self, blob: &Descriptor) -> Result<Option<u64>, Error> {
        match self.layout.blob(blob) {
            Ok(_) => Ok(Some(blob.size)),
            Err(layout::Error::Size { actual, .. }) => Ok(Some(actual)),
            Err(error) => Err(convert(&self.name, error)),
        }
    }

    fn content(&self, blob: &Descriptor) -> Result<Option<FilePart<'_>>, Error> {
        self.file(blob).map(Some)
    }
}

/// Converts the failure of a layout into the failure of the image.
fn convert(image: &str, error: layout::Error) -> Error {
    let member = |path: &Path| {
        let name = path.file_name().unwrap_or(path.as_os_str());
        name.to_string_lossy().into_owned()
    };
    let fault = match error {
        layout::Error::Io { source, .. } => {
            return match source.kind() {
                std::io::ErrorKind::NotADirectory => Error::fault(image, Fault::LayoutIsAFile),
                _ => Error::Io {
                    image: image.to_owned(),
                    source,
                },
            };
        }
        layout::Error::Missing { member, .. } => Fault::NoLayout(member),
        layout::Error::Version { version, .. } => Fault::LayoutVersion(version),
        layout::Error::Json { path, why } => Fault::Json {
            member: member(&path),
            why,
        },
        layout::Error::TooLarge { path, size, limit } => Fault::TooLarge {
            what: format!("its `{}`", member(&path)),
            size,
            limit,
        },
        layout::Error::NoBlob { digest, .. } => {
            terrine_tar::Fault::NoMember(blob_name(&digest)).into()
        }
        layout::Error::NotAFile { path } => terrine_tar::Fault::NotAFile(member(&path)).into(),
        layout::Error::Size {
            digest,
            expected,
            actual,
            ..
        } => Fault::Size {
            member: blob_name(&digest),
            expected,
            actual,
        },
        // These are about writing.
        error @ (layout::Error::Occupied { .. }
        | layout::Error::Locked { .. }
        | layout::Error::Name(_)) => {
            let source = std::io::Error::other(error);
            return Error::Io {
                image: image.to_owned(),
                source,
            };
        }
    };
    Error::fault(image, fault)
}
