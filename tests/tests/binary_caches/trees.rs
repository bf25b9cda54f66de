//! Trees of files as store paths can have them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use terrine::oci::Digest;

/// A file, a link or a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tree {
    File { executable: bool, content: Vec<u8> },
    Link(Vec<u8>),
    Directory(BTreeMap<Vec<u8>, Tree>),
}

/// The directories in which the deepest file of a NAR may lie.
const DEEPEST: usize = 63;

impl Tree {
    fn file(content: &[u8]) -> Self {
        Self::File {
            executable: false,
            content: content.to_vec(),
        }
    }

    /// Writes it to the disk, with the permissions of a store.
    pub(super) fn write(&self, place: &Path) {
        match self {
            Self::File {
                executable,
                content,
            } => {
                fs::write(place, content).unwrap();
                let mode = if *executable { 0o555 } else { 0o444 };
                fs::set_permissions(place, Permissions::from_mode(mode)).unwrap();
            }
            Self::Link(target) => symlink(OsStr::from_bytes(target), place).unwrap(),
            Self::Directory(entries) => {
                fs::create_dir(place).unwrap();
                for (name, entry) in entries {
                    entry.write(&place.join(OsStr::from_bytes(name)));
                }
                fs::set_permissions(place, Permissions::from_mode(0o555)).unwrap();
            }
        }
    }

    /// Reads it from the disk.
    pub(super) fn read(place: &Path) -> Self {
        let metadata = fs::symlink_metadata(place).unwrap();
        if metadata.is_symlink() {
            return Self::Link(
                fs::read_link(place)
                    .unwrap()
                    .as_os_str()
                    .as_bytes()
                    .to_vec(),
            );
        }
        if metadata.is_file() {
            return Self::File {
                executable: metadata.permissions().mode() & 0o100 != 0,
                content: fs::read(place).unwrap(),
            };
        }
        let entries = fs::read_dir(place).unwrap().map(|entry| {
            let entry = entry.unwrap();
            (
                entry.file_name().as_bytes().to_vec(),
                Self::read(&entry.path()),
            )
        });
        Self::Directory(entries.collect())
    }

    /// Its entries in the order of a NAR, one a line, with the hashes of contents.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![];
        self.add_lines(&[], &mut lines);
        lines
    }

    fn add_lines(&self, path: &[u8], lines: &mut Vec<String>) {
        let shown = path.escape_ascii();
        match self {
            Self::File {
                executable,
                content,
            } => lines.push(format!("{shown} file {executable} {}", Digest::of(content))),
            Self::Link(target) => lines.push(format!("{shown} link {}", target.escape_ascii())),
            Self::Directory(entries) => {
                lines.push(format!("{shown} directory"));
                for (name, entry) in entries {
                    let separator: &[u8] = if path.is_empty() { b"" } else { b"/" };
                    entry.add_lines(&[path, separator, name].concat(), lines);
                }
            }
        }
    }
}

/// Names, of which many are in another order in a layer than in a NAR, or begin like each other.
fn name() -> impl Strategy<Value = Vec<u8>> {
    let common = [
        "a",
        "a.",
        "a-",
        "a b",
        "A",
        "b",
        "...",
        ".a",
        "\u{e9}",
        "\u{d7ff}",
        "\u{e000}",
        "\u{ffff}",
        "\u{10000}",
        "*",
        "\n",
    ];
    let common = prop::sample::select(common.map(|name| name.as_bytes().to_vec()).to_vec());
    let long = any::<u8>().prop_map(|byte| vec![byte | 0x40; 255]);
    let any = vec(any::<u8>(), 1..6);
    prop_oneof![6 => common, 1 => long, 2 => any].prop_filter("no name", |name| {
        !matches!(&name[..], b"." | b"..") && !name.iter().any(|byte| matches!(byte, 0 | b'/'))
    })
}

/// Targets of links, up to the longest one.
fn target() -> impl Strategy<Value = Vec<u8>> {
    let strange = [
        " ",
        "\n",
        "/",
        "..",
        "../../../..",
        "a//b/./",
        "/nix/store",
        "\u{10000}",
    ];
    let strange = prop::sample::select(strange.map(|target| target.as_bytes().to_vec()).to_vec());
    let any = vec(1..=u8::MAX, 1..40);
    let long = (4000..=4095_usize).prop_map(|length| vec![b'x'; length]);
    prop_oneof![4 => strange, 4 => any, 1 => long]
}

/// Contents, of sizes around multiples of what NARs and layers pad to.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let size = prop_oneof![
        0..=25_usize,
        500..=520_usize,
        4090..=4100_usize,
        Just(70_000)
    ];
    (size, any::<u8>()).prop_map(|(size, first)| {
        (0..size)
            .map(|index| first.wrapping_add(index as u8))
            .collect()
    })
}

/// Any tree.
pub(super) fn tree() -> impl Strategy<Value = Tree> {
    let file = (any::<bool>(), content()).prop_map(|(executable, content)| Tree::File {
        executable,
        content,
    });
    let leaf = prop_oneof![3 => file, 1 => target().prop_map(Tree::Link)];
    leaf.prop_recursive(5, 40, 8, |inner| {
        btree_map(name(), inner, 0..8).prop_map(Tree::Directory)
    })
}

/// Trees at the limits.
pub(super) fn corners() -> Vec<Tree> {
    let deepest = (0..DEEPEST).fold(Tree::file(b"deep"), |inner, _| {
        Tree::Directory([(b"d".to_vec(), inner)].into())
    });
    // A NAR has the first one last, a layer first, and the reverse.
    let names = [
        &b"\xff"[..],
        b"\x80",
        "\u{10000}".as_bytes(),
        "\u{ffff}".as_bytes(),
        b"z",
    ];
    let directory = |inner: Tree| Tree::Directory([(b"in".to_vec(), inner)].into());
    let disordered = names.map(|name| (name.to_vec(), directory(Tree::file(name))));
    vec![
        deepest,
        Tree::Directory(disordered.into()),
        Tree::Directory(BTreeMap::new()),
        Tree::file(b""),
        Tree::Link(vec![b'x'; 4095]),
        Tree::Directory([(vec![b'n'; 255], Tree::Link(vec![0xff]))].into()),
    ]
}
