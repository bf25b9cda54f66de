//! Images that are written by hand.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use terrine_tests::archive::digest;

/// A configuration of an image with these layers.
pub(super) fn configuration(architecture: &str, layers: &[&[u8]]) -> Vec<u8> {
    let diff_ids: Vec<String> = layers
        .iter()
        .map(|layer| format!("sha256:{}", digest(layer)))
        .collect();
    let json = json!({
        "architecture": architecture, "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    json.to_string().into_bytes()
}

/// A layout that is written by hand.
pub(super) struct Written {
    path: PathBuf,
}

impl Written {
    pub(super) fn new(path: PathBuf) -> Self {
        fs::create_dir_all(path.join("blobs/sha256")).unwrap();
        fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Self { path }
    }

    pub(super) fn put(&self, media_type: &str, bytes: &[u8]) -> Value {
        let hex = digest(bytes);
        fs::write(self.path.join("blobs/sha256").join(&hex), bytes).unwrap();
        json!({"mediaType": media_type, "digest": format!("sha256:{hex}"), "size": bytes.len()})
    }

    pub(super) fn manifest(&self, config: &Value, layers: &[Value]) -> Value {
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let json =
            json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers});
        self.put(kind, json.to_string().as_bytes())
    }

    /// The manifest of an image with plain layers.
    pub(super) fn image(&self, architecture: &str, layers: &[&[u8]]) -> Value {
        let config = configuration(architecture, layers);
        let config = self.put("application/vnd.oci.image.config.v1+json", &config);
        self.manifest(
            &config,
            &layers
                .iter()
                .map(|layer| self.put("application/vnd.oci.image.layer.v1.tar", layer))
                .collect::<Vec<_>>(),
        )
    }

    pub(super) fn index(&self, manifests: &[Value]) -> Vec<u8> {
        let kind = "application/vnd.oci.image.index.v1+json";
        // The spaces are nobody's but this writer's.
        let json = json!({"schemaVersion": 2, "mediaType": kind, "manifests": manifests});
        serde_json::to_vec_pretty(&json).unwrap()
    }

    /// Lists something by a tag, and nothing else.
    pub(super) fn list(&self, mut entry: Value, tag: &str) {
        entry["annotations"]["org.opencontainers.image.ref.name"] = json!(tag);
        fs::write(self.path.join("index.json"), self.index(&[entry])).unwrap();
    }
}

pub(super) fn layer(name: &str) -> Vec<u8> {
    terrine_tests::base::layer(name, name.as_bytes())
}
