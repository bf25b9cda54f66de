//! Facts about an existing image, gathered without reading its layers.

use serde::Serialize;
use terrine_compress::Compression;
use terrine_oci::history::ROOT_COMMENT;
use terrine_oci::{Annotations, Content, Descriptor, Digest, Manifest, MediaType, RunConfig};
use terrine_oci::{HistoryEntry, Platform, annotation, history};
use terrine_planner_host::name;

use crate::layer;
use crate::source::{Error, Fault, Image, Layer};

/// The version of the JSON that an [`Inspection`] is written as. It grows when a field goes or
/// changes its meaning, not when one is added.
pub const SCHEMA_VERSION: u32 = 1;

/// The name of the layer that has everything that is not in a store path.
const ROOT_LAYER: &str = "root layer";
/// The end of its name in the store, where Nixpkgs builds it.
const CUSTOMISATION: &str = "customisation-layer";

/// The facts about an image.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The image's name.
    pub name: String,
    /// The digest of its configuration.
    pub image_id: Digest,
    /// Its manifest; none in a docker-archive.
    pub manifest: Option<ManifestFacts>,
    /// The platform that it runs on, `linux/amd64`; `unknown` if its configuration names none.
    pub platform: String,
    /// The time of its creation, as its configuration states it.
    pub created: Option<String>,
    /// The settings of its containers, including the labels.
    pub config: RunConfig,
    /// The annotations of its manifest.
    pub annotations: Annotations,
    /// The size of its layers in bytes, as they are stored. Identical layers count once.
    pub size: u64,
    /// Its layers, bottom to top.
    pub layers: Vec<LayerFacts>,
}

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestFacts {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: MediaType,
    /// Its size in bytes.
    pub size: u64,
}

/// A layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerFacts {
    /// Its number, from 1 at the bottom.
    pub number: usize,
    /// The digest of the stored bytes; none if it is unknown without reading them.
    pub digest: Option<Digest>,
    /// Its media type, as the manifest states it.
    pub media_type: Option<MediaType>,
    /// The digest of the plain layer.
    pub diff_id: Digest,
    /// The number of stored bytes.
    pub size: u64,
    /// The compression of the stored bytes: `plain`, `gzip`, `zstd`.
    pub compression: String,
    /// The command that the history says it was made by.
    pub created_by: Option<String>,
    /// The comment in the history.
    pub comment: Option<String>,
    /// The store paths in it, where its annotation or its history names them.
    pub store_paths: Option<Vec<String>>,
    /// The annotations in the manifest, without the one for store paths.
    pub annotations: Annotations,
    /// Further addresses of a layer that is not distributed with its image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
}

/// Looks at an image. No layer is read.
///
/// # Errors
///
/// A configuration with something unusable in the place of what containers run.
pub fn inspect(image: &Image) -> Result<Inspection, Error> {
    let configuration = &image.configuration;
    let config = configuration.run_config().map_err(|error| {
        let (member, why) = ("config".to_owned(), error.to_string());
        Error::fault(&image.name, Fault::Json { member, why })
    })?;
    let manifest = image
        .manifest
        .as_ref()
        .and_then(|document| match &document.content {
            Content::Manifest(manifest) => Some(manifest),
            Content::Index(_) => None,
        });
    let layers = layers(image, manifest);
    Ok(Inspection {
        schema_version: SCHEMA_VERSION,
        name: image.name.clone(),
        image_id: configuration.digest(),
        manifest: image.manifest.as_ref().map(|document| ManifestFacts {
            digest: document.digest(),
            media_type: document.media_type.clone(),
            size: document.bytes.len() as u64,
        }),
        platform: platform(&configuration.platform()),
        created: configuration.created().map(ToOwned::to_owned),
        config,
        annotations: manifest
            .map(|manifest| manifest.annotations.clone())
            .unwrap_or_default(),
        size: total(&layers),
        layers,
    })
}

impl LayerFacts {
    /// Returns the name of the layer in messages: its packages, or `root layer`. None for a layer
    /// that neither an annotation nor the history describes in such a way.
    pub fn label(&self) -> Option<String> {
        let names: Vec<&str> = self
            .store_paths
            .iter()
            .flatten()
            .map(|path| name(path))
            .collect();
        match names.as_slice() {
            [] => (self.comment.as_deref() == Some(ROOT_COMMENT)).then(|| ROOT_LAYER.to_owned()),
            [one] if one.ends_with(CUSTOMISATION) => Some(ROOT_LAYER.to_owned()),
            names => {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                Some(layer::list(&names))
            }
        }
    }
}

impl Inspection {
    /// The facts as JSON text, indented, with a newline at the end.
    pub fn to_json(&self) -> String {
        terrine_oci::to_json_text(self)
    }
}

fn layers(image: &Image, manifest: Option<&Manifest>) -> Vec<LayerFacts> {
    let history = image.configuration.layer_history().unwrap_or_default();
    image
        .layers
        .iter()
        .enumerate()
        .map(|(i, layer)| {
            let descriptor = manifest.and_then(|manifest| manifest.layers.get(i));
            facts(i + 1, &**layer, descriptor, history.get(i).copied())
        })
        .collect()
}

fn facts(
    number: usize,
    layer: &dyn Layer,
    descriptor: Option<&Descriptor>,
    entry: Option<&HistoryEntry>,
) -> LayerFacts {
    // What is stored plain is what the diff id is of.
    let plain = (layer.compression() == Compression::None).then(|| layer.diff_id());
    let said =
        |text: &dyn Fn(&HistoryEntry) -> String| entry.map(text).filter(|text| !text.is_empty());
    let comment = said(&|entry| entry.comment.clone());
    let mut annotations = descriptor
        .map(|descriptor| descriptor.annotations.clone())
        .unwrap_or_default();
    let annotated = annotation::store_paths(&annotations);
    if annotated.is_some() {
        annotations.remove(annotation::STORE_PATHS);
    }
    LayerFacts {
        number,
        digest: descriptor.map(|descriptor| descriptor.digest).or(plain),
        media_type: descriptor.map(|descriptor| descriptor.media_type.clone()),
        diff_id: layer.diff_id(),
        size: layer.stored_size(),
        compression: layer.compression().to_string(),
        created_by: said(&|entry| entry.created_by.clone()),
        store_paths: annotated.or_else(|| commented(comment.as_deref()?)),
        comment,
        annotations,
        urls: descriptor
            .map(|descriptor| descriptor.urls.clone())
            .unwrap_or_default(),
    }
}

/// Returns the store paths that a comment names. In dockerTools' images the comment of a layer of the base image has the
/// name of a file in an archive there, which is no store path.
fn commented(comment: &str) -> Option<Vec<String>> {
    history::store_paths(comment).filter(|paths| paths.iter().all(|path| path.starts_with('/')))
}

/// The bytes of layers, those that are there twice once.
fn total(layers: &[LayerFacts]) -> u64 {
    let mut seen = std::collections::BTreeSet::new();
    layers
        .iter()
        .filter(|layer| seen.insert((layer.digest, layer.diff_id)))
        .map(|layer| layer.size)
        .sum()
}

/// Names a platform; a configuration need not have one.
fn platform(platform: &Platform) -> String {
    if platform.is_whole() {
        platform.to_string()
    } else {
        "unknown".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::source::testing::{MemoryLayer, archive, image};

    fn sample() -> Image {
        let mut annotated = MemoryLayer::new(&archive(&["b=1"]), Compression::Zstd);
        let paths = annotation::store_paths_value(&["/nix/store/b"]);
        let both = [(annotation::STORE_PATHS, paths.as_str()), ("x", "y")];
        annotated.descriptor.annotations = both
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let plain = MemoryLayer::new(&archive(&["a=1"]), Compression::None);
        image(vec![plain.clone(), annotated, plain], |text| {
            text["config"] = json!({"Cmd": ["/a"], "Labels": {"l": "m"}});
            text["created"] = json!("1970-01-01T00:00:01Z");
            text["history"] = json!([
                {"comment": "store paths: ['/nix/store/a']"},
                {"empty_layer": true, "created_by": "ENV A=b"},
                {"comment": "store paths: ['/nix/store/other']", "created_by": "terrine"},
                {"comment": "store paths: ['0123/layer.tar']"},
            ]);
        })
    }

    #[test]
    fn an_image_says_what_it_is() {
        let image = sample();
        let facts: Value = serde_json::from_str(&inspect(&image).unwrap().to_json()).unwrap();
        assert_eq!(facts["schemaVersion"], 1);
        assert_eq!(facts["imageId"], image.configuration.digest().to_string());
        assert_eq!(facts["platform"], "linux/amd64");
        assert_eq!(
            facts["config"],
            json!({"Cmd": ["/a"], "Labels": {"l": "m"}})
        );
        let layers = facts["layers"].as_array().unwrap();
        let field = |name: &str| {
            layers
                .iter()
                .map(|layer| layer[name].clone())
                .collect::<Value>()
        };
        assert_eq!(field("number"), json!([1, 2, 3]));
        assert_eq!(field("compression"), json!(["plain", "zstd", "plain"]));
        assert_eq!(field("createdBy"), json!([null, "terrine", null]));
        assert_eq!(
            field("storePaths"),
            json!([["/nix/store/a"], ["/nix/store/b"], null])
        );
        assert_eq!(field("annotations"), json!([{}, {"x": "y"}, {}]));
        let sizes: Vec<u64> = image
            .layers
            .iter()
            .map(|layer| layer.stored_size())
            .collect();
        assert_eq!(facts["size"], sizes[0] + sizes[1]);
    }

    #[test]
    fn layers_have_names() {
        let root = json!([{"comment": ROOT_COMMENT}]);
        let of = |comment: &str| json!([{"comment": comment}]);
        let hash = "7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g";
        for (history, expected) in [
            (root, Some("root layer")),
            (
                of(&format!("store paths: ['/nix/store/{hash}-hello-1.0']")),
                Some("`hello-1.0`"),
            ),
            (
                of("store paths: ['/s/a', '/s/b', '/s/c', '/s/d']"),
                Some("`a`, `b` and 2 others"),
            ),
            (
                of(&format!(
                    "store paths: ['/nix/store/{hash}-web-customisation-layer']"
                )),
                Some("root layer"),
            ),
            (of("store paths: ['0123/layer.tar']"), None),
            (of("buildkit"), None),
            (json!([]), None),
        ] {
            let layer = MemoryLayer::new(&archive(&["a=1"]), Compression::None);
            let image = image(vec![layer], |text| text["history"] = history.clone());
            let facts = inspect(&image).unwrap();
            assert_eq!(facts.layers[0].label().as_deref(), expected, "{history}");
        }
    }

    #[test]
    fn without_a_manifest_only_plain_layers_have_digests() {
        let mut image = sample();
        image.manifest = None;
        let facts = inspect(&image).unwrap();
        let digests: Vec<bool> = facts
            .layers
            .iter()
            .map(|layer| layer.digest.is_some())
            .collect();
        assert_eq!(digests, [true, false, true]);
        assert!(facts.manifest.is_none());
    }

    #[test]
    fn a_configuration_that_makes_no_sense_is_an_error() {
        let error = inspect(&image(vec![], |text| text["config"] = json!({"Cmd": "x"})));
        assert!(matches!(
            error,
            Err(Error::Fault {
                fault: Fault::Json { .. },
                ..
            })
        ));
    }
}
