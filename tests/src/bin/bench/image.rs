//! Images of stores, and the commands that stream them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use terrine_tests::{ConfFile, TestStore, fixture, peer, terrine};

use super::Result;
use super::store::Store;

/// The most layers of store paths that an image has: with the customisation layer
/// these are 98, as many as dockerTools makes.
const STORE_LAYERS: usize = 97;

/// An image that can be streamed.
#[derive(Debug)]
pub(super) struct Image {
    /// The place of the customisation layer and `conf.json`, but of none of the store paths:
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
        Self::with_layers(store, layers(store))
    }

    /// The same without one layer: that of the path whose files are closest to this size,
    /// of those that have a layer of their own. What is new in the whole image then is this
    /// layer.
    pub(super) fn before(store: &Store, size: u64) -> Result<Self> {
        let lone = &store.paths[..store.paths.len().min(STORE_LAYERS - 1)];
        let path = lone.iter().min_by_key(|path| path.bytes.abs_diff(size));
        let name = path.map(|path| vec![path.name.clone()]);
        Self::with_layers(
            store,
            layers(store)
                .into_iter()
                .filter(|layer| Some(layer) != name.as_ref())
                .collect(),
        )
    }

    fn with_layers(store: &Store, layers: Vec<Vec<String>>) -> Result<Self> {
        let scratch = TestStore::default();
        let path = |name: &String| format!("{}/{name}", store.dir);
        let store_layers: Vec<Vec<String>> = layers
            .iter()
            .map(|layer| layer.iter().map(path).collect())
            .collect();
        let file = ConfFile::new(&scratch, &[]);
        // By its place on this machine: in the image's store it is not to be found.
        let name = file.json["customisation_layer"]
            .as_str()
            .and_then(|path| path.rsplit('/').next());
        let customisation = scratch.host(name.ok_or("conf.json has no customisation layer")?);
        let customisation = customisation
            .to_str()
            .ok_or("the temporary folder is not UTF-8")?;
        let file = file
            .with("store_dir", store.dir.clone())
            .with("store_layers", json!(store_layers))
            .with("customisation_layer", customisation);
        let conf = file.write();
        let image = Self {
            conf,
            root: store.root.clone(),
            host: store.host(),
            layers,
            scratch,
        };
        fs::write(image.list(), image.layers.concat().join("\n"))?;
        image.specify(store)?;
        Ok(image)
    }

    /// Writes the specification of an image of the same store paths for `terrine build`: the
    /// last refers to all of them.
    fn specify(&self, store: &Store) -> Result<()> {
        let path = |name: &String| format!("{}/{name}", store.dir);
        let names = self.layers.concat();
        let Some(top) = names.last() else {
            return Ok(());
        };
        let graph: Vec<Value> = names
            .iter()
            .map(|name| {
                let size = store
                    .paths
                    .iter()
                    .find(|path| path.name == *name)
                    .map_or(0, |path| path.bytes);
                let references: Vec<String> =
                    names.iter().filter(|_| name == top).map(path).collect();
                json!({"path": path(name), "narSize": size, "references": references})
            })
            .collect();
        let folder = self.scratch.root();
        fs::write(folder.join("graph.json"), json!(graph).to_string())?;
        let spec = json!({
            "name": "big:1", "architecture": "amd64", "storeDir": store.dir, "closure": "graph.json",
            "contents": [path(top)], "maxLayers": STORE_LAYERS + 1,
        });
        Ok(fs::write(self.specification(), spec.to_string())?)
    }

    /// The file that specifies it for `terrine build`.
    fn specification(&self) -> PathBuf {
        self.scratch.root().join("image.json")
    }

    /// Nothing but a customisation layer.
    pub(super) fn empty() -> Result<Self> {
        let scratch = TestStore::default();
        let conf = ConfFile::new(&scratch, &[]).write();
        let (root, host) = (scratch.root().to_owned(), scratch.host(""));
        Ok(Self {
            conf,
            root,
            host,
            layers: vec![],
            scratch,
        })
    }

    /// Returns the number of its layers.
    pub(super) fn layers(&self) -> usize {
        self.layers.len() + 1
    }

    /// The file that lists the store paths for `tar`.
    fn list(&self) -> PathBuf {
        self.scratch.root().join("paths")
    }

    /// `tar` over the same store paths, in the same order.
    pub(super) fn tar(&self) -> Command {
        self.tar_to(Path::new("-"))
    }

    /// The same to a file.
    pub(super) fn tar_to(&self, file: &Path) -> Command {
        let mut command = Command::new("tar");
        command
            .arg("-cf")
            .arg(file)
            .arg("-C")
            .arg(&self.host)
            .arg("-T")
            .arg(self.list());
        command
    }

    /// `cp -r` of the same store paths into a directory.
    pub(super) fn copy(&self, directory: &Path) -> Command {
        let mut command = Command::new("cp");
        let paths = self.layers.concat();
        command
            .arg("-r")
            .args(paths.iter().map(|name| self.host.join(name)))
            .arg(directory);
        command
    }

    /// `terrine stream`.
    pub(super) fn terrine(&self) -> Command {
        let mut command = terrine();
        command
            .args(["-q", "stream", "--store-root"])
            .arg(&self.root)
            .arg(&self.conf);
        command
    }

    /// `terrine stream` to a docker-archive in a file.
    pub(super) fn archive(&self, file: &Path) -> Command {
        let mut command = self.terrine();
        command.arg("--output").arg(file);
        command
    }

    /// `terrine stream` to somewhere.
    pub(super) fn ship(&self, to: &str, compression: &str) -> Command {
        let mut command = self.terrine();
        command.args(["--to", to, "--compression", compression]);
        command
    }

    /// `terrine build` to somewhere.
    pub(super) fn build(&self, to: &str, compression: &str) -> Command {
        let mut command = terrine();
        command
            .args(["-q", "build", "--allow-foreign", "--store-root"])
            .arg(&self.root);
        command
            .arg(self.specification())
            .args(["--to", to, "--compression", compression]);
        command
    }

    /// The way the original does it, if that exists to compare with.
    pub(super) fn original(&self) -> Result<Option<Command>> {
        let script = fixture("oracle/stream.py");
        if !script.is_file() {
            return Ok(None);
        }
        let Some(python) = peer::find("python3") else {
            return Ok(None);
        };
        let mut command = Command::new(python);
        command
            .arg(script)
            .arg("--store-root")
            .arg(&self.root)
            .arg(self.conf_below_root()?);
        Ok(Some(command))
    }

    /// The same `conf.json` for one who looks for everything below the store's root, and
    /// not only for store paths: up from there, and down to the customisation layer.
    fn conf_below_root(&self) -> Result<PathBuf> {
        let mut conf: Value = serde_json::from_slice(&fs::read(&self.conf)?)?;
        let customisation = conf["customisation_layer"]
            .as_str()
            .ok_or("no customisation layer")?;
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
    rest.into_iter()
        .chain(alone.iter().map(|name| vec![name.clone()]))
        .collect()
}
