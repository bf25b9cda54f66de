//! Builds that must fail, and must leave nothing behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use terrine_tests::archive::filter;
use terrine_tests::registry::Registry;
use terrine_tests::{OciLayout, Run, empty_cache, temporary, terrine};

use super::caches::url;

/// A place for builds: a registry, and a folder for everything else.
pub(super) struct Scene {
    registry: Registry,
    folder: tempfile::TempDir,
    spec: Value,
    key: String,
    /// The layers without paths that are broken, in each compression.
    harmless: BTreeSet<String>,
    /// The end of the names of the paths that will be broken.
    broken: String,
}

impl Scene {
    /// A place for builds of a specification, which succeed with the cache in a directory. The paths whose name ends so
    /// are those that will be broken. Nothing, said aloud, without a registry.
    pub(super) fn new(spec: Value, key: &str, good: &Path, broken: &str) -> Option<Self> {
        let mut scene = Self {
            registry: Registry::start()?,
            folder: temporary(),
            spec,
            key: key.to_owned(),
            harmless: BTreeSet::new(),
            broken: broken.to_owned(),
        };
        let layout = scene.folder.path().join("good");
        Run::of(&mut scene.build(&url(good), &layout, "good")).ok();
        let pushed = scene.registry.manifest("good", "1").unwrap();
        let pushed: Value = serde_json::from_slice(&pushed.bytes).unwrap();
        let written = OciLayout::read(&layout).only().json();
        for manifest in [&pushed, &written] {
            let layers = manifest["layers"].as_array().unwrap().iter();
            let harmless = layers.filter(|layer| !has_path(layer, broken));
            let digests = harmless.map(|layer| layer["digest"].as_str().unwrap().to_owned());
            scene.harmless.extend(digests);
        }
        scene.registry.clear();
        Some(scene)
    }

    /// The folder for everything that is not an image.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder for temporary files of builds.
    fn tmp(&self) -> PathBuf {
        self.folder.path().join("tmp")
    }

    /// A build into a layout and a repository, which knows nothing of earlier ones.
    pub(super) fn build(&self, cache: &str, layout: &Path, repository: &str) -> Command {
        let home = tempfile::Builder::new().tempdir_in(self.folder()).unwrap();
        let home = home.keep();
        empty_cache(&home);
        let file = home.join("image.json");
        fs::write(&file, self.spec.to_string()).unwrap();
        fs::create_dir_all(self.tmp()).unwrap();
        let mut command = terrine();
        command
            .arg("build")
            .arg(file)
            .args(["--no-store", "--cache", cache, "--trusted-key", &self.key])
            .args(["--to", &format!("oci:{}:1", layout.display())])
            .args([
                "--to",
                &format!("docker://{}/{repository}:1", self.registry.host()),
            ])
            .args(["--retries", "0"])
            .env("XDG_CACHE_HOME", &home)
            .env("NIX_CONF_DIR", &home)
            .env("HOME", &home)
            .env("TMPDIR", self.tmp());
        command
    }

    /// Returns whether a blob may have a path that is broken. The root layer has none, but its links follow the listings.
    fn is_broken(&self, digest: &str, layout: &Path) -> bool {
        let file = layout.join("blobs").join(digest.replace(':', "/"));
        let blob = fs::read(file).or_else(|_| fs::read(self.registry.blob_file(digest)));
        let plain = match blob {
            Ok(blob) if blob.starts_with(&[0x1f, 0x8b]) => filter("gzip", &["-dc"], &blob),
            Ok(blob) => blob,
            Err(_) => return true,
        };
        let mut archive = tar::Archive::new(&plain[..]);
        let mut names = archive.entries().unwrap().map(|entry| {
            let entry = entry.ok()?;
            Some(String::from_utf8_lossy(&entry.path_bytes()).into_owned())
        });
        let is_of_path = |name: String| name.contains("/store/") && name.contains(&self.broken);
        names.any(|name| name.is_none_or(is_of_path))
    }

    /// Returns what is wrong with a build that must fail for a reason, name the cache, have a hint, and publish
    /// nothing.
    pub(super) fn complaints(
        &self,
        what: &str,
        cache: &str,
        more: &[&str],
        why: &str,
    ) -> Vec<String> {
        let layout = tempfile::Builder::new().tempdir_in(self.folder()).unwrap();
        let mut command = self.build(cache, layout.path(), "bad");
        let run = Run::of(command.args(more));
        let index = fs::read_to_string(layout.path().join("index.json")).unwrap_or_default();
        let mut blobs = self.registry.blobs();
        blobs.extend(blobs_of(layout.path()));
        let mut published = &blobs - &self.harmless;
        published.retain(|digest| self.is_broken(digest, layout.path()));
        let tags = self.registry.tags_if_any("bad");
        let left: Vec<_> = fs::read_dir(self.tmp()).unwrap().collect();
        self.registry.clear();
        let says = |text: &str| run.stderr.contains(text);
        let table = [
            (run.code == Some(1), "the exit code"),
            (says(why), why),
            (says("hint: "), "the hint"),
            (says(cache), "the cache"),
            (!index.contains("sha256:") && tags.is_empty(), "an image"),
            (published.is_empty(), "a blob"),
            (left.is_empty(), "a temporary file"),
        ];
        let wrong = table.iter().filter(|(is_right, _)| !is_right);
        wrong
            .map(|(_, which)| format!("{what}: {which}: {}", run.stderr))
            .collect()
    }
}

/// Returns whether a layer has a store path whose name ends so.
fn has_path(layer: &Value, end: &str) -> bool {
    let paths = layer["annotations"]["dev.terrine.store-paths"].as_str();
    paths.is_some_and(|paths| paths.contains(&format!("{end}\"")))
}

/// The digests of the blobs of a layout; a blob without its name is half-made, and counts as well.
fn blobs_of(layout: &Path) -> BTreeSet<String> {
    let files = fs::read_dir(layout.join("blobs/sha256"))
        .into_iter()
        .flatten();
    let name =
        |file: std::io::Result<fs::DirEntry>| file.unwrap().file_name().display().to_string();
    files.map(|file| format!("sha256:{}", name(file))).collect()
}
