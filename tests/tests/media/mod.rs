//! An image stays what it is on the way from any medium to any other, the same build has the
//! same bytes everywhere, and terrine reads what others write.

mod archives;
mod between;
mod builds;
mod indexes;
mod labels;
mod others;
mod written;

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use terrine_tests::registry::Registry;
use terrine_tests::{Archive, ConfFile, OciImage, OciLayout, Run, temporary, terrine, verify};

/// The name that every image of a docker-archive has here.
const NAME: &str = "hello:1.0";

/// The tag of every image elsewhere.
const TAG: &str = "1.0";

/// The ways in which layers can be compressed.
const SETTINGS: [&str; 3] = ["none", "gzip", "zstd"];

/// A place where an image can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Medium {
    DockerArchive,
    Layout,
    OciArchive,
    Registry,
}

const MEDIA: [Medium; 4] = [
    Medium::DockerArchive,
    Medium::Layout,
    Medium::OciArchive,
    Medium::Registry,
];

/// A folder and a registry for images.
struct Shelf {
    folder: tempfile::TempDir,
    registry: Registry,
}

/// The parts of an image that are compared.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    id: String,
    diff_ids: Vec<String>,
    /// The manifest's bytes, where there is one.
    manifest: Option<Vec<u8>>,
}

impl From<OciImage> for Seen {
    fn from(image: OciImage) -> Self {
        Self {
            id: image.id(),
            diff_ids: image.diff_ids,
            manifest: Some(image.manifest),
        }
    }
}

impl From<Archive> for Seen {
    fn from(archive: Archive) -> Self {
        Self {
            diff_ids: archive.diff_ids(),
            id: archive.id,
            manifest: None,
        }
    }
}

impl Shelf {
    fn new() -> Option<Self> {
        Some(Self {
            folder: temporary(),
            registry: Registry::start()?,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn reference(&self, medium: Medium, name: &str) -> String {
        let path = |suffix| self.path(&format!("{name}{suffix}")).display().to_string();
        match medium {
            Medium::DockerArchive => format!("docker-archive:{}:{NAME}", path(".tar")),
            Medium::Layout => format!("oci:{}:{TAG}", path("")),
            Medium::OciArchive => format!("oci-archive:{}:{TAG}", path(".oci.tar")),
            Medium::Registry => format!("docker://{}/{name}:{TAG}", self.registry.host()),
        }
    }

    /// Returns what is where a reference leads, verified by terrine and by hand.
    fn seen(&self, medium: Medium, name: &str) -> Seen {
        verify(&self.reference(medium, name));
        match medium {
            Medium::DockerArchive => {
                let archive = Archive::read(fs::read(self.path(&format!("{name}.tar"))).unwrap());
                assert_eq!(archive.manifest["RepoTags"], json!([NAME]));
                archive.into()
            }
            Medium::Layout => OciLayout::read(&self.path(name)).image(Some(TAG)).into(),
            Medium::OciArchive => {
                let path = self.path(&format!("{name}.oci.tar"));
                OciLayout::read_archive(&path).image(Some(TAG)).into()
            }
            Medium::Registry => OciImage::of_registry(&self.registry, name, TAG).into(),
        }
    }
}

/// Runs terrine, which has to succeed.
fn run(arguments: &[&str]) -> Run {
    Run::of(terrine().args(arguments)).ok()
}

fn copy(from: &str, to: &str) {
    run(&["copy", from, to]);
}

/// Streams to a reference.
fn stream(conf: &ConfFile<'_>, to: &str, options: &[&str]) {
    Run::of(conf.command().args(["--to", to]).args(options)).ok();
}
