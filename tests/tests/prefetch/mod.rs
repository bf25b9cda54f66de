//! `terrine prefetch`: what it prints, against `terrine copy`, `sha256sum` and Nix; what it asks
//! of a registry, and what it says.

mod hash;
mod nix;
mod output;
mod wrong;

use std::process::Command;

use serde_json::{Value, json};
use terrine_tests::archive::{digest, filter};
use terrine_tests::base::layer;
use terrine_tests::registry::Registry;
use terrine_tests::{Run, temporary, terrine};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A registry with images below `acme`, and a folder.
struct Place {
    registry: Registry,
    folder: tempfile::TempDir,
}

impl Place {
    /// None, said aloud, where there is no registry.
    fn new() -> Option<Self> {
        let registry = Registry::start()?;
        let folder = temporary();
        Some(Self { registry, folder })
    }

    /// Puts an image for a platform of one layer, which is compressed by a program, and returns its
    /// place in an index.
    fn image(&self, tag: &str, platform: &Value, compression: &str) -> Value {
        let plain = layer("etc/os", platform.to_string().as_bytes());
        let mut config = platform.clone();
        config["rootfs"] =
            json!({"type": "layers", "diff_ids": [format!("sha256:{}", digest(&plain))]});
        let (stored, kind) = match compression {
            "" => (plain, LAYER.to_owned()),
            program => (
                filter(program, &["-c"], &plain),
                format!("{LAYER}+{program}"),
            ),
        };
        let described = [
            (config.to_string().into_bytes(), CONFIG.to_owned()),
            (stored, kind),
        ]
        .map(|(blob, kind)| {
            let digest = self.registry.put_blob("acme/web", &blob);
            json!({"mediaType": kind, "digest": digest, "size": blob.len()})
        });
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": described[0], "layers": described[1..]});
        let bytes = manifest.to_string().into_bytes();
        let digest = self
            .registry
            .put_manifest("acme/web", tag, MANIFEST, &bytes);
        json!({"mediaType": MANIFEST, "digest": digest, "size": bytes.len(), "platform": platform})
    }

    /// Puts an index, and returns its digest.
    fn index(&self, tag: &str, entries: &[Value]) -> String {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
        self.registry
            .put_manifest("acme/web", tag, INDEX, index.to_string().as_bytes())
    }

    /// Puts an index `1.2` of an image for each usual platform, and returns its digest.
    fn usual(&self) -> String {
        let mut entries = vec![
            self.image("amd64", &platform("amd64"), ""),
            self.image("arm64", &with("arm64", "variant", "v8"), ""),
            self.image("arm", &with("arm", "variant", "v7"), ""),
            self.image("386", &platform("386"), ""),
        ];
        let mut attestation = entries[0].clone();
        attestation["platform"] = json!({"os": "unknown", "architecture": "unknown"});
        entries.insert(1, attestation);
        self.index("1.2", &entries)
    }

    /// A command line of ours, words between spaces; `WEB` stands for the repository.
    fn command(&self, line: &str) -> Command {
        let line = line.replace("WEB", &format!("{}/acme/web", self.registry.host()));
        let mut command = terrine();
        command
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .args(line.split(' '));
        command
    }

    fn run(&self, line: &str) -> Run {
        Run::of(&mut self.command(line))
    }

    /// Returns what `terrine prefetch` prints as JSON.
    fn json(&self, line: &str) -> Value {
        let run = self.run(&format!("prefetch --json {line}")).ok();
        serde_json::from_slice(&run.stdout).unwrap()
    }

    /// Returns what each of some command lines says.
    fn said(&self, lines: &[&str]) -> String {
        let said = lines.iter().map(|line| {
            let said = self.run(line).without_speed(&[]);
            let said = said.replace(self.registry.host(), "[HOST]");
            format!("$ terrine {line}\n{said}\n")
        });
        said.collect()
    }

    fn digest_of(&self, tag: &str) -> String {
        self.registry.manifest("acme/web", tag).unwrap().digest
    }
}

fn platform(architecture: &str) -> Value {
    json!({"architecture": architecture, "os": "linux"})
}

fn with(architecture: &str, key: &str, value: &str) -> Value {
    let mut platform = platform(architecture);
    platform[key] = json!(value);
    platform
}
