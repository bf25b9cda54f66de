//! A database that is written when the layers below it are made: what they hold is in it.

use std::io;

use super::{Error, Records, write};
use crate::layer::{self, Store, StorePath};
use crate::nar::Passing;
use crate::rootfs::LateFile;

/// A database of which some NAR hashes are not known yet.
#[derive(Debug)]
pub struct LateDatabase {
    path: String,
    records: Records,
    passing: Passing,
}

impl LateDatabase {
    /// The database at `path` in the image, of records that have placeholders for the hashes of
    /// `open`, which are among them.
    ///
    /// # Errors
    ///
    /// A path that is missing.
    pub fn new(
        path: String,
        records: Records,
        store: &Store,
        open: &[StorePath],
    ) -> Result<Self, layer::Error> {
        Ok(Self {
            path,
            records,
            passing: Passing::new(store, open)?,
        })
    }

    /// Returns what hashes NARs as their paths go by.
    pub fn passing(&self) -> &Passing {
        &self.passing
    }
}

impl LateFile for LateDatabase {
    fn path(&self) -> &str {
        &self.path
    }

    fn content(&self, store: &Store) -> Result<Vec<u8>, layer::Error> {
        let mut records = self.records.clone();
        for (path, nar) in self.passing.all(store)? {
            if let Some(record) = records.get_mut(path.as_str()) {
                (record.nar_hash, record.nar_size) = (nar.hash, nar.size);
            }
        }
        write(&records).map_err(|error: Error| layer::Error::Io {
            action: "writing",
            path: (&self.path).into(),
            source: io::Error::other(error),
        })
    }
}
