//! Images of a few files, for tests.

use std::collections::BTreeMap;

use super::{Access, Files, Look};
use crate::platform::Bytes;

/// Files of an image.
pub(super) struct Tree {
    entries: BTreeMap<Vec<u8>, (Look, Vec<u8>)>,
    owned: BTreeMap<Vec<u8>, Access>,
}

impl Tree {
    /// Files by texts: `/a` is a file, `/a*` a program, `/a/` a directory, `/a -> b` a link, `/a=text` a file with this
    /// content, `/a*=text` a program with it, and of `/a?` nothing is known. Directories above are there as well. The
    /// first four bytes of a program stand for all of one.
    pub(super) fn of(entries: &[&str]) -> Self {
        let mut tree = BTreeMap::new();
        for entry in entries {
            let (name, content) = entry.split_once('=').unwrap_or((entry, ""));
            let (name, look) = match name {
                _ if name.contains(" -> ") => {
                    let (name, target) = name.split_once(" -> ").unwrap_or_default();
                    (name, Look::Link(target.into()))
                }
                _ if name.ends_with('*') => {
                    (&name[..name.len() - 1], Look::File { executable: true })
                }
                _ if name.ends_with('?') => (&name[..name.len() - 1], Look::Unknown),
                _ if name.ends_with('/') => (&name[..name.len() - 1], Look::Directory),
                _ => (name, Look::File { executable: false }),
            };
            for (end, _) in name.match_indices('/').skip(1) {
                let directory = || (Look::Directory, vec![]);
                tree.entry(name[..end].into()).or_insert_with(directory);
            }
            let content = match content {
                "\x7fELF" => program(),
                content => content.into(),
            };
            tree.insert(name.into(), (look, content));
        }
        Self {
            entries: tree,
            owned: BTreeMap::new(),
        }
    }

    /// The same, where it is known who may use one of them.
    pub(super) fn owned(mut self, path: &str, access: Access) -> Self {
        self.owned.insert(path.into(), access);
        self
    }
}

/// A program with nothing in it.
fn program() -> Vec<u8> {
    let mut file = vec![0; 120];
    file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    for (at, byte) in [
        (16, 2),
        (18, 62),
        (20, 1),
        (32, 64),
        (54, 56),
        (56, 1),
        (64, 1),
    ] {
        file[at] = byte;
    }
    file
}

impl Files for Tree {
    fn look(&self, path: &[u8]) -> Look {
        self.entries
            .get(path)
            .map_or(Look::Nothing, |(look, _)| look.clone())
    }

    fn open(&self, path: &[u8]) -> Option<Box<dyn Bytes + '_>> {
        let (_, content) = self.entries.get(path)?;
        Some(Box::new(content.as_slice()))
    }

    fn access(&self, path: &[u8]) -> Option<Access> {
        self.owned.get(path).copied()
    }
}
