//! The records of files.

use std::collections::HashMap;

/// The numbers that tell a file from every other, also from one that had its number before: numbers are used
/// again after a file is gone, times of birth are not, if the first files stay open for as long as [`super::young`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    device: (u32, u32),
    inode: u64,
    birth: (i64, u32),
}

impl Key {
    pub(crate) fn of(found: &libc::statx) -> Self {
        Self {
            device: (found.stx_dev_major, found.stx_dev_minor),
            inode: found.stx_ino,
            birth: (found.stx_btime.tv_sec, found.stx_btime.tv_nsec),
        }
    }
}

/// A device that the kernel did not make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) block: bool,
    pub(crate) major: u32,
    pub(crate) minor: u32,
}

/// The record of a file; nothing where the kernel's word counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) owner: Option<(u32, u32)>,
    pub(crate) device: Option<Device>,
    /// Permission bits.
    pub(crate) mode: Option<u32>,
    /// The value of `security.capability`.
    pub(crate) capability: Option<Vec<u8>>,
    /// Attributes that the file had at first, and that its file system has no place for.
    pub(crate) attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// All that is recorded.
#[derive(Debug, Default)]
pub(crate) struct Records(HashMap<Key, Record>);

impl Records {
    pub(crate) fn get(&self, key: &Key) -> Option<&Record> {
        self.0.get(key)
    }

    /// Changes the record of a file, if it has one.
    pub(crate) fn change_known(&mut self, key: &Key, change: impl FnOnce(&mut Record)) {
        if let Some(record) = self.0.get_mut(key) {
            change(record);
        }
    }

    /// Changes the record of a file.
    pub(crate) fn change(&mut self, key: Key, change: impl FnOnce(&mut Record)) {
        change(self.0.entry(key).or_default());
    }
}
