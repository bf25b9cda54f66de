//! Docker-archives that come out, taken apart and verified.

use std::collections::BTreeMap;
use std::io::Read;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// An image as its archive has it.
#[derive(Debug)]
pub struct Archive {
    /// The whole archive.
    pub bytes: Vec<u8>,
    /// The names of its members, in order.
    pub names: Vec<String>,
    /// The members' contents.
    pub members: BTreeMap<String, Vec<u8>>,
    /// The first entry of `manifest.json`.
    pub manifest: Value,
    /// The text of the image configuration.
    pub configuration: String,
    /// The image id: 64 hexadecimal digits.
    pub id: String,
}

impl Archive {
    /// Reads an archive of one image and verifies it: every digest, the order of its
    /// members, and that nothing is missing or left over.
    pub fn read(bytes: Vec<u8>) -> Self {
        let mut images = Self::read_all(bytes);
        assert_eq!(images.len(), 1);
        images.remove(0)
    }

    /// The same of an archive of several images, in the order of its manifest.
    pub fn read_all(bytes: impl Into<Vec<u8>>) -> Vec<Self> {
        let bytes: Vec<u8> = bytes.into();
        assert_eq!(
            bytes.len() % 10240,
            0,
            "an archive is made of whole records"
        );
        assert_eq!(
            bytes[bytes.len() - 1024..],
            [0; 1024],
            "an archive ends in two empty blocks"
        );
        let (mut names, mut members) = (vec![], BTreeMap::new());
        for entry in tar::Archive::new(&bytes[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().to_str().unwrap().to_owned();
            let mut content = vec![];
            entry.read_to_end(&mut content).unwrap();
            names.push(name.clone());
            assert!(
                members.insert(name.clone(), content).is_none(),
                "`{name}` is there twice"
            );
        }
        assert_eq!(
            names.last().map(String::as_str),
            Some("manifest.json"),
            "the manifest comes last"
        );
        let manifests: Value = serde_json::from_slice(&members["manifest.json"]).unwrap();
        let image = |manifest: &Value| {
            let config = manifest["Config"].as_str().unwrap();
            let configuration = String::from_utf8(members[config].clone()).unwrap();
            let id = digest(configuration.as_bytes());
            assert_eq!(config, format!("{id}.json"));
            let (names, members, manifest) = (names.clone(), members.clone(), manifest.clone());
            Self {
                bytes: bytes.clone(),
                names,
                members,
                manifest,
                configuration,
                id,
            }
        };
        let images: Vec<Self> = manifests.as_array().unwrap().iter().map(image).collect();
        let mut listed = vec!["manifest.json".to_owned()];
        for image in &images {
            image.verify_layers();
            listed.extend(image.layer_names());
            listed.push(format!("{}.json", image.id));
        }
        listed.sort();
        listed.dedup();
        assert_eq!(
            members.keys().cloned().collect::<Vec<_>>(),
            listed,
            "nothing is left over"
        );
        images
    }

    fn verify_layers(&self) {
        let configuration = self.config();
        let diff_ids = configuration["rootfs"]["diff_ids"].as_array().unwrap();
        let names = self.layer_names();
        assert_eq!(names.len(), diff_ids.len());
        if let Some(history) = configuration["history"].as_array() {
            let layers = history.iter().filter(|entry| entry["empty_layer"] != true);
            assert_eq!(layers.count(), names.len());
        }
        for (name, diff_id) in names.iter().zip(diff_ids) {
            let plain = unpack(&self.members[name]);
            assert_eq!(
                diff_id.as_str().unwrap(),
                format!("sha256:{}", digest(&plain)),
                "{name}"
            );
        }
    }

    /// The image configuration.
    pub fn config(&self) -> Value {
        serde_json::from_str(&self.configuration).unwrap()
    }

    /// The layers' diff ids as the configuration has them, bottom to top.
    pub fn diff_ids(&self) -> Vec<String> {
        let config = self.config();
        let ids = config["rootfs"]["diff_ids"].as_array().unwrap();
        ids.iter()
            .map(|id| id.as_str().unwrap().to_owned())
            .collect()
    }

    /// The layers' members, bottom to top.
    pub fn layer_names(&self) -> Vec<String> {
        let names = self.manifest["Layers"].as_array().unwrap();
        names
            .iter()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    }

    /// The layers' contents, bottom to top.
    pub fn layers(&self) -> Vec<&[u8]> {
        self.layer_names()
            .iter()
            .map(|name| &self.members[name][..])
            .collect()
    }

    /// The names of the entries of a layer, in order.
    pub fn entries(layer: &[u8]) -> Vec<String> {
        let mut archive = tar::Archive::new(layer);
        let name =
            |entry: tar::Entry<'_, _>| String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        archive
            .entries()
            .unwrap()
            .map(|entry| name(entry.unwrap()))
            .collect()
    }
}

/// The SHA-256 of some bytes, in hexadecimal digits.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A layer without its compression, by the tool of that name: not by our own libraries.
pub fn unpack(layer: &[u8]) -> Vec<u8> {
    let tool = match layer {
        [0x1f, 0x8b, ..] => "gzip",
        [b'B', b'Z', b'h', ..] => "bzip2",
        [0xfd, b'7', b'z', ..] => "xz",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        _ => return layer.to_vec(),
    };
    filter(tool, &["-dc"], layer)
}

/// Returns what a program makes of some input.
pub fn filter(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    use std::process::{Command, Stdio};
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || std::io::Write::write_all(&mut stdin, input).unwrap());
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{program} {arguments:?} failed");
    output.stdout
}
