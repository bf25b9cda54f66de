//! `oci-archive:`: images in an archive of an OCI layout.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use terrine_oci::{Descriptor, MAX_DOCUMENT};
use terrine_tar::Archive;

use super::oci::Blobs;
use super::oci_images::OciImages;
use super::seekable::{self, Unpacking};
use super::{Error, Fault, FilePart};
use crate::layout::{INDEX, MARKER, MAX_MARKER, MarkerFault, blob_name, check_marker};

/// Opens an archive, plain or compressed; `name` is what errors call it.
///
/// # Errors
///
/// An archive that is truncated, broken, or none of an OCI layout.
pub fn open_archive(name: &str, path: &Path) -> Result<OciImages, Error> {
    let file = File::open(path).map_err(|source| Error::Io {
        image: name.to_owned(),
        source,
    })?;
    read_archive(name, file)
}

/// The same of what is read from a file or a pipe.
pub(super) fn read_archive(name: &str, file: File) -> Result<OciImages, Error> {
    images(name, seekable::scan(file).map_err(|error| error.of(name))?)
}

/// The images of an archive whose members are known.
pub(super) fn images(name: &str, archive: Archive) -> Result<OciImages, Error> {
    let text = index(&archive).map_err(|error| error.of(name))?;
    OciImages::new(
        "oci-archive",
        name,
        Arc::new(ArchiveBlobs {
            name: name.to_owned(),
            archive,
        }),
        text,
    )
}

/// The text of the index of an archive of a layout.
fn index(archive: &Archive) -> Result<Vec<u8>, Unpacking> {
    for member in [INDEX, MARKER] {
        if !archive.has(member) {
            return Err(Fault::NoLayout(member).into());
        }
    }
    let marker = archive.read(MARKER, MAX_MARKER)?;
    check_marker(&marker).map_err(|fault| match fault {
        MarkerFault::Json(why) => Fault::Json {
            member: MARKER.to_owned(),
            why,
        },
        MarkerFault::Version(version) => Fault::LayoutVersion(version),
    })?;
    Ok(archive.read(INDEX, MAX_DOCUMENT)?)
}

/// The blobs of an archive.
#[derive(Debug)]
struct ArchiveBlobs {
    name: String,
    archive: Archive,
}

impl ArchiveBlobs {
    fn member(&self, blob: &Descriptor) -> Result<FilePart<'_>, Error> {
        let name = blob_name(&blob.digest);
        let found = self
            .archive
            .member(&name)
            .map_err(|fault| Error::fault(&self.name, fault.into()))?;
        if found.size != blob.size {
            let (expected, actual) = (blob.size, found.size);
            return Err(Error::fault(
                &self.name,
                Fault::Size {
                    member: name,
                    expected,
                    actual,
                },
            ));
        }
        Ok(self.archive.content(found))
    }
}

impl Blobs for ArchiveBlobs {
    fn blob(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send + '_>, Error> {
        Ok(Box::new(self.member(blob)?))
    }

    fn size(&self, blob: &Descriptor) -> Result<Option<u64>, Error> {
        let found = self.archive.member(&blob_name(&blob.digest));
        Ok(found.ok().map(|found| found.size))
    }

    fn content(&self, blob: &Descriptor) -> Result<Option<FilePart<'_>>, Error> {
        self.member(blob).map(Some)
    }
}
