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
    /// first four bytes of a program stand for all of one, and words behind them for its parts, as [`elf`] has them.
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
            let content = match content.strip_prefix("\x7fELF") {
                Some("") => program(),
                Some(parts) if parts.starts_with(' ') => elf(parts),
                _ => content.into(),
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

/// A program or library by words: `machine:62`, `interp:PATH`, `needs:NAME`, `name:NAME`, `rpath:LIST`,
/// `runpath:LIST`.
fn elf(parts: &str) -> Vec<u8> {
    const NAMES_AT: usize = 1024;
    let (mut machine, mut interpreter, mut names) = (62_u16, (0, 0), vec![0]);
    let mut dynamic: Vec<(u64, u64)> = vec![];
    for (key, value) in parts
        .split_whitespace()
        .filter_map(|part| part.split_once(':'))
    {
        let at = names.len() as u64;
        names.extend([value.as_bytes(), b"\0"].concat());
        match key {
            "machine" => machine = value.parse().unwrap(),
            "interp" => interpreter = (NAMES_AT as u64 + at, value.len() as u64 + 1),
            "needs" => dynamic.push((1, at)),
            "name" => dynamic.push((14, at)),
            "rpath" => dynamic.push((15, at)),
            "runpath" => dynamic.push((29, at)),
            _ => panic!("`{key}` is no part of an ELF file"),
        }
    }
    // The table of names is loaded to an address of its own.
    dynamic.extend([
        (5, 0x1_0000 + NAMES_AT as u64),
        (10, names.len() as u64),
        (0, 0),
    ]);
    let mut file = program();
    file.resize(NAMES_AT, 0);
    file[18..20].copy_from_slice(&machine.to_le_bytes());
    file[56] = 3;
    let size = NAMES_AT + names.len();
    let section = (400, 16 * dynamic.len() as u64);
    let headers = [(1, (0, size as u64)), (3, interpreter), (2, section)];
    for (number, (kind, (at, length))) in headers.into_iter().enumerate() {
        let header = 64 + 56 * number;
        // One of no length is none at all.
        file[header] = if length == 0 { 0 } else { kind };
        for (field, value) in [(8, at), (16, 0x1_0000 + at), (32, length)] {
            file[header + field..][..8].copy_from_slice(&value.to_le_bytes());
        }
    }
    for (number, (tag, value)) in dynamic.into_iter().enumerate() {
        let entry = 400 + 16 * number;
        file[entry..][..8].copy_from_slice(&tag.to_le_bytes());
        file[entry + 8..][..8].copy_from_slice(&value.to_le_bytes());
    }
    file.extend(names);
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
