//! Images of layouts and archives, good ones and others.

mod indexes;
mod layers;
mod selection;

use std::io::Write;
use std::path::{Path, PathBuf};

use terrine_oci::{Annotations, Index, Manifest, MediaType, Platform, Reference, Selector};
use terrine_support::chain;

use super::*;
use crate::layout::{Layout as Directory, REF_NAME};

/// A layout in the making.
struct Made {
    directory: tempfile::TempDir,
    layout: Directory,
}

impl Made {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let layout = Directory::create(&directory.path().join("layout")).unwrap();
        Self { directory, layout }
    }

    fn put(&self, bytes: &[u8], media_type: MediaType) -> Descriptor {
        self.layout.put(bytes, media_type).unwrap()
    }

    fn config(&self, platform: &str, diff_ids: &[Digest]) -> Descriptor {
        let platform: Platform = platform.parse().unwrap();
        let mut value = serde_json::json!({"rootfs": {"type": "layers", "diff_ids": diff_ids}});
        value["os"] = platform.os.into();
        value["architecture"] = platform.architecture.into();
        value["variant"] = platform.variant.into();
        self.put(value.to_string().as_bytes(), MediaType::OciConfig)
    }

    fn manifest(&self, config: Descriptor, layers: Vec<Descriptor>) -> Descriptor {
        let document = Manifest::new(config, layers, Annotations::new()).to_document();
        self.put(&document.bytes, document.media_type)
    }

    /// An image with one plain layer.
    fn image(&self, platform: &str, layer: &str) -> Descriptor {
        let layer = self.put(layer.as_bytes(), MediaType::OciLayer);
        let config = self.config(platform, &[layer.digest]);
        self.manifest(config, vec![layer])
    }

    fn index(&self, manifests: Vec<Descriptor>) -> Descriptor {
        let document = Index::new(manifests, Annotations::new()).to_document();
        self.put(&document.bytes, document.media_type)
    }

    /// Writes an `index.json` that lists these manifests.
    fn list(&self, manifests: Vec<Descriptor>) -> &Self {
        let text = Index::new(manifests, Annotations::new())
            .to_document()
            .bytes;
        std::fs::write(self.layout.path().join("index.json"), text).unwrap();
        self
    }

    /// Another content under the same digest.
    fn alter(&self, blob: &Descriptor, bytes: &[u8]) {
        let path = self
            .layout
            .path()
            .join("blobs/sha256")
            .join(blob.digest.hex());
        std::fs::write(path, bytes).unwrap();
    }

    /// The same as an archive.
    fn archive(&self) -> PathBuf {
        let path = self.directory.path().join("archive.tar");
        let mut archive = tar::Builder::new(std::fs::File::create(&path).unwrap());
        archive.append_dir_all(".", self.layout.path()).unwrap();
        archive.finish().unwrap();
        path
    }

    fn open(&self, selector: &Selector) -> Result<Opened, Error> {
        let opened = open_layout("x", self.layout.path()).and_then(|images| images.open(selector));
        // The same in an archive.
        let archived = open_archive("x", &self.archive()).and_then(|images| images.open(selector));
        assert_eq!(message(&opened), message(&archived));
        opened
    }

    fn only(&self) -> Result<Opened, Error> {
        self.open(&Selector::Only)
    }

    fn pick(&self, platform: Option<&str>) -> Result<String, String> {
        let platform = platform.map(|text| text.parse().unwrap());
        self.only()
            .and_then(|opened| pick(opened, platform.as_ref()))
            .map(|image| first_layer(&image))
            .map_err(|error| chain(&error))
    }

    fn by(&self, selector: &Selector) -> Result<String, String> {
        self.open(selector)
            .and_then(|opened| pick(opened, None))
            .map(|image| first_layer(&image))
            .map_err(|error| chain(&error))
    }
}

fn first_layer(image: &Image) -> String {
    let mut text = String::new();
    image.layers[0]
        .open()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    text
}

fn message(opened: &Result<Opened, Error>) -> String {
    match opened {
        Ok(Opened::Image(image)) => image.configuration.digest().to_string(),
        Ok(Opened::Index(index) | Opened::Choice { images: index, .. }) => {
            index.document.digest().to_string()
        }
        Err(error) => chain(error),
    }
}

fn refused(outcome: Result<impl Sized, Error>, expected: &str) {
    let Err(error) = outcome else {
        panic!("it was taken: {expected}")
    };
    let text = chain(&error);
    assert!(text.contains(expected), "{text}: {expected}");
}

fn with(descriptor: &Descriptor, key: &str, value: &str) -> Descriptor {
    let mut descriptor = descriptor.clone();
    descriptor
        .annotations
        .insert(key.to_owned(), value.to_owned());
    descriptor
}

fn on(descriptor: &Descriptor, platform: &str) -> Descriptor {
    Descriptor {
        platform: Some(platform.parse().unwrap()),
        ..descriptor.clone()
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
