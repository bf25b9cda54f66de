//! A layer whose archive is given: dockerTools' customisation layer.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use rustix::io::{pread, retry_on_intr};
use terrine_oci::Digest;
use terrine_planner_host::image::LayerRole;
use terrine_tar::Extent;

use super::feed::reading;
use super::{
    ArchiveEntry, Change, Entries, EntryContent, Error, LayerHistory, LayerOrigin, Measure,
    NewLayer, Visit,
};
use crate::cache::Plain;

/// The most bytes that are read of a checksum: more than a digest and a newline take.
const MAX_CHECKSUM: u64 = 4096;

/// A layer whose archive was made elsewhere.
#[derive(Debug)]
pub struct Customisation {
    /// The directory that holds it, as the history names it.
    named: String,
    /// The archive, on this machine.
    path: PathBuf,
    file: File,
    size: u64,
    /// The digest in its `checksum`, which its bytes are checked against when they are read.
    digest: Digest,
}

impl Customisation {
    /// Opens the `layer.tar` and reads the `checksum` of a directory, which the history
    /// calls `named`.
    ///
    /// # Errors
    ///
    /// Files that cannot be read, and a checksum that is none.
    pub fn open(named: &str, archive: PathBuf, checksum: PathBuf) -> Result<Self, Error> {
        let mut text = String::new();
        open(&checksum)?
            .take(MAX_CHECKSUM)
            .read_to_string(&mut text)
            .map_err(|source| Error::Archive {
                path: checksum.clone(),
                source,
            })?;
        let digest =
            Digest::from_hex(text.trim()).map_err(|_| Error::Checksum { path: checksum })?;
        // Looked at before it is opened: opening a fifo would wait for its other end.
        let failed = |source| Error::Archive {
            path: archive.clone(),
            source,
        };
        if !fs::metadata(&archive).map_err(failed)?.is_file() {
            return Err(Error::NotAFile { path: archive });
        }
        let file = open(&archive)?;
        let size = file.metadata().map_err(failed)?.len();
        Ok(Self {
            named: named.to_owned(),
            path: archive,
            file,
            size,
            digest,
        })
    }

    /// Returns its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the archive.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Returns the digest that its bytes must have.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

impl NewLayer for &Customisation {
    fn entries(&self) -> Result<Box<dyn Entries + '_>, Error> {
        let extents = terrine_tar::extents(&self.file, self.size).map_err(|source| Error::Io {
            action: "reading",
            path: self.path.clone(),
            source,
        })?;
        Ok(Box::new(ArchiveEntries {
            archive: self,
            extents,
        }))
    }

    fn origin(&self) -> LayerOrigin<'_> {
        LayerOrigin::Root
    }

    fn history(&self) -> LayerHistory {
        LayerHistory {
            role: LayerRole::Customisation,
            paths: vec![self.named.clone()],
            comment: None,
        }
    }

    fn promised(&self) -> Option<Plain> {
        Some(Plain {
            diff_id: self.digest,
            size: self.size,
        })
    }

    fn weight(&self) -> Option<u64> {
        Some(self.size)
    }

    fn verify(&self, actual: Digest) -> Result<(), Error> {
        if actual == self.digest {
            return Ok(());
        }
        Err(Error::Mismatch {
            path: self.path.clone(),
            expected: self.digest,
            actual,
        })
    }
}

/// The entries of a given archive.
struct ArchiveEntries<'a> {
    archive: &'a Customisation,
    /// Their places; none for an archive that cannot be cut into entries, which goes as it is.
    extents: Option<Vec<Extent>>,
}

impl Entries for ArchiveEntries<'_> {
    fn measure(&self) -> Measure {
        Measure {
            size: self.archive.size,
            outline: self.archive.digest,
            files: 1,
        }
    }

    fn visit(&self, visit: &mut Visit<'_>) -> Result<(), Error> {
        let Customisation {
            path, file, size, ..
        } = self.archive;
        let content = |offset| EntryContent::Part { file, path, offset };
        match &self.extents {
            None => visit(ArchiveEntry {
                header: b"",
                size: *size,
                content: content(0),
                padding: 0,
            })?,
            Some(extents) => {
                for extent in extents {
                    let header = self.header(extent)?;
                    let start = extent.offset + extent.header;
                    visit(ArchiveEntry::new(&header, extent.size, content(start)))?;
                }
            }
        }
        self.archive.ends()
    }
}

impl ArchiveEntries<'_> {
    /// Reads the blocks of a header.
    fn header(&self, extent: &Extent) -> Result<Vec<u8>, Error> {
        use std::os::unix::fs::FileExt;
        let mut header = vec![0; usize::try_from(extent.header).unwrap_or_default()];
        self.archive
            .file
            .read_exact_at(&mut header, extent.offset)
            .map_err(|source| self.archive.unreadable(source))?;
        Ok(header)
    }
}

impl Customisation {
    /// Checks that the file has not grown.
    fn ends(&self) -> Result<(), Error> {
        let count = retry_on_intr(|| pread(&self.file, &mut [0; 1], self.size))
            .map_err(|errno| reading(&self.path, errno))?;
        if count > 0 {
            return Err(self.changed(Change::Grew));
        }
        Ok(())
    }

    fn unreadable(&self, source: std::io::Error) -> Error {
        if source.kind() == std::io::ErrorKind::UnexpectedEof {
            return self.changed(Change::Shrank);
        }
        Error::Io {
            action: "reading",
            path: self.path.clone(),
            source,
        }
    }

    fn changed(&self, change: Change) -> Error {
        Error::Changed {
            path: self.path.clone(),
            change,
        }
    }
}

fn open(path: &Path) -> Result<File, Error> {
    File::open(path).map_err(|source| Error::Archive {
        path: path.to_owned(),
        source,
    })
}
