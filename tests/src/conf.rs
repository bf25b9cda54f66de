//! Files as Nixpkgs' `streamLayeredImage` writes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Archive, Run, TestStore, terrine};

/// A `conf.json` in a store's root, to be changed at will before it is used.
#[derive(Debug)]
pub struct ConfFile<'s> {
    store: &'s TestStore,
    /// The content of the file.
    pub json: Value,
}

impl<'s> ConfFile<'s> {
    /// A configuration with these store paths in these layers, and a customisation
    /// layer that holds an empty root.
    pub fn new(store: &'s TestStore, layers: &[&[&str]]) -> Self {
        let layers: Vec<Vec<String>> = layers
            .iter()
            .map(|layer| layer.iter().map(|name| store.path(name)).collect())
            .collect();
        let customisation = "0wdpn1fvg7k5p3x4gq2h9rl8z6cbsmjy-customisation-layer";
        customise(store, customisation, &empty_root());
        let json = json!({
            "architecture": "amd64",
            "config": {"Cmd": ["/bin/hello"]},
            "os": "linux",
            "store_dir": store.dir(),
            "from_image": null,
            "store_layers": layers,
            "customisation_layer": store.path(customisation),
            "repo_tag": "test:1",
            "created": "1970-01-01T00:00:01+00:00",
            "mtime": "1970-01-01T00:00:01+00:00",
            "uid": "0",
            "gid": "0",
            "uname": "root",
            "gname": "root",
        });
        Self { store, json }
    }

    /// The same with another value.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.json[key] = value.into();
        self
    }

    /// The folder that stands for `/`.
    pub fn root(&self) -> &Path {
        self.store.root()
    }

    /// Writes the file.
    pub fn write(&self) -> PathBuf {
        let path = self.store.root().join("conf.json");
        fs::write(&path, self.json.to_string()).unwrap();
        path
    }

    /// A command that streams it.
    pub fn command(&self) -> Command {
        let mut command = terrine();
        command
            .arg("stream")
            .arg("--store-root")
            .arg(self.store.root())
            .arg(self.write());
        command
    }

    /// Streams it.
    pub fn run(&self) -> Run {
        Run::of(&mut self.command())
    }

    /// Streams it, and reads the archive that comes out.
    pub fn archive(&self) -> Archive {
        Archive::read(self.run().ok().stdout)
    }
}

/// Makes a customisation layer out of an archive.
pub fn customise(store: &TestStore, name: &str, layer: &[u8]) {
    let hex: String = Sha256::digest(layer)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    store
        .file(&format!("{name}/layer.tar"), layer)
        .file(&format!("{name}/checksum"), format!("{hex}\n").as_bytes());
}

/// The archive of a root with nothing in it.
fn empty_root() -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_mode(0o755);
    header.set_mtime(315_532_800);
    header.set_size(0);
    let mut builder = tar::Builder::new(Vec::new());
    builder
        .append_data(&mut header, "./", std::io::empty())
        .unwrap();
    builder.into_inner().unwrap()
}
