//! Commands at the root: what they leave, what they see, what they cannot do, and how they end.

mod bad;
mod ends;
mod hostile;
mod levels;
mod modes;
mod oracle;
mod place;
mod repeats;

use std::collections::BTreeMap;
use std::io::Read;

use serde_json::{Value, json};
use terrine_tests::{Archive, Run};

use place::{At, Bench};

/// An image whose commands are those of one field, with busybox for a tool.
fn spec(bench: &Bench, field: &str, script: &str) -> Value {
    json!({"name": "test:1", "architecture": "amd64", "commands": {"path": [bench.tools()]}})
        .with(field, script)
}

trait With {
    fn with(self, field: &str, value: impl Into<Value>) -> Self;
}

impl With for Value {
    fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self[field] = value.into();
        self
    }
}

/// The bytes of the top layer.
fn top(run: &Run) -> Vec<u8> {
    let archive = Archive::read(run.stdout.clone());
    archive.layers().last().unwrap().to_vec()
}

/// The entry that a layer has at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    kind: tar::EntryType,
    mode: u32,
    owner: (u64, u64),
    text: String,
}

/// The entries of a layer by their paths, without the `./` that they begin with.
fn entries(layer: &[u8]) -> BTreeMap<String, Found> {
    let mut archive = tar::Archive::new(layer);
    let entry = |entry: Result<tar::Entry<'_, &[u8]>, std::io::Error>| {
        let mut entry = entry.unwrap();
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = path
            .trim_start_matches("./")
            .trim_end_matches('/')
            .to_owned();
        let header = entry.header();
        let mut found = Found {
            kind: header.entry_type(),
            mode: header.mode().unwrap(),
            owner: (header.uid().unwrap(), header.gid().unwrap()),
            text: String::new(),
        };
        let mut bytes = vec![];
        entry.read_to_end(&mut bytes).unwrap();
        found.text = String::from_utf8_lossy(&bytes).into_owned();
        (path, found)
    };
    archive.entries().unwrap().map(entry).collect()
}

/// Says how a layer differs from another: the first lines of `tar -tv` that do.
fn same_layers(one: &[u8], other: &[u8], which: &str) {
    if one == other {
        return;
    }
    let (one, other) = (entries(one), entries(other));
    let differ = |(path, found): (&String, &Found)| {
        (other.get(path) != Some(found))
            .then(|| format!("{path}: {found:?}, {:?}", other.get(path)))
    };
    let mut said: Vec<String> = one.iter().filter_map(differ).collect();
    said.extend(
        other
            .keys()
            .filter(|path| !one.contains_key(*path))
            .cloned(),
    );
    said.truncate(10);
    panic!("{which}: {said:#?}");
}

/// The text of a file in the top layer of an image whose commands wrote it.
fn said(bench: &Bench, spec: &Value, at: At, file: &str) -> String {
    let layer = top(&bench.build(spec, at).ok());
    entries(&layer)[file].text.clone()
}
