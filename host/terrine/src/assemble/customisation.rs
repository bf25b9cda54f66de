//! The customisation layer that is there already: an archive with its digest.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use terrine_oci::Digest;

use super::Error;

/// More than a digest and a newline take.
const MAX_CHECKSUM: u64 = 4096;

/// A layer that was made elsewhere.
#[derive(Debug)]
pub struct Customisation {
    /// The directory that holds it, as the history names it.
    pub(super) named: String,
    /// The archive, on this machine.
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) size: u64,
    /// What its `checksum` says; its bytes are held against it when they are read.
    pub(super) digest: Digest,
}

impl Customisation {
    /// Opens the `layer.tar` and reads the `checksum` of a directory, which the history
    /// calls `named`.
    ///
    /// # Errors
    ///
    /// Files that can not be read, and a checksum that is none.
    pub fn open(named: &str, archive: PathBuf, checksum: PathBuf) -> Result<Self, Error> {
        let mut text = String::new();
        open(&checksum)?
            .take(MAX_CHECKSUM)
            .read_to_string(&mut text)
            .map_err(|source| Error::Customisation {
                path: checksum.clone(),
                source,
            })?;
        let digest =
            Digest::from_hex(text.trim()).map_err(|_| Error::Checksum { path: checksum })?;
        // Looked at before it is opened: opening a fifo would wait for its other end.
        let failed = |source| Error::Customisation {
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

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The digest that its bytes must have.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

fn open(path: &Path) -> Result<File, Error> {
    File::open(path).map_err(|source| Error::Customisation {
        path: path.to_owned(),
        source,
    })
}
