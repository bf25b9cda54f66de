//! `terrine build`: what NixOS tests of its dockerTools, and what comes on top.

mod based;
mod contents;
mod grouping;
mod ignored;
mod metadata;
mod named;
mod plain;
mod sameness;
mod tags;

use std::collections::BTreeMap;
use std::io::Read;

use serde_json::Value;
use terrine_tests::{Archive, SpecFile, TestStore};

/// A program `app`, which needs `lib`, which needs `libc`; and `data`, which nothing needs.
fn store() -> TestStore {
    let store = TestStore::default();
    store
        .file_with_mode("app/bin/app", b"app", 0o555)
        .file("app/share/doc/app", b"doc");
    store
        .file("lib/lib/lib.so", &[1; 600])
        .file("libc/lib/libc.so", &[2; 5000])
        .file("data/data", b"data");
    store
}

const GRAPH: &[(&str, u64, &str)] = &[
    ("app", 900, "lib libc app"),
    ("lib", 600, "libc"),
    ("libc", 5000, ""),
    ("data", 10, ""),
];

fn spec(store: &TestStore) -> SpecFile<'_> {
    SpecFile::new(store, &["app"]).graph(GRAPH)
}

/// An entry as a container would see it: its kind, mode, owner, and content or target.
type Entries = BTreeMap<String, (char, u32, (u64, u64), String)>;

fn entries(layer: &[u8]) -> Entries {
    let mut archive = tar::Archive::new(layer);
    let entry = |mut entry: tar::Entry<'_, _>| {
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = path.trim_start_matches("./").trim_matches('/').to_owned();
        let header = entry.header().clone();
        let mut content = String::new();
        let kind = match header.entry_type() {
            tar::EntryType::Directory => 'd',
            tar::EntryType::Symlink => {
                content = String::from_utf8_lossy(&entry.link_name_bytes().unwrap()).into_owned();
                'l'
            }
            _ => {
                let mut bytes = vec![];
                entry.read_to_end(&mut bytes).unwrap();
                content = String::from_utf8_lossy(&bytes).into_owned();
                'f'
            }
        };
        let owner = (header.uid().unwrap(), header.gid().unwrap());
        (path, (kind, header.mode().unwrap(), owner, content))
    };
    archive
        .entries()
        .unwrap()
        .map(|e| entry(e.unwrap()))
        .collect()
}

/// The entries of the uppermost layer, but for the root itself.
fn root(archive: &Archive) -> Entries {
    let mut entries = entries(archive.layers().last().unwrap());
    let (kind, mode, owner, _) = entries.remove("").unwrap();
    assert_eq!((kind, mode, owner), ('d', 0o755, (0, 0)));
    entries
}

/// All entries of all layers, upper ones over lower ones.
fn all(archive: &Archive) -> Entries {
    archive.layers().into_iter().flat_map(entries).collect()
}

fn link(target: &str) -> (char, u32, (u64, u64), String) {
    ('l', 0o777, (0, 0), target.to_owned())
}

fn file(content: &str) -> (char, u32, (u64, u64), String) {
    ('f', 0o644, (0, 0), content.to_owned())
}

fn diff_ids(archive: &Archive) -> Vec<Value> {
    archive.config()["rootfs"]["diff_ids"]
        .as_array()
        .unwrap()
        .clone()
}
