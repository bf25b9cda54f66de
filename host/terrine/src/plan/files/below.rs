//! The content below the root layer: store paths, and the base image.

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{FileType, OFlags};

use crate::base::{Base, Listed, ListedAccess, Listing, Outline};
use crate::layer::{Ownership, Permissions, Store, StorePath};
use crate::platform::Bytes;
use crate::startup::{Access, Look};

/// The permission bits of which one makes a file an executable.
const EXECUTE: u32 = 0o111;

/// The presence of a store path in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Held {
    /// The image has it, as it is on this machine.
    Here,
    /// It may exist when the image runs.
    Perhaps,
    /// The image does not have it.
    No,
}

/// The store paths of an image.
pub(in super::super) struct StoreFiles<'a> {
    pub(in super::super) store: &'a Store,
    pub(in super::super) ownership: &'a Ownership,
    pub(in super::super) holds: Box<dyn Fn(&StorePath) -> Held + 'a>,
}

impl StoreFiles<'_> {
    /// Returns what is at a path; none where no store path of the image says.
    pub(super) fn look(&self, path: &[u8]) -> Option<Look> {
        let text = std::str::from_utf8(path).ok()?;
        let place = self.store.path(text).ok()?;
        let top = self.store.top(&place);
        let held = (self.holds)(&top);
        if held == Held::No {
            return None;
        }
        let place = self.store.locate(Path::new(OsStr::from_bytes(path)));
        let Ok(metadata) = fs::symlink_metadata(&place) else {
            let there = fs::symlink_metadata(self.store.locate(Path::new(top.as_str()))).is_ok();
            return (!there || held == Held::Perhaps).then_some(Look::Unknown);
        };
        let kind = metadata.file_type();
        Some(if kind.is_dir() {
            Look::Directory
        } else if kind.is_symlink() {
            match fs::read_link(&place) {
                Ok(target) => Look::Link(target.as_os_str().as_bytes().to_vec()),
                Err(_) => Look::Unknown,
            }
        } else {
            let mode = metadata.permissions().mode();
            file(path, mode, &self.ownership.permissions)
        })
    }

    /// Returns who may use what is at a path of the store, as its layer has it; none where it is not there.
    pub(super) fn access(&self, path: &[u8]) -> Option<Access> {
        self.store.path(std::str::from_utf8(path).ok()?).ok()?;
        let metadata =
            fs::symlink_metadata(self.store.locate(Path::new(OsStr::from_bytes(path)))).ok()?;
        let raw = metadata.permissions().mode();
        let mode = u16::try_from(raw & 0o7777).ok()?;
        let mode = self.store.mode(path, FileType::from_raw_mode(raw), mode);
        let access = Access {
            mode: mode.into(),
            uid: self.ownership.uid,
            gid: self.ownership.gid,
        };
        Some(ruled(path, access, &self.ownership.permissions))
    }

    /// Opens the file at a path of the store.
    pub(super) fn open(&self, path: &[u8]) -> Option<Box<dyn Bytes>> {
        self.store.path(std::str::from_utf8(path).ok()?).ok()?;
        let file = self.store.open_at(path, OFlags::NONBLOCK).ok()?;
        Some(Box::new(File::from(file)))
    }

    /// Returns what is at a path, given what a base image has there: the store and the directories that it lies in are
    /// there even if they are mounted.
    pub(super) fn with_above(&self, path: &[u8], has_store: bool, base: Look) -> Look {
        let mut ancestors = self.store.ancestors();
        let is_above = ancestors.any(|ancestor| ancestor.as_bytes() == path);
        match base {
            _ if is_above && has_store => Look::Directory,
            Look::Nothing if is_above => Look::Directory,
            base => base,
        }
    }
}

/// Returns the mode and owners of an entry: those that rules set, and otherwise those of `access`.
pub(super) fn ruled(path: &[u8], access: Access, permissions: &Permissions) -> Access {
    let rule = permissions.find(path);
    Access {
        mode: rule.and_then(|rule| rule.mode).unwrap_or(access.mode),
        uid: rule.and_then(|rule| rule.uid).unwrap_or(access.uid),
        gid: rule.and_then(|rule| rule.gid).unwrap_or(access.gid),
    }
}

/// A file with these permission bits, unless rules give it others.
pub(super) fn file(path: &[u8], mode: u32, permissions: &Permissions) -> Look {
    let mode = permissions
        .find(path)
        .and_then(|rule| rule.mode)
        .unwrap_or(mode);
    Look::File {
        executable: mode & EXECUTE != 0,
    }
}

/// The files of the image that another is built on.
pub(in super::super) enum BaseFiles<'a> {
    /// There is no such image.
    None,
    /// Nobody looked into it.
    Unread,
    /// These.
    Listed(&'a Base, &'a Listing),
    /// These, which were noted when the image was downloaded.
    Outlined(&'a Outline),
    /// These, which are listed when they are asked for; none where that fails.
    Late(&'a Base, OnceCell<Option<Listing>>),
}

impl BaseFiles<'_> {
    fn listing(&self) -> Option<&Listing> {
        match self {
            Self::None | Self::Unread => None,
            Self::Listed(_, listing) => Some(listing),
            Self::Outlined(outline) => Some(outline.listing()),
            Self::Late(base, listing) => listing.get_or_init(|| base.listing().ok()).as_ref(),
        }
    }

    pub(super) fn look(&self, path: &[u8]) -> Look {
        let file = |mode| Look::File {
            executable: mode & EXECUTE != 0,
        };
        match (self, self.listing()) {
            (Self::None, _) => Look::Nothing,
            (Self::Outlined(outline), _) => looked(outline.look(path), file),
            (_, Some(listing)) => looked(listing.look(path), file),
            (_, None) => Look::Unknown,
        }
    }

    /// Returns the target of the link at a path, where that is known.
    pub(in super::super) fn link_at(&self, path: &[u8]) -> Option<&[u8]> {
        self.listing()?.link_at(path)
    }

    /// Returns the permissions and owners at a path, where they are known.
    pub(super) fn access(&self, path: &[u8]) -> Option<Access> {
        self.listing()?.access(path).map(access)
    }

    pub(super) fn read(&self, path: &[u8], limit: usize) -> Option<Vec<u8>> {
        let (base, listing) = match self {
            Self::None | Self::Unread => return None,
            Self::Outlined(outline) => return outline.read(path, limit),
            Self::Listed(base, _) | Self::Late(base, _) => (base, self.listing()?),
        };
        let path = std::str::from_utf8(path).ok()?;
        base.read_file(listing, path, limit as u64).ok()?
    }
}

/// The permissions and owners of a listed entry.
pub(super) fn access(listed: ListedAccess) -> Access {
    let ListedAccess { mode, uid, gid } = listed;
    Access { mode, uid, gid }
}

/// Converts an entry of a listing; `file` says what files with permission bits are.
pub(super) fn looked(listed: Listed<'_>, file: impl Fn(u32) -> Look) -> Look {
    match listed {
        Listed::Nothing => Look::Nothing,
        Listed::Unknown => Look::Unknown,
        Listed::Directory => Look::Directory,
        Listed::Link(target) => Look::Link(target.to_vec()),
        Listed::File { mode } => file(mode),
    }
}
