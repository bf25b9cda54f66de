//! Images of a few files, for tests.

use std::collections::BTreeMap;

use super::{Files, Look};
use crate::platform::Bytes;

/// Files of an image.
pub(super) struct Tree(BTreeMap<Vec<u8>, (Look, Vec<u8>)>);

impl Tree {
    /// Files by texts: `/a` is a file, `/a*` a program, `/a/` a directory, `/a -> b` a link, `/a=text` a file with this
    /// content, `/a*=text` a program with it, and of `/a?` nothing is known. Directories above are there as well.
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
            tree.insert(name.into(), (look, content.into()));
        }
        Self(tree)
    }
}

impl Files for Tree {
    fn look(&self, path: &[u8]) -> Look {
        self.0
            .get(path)
            .map_or(Look::Nothing, |(look, _)| look.clone())
    }

    fn open(&self, path: &[u8]) -> Option<Box<dyn Bytes + '_>> {
        let (_, content) = self.0.get(path)?;
        Some(Box::new(content.as_slice()))
    }
}
