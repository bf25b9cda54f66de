//! Images that claim what is not true, or not true any more.

use std::fs;

use serde_json::{Value, json};
use terrine_tests::archive::digest;
use terrine_tests::registry::Registry;
use terrine_tests::shipment::Shipment;

use super::{json_of, keyed, layers, machine, manifest};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A registry with an image, and a machine that builds the same image for another place.
struct Scene {
    registry: Registry,
    machine: Shipment,
}

impl Scene {
    fn new() -> Option<Self> {
        let registry = Registry::start()?;
        let machine = machine();
        let scene = Self { registry, machine };
        scene.machine.build(&scene.from("true"), &[]).ok();
        scene.machine.forget();
        Some(scene)
    }

    fn from(&self, tag: &str) -> String {
        format!("docker://{}/acme/web:{tag}", self.registry.host())
    }

    fn honest(&self) -> Value {
        json_of(&manifest(&self.registry, "acme/web", "true").bytes)
    }

    /// Puts another manifest.
    fn put(&self, tag: &str, manifest: &Value) {
        let bytes = manifest.to_string();
        self.registry
            .put_manifest("acme/web", tag, MANIFEST, bytes.as_bytes());
    }

    /// Builds to a layout with the layers of images, and checks that the image is what it is without them.
    /// Returns the messages.
    fn build(&self, tags: &[&str]) -> String {
        let layout = self.machine.home().join("layout");
        let _ = fs::remove_dir_all(&layout);
        let to = format!("oci:{}:1", layout.display());
        let from: Vec<String> = tags.iter().map(|tag| self.from(tag)).collect();
        let mut arguments = vec!["--no-cache", "--compression", "gzip"];
        from.iter()
            .for_each(|from| arguments.extend(["--layers-from", from]));
        let run = self.machine.build(&to, &arguments).ok();
        assert!(self.machine.is_valid(&to), "{}", run.stderr);
        let made = terrine_tests::oci::OciLayout::read(&layout).only();
        let expected = manifest(&self.registry, "acme/web", "true");
        assert_eq!(made.digest(), expected.digest, "{}", run.stderr);
        run.stderr
    }
}

/// Returns a manifest whose layer `number` is said to unpack to something else, with the configuration that says so.
fn lying(scene: &Scene, number: usize) -> Value {
    let mut manifest = scene.honest();
    let digest = manifest["config"]["digest"].as_str().unwrap().to_owned();
    let mut config = json_of(&scene.registry.blob("acme/web", &digest).unwrap());
    let false_id = json!(format!("sha256:{}", "0".repeat(64)));
    config["rootfs"]["diff_ids"][number] = false_id.clone();
    let bytes = config.to_string().into_bytes();
    manifest["config"]["digest"] = json!(scene.registry.put_blob("acme/web", &bytes));
    manifest["config"]["size"] = json!(bytes.len());
    manifest["layers"][number]["annotations"]["dev.terrine.layer.diff-id"] = false_id;
    manifest
}

#[test]
fn a_layer_that_unpacks_to_something_else_is_built() {
    let Some(scene) = Scene::new() else { return };
    scene.put("false", &lying(&scene, 1));
    let told = scene.build(&["false"]);
    let author = format!("`{}` claims the layer", scene.from("false"));
    assert_eq!(told.matches(&author).count(), 1, "{told}");
    assert!(told.contains("cannot be used"), "{told}");
}

#[test]
fn another_layer_in_its_place_is_told_when_the_layer_is_known() {
    let Some(scene) = Scene::new() else { return };
    // All of it is consistent: the key of the second layer, and the first layer.
    let mut manifest = scene.honest();
    let key = manifest["layers"][1]["annotations"]["dev.terrine.layer.key"].clone();
    manifest["layers"][0]["annotations"]["dev.terrine.layer.key"] = key;
    let mut honest = manifest["layers"][1]["annotations"].clone();
    honest
        .as_object_mut()
        .unwrap()
        .remove("dev.terrine.layer.key");
    manifest["layers"][1]["annotations"] = honest;
    scene.put("false", &manifest);
    // An image that claims the truth contradicts it, so that nobody is believed.
    let told = scene.build(&["true", "false"]);
    assert!(told.contains("contradict each other"), "{told}");
    for tag in ["true", "false"] {
        assert!(told.contains(&format!("`{}`", scene.from(tag))), "{told}");
    }
    // So does the cache.
    let to = format!("oci:{}:1", scene.machine.home().join("second").display());
    let compressed = ["--compression", "gzip"];
    scene.machine.build(&to, &compressed).ok();
    let to = format!("oci:{}:1", scene.machine.home().join("third").display());
    let from = scene.from("false");
    let arguments = [&compressed[..], &["--layers-from", &from]].concat();
    let run = scene.machine.build(&to, &arguments).ok();
    let expected = format!(
        "the layer cache and `{}` contradict each other",
        scene.from("false")
    );
    assert!(run.stderr.contains(&expected), "{}", run.stderr);
}

#[test]
fn a_blob_that_is_missing_or_damaged_is_built() {
    let Some(scene) = Scene::new() else { return };
    let blobs: Vec<String> = keyed(&scene.honest()).into_iter().collect();
    scene.registry.delete_blob("acme/web", &blobs[0]);
    let file = scene.registry.blob_file(&blobs[1]);
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).unwrap();
    assert_ne!(format!("sha256:{}", digest(&bytes)), blobs[1]);
    let told = scene.build(&["true"]);
    for blob in &blobs[..2] {
        let expected = format!("`{}` claims the layer `{blob}`", scene.from("true"));
        assert_eq!(told.matches(&expected).count(), 1, "{told}");
    }
    assert!(!told.contains(&blobs[2]), "{told}");
}

#[test]
fn a_compression_that_is_not_the_one_is_noticed() {
    let Some(scene) = Scene::new() else { return };
    let zstd = scene.from("zstd");
    scene.machine.build(&zstd, &["--compression", "zstd"]).ok();
    let mut manifest = json_of(&manifest(&scene.registry, "acme/web", "zstd").bytes);
    let setting = scene.honest()["annotations"]["dev.terrine.compression"].clone();
    manifest["annotations"]["dev.terrine.compression"] = setting;
    assert_eq!(layers(&manifest).len(), 4);
    scene.put("false", &manifest);
    let told = scene.build(&["false"]);
    assert!(
        told.contains("compressed by gzip, but the layer is compressed by zstd"),
        "{told}"
    );
}
