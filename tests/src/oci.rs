//! Images of OCI layouts, of archives of them and of registries, taken apart and verified: not
//! by our own library.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use super::archive::{digest, unpack};
use super::registry::Registry;

/// Manifests and indexes, by the types that they can have.
const INDEXES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// An image, as its medium has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OciImage {
    /// The manifest.
    pub manifest: Vec<u8>,
    /// The type that it is said to have.
    pub media_type: String,
    /// The image configuration.
    pub configuration: Vec<u8>,
    /// The layers' media types, bottom to top.
    pub layer_types: Vec<String>,
    /// The layers' diff ids, bottom to top.
    pub diff_ids: Vec<String>,
}

impl OciImage {
    /// The manifest's digest.
    pub fn digest(&self) -> String {
        format!("sha256:{}", digest(&self.manifest))
    }

    /// The image id: 64 hexadecimal digits.
    pub fn id(&self) -> String {
        digest(&self.configuration)
    }

    /// The manifest, as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.manifest).unwrap()
    }

    /// Returns how the layers are compressed, by their media types: a letter for each, bottom to top.
    pub fn compressions(&self) -> String {
        self.layer_types
            .iter()
            .map(|kind| match kind.rsplit(['.', '+']).next() {
                Some("gzip") => 'g',
                Some("zstd") => 'z',
                _ => '-',
            })
            .collect()
    }

    /// Verifies an image by its manifest. `blob` gives what has a digest.
    fn verified(manifest: Vec<u8>, media_type: &str, blob: &dyn Fn(&str) -> Vec<u8>) -> Self {
        let json: Value = serde_json::from_slice(&manifest).unwrap();
        if let Some(own) = json["mediaType"].as_str() {
            assert_eq!(own, media_type);
        }
        let fetch = |descriptor: &Value| {
            let bytes = blob(text(&descriptor["digest"]));
            assert_eq!(descriptor["digest"], format!("sha256:{}", digest(&bytes)));
            assert_eq!(
                descriptor["size"].as_u64(),
                Some(bytes.len() as u64),
                "{descriptor}"
            );
            bytes
        };
        let configuration = fetch(&json["config"]);
        let config: Value = serde_json::from_slice(&configuration).unwrap();
        let said = config["rootfs"]["diff_ids"].as_array().unwrap();
        let said: Vec<String> = said.iter().map(|id| text(id).to_owned()).collect();
        let layers = json["layers"].as_array().unwrap();
        let actual = layers.iter().map(|layer| {
            let stored = fetch(layer);
            let kind = text(&layer["mediaType"]);
            let compressed = kind.ends_with("gzip") || kind.ends_with("zstd");
            let plain = unpack(&stored);
            assert_eq!(compressed, plain != stored, "{kind}");
            format!("sha256:{}", digest(&plain))
        });
        assert_eq!(actual.collect::<Vec<_>>(), said);
        let layer_types = layers
            .iter()
            .map(|layer| text(&layer["mediaType"]).to_owned())
            .collect();
        Self {
            manifest,
            media_type: media_type.to_owned(),
            configuration,
            layer_types,
            diff_ids: said,
        }
    }

    /// The image of a tag, or of a digest, in a registry.
    pub fn of_registry(registry: &Registry, repository: &str, tag: &str) -> Self {
        let stored = registry
            .manifest(repository, tag)
            .expect("the manifest is there");
        Self::verified(stored.bytes, &stored.content_type, &|digest| {
            registry.blob(repository, digest).expect("a blob is there")
        })
    }
}

/// A layout, or an archive of one: all of its files are checked against their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OciLayout {
    /// `index.json`.
    pub index: Value,
    /// The blobs, by their digests.
    pub blobs: BTreeMap<String, Vec<u8>>,
}

impl OciLayout {
    /// Reads a directory.
    pub fn read(path: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut open = vec![path.to_owned()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let file = entry.unwrap().path();
                if file.is_dir() {
                    open.push(file);
                } else {
                    let name = file.strip_prefix(path).unwrap().display().to_string();
                    files.insert(name, fs::read(&file).unwrap());
                }
            }
        }
        Self::of(files)
    }

    /// Reads an archive.
    pub fn read_archive(path: &Path) -> Self {
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(File::open(path).unwrap())
            .entries()
            .unwrap()
        {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            let name = name.trim_start_matches("./").to_owned();
            let mut content = vec![];
            entry.read_to_end(&mut content).unwrap();
            if entry.header().entry_type().is_file() {
                assert!(
                    files.insert(name.clone(), content).is_none(),
                    "`{name}` is there twice"
                );
            }
        }
        Self::of(files)
    }

    fn of(mut files: BTreeMap<String, Vec<u8>>) -> Self {
        let marker: Value = serde_json::from_slice(&files.remove("oci-layout").unwrap()).unwrap();
        assert_eq!(marker["imageLayoutVersion"], "1.0.0");
        let index = serde_json::from_slice(&files.remove("index.json").unwrap()).unwrap();
        Self {
            index,
            blobs: files
                .into_iter()
                .map(|(name, bytes)| {
                    let hex = name
                        .strip_prefix("blobs/sha256/")
                        .unwrap_or_else(|| panic!("`{name}` is left"));
                    assert_eq!(hex, digest(&bytes));
                    (format!("sha256:{hex}"), bytes)
                })
                .collect(),
        }
    }

    /// The entries of the index that have a tag, or of all that have none.
    pub fn entries(&self, tag: Option<&str>) -> Vec<&Value> {
        let name = |entry: &Value| {
            let name = &entry["annotations"]["org.opencontainers.image.ref.name"];
            name.as_str().map(ToOwned::to_owned)
        };
        self.index["manifests"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|entry| name(entry).as_deref() == tag)
            .collect()
    }

    /// The only entry of a tag.
    pub fn entry(&self, tag: Option<&str>) -> &Value {
        let entries = self.entries(tag);
        assert_eq!(entries.len(), 1, "{tag:?}: {}", self.index);
        entries[0]
    }

    /// Returns what a descriptor describes, checked against it.
    pub fn document(&self, descriptor: &Value) -> Value {
        let bytes = &self.blobs[text(&descriptor["digest"])];
        assert_eq!(descriptor["size"].as_u64(), Some(bytes.len() as u64));
        serde_json::from_slice(bytes).unwrap()
    }

    /// The only image of a tag, verified.
    pub fn image(&self, tag: Option<&str>) -> OciImage {
        self.described(self.entry(tag))
    }

    /// The only image that is listed, whatever its tag, verified.
    pub fn only(&self) -> OciImage {
        let entries = self.index["manifests"].as_array().unwrap();
        assert_eq!(entries.len(), 1, "{}", self.index);
        self.described(&entries[0])
    }

    /// The images of an index that has a tag, verified, with their descriptors in order.
    pub fn images(&self, tag: Option<&str>) -> Vec<(Value, OciImage)> {
        let entry = self.entry(tag);
        assert!(INDEXES.contains(&text(&entry["mediaType"])), "{entry}");
        let index = self.document(entry);
        let children = index["manifests"].as_array().unwrap();
        children
            .iter()
            .map(|child| (child.clone(), self.described(child)))
            .collect()
    }

    fn described(&self, entry: &Value) -> OciImage {
        self.document(entry);
        let manifest = self.blobs[text(&entry["digest"])].clone();
        OciImage::verified(manifest, text(&entry["mediaType"]), &|digest: &str| {
            self.blobs[digest].clone()
        })
    }
}

fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("`{value}` is no text"))
}
