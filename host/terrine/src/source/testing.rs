//! Images in memory, for tests.

use std::io::{Read, Write};
use std::sync::Arc;

use serde_json::{Value, json};
use terrine_compress::Compression;
use terrine_oci::{
    Annotations, Configuration, Descriptor, Digest, Manifest, MediaType, Repository,
};
use terrine_tar::EntryType;

use super::{Error, Image, Layer};

/// A layer in memory.
#[derive(Debug, Clone)]
pub(crate) struct MemoryLayer {
    pub(crate) bytes: Vec<u8>,
    pub(crate) diff_id: Digest,
    pub(crate) descriptor: Descriptor,
    pub(crate) compression: Compression,
    /// The repository that has the layer, if it acts as one of a registry.
    pub(crate) repository: Option<Repository>,
}

impl MemoryLayer {
    /// A layer as it should be.
    pub(crate) fn new(plain: &[u8], compression: Compression) -> Self {
        let bytes = compress(plain, compression);
        let media_type = compression.media_type().unwrap_or(MediaType::OciLayer);
        let descriptor = Descriptor::of(media_type, &bytes);
        Self {
            bytes,
            diff_id: Digest::of(plain),
            descriptor,
            compression,
            repository: None,
        }
    }
}

fn compress(plain: &[u8], compression: Compression) -> Vec<u8> {
    match compression {
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Zstd => zstd::encode_all(plain, 1).unwrap(),
        Compression::None => plain.to_vec(),
        Compression::Bzip2 | Compression::Xz => panic!("no test needs it"),
    }
}

impl Layer for MemoryLayer {
    fn name(&self) -> String {
        self.descriptor.digest.to_string()
    }

    fn diff_id(&self) -> Digest {
        self.diff_id
    }

    fn descriptor(&self) -> Result<Descriptor, Error> {
        Ok(self.descriptor.clone())
    }

    fn stored_size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn compression(&self) -> Compression {
        self.compression
    }

    fn open(&self) -> Result<Box<dyn Read + Send + '_>, Error> {
        Ok(Box::new(&self.bytes[..]))
    }

    fn repository(&self) -> Option<&Repository> {
        self.repository.as_ref()
    }
}

/// An image with a manifest. `change` changes its configuration.
pub(crate) fn image(layers: Vec<MemoryLayer>, change: impl FnOnce(&mut Value)) -> Image {
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| layer.diff_id).collect();
    let mut text = json!({
        "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    change(&mut text);
    let configuration = Configuration::parse(text.to_string().into_bytes()).unwrap();
    let config = Descriptor::of(MediaType::OciConfig, configuration.text().as_bytes());
    let descriptors = layers
        .iter()
        .map(|layer| layer.descriptor.clone())
        .collect();
    let manifest = Manifest::new(config, descriptors, Annotations::new()).to_document();
    let layers = layers
        .into_iter()
        .map(|layer| Arc::new(layer) as Arc<dyn Layer>)
        .collect();
    Image {
        name: "test".to_owned(),
        names: vec![],
        manifest: Some(manifest),
        configuration,
        layers,
    }
}

/// An archive of entries: `name/` is a directory, `name -> target` a link, `name => target` a
/// hard link, `name|` a fifo, `name=text` a file.
pub(crate) fn archive(entries: &[&str]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(0);
        let link = |header: &mut tar::Header, kind| header.set_entry_type(kind);
        if let Some((name, target)) = entry.split_once(" -> ") {
            link(&mut header, EntryType::Symlink);
            builder.append_link(&mut header, name, target).unwrap();
        } else if let Some((name, target)) = entry.split_once(" => ") {
            link(&mut header, EntryType::Link);
            builder.append_link(&mut header, name, target).unwrap();
        } else if let Some(name) = entry.strip_suffix('|') {
            header.set_entry_type(EntryType::Fifo);
            builder.append_data(&mut header, name, &b""[..]).unwrap();
        } else if let Some((name, content)) = entry.split_once('=') {
            header.set_size(content.len() as u64);
            builder
                .append_data(&mut header, name, content.as_bytes())
                .unwrap();
        } else {
            let directory = entry.ends_with('/');
            header.set_entry_type(if directory {
                EntryType::Directory
            } else {
                EntryType::Regular
            });
            builder.append_data(&mut header, entry, &b""[..]).unwrap();
        }
    }
    builder.into_inner().unwrap()
}
