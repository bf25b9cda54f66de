//! NARs for tests, written in the simplest way.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::nar::{NarEntry, NarError, NarKind, NarReader};

/// A tree of files.
pub(crate) enum Tree {
    Directory(Vec<(Vec<u8>, Tree)>),
    File(bool, Vec<u8>),
    Link(Vec<u8>),
}

impl Tree {
    /// Writes it to the disk.
    pub(crate) fn write(&self, path: &Path) {
        match self {
            Self::Directory(entries) => {
                fs::create_dir(path).unwrap();
                for (name, entry) in entries {
                    entry.write(&path.join(OsStr::from_bytes(name)));
                }
            }
            Self::File(executable, content) => {
                fs::write(path, content).unwrap();
                let mode = if *executable { 0o555 } else { 0o444 };
                fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            }
            Self::Link(target) => symlink(OsStr::from_bytes(target), path).unwrap(),
        }
    }
}

/// Texts, each after its length and padded to eight bytes.
pub(crate) fn texts(texts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![];
    for text in texts {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(*text);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    }
    bytes
}

/// The NAR of a tree, whether it is allowed or not.
pub(crate) fn nar(tree: &Tree) -> Vec<u8> {
    [texts(&[b"nix-archive-1"]), node(tree)].concat()
}

fn node(tree: &Tree) -> Vec<u8> {
    let inner = match tree {
        Tree::Directory(entries) => {
            let mut inner = texts(&[b"directory"]);
            for (name, entry) in entries {
                inner.extend(texts(&[b"entry", b"(", b"name", name, b"node"]));
                inner.extend(node(entry));
                inner.extend(texts(&[b")"]));
            }
            inner
        }
        Tree::File(true, content) => texts(&[b"regular", b"executable", b"", b"contents", content]),
        Tree::File(false, content) => texts(&[b"regular", b"contents", content]),
        Tree::Link(target) => texts(&[b"symlink", b"target", target]),
    };
    [texts(&[b"(", b"type"]), inner, texts(&[b")"])].concat()
}

/// An entry in one line.
pub(crate) fn line(entry: &NarEntry<'_>) -> String {
    let path = entry.path.escape_ascii();
    let kind = match entry.kind {
        NarKind::Directory => "directory".to_owned(),
        NarKind::Regular { executable, size } => format!("regular {executable} {size}"),
        NarKind::Symlink { target } => format!("symlink {}", target.escape_ascii()),
    };
    format!("{} {path} {kind}", entry.depth)
}

/// All entries of a NAR, with their contents.
pub(crate) fn entries<R: Read>(reader: &mut NarReader<R>) -> Result<Vec<String>, NarError> {
    let mut lines = vec![];
    while let Some(entry) = reader.next_entry()? {
        let mut line = line(&entry);
        if matches!(entry.kind, NarKind::Regular { .. }) {
            let mut content = vec![];
            let outcome = reader.content().read_to_end(&mut content);
            outcome.map_err(|error| NarError::from_io(error).unwrap())?;
            line = format!("{line} {}", content.escape_ascii());
        }
        lines.push(line);
    }
    Ok(lines)
}
