//! The entries of a NAR in the order of a layer.
//!
//! A NAR has the names of a directory in the order of their bytes. A layer has them in the order of
//! their code points, where a byte that is not UTF-8 stands for U+DC80 and up ([`compare`]). These
//! orders are the same for names of code points below U+D800. From the first other name on, the
//! rest of its directory is kept in a temporary file until all of it is there.

use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, Read};

use terrine_binary_cache::{NarEntry, NarKind};
use terrine_tar::order::compare;

/// The first code point whose bytes may be in another order than it is.
const SURROGATES: char = '\u{d7ff}';

/// An entry of a NAR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its path below the store path; empty for the store path itself.
    pub(super) path: Vec<u8>,
    /// The number of directories that it lies in.
    pub(super) depth: usize,
    pub(super) kind: Kind,
}

/// The kind of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    Symlink { target: Vec<u8> },
    File { executable: bool, size: u64 },
}

impl From<&NarEntry<'_>> for Entry {
    fn from(entry: &NarEntry<'_>) -> Self {
        Self {
            path: entry.path.to_vec(),
            depth: entry.depth,
            kind: match entry.kind {
                NarKind::Directory => Kind::Directory,
                NarKind::Symlink { target } => Kind::Symlink {
                    target: target.to_vec(),
                },
                NarKind::Regular { executable, size } => Kind::File { executable, size },
            },
        }
    }
}

impl Kind {
    /// Returns the kind as a NAR has it.
    pub(super) fn of_nar(&self) -> NarKind<'_> {
        match self {
            Self::Directory => NarKind::Directory,
            Self::Symlink { target } => NarKind::Symlink { target },
            &Self::File { executable, size } => NarKind::Regular { executable, size },
        }
    }
}

impl Entry {
    fn name(&self) -> &[u8] {
        self.path.rsplit(|&byte| byte == b'/').next().unwrap_or(&[])
    }

    /// Returns the size of its content in bytes.
    pub(super) fn size(&self) -> u64 {
        match self.kind {
            Kind::File { size, .. } => size,
            Kind::Directory | Kind::Symlink { .. } => 0,
        }
    }
}

/// The entries that wait for the rest of their directory.
#[derive(Debug, Default)]
pub(super) struct Reorder {
    held: Option<Held>,
}

/// Entries with their contents.
#[derive(Debug)]
pub(super) struct Held {
    /// The depth of the directory's entries.
    depth: usize,
    /// Each with the offset of its content in the file.
    entries: Vec<(Entry, u64)>,
    contents: File,
    written: u64,
}

impl Reorder {
    /// Returns the entries that waited for the end of a directory, in the order of a layer, if the next entry of the
    /// NAR, at `depth`, is not in it.
    pub(super) fn ended(&mut self, depth: usize) -> Option<Held> {
        let mut held = self.held.take_if(|held| depth < held.depth)?;
        held.entries
            .sort_by(|(a, _), (b, _)| in_layer(&a.path, &b.path));
        Some(held)
    }

    /// Returns whether an entry has to wait.
    pub(super) fn holds(&self, entry: &Entry) -> bool {
        self.held.is_some() || !is_in_both_orders(entry.name())
    }

    /// Keeps an entry and its content.
    ///
    /// # Errors
    ///
    /// A content that cannot be read, and a disk that is full.
    pub(super) fn hold(&mut self, entry: Entry, content: &mut dyn Read) -> io::Result<()> {
        let held = match &mut self.held {
            Some(held) => held,
            none => none.insert(Held {
                depth: entry.depth,
                entries: vec![],
                contents: tempfile::tempfile()?,
                written: 0,
            }),
        };
        let offset = held.written;
        held.written += io::copy(content, &mut held.contents)?;
        held.entries.push((entry, offset));
        Ok(())
    }
}

impl Held {
    /// Calls `visit` with each entry, the file that has its content, and the offset of the content there.
    ///
    /// # Errors
    ///
    /// An error of `visit`.
    pub(super) fn visit<E>(
        &self,
        mut visit: impl FnMut(&Entry, &File, u64) -> Result<(), E>,
    ) -> Result<(), E> {
        self.entries
            .iter()
            .try_for_each(|(entry, offset)| visit(entry, &self.contents, *offset))
    }
}

/// Returns whether a name, or all names of a path, are where they are in both orders, given that those before are.
pub(super) fn is_in_both_orders(name: &[u8]) -> bool {
    let text = std::str::from_utf8(name);
    text.is_ok_and(|text| text.is_ascii() || text.chars().all(|point| point <= SURROGATES))
}

/// The order of paths in a layer: component by component, each directory before what is in it.
pub(super) fn in_layer(a: &[u8], b: &[u8]) -> Ordering {
    let (mut a, mut b) = (components(a), components(b));
    loop {
        match (a.next(), b.next()) {
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => return compare(a, b),
            (a, b) => return a.is_some().cmp(&b.is_some()),
        }
    }
}

fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &[u8], kind: Kind) -> Entry {
        let depth = 1 + path.iter().filter(|&&byte| byte == b'/').count();
        Entry {
            path: path.to_vec(),
            depth,
            kind,
        }
    }

    /// The paths as they come out, given in the order of a NAR.
    fn reordered(paths: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut reorder = Reorder::default();
        let mut out = vec![];
        let release = |held: Option<Held>, out: &mut Vec<Vec<u8>>| {
            let visited = held.map(|held| {
                held.visit(|entry, contents, offset| {
                    let mut content = vec![0; entry.path.len()];
                    std::os::unix::fs::FileExt::read_exact_at(contents, &mut content, offset)?;
                    assert_eq!(content, entry.path, "its own content");
                    out.push(entry.path.clone());
                    Ok::<_, io::Error>(())
                })
            });
            visited.transpose().unwrap();
        };
        for path in paths {
            let entry = entry(
                path,
                Kind::File {
                    executable: false,
                    size: path.len() as u64,
                },
            );
            release(reorder.ended(entry.depth), &mut out);
            if reorder.holds(&entry) {
                reorder.hold(entry, &mut &path[..]).unwrap();
            } else {
                out.push(path.to_vec());
            }
        }
        release(reorder.ended(0), &mut out);
        out
    }

    #[test]
    fn names_come_in_the_order_of_code_points() {
        let private = "\u{e000}".as_bytes();
        let nested = |parent: &[u8], name: &[u8]| [parent, b"/", name].concat();
        // In the order of bytes: each directory's names ascend.
        let mut paths: Vec<Vec<u8>> = vec![
            b"a".to_vec(),
            b"b".to_vec(),
            nested(b"b", "\u{d7ff}".as_bytes()),
            nested(b"b", private),
            nested(b"b", b"\xff"),
            b"c".to_vec(),
            b"\x80".to_vec(),
            "\u{e9}".as_bytes().to_vec(),
            private.to_vec(),
            nested(private, b"x"),
            nested(private, b"\xff"),
            b"\xff".to_vec(),
        ];
        paths.sort_by(|a, b| a.split(|&c| c == b'/').cmp(b.split(|&c| c == b'/')));
        let mut expected = paths.clone();
        expected.sort_by(|a, b| in_layer(a, b));
        assert_ne!(paths, expected);
        let given: Vec<&[u8]> = paths.iter().map(Vec::as_slice).collect();
        assert_eq!(reordered(&given), expected);
    }

    #[test]
    fn names_of_text_do_not_wait() {
        let reorder = Reorder::default();
        for (name, waits) in [
            (&b"plain"[..], false),
            ("\u{e9}\u{d7ff}".as_bytes(), false),
            ("\u{e000}".as_bytes(), true),
            ("x\u{10000}".as_bytes(), true),
            (b"\xff", true),
        ] {
            assert_eq!(
                reorder.holds(&entry(name, Kind::Directory)),
                waits,
                "{name:?}"
            );
        }
    }
}
