//! Image specifications for `terrine build` and `terrine plan`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{Archive, Run, TestStore, terrine};

/// An image specification in a store's root, to be changed at will before it is used.
#[derive(Debug)]
pub struct SpecFile<'s> {
    store: &'s TestStore,
    /// The content of the file.
    pub json: Value,
}

impl<'s> SpecFile<'s> {
    /// An image `test:1` with these store paths as its contents, for amd64.
    pub fn new(store: &'s TestStore, contents: &[&str]) -> Self {
        let contents: Vec<String> = contents.iter().map(|name| store.path(name)).collect();
        let json = json!({
            "name": "test:1", "architecture": "amd64", "contents": contents, "closure": "graph.json",
            "storeDir": store.dir(), "config": {"Cmd": ["/bin/hello"]},
        });
        Self { store, json }
    }

    /// The same with another value for a field, or without it if that is null.
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        match value.into() {
            Value::Null => drop(self.json.as_object_mut().unwrap().remove(field)),
            value => self.json[field] = value,
        }
        self
    }

    /// Writes the graph that the specification names: each path with its size and what it
    /// refers to, separated by spaces.
    pub fn graph(self, graph: &[(&str, u64, &str)]) -> Self {
        let graph: Vec<Value> = graph
            .iter()
            .map(|(name, size, references)| {
                let references: Vec<String> = references
                    .split_whitespace()
                    .map(|name| self.store.path(name))
                    .collect();
                json!({"path": self.store.path(name), "narSize": size, "references": references})
            })
            .collect();
        fs::write(
            self.store.root().join("graph.json"),
            json!(graph).to_string(),
        )
        .unwrap();
        self
    }

    /// Writes the specification.
    pub fn write(&self) -> PathBuf {
        let path = self.store.root().join("image.json");
        fs::write(&path, self.json.to_string()).unwrap();
        path
    }

    /// The folder that the specification lies in.
    pub fn root(&self) -> &Path {
        self.store.root()
    }

    /// `terrine SUBCOMMAND image.json`, with the store's root.
    pub fn command(&self, subcommand: &str) -> Command {
        let mut command = terrine();
        command
            .arg(subcommand)
            .arg(self.write())
            .arg("--store-root")
            .arg(self.root());
        command
    }

    /// Builds the image.
    pub fn run(&self) -> Run {
        Run::of(&mut self.command("build"))
    }

    /// The image, verified.
    pub fn archive(&self) -> Archive {
        Archive::read(self.run().ok().stdout)
    }

    /// The tag that it is built with.
    pub fn tag(&self) -> String {
        let archive = self.archive();
        let name = archive.manifest["RepoTags"][0].as_str().unwrap();
        name.rsplit_once(':').unwrap().1.to_owned()
    }

    /// Returns what `terrine plan` says of it, as JSON.
    pub fn plan(&self) -> Value {
        serde_json::from_slice(&Run::of(&mut self.command("plan")).ok().stdout).unwrap()
    }

    /// The plan as the names of the store paths in each layer: `a b|c`.
    pub fn layers(&self) -> String {
        layers(&self.plan())
    }
}

/// The names of the store paths in each layer of a plan or a summary: `a b|c`.
pub fn layers(facts: &Value) -> String {
    let names = |layer: &Value| {
        layer["paths"]
            .as_array()
            .unwrap()
            .iter()
            .map(|path| {
                path["path"]
                    .as_str()
                    .unwrap()
                    .rsplit('/')
                    .next()
                    .unwrap()
                    .to_owned()
            })
            .collect::<Vec<_>>()
            .join(" ")
    };
    facts["layers"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|layer| layer["kind"] == "store")
        .map(names)
        .collect::<Vec<_>>()
        .join("|")
}
