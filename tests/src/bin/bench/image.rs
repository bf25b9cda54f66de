//! Images of stores, and the commands that stream them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use terrine_tests::{ConfFile, TestStore, fixture, peer, terrine};

use super::Result;
use super::store::Store;

/// How many layers of store paths an image has at most: with the customisation layer
/// these are 98, as many as dockerTools makes.
const STORE_LAYERS: usize = 97;

/// An image that can be streamed.
#[derive(Debug)]
pub(super) struct Image {
    /// Where the customisation layer and `conf.json` lie, but none of the store paths:
    /// nothing is written to a store that is only looked at.
    scratch: TestStore,
    /// The `conf.json`.
    conf: PathBuf,
    /// The directory that stands for `/`.
    root: PathBuf,
    /// The directory of the store paths on this machine.
    host: PathBuf,
    /// The names of the store paths in each layer, bottom to top.
    layers: Vec<Vec<String>>,
}

impl Image {
    /// All of a store.
    pub(super) fn of(store: &Store) -> Result<Self> {
        let scratch = TestStore::default();
        let layers = layers(store);
        let path = |name: &String| format!("{}/{name}", store.dir);
        let store_layers: Vec<Vec<String>> =
            layers.iter().map(|layer| layer.iter().map(path).collect()).collect();
        let file = ConfFile::new(&scratch, &[]);
        // By its place on this machine: in the image's store it is not to be found.
        let name = file.json["customisation_layer"].as_str().and_then(|path| path.rsplit('/').next());
        let customisation = scratch.host(name.ok_or("conf.json has no customisation layer")?);
        let customisation = customisation.to_str().ok_or("the temporary folder is not UTF-8")?;
        let file = file
            .with("store_dir", store.dir.clone())
            .with("store_layers", json!(store_layers))
            .with("customisation_layer", customisation);
        let conf = file.write();
        let image = Self { conf, root: store.root.clone(), host: store.host(), layers, scratch };
        fs::write(image.list(), image.layers.concat().join("\n"))?;
        Ok(image)
    }

    /// Nothing but a customisation layer.
    pub(super) fn empty() -> Result<Self> {
        let scratch = TestStore::default();
        let conf = ConfFile::new(&scratch, &[]).write();
        let (root, host) = (scratch.root().to_owned(), scratch.host(""));
        Ok(Self { conf, root, host, layers: vec![], scratch })
    }

    /// How many layers it has.
    pub(super) fn layers(&self) -> usize {
        self.layers.len() + 1
    }

    /// The file that lists the store paths for `tar`.
    fn list(&self) -> PathBuf {
        self.scratch.root().join("paths")
    }

    /// `tar` over the same store paths, in the same order.
    pub(super) fn tar(&self) -> Command {
        let mut command = Command::new("tar");
        command.arg("-cf").arg("-").arg("-C").arg(&self.host).arg("-T").arg(self.list());
        command
    }

    /// `terrine stream`.
    pub(super) fn terrine(&self) -> Command {
        let mut command = terrine();
        command.args(["-q", "stream", "--store-root"]).arg(&self.root).arg(&self.conf);
        command
    }

    /// The way the original does it, if it is there to be held against.
    pub(super) fn original(&self) -> Result<Option<Command>> {
        let script = fixture("oracle/stream.py");
        if !script.is_file() {
            return Ok(None);
        }
        let Some(python) = peer::find("python3") else { return Ok(None) };
        let mut command = Command::new(python);
        command.arg(script).arg("--store-root").arg(&self.root).arg(self.conf_below_root()?);
        Ok(Some(command))
    }

    /// The same `conf.json` for one who looks for everything below the store's root, and
    /// not only for store paths: up from there, and down to the customisation layer.
    fn conf_below_root(&self) -> Result<PathBuf> {
        let mut conf: Value = serde_json::from_slice(&fs::read(&self.conf)?)?;
        let customisation = conf["customisation_layer"].as_str().ok_or("no customisation layer")?;
        let up = "/..".repeat(self.root.components().count() - 1);
        conf["customisation_layer"] = format!("{up}{customisation}").into();
        let path = self.scratch.root().join("below-root.json");
        fs::write(&path, conf.to_string())?;
        Ok(path)
    }
}

/// The biggest paths alone, and under these, at the bottom, one layer with the rest.
fn layers(store: &Store) -> Vec<Vec<String>> {
    let names: Vec<String> = store.paths.iter().map(|path| path.name.clone()).collect();
    let (alone, rest) = names.split_at(names.len().min(STORE_LAYERS - 1));
    let rest = Some(rest.to_vec()).filter(|rest| !rest.is_empty());
    rest.into_iter().chain(alone.iter().map(|name| vec![name.clone()])).collect()
}
