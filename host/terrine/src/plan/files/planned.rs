//! The files of an image from a specification.

use terrine_tar::Kind;

use super::below::{BaseFiles, Held, StoreFiles, file, ruled};
use crate::layer::{Ownership, Permissions, StorePath};
use crate::plan::complete::Complete;
use crate::plan::context::Context;
use crate::platform::Bytes;
use crate::rootfs::{Data, Root, RootEntry};
use crate::startup::{Access, Files, Look};

/// The mark of a file that takes another away from the layers below, before its name.
const WHITEOUT: &[u8] = b".wh.";
/// The file that takes away what the layers below have in its directory.
const OPAQUE: &[u8] = b"/.wh..wh..opq";

/// The files of an image from a specification.
pub(in super::super) struct PlannedFiles<'a> {
    root: &'a Root,
    permissions: &'a Permissions,
    store: StoreFiles<'a>,
    has_store: bool,
    base: BaseFiles<'a>,
}

impl<'a> PlannedFiles<'a> {
    pub(in super::super) fn of(
        context: &Context<'a, '_>,
        complete: &'a Complete,
        ownership: &'a Ownership,
    ) -> Self {
        let spec = context.spec;
        let allow_absent = context.options.allow_absent;
        let holds = move |top: &StorePath| {
            let paths = &complete.paths;
            let known = paths.included && paths.graph.find(top.as_str()).is_some();
            let absent = allow_absent || spec.absent_paths.iter().any(|path| path == top.as_str());
            match (known, absent || !paths.included) {
                (true, _) => Held::Here,
                (false, true) => Held::Perhaps,
                (false, false) => Held::No,
            }
        };
        Self {
            root: &complete.root,
            permissions: &ownership.permissions,
            store: StoreFiles {
                store: &complete.store,
                ownership,
                holds: Box::new(holds),
            },
            has_store: !complete.paths.paths.is_empty(),
            base: match (&complete.base, &complete.listing) {
                (Some(base), Some(listing)) if listing.is_claimed() => base
                    .outline()
                    .map_or(BaseFiles::Unread, BaseFiles::Outlined),
                (Some(base), Some(listing)) => BaseFiles::Listed(base, listing),
                (None, _) => BaseFiles::None,
                (Some(_), None) => BaseFiles::Unread,
            },
        }
    }

    /// Reports whether the root's layer removes what lower layers have at a path.
    fn takes_away(&self, path: &[u8]) -> bool {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        ends.map(|(start, _)| start).any(|start| {
            let rest = &path[start + 1..];
            let end = rest
                .iter()
                .position(|&byte| byte == b'/')
                .unwrap_or(rest.len());
            let mark = [&path[..=start], WHITEOUT, &rest[..end]].concat();
            let opaque = [&path[..start], OPAQUE].concat();
            self.root.get(&mark).is_some() || self.root.get(&opaque).is_some()
        })
    }
}

fn looked(entry: &RootEntry<'_>, permissions: &Permissions) -> Look {
    match entry.kind {
        Kind::Directory => Look::Directory,
        Kind::Symlink => Look::Link(entry.link.to_vec()),
        Kind::File => file(entry.path, entry.mode, permissions),
        _ => Look::Unknown,
    }
}

impl Files for PlannedFiles<'_> {
    fn look(&self, path: &[u8]) -> Look {
        if let Some(entry) = self.root.get(path) {
            return looked(&entry, self.permissions);
        }
        if self.takes_away(path) {
            return Look::Nothing;
        }
        if let Some(look) = self.store.look(path) {
            return look;
        }
        self.store
            .with_above(path, self.has_store, self.base.look(path))
    }

    fn open(&self, path: &[u8]) -> Option<Box<dyn Bytes + '_>> {
        match self.root.get(path).map(|entry| entry.data) {
            Some(Data::Inline(bytes)) => Some(Box::new(bytes)),
            Some(Data::Source(file)) => Some(Box::new(file.open().ok()?)),
            Some(Data::None) => None,
            None => self.store.open(path),
        }
    }

    fn access(&self, path: &[u8]) -> Option<Access> {
        match self.root.get(path) {
            Some(entry) => {
                let access = Access {
                    mode: entry.mode,
                    uid: entry.uid,
                    gid: entry.gid,
                };
                Some(ruled(path, access, self.permissions))
            }
            None => self.store.access(path).or_else(|| self.base.access(path)),
        }
    }

    fn read(&self, path: &[u8], limit: usize) -> Option<Vec<u8>> {
        match self.open(path) {
            Some(file) => file.read_at(0, limit).ok(),
            None => self.base.read(path, limit),
        }
    }
}
