//! NAR hashes: what is hashed of a tree is the hash of the archive that Nix's manual describes.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use terrine::cache::Cache;
use terrine::layer::Store;
use terrine::nar;
use terrine::oci::Digest;

use crate::draw::Draw;
use crate::format::Format;
use crate::{Limit, Target};

/// The depth of directories in each other, and the number that the entries of each stay below.
const DEPTH: usize = 4;
const CHILDREN: u64 = 5;

pub(super) const TARGET: Target = Target {
    name: "nars",
    format: Format::Bytes,
    seeds,
    run,
    short: 1_500,
    longest: 2048,
    limit: Limit::USUAL,
};

fn seeds() -> Vec<Vec<u8>> {
    (1..16_u8)
        .map(|step| (0..250_u8).map(|at| at.wrapping_mul(step)).collect())
        .collect()
}

/// A file, a link or a directory at a path.
enum Node {
    File { executable: bool, content: Vec<u8> },
    Link(Vec<u8>),
    Directory(BTreeMap<Vec<u8>, Node>),
}

impl Node {
    fn draw(draw: &mut Draw<'_>, depth: usize) -> Self {
        match draw.below(4) {
            0 | 1 if depth < DEPTH => {
                let children = draw.below(CHILDREN);
                Self::Directory(
                    (0..children)
                        .map(|_| (name(draw), Self::draw(draw, depth + 1)))
                        .collect(),
                )
            }
            2 => Self::Link(
                [b"x", draw.bytes(40)]
                    .concat()
                    .into_iter()
                    .filter(|&byte| byte != 0)
                    .collect(),
            ),
            _ => Self::File {
                executable: draw.below(2) == 1,
                content: draw.bytes(40).repeat(1 + draw.below(30) as usize),
            },
        }
    }

    /// Makes it on this machine.
    fn make(&self, path: &Path) {
        match self {
            Self::File {
                executable,
                content,
            } => {
                fs::write(path, content).expect("a file");
                let mode = if *executable { 0o755 } else { 0o644 };
                fs::set_permissions(path, Permissions::from_mode(mode)).expect("permissions");
            }
            Self::Link(target) => {
                symlink(std::ffi::OsStr::from_bytes(target), path).expect("a link");
            }
            Self::Directory(children) => {
                fs::create_dir(path).expect("a directory");
                for (name, child) in children {
                    child.make(&path.join(std::ffi::OsStr::from_bytes(name)));
                }
            }
        }
    }

    /// Writes it as the manual says.
    fn write(&self, out: &mut Vec<u8>) {
        text(b"(", out);
        text(b"type", out);
        match self {
            Self::File {
                executable,
                content,
            } => {
                text(b"regular", out);
                if *executable {
                    text(b"executable", out);
                    text(b"", out);
                }
                text(b"contents", out);
                text(content, out);
            }
            Self::Link(target) => {
                text(b"symlink", out);
                text(b"target", out);
                text(target, out);
            }
            Self::Directory(children) => {
                text(b"directory", out);
                for (name, child) in children {
                    text(b"entry", out);
                    text(b"(", out);
                    text(b"name", out);
                    text(name, out);
                    text(b"node", out);
                    child.write(out);
                    text(b")", out);
                }
            }
        }
        text(b")", out);
    }
}

/// A text with its length before it, filled up to eight bytes.
fn text(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend((bytes.len() as u64).to_le_bytes());
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(8), 0);
}

fn name(draw: &mut Draw<'_>) -> Vec<u8> {
    let mut name = draw.bytes(12).to_vec();
    name.retain(|&byte| !matches!(byte, 0 | b'/'));
    if matches!(&name[..], b"" | b"." | b"..") || name.starts_with(b".wh.") {
        b"n".to_vec()
    } else {
        name
    }
}

thread_local! {
    static ROOT: OnceCell<tempfile::TempDir> = const { OnceCell::new() };
}

fn run(data: &[u8]) -> bool {
    ROOT.with(|cell| {
        let root = cell.get_or_init(super::folder).path();
        let store = root.join("nix/store");
        let path = store.join("name");
        fs::create_dir_all(&store).expect("a store");
        let node = Node::draw(&mut Draw(data), 0);
        node.make(&path);
        check(root, &node);
        if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(&path).expect("a directory to remove");
        } else {
            fs::remove_file(&path).expect("a file to remove");
        }
    });
    true
}

fn check(root: &Path, node: &Node) {
    let mut expected = vec![];
    text(b"nix-archive-1", &mut expected);
    node.write(&mut expected);
    let store = Store::open("/nix/store", root).expect("a store");
    let path = store.path("/nix/store/name").expect("a store path");
    assert_eq!(
        nar::size(&store, &path).expect("a size"),
        expected.len() as u64
    );
    let hashed = nar::hash(&store, &[path], &Cache::none()).expect("a hash");
    assert_eq!(
        (hashed[0].hash, hashed[0].size),
        (Digest::of(&expected), expected.len() as u64)
    );
}
