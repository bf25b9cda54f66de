//! Rewritten manifests: the parts that stay, and the parts that change.

use serde_json::{Value, json};
use terrine_compress::{Compression, Setting};
use terrine_oci::{Annotations, Descriptor, Document, MediaType};

use super::{alone, annotations, copying, read, sample, valid};
use crate::layout::Layout;
use crate::source::testing::{MemoryLayer, archive, image};
use crate::source::{Image, Opened, pick};

/// An image with a manifest that says more than terrine knows.
fn talkative() -> Image {
    let mut original = sample("amd64", Compression::Gzip);
    let document = original.manifest.take().unwrap();
    let mut text: Value = serde_json::from_slice(&document.bytes).unwrap();
    let layer = &mut text["layers"][0];
    let digest = layer["digest"].clone();
    layer["annotations"] =
        json!({"of.digest": digest, "kept": "a", "containerd.io/snapshot/stargz/toc.digest": "x"});
    layer["mine"] = json!([1.0]);
    text["config"]["annotations"] = json!({"kept": "b"});
    text["annotations"] = json!({
        "dev.terrine.compression": "gzip level 4", "lowest": digest, "kept": "c",
    });
    text["mine"] = json!({"d": null});
    let bytes = text.to_string().into_bytes();
    original.manifest = Some(Document::parse(bytes, None).unwrap());
    original
}

fn json_of(document: &Document) -> Value {
    serde_json::from_slice(&document.bytes).unwrap()
}

#[test]
fn what_is_rewritten_keeps_what_is_still_true() {
    let folder = tempfile::tempdir().unwrap();
    let original = talkative();
    let zstd: Setting = "zstd".parse().unwrap();
    let none = annotations(&[]);
    let path = folder.path().join("image");
    let made = copying(&path, &zstd, &none, |copying| {
        alone(copying.image(&original))
    })
    .unwrap();
    let text = json_of(&made);
    let layer = &text["layers"][0];
    assert_eq!(
        layer["annotations"],
        json!({"of.digest": layer["digest"], "kept": "a"})
    );
    assert_eq!(layer["mediaType"], MediaType::OciLayerZstd.as_str());
    assert_eq!(layer["mine"], json!([1.0]));
    assert_eq!(text["config"]["annotations"], json!({"kept": "b"}));
    assert_eq!(
        text["annotations"],
        json!({"dev.terrine.compression": zstd.describe(), "lowest": layer["digest"], "kept": "c"})
    );
    assert_eq!(text["mine"], json!({"d": null}));
    valid(&pick(read(&path), None).unwrap());

    // The same for the index that lists it.
    let subject = Descriptor::of(MediaType::OciManifest, b"x");
    let entry = |document: &Document| {
        let mut entry = serde_json::to_value(document.descriptor()).unwrap();
        entry["platform"] = json!({"architecture": "amd64", "os": "linux", "features": ["x"]});
        entry["artifactType"] = json!("a/b");
        entry["mine"] = json!(1);
        entry
    };
    let listed = json!({
        "schemaVersion": 2, "subject": subject, "artifactType": "c/d", "mine": 2,
        "manifests": [entry(&made)],
    });
    let layout = Layout::open(&path).unwrap();
    let index = Document::parse(listed.to_string().into_bytes(), None).unwrap();
    layout.put(&index.bytes, MediaType::OciIndex).unwrap();
    layout.tag(index.descriptor(), Some("web")).unwrap();
    let Opened::Index(opened) = read(&path) else {
        panic!("no index")
    };
    let path = folder.path().join("index");
    let again = copying(&path, &Setting::GZIP, &none, |copying| {
        alone(copying.whole_index(&opened))
    });
    let text = json_of(&again.unwrap());
    for (name, value) in [
        ("subject", json!(subject)),
        ("artifactType", json!("c/d")),
        ("mine", json!(2)),
    ] {
        assert_eq!(text[name], value);
    }
    let (old, new) = (entry(&made), &text["manifests"][0]);
    assert_ne!(new["digest"], old["digest"]);
    for name in ["platform", "artifactType", "mine"] {
        assert_eq!(new[name], old[name], "{name}");
    }
}

#[test]
fn a_rewritten_manifest_calls_layers_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let mut layers =
        [Compression::None, Compression::Zstd].map(|how| MemoryLayer::new(&archive(&["a=1"]), how));
    for layer in &mut layers {
        layer.descriptor.media_type = MediaType::DockerLayerGzip;
    }
    let original = image(layers.to_vec(), |_| {});
    let added = annotations(&[("a", "1")]);
    let path = folder.path().join("layout");
    let made = copying(&path, &Setting::NONE, &added, |copying| {
        alone(copying.image(&original))
    });
    let text = json_of(&made.unwrap());
    assert_eq!(text["layers"][0]["mediaType"], MediaType::OciLayer.as_str());
    assert_eq!(
        text["layers"][1]["mediaType"],
        MediaType::OciLayerZstd.as_str()
    );
    valid(&pick(read(&path), None).unwrap());
}

#[test]
fn a_compression_that_is_asked_for_is_also_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut layers =
        ["a=1", "b=2"].map(|entry| MemoryLayer::new(&archive(&[entry]), Compression::Gzip));
    layers[1].descriptor.media_type = MediaType::OciLayer;
    let original = image(layers.to_vec(), |_| {});
    for (setting, is_rewritten) in [(Setting::GZIP, true), (Setting::NONE, false)] {
        let path = folder.path().join(setting.to_string());
        let made = copying(&path, &setting, &Annotations::new(), |copying| {
            alone(copying.image(&original))
        });
        let made = made.unwrap();
        // Nothing was asked for by the helper above where it is `NONE`.
        assert_eq!(Some(&made) != original.manifest.as_ref(), is_rewritten);
        let text = json_of(&made);
        let expected = if is_rewritten {
            MediaType::OciLayerGzip
        } else {
            MediaType::OciLayer
        };
        assert_eq!(text["layers"][1]["mediaType"], expected.as_str());
    }
}
