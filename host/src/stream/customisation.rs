//! The customisation layer: an archive that is there already, with its digest.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Error, locate};
use crate::image::Digest;
use crate::layer::Store;

/// More than a digest and a newline take.
const MAX_CHECKSUM: u64 = 4096;

/// A layer that was made elsewhere.
#[derive(Debug)]
pub(super) struct Customisation {
    /// The directory that holds it, as `conf.json` writes it.
    pub(super) named: String,
    /// The archive, on this machine.
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) size: u64,
    /// What its `checksum` says; its bytes are held against it when they are read.
    pub(super) digest: Digest,
}

impl Customisation {
    /// Opens the `layer.tar` and reads the `checksum` of a directory.
    pub(super) fn open(named: &str, store: &Store) -> Result<Self, Error> {
        let checksum = locate(store, &Path::new(named).join("checksum"));
        let mut text = String::new();
        open(&checksum)?
            .take(MAX_CHECKSUM)
            .read_to_string(&mut text)
            .map_err(|source| Error::Customisation { path: checksum.clone(), source })?;
        let digest = Digest::from_hex(text.trim()).map_err(|_| Error::Checksum { path: checksum })?;
        let path = locate(store, &Path::new(named).join("layer.tar"));
        // Looked at before it is opened: opening a fifo would wait for its other end.
        let metadata =
            fs::metadata(&path).map_err(|source| Error::Customisation { path: path.clone(), source })?;
        if !metadata.is_file() {
            return Err(Error::NotAFile { path });
        }
        let file = open(&path)?;
        let size =
            file.metadata().map_err(|source| Error::Customisation { path: path.clone(), source })?.len();
        Ok(Self { named: named.to_owned(), path, file, size, digest })
    }
}

fn open(path: &Path) -> Result<File, Error> {
    File::open(path).map_err(|source| Error::Customisation { path: path.to_owned(), source })
}
