//! The files of an image whose root layer is an archive.

use super::below::{BaseFiles, StoreFiles, access, looked};
use crate::base::{LayerFiles, read_member};
use crate::layer::Customisation;
use crate::platform::Bytes;
use crate::source::FilePart;
use crate::startup::{Access, Files, Look};

/// The largest program that is read out of an archive, in bytes.
const MAX_PROGRAM: u64 = 64 << 20;

/// The files of an image whose root layer is an archive.
pub(in super::super) struct ArchivedFiles<'a> {
    pub(in super::super) archive: &'a Customisation,
    pub(in super::super) top: LayerFiles,
    pub(in super::super) store: StoreFiles<'a>,
    pub(in super::super) has_store: bool,
    pub(in super::super) base: BaseFiles<'a>,
}

impl ArchivedFiles<'_> {
    fn is_in_archive(&self, path: &[u8]) -> bool {
        self.top_look(path) != Look::Nothing
    }

    fn top_look(&self, path: &[u8]) -> Look {
        looked(self.top.look(path), |mode| Look::File {
            executable: mode & 0o111 != 0,
        })
    }

    fn read_archived(&self, path: &[u8], limit: u64) -> Option<Vec<u8>> {
        let part = FilePart::new(self.archive.file(), 0, self.archive.size());
        read_member(part, path, limit)
    }
}

impl Files for ArchivedFiles<'_> {
    fn look(&self, path: &[u8]) -> Look {
        match self.top_look(path) {
            Look::Nothing => {}
            look => return look,
        }
        // Which of what is below it the archive takes away is not looked at.
        let is_sure = !self.top.takes_away();
        if let Some(look) = self.store.look(path).filter(|_| is_sure) {
            return look;
        }
        match self.base.look(path) {
            _ if !is_sure => Look::Unknown,
            look => self.store.with_above(path, self.has_store, look),
        }
    }

    fn open(&self, path: &[u8]) -> Option<Box<dyn Bytes + '_>> {
        if self.is_in_archive(path) {
            let content = self.read_archived(path, MAX_PROGRAM + 1)?;
            let is_whole = content.len() as u64 <= MAX_PROGRAM;
            return is_whole.then(|| Box::new(content) as Box<dyn Bytes>);
        }
        self.store.open(path)
    }

    fn access(&self, path: &[u8]) -> Option<Access> {
        if self.is_in_archive(path) {
            return self.top.access(path).map(access);
        }
        // The archive may say something else of a directory without a look at what it takes away.
        self.store
            .access(path)
            .or_else(|| self.base.access(path))
            .filter(|_| !self.top.takes_away())
    }

    fn read(&self, path: &[u8], limit: usize) -> Option<Vec<u8>> {
        if self.is_in_archive(path) {
            return self.read_archived(path, limit as u64);
        }
        match self.store.open(path) {
            Some(file) => file.read_at(0, limit).ok(),
            None => self.base.read(path, limit),
        }
    }
}
