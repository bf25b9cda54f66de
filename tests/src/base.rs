//! Base images as several tools write them, whole and broken.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::TestStore;
use super::archive::digest;

/// A docker-archive that is put together by hand.
#[derive(Debug, Clone)]
pub struct BaseImage {
    /// Members in order: name, content; a content that starts with `-> ` is a link.
    pub members: Vec<(String, Vec<u8>)>,
    /// `manifest.json`.
    pub manifest: Value,
    /// The image configuration, which goes under the name that the manifest has.
    pub configuration: Value,
}

impl BaseImage {
    /// An image of some layers in the layout of `docker save` before version 25.
    pub fn old(layers: &[&[u8]], env: &[&str]) -> Self {
        let names: Vec<String> = layers
            .iter()
            .map(|layer| format!("{}/layer.tar", digest(layer)))
            .collect();
        Self::with_names(layers, names, env, |id| format!("{id}.json"))
    }

    /// The same in the layout of newer versions.
    pub fn new(layers: &[&[u8]], env: &[&str]) -> Self {
        let names: Vec<String> = layers
            .iter()
            .map(|layer| format!("blobs/sha256/{}", digest(layer)))
            .collect();
        let mut image = Self::with_names(layers, names, env, |id| format!("blobs/sha256/{id}"));
        image.members.insert(
            0,
            (
                "oci-layout".to_owned(),
                br#"{"imageLayoutVersion": "1.0.0"}"#.to_vec(),
            ),
        );
        image
    }

    fn with_names(
        layers: &[&[u8]],
        names: Vec<String>,
        env: &[&str],
        config: impl Fn(&str) -> String,
    ) -> Self {
        let diff_ids: Vec<String> = layers
            .iter()
            .map(|layer| format!("sha256:{}", digest(layer)))
            .collect();
        let configuration = json!({
            "architecture": "amd64", "os": "linux", "created": "2020-01-01T00:00:00Z",
            "config": {"Env": env, "Cmd": ["/bin/base"], "User": "base"},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = config(&digest(configuration.to_string().as_bytes()));
        let manifest = json!([{"Config": config, "RepoTags": ["base:1"], "Layers": names}]);
        let members = names
            .into_iter()
            .zip(layers.iter().map(|layer| layer.to_vec()))
            .collect();
        Self {
            members,
            manifest,
            configuration,
        }
    }

    /// The name of the configuration's member.
    pub fn config_name(&self) -> &str {
        self.manifest[0]["Config"].as_str().unwrap_or("config.json")
    }

    /// The archive, as GNU tar would write it.
    pub fn archive(&self) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in &self.members {
            append(&mut builder, name, content);
        }
        append(
            &mut builder,
            self.config_name(),
            self.configuration.to_string().as_bytes(),
        );
        append(
            &mut builder,
            "manifest.json",
            self.manifest.to_string().as_bytes(),
        );
        builder.into_inner().unwrap()
    }

    /// Writes the archive into a store's root.
    pub fn write(&self, store: &TestStore) -> PathBuf {
        put(store, &self.archive())
    }
}

/// Writes some bytes where a base image may be.
pub fn put(store: &TestStore, bytes: &[u8]) -> PathBuf {
    let path = store.root().join("base.tar");
    std::fs::write(&path, bytes).unwrap();
    path
}

fn append(builder: &mut tar::Builder<Vec<u8>>, name: &str, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_mtime(1_577_836_800);
    header.set_size(0);
    if let Some(target) = content.strip_prefix(b"-> ") {
        header.set_entry_type(tar::EntryType::Symlink);
        builder
            .append_link(&mut header, name, std::str::from_utf8(target).unwrap())
            .unwrap();
    } else {
        header.set_size(content.len() as u64);
        // Not `append_data`, which refuses names that lead out of the archive.
        let bytes = &mut header.as_old_mut().name;
        if name.len() <= bytes.len() {
            bytes[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, content).unwrap();
        } else {
            builder.append_data(&mut header, name, content).unwrap();
        }
    }
}

/// The archive of one file.
pub fn layer(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    append(&mut builder, name, content);
    builder.into_inner().unwrap()
}

/// A layer with symbolic links, and a program, as of a system whose `/bin` is a link to `usr/bin`.
pub fn merged(links: &[(&str, &str)], program: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, target) in links {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, path, target).unwrap();
    }
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o755);
    builder.append_data(&mut header, program, content).unwrap();
    builder.into_inner().unwrap()
}
