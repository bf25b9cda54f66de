//! `build --to`, `copy`, `index` and `merge` as their users see them: arguments, messages, exit
//! codes, progress.

mod archives;
mod arguments;
mod destinations;
mod missing;
mod outcome;
mod progress;
mod references;
mod tags;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use terrine_tests::base::{BaseImage, layer};
use terrine_tests::{Run, SpecFile, TestStore, terrine};

const HELLO: &str = "7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-hello-1.0";
const GREETING: &str = "1qm4lyyajvvvq1xz7b6swmbm9v3s8c5x-greeting-1.0";

/// A folder with a specification `image.json` of two store paths, and `web.tar`, an image.
struct Place {
    store: TestStore,
}

impl Place {
    fn new() -> Self {
        let store = TestStore::default();
        store
            .file(&format!("{HELLO}/bin/hello"), b"hello")
            .file(GREETING, &[b'g'; 100_000]);
        SpecFile::new(&store, &[HELLO])
            .with("name", "web:1.2")
            .graph(&[(HELLO, 5, GREETING), (GREETING, 100_000, "")])
            .write();
        let layers = [layer("etc/one", &[b'x'; 100_000]), layer("etc/two", b"two")];
        let image = BaseImage::old(&[&layers[0], &layers[1]], &["A=1"]);
        fs::write(store.root().join("web.tar"), image.archive()).unwrap();
        Self { store }
    }

    fn root(&self) -> &Path {
        self.store.root()
    }

    /// A command line of ours, words between spaces. `BUILD` stands for the image of two store
    /// paths, made in order and without what earlier runs know.
    fn command(&self, line: &str) -> Command {
        let line = line.replace(
            "BUILD",
            "build image.json --store-root . --jobs 1 --no-cache",
        );
        let mut command = terrine();
        command
            .current_dir(self.root())
            .args(line.split(' ').filter(|word| !word.is_empty()));
        command
    }

    fn run(&self, line: &str) -> Run {
        Run::of(&mut self.command(line))
    }

    /// Returns what each of some command lines says.
    fn said(&self, lines: &[&str]) -> String {
        let mut text = String::new();
        for line in lines {
            let said = self.run(line).without_speed(&[(self.root(), "[ROOT]")]);
            text.push_str(&format!(
                "$ terrine {line}\n{}\n",
                said.replace("--- stdout\n---", "---")
            ));
        }
        text
    }

    fn file(&self, name: &str) -> Vec<u8> {
        fs::read(self.root().join(name)).unwrap()
    }

    /// The names that the images of a docker-archive have.
    fn names(&self, archive: &str) -> Value {
        let mut archive = tar::Archive::new(&*Box::leak(self.file(archive).into_boxed_slice()));
        let manifest = archive
            .entries()
            .unwrap()
            .map(Result::unwrap)
            .find(|entry| &*entry.path_bytes() == b"manifest.json")
            .unwrap();
        let manifest: Value = serde_json::from_reader(manifest).unwrap();
        manifest
            .as_array()
            .unwrap()
            .iter()
            .map(|image| image["RepoTags"].clone())
            .collect()
    }
}

/// An index of two platforms in the layout `index`.
fn index(place: &Place) {
    let mut arm = BaseImage::old(&[&layer("etc/arm", b"arm")], &[]);
    arm.configuration["architecture"] = json!("arm64");
    let id = terrine_tests::archive::digest(arm.configuration.to_string().as_bytes());
    arm.manifest[0]["Config"] = json!(format!("{id}.json"));
    fs::write(place.root().join("arm.tar"), arm.archive()).unwrap();
    place.run("index --to oci:index:web web.tar arm.tar").ok();
}
