//! Images as OCI has them: an index, manifests, configurations and layers, by their digests. Each input is such an
//! image; its descriptors get the digests of what they describe, or nothing would be read but the first document.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::sync::Arc;

use serde_json::Value;
use terrine::claims::Claims;
use terrine::compress::Compression;
use terrine::inspect::inspect;
use terrine::oci::{Annotations, Descriptor, Digest, Index, MediaType};
use terrine::source::{self, Blobs, Error, Image, LocalOpener, Opened};

use super::documents;
use crate::format::{Format, chunks, tar};
use crate::{Limit, Target, scratch};

/// The most of a layer that is unpacked for its digest, in bytes.
const UNPACKED: u64 = 1 << 20;

const WORDS: &[&str] = &[
    "schemaVersion",
    "mediaType",
    "config",
    "layers",
    "manifests",
    "digest",
    "size",
    "platform",
    "rootfs",
    "diff_ids",
    "history",
    "annotations",
    "subject",
    "artifactType",
    "dev.terrine.compression",
    "dev.terrine.layer.key",
    "dev.terrine.layer.diff-id",
    "dev.terrine.layer.uncompressed-size",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.oci.empty.v1+json",
    "application/vnd.in-toto+json",
    "vnd.docker.reference.type",
    "attestation-manifest",
    "unknown",
    "org.opencontainers.image.ref.name",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
];

pub(super) const TARGET: Target = Target {
    name: "images",
    // Index, manifest, configuration, layers.
    format: Format::Chunks(&[
        Format::Json(WORDS),
        Format::Json(WORDS),
        Format::Json(WORDS),
        Format::Tar,
    ]),
    seeds,
    run,
    short: 3_000,
    longest: 24 << 10,
    limit: Limit {
        memory: 12 << 20,
        ..Limit::USUAL
    },
};

fn seeds() -> Vec<Vec<u8>> {
    let digest = |bytes: &[u8]| Digest::of(bytes).to_string();
    let layer = tar::archive(&[tar::member(b"nix/store/a", b'0', b"", b"content")]);
    let document = documents::manifest().to_document();
    let index = Index::new(vec![document.descriptor()], Annotations::new())
        .to_document()
        .bytes;
    let configuration = documents::configuration(&[digest(&layer)]).into_bytes();
    let plain = String::from_utf8_lossy(&document.bytes)
        .replace("tar+gzip", "tar")
        .into_bytes();
    let two = plain.clone();
    vec![
        chunks::join(&[
            b"".to_vec(),
            plain.clone(),
            configuration.clone(),
            layer.clone(),
        ]),
        chunks::join(&[index, two, configuration, layer]),
        chunks::join(&[b"".to_vec(), plain, b"{}".to_vec()]),
    ]
}

/// Blobs in memory.
#[derive(Debug)]
struct Kept(BTreeMap<Digest, Vec<u8>>);

impl Blobs for Kept {
    fn blob(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send + '_>, Error> {
        let found = self
            .0
            .get(&blob.digest)
            .filter(|bytes| bytes.len() as u64 == blob.size);
        let missing = || Error::Io {
            image: "image".to_owned(),
            source: std::io::ErrorKind::NotFound.into(),
        };
        Ok(Box::new(Cursor::new(found.ok_or_else(missing)?)))
    }
}

/// Gives a descriptor the digest and the size of a blob, as far as it has them.
fn describe(descriptor: Option<&mut Value>, blob: &[u8]) {
    let Some(fields) = descriptor.and_then(Value::as_object_mut) else {
        return;
    };
    if let Some(digest) = fields.get_mut("digest") {
        *digest = Digest::of(blob).to_string().into();
    }
    if let Some(size) = fields.get_mut("size") {
        *size = blob.len().into();
    }
}

/// The digest of what a layer unpacks to.
fn diff_id(layer: &[u8]) -> String {
    let mut plain = vec![];
    if let Ok(decoder) = Compression::detect(layer).decoder(layer) {
        // What does not unpack has no digest that matters.
        let _ = decoder.take(UNPACKED).read_to_end(&mut plain);
    }
    Digest::of(&plain).to_string()
}

/// Changes a document where it is JSON.
fn edit(text: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice(text) else {
        return text.to_vec();
    };
    change(&mut value);
    value.to_string().into_bytes()
}

fn run(data: &[u8]) -> bool {
    let parts = chunks::split(data);
    let part = |place: usize| parts.get(place).copied().unwrap_or_default();
    let layers = parts.get(3..).unwrap_or_default();
    let configuration = edit(part(2), |value| {
        let ids = value
            .pointer_mut("/rootfs/diff_ids")
            .and_then(Value::as_array_mut);
        for (id, layer) in ids.into_iter().flatten().zip(layers) {
            *id = diff_id(layer).into();
        }
    });
    let manifest = edit(part(1), |value| {
        describe(value.get_mut("config"), &configuration);
        let described = value.get_mut("layers").and_then(Value::as_array_mut);
        for (descriptor, layer) in described.into_iter().flatten().zip(layers) {
            if let Some(claimed) = descriptor.pointer_mut("/annotations/dev.terrine.layer.diff-id")
            {
                *claimed = diff_id(layer).into();
            }
            describe(Some(descriptor), layer);
        }
    });
    let index = edit(part(0), |value| {
        for descriptor in value
            .get_mut("manifests")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            describe(Some(descriptor), &manifest);
        }
    });
    let first = if index.is_empty() {
        manifest.clone()
    } else {
        index.clone()
    };
    let own = serde_json::from_slice::<Value>(&first)
        .ok()
        .and_then(|value| value["mediaType"].as_str().map(MediaType::parse));
    let descriptor = Descriptor::of(own.unwrap_or(MediaType::OciManifest), &first);
    let mut kept = BTreeMap::new();
    for blob in [&index, &manifest, &configuration]
        .into_iter()
        .cloned()
        .chain(layers.iter().map(|layer| layer.to_vec()))
    {
        kept.insert(Digest::of(&blob), blob);
    }
    let archive = archive(&descriptor, &kept);
    let blobs: Arc<dyn Blobs> = Arc::new(Kept(kept));
    let opened = source::open_descriptor(&blobs, "image", &descriptor)
        .and_then(|opened| source::pick(opened, None));
    let Ok(image) = opened else {
        return false;
    };
    check(&image, &archive);
    true
}

/// Writes the blobs as an archive of a layout.
fn archive(descriptor: &Descriptor, kept: &BTreeMap<Digest, Vec<u8>>) -> Vec<u8> {
    let index = Index::new(vec![descriptor.clone()], Annotations::new())
        .to_document()
        .bytes;
    let mut members = vec![
        tar::member(
            b"oci-layout",
            b'0',
            b"",
            br#"{"imageLayoutVersion":"1.0.0"}"#,
        ),
        tar::member(b"index.json", b'0', b"", &index),
    ];
    for (digest, blob) in kept {
        members.push(tar::member(
            format!("blobs/sha256/{}", digest.hex()).as_bytes(),
            b'0',
            b"",
            blob,
        ));
    }
    tar::archive(&members)
}

/// Checks that an image claims no more layers than it has.
fn check_claims(image: &Image) {
    let mut claims = Claims::none();
    let count = claims.add(image);
    assert!(count <= image.layers.len());
    assert_eq!(count == 0, claims.settings().is_empty());
}

/// Checks an image against the same one in an archive of a layout.
fn check(image: &Image, archive: &[u8]) {
    assert_eq!(image.layers.len(), image.configuration.diff_ids().len());
    check_claims(image);
    let opened = match source::open_file("archive", scratch::file(archive), &LocalOpener) {
        Ok(Opened::Image(image)) => Ok(image),
        Ok(several) => source::pick(several, None),
        Err(error) => Err(error),
    };
    let same = match opened {
        Ok(same) => same,
        Err(error) => {
            // An archive is looked at for its layers when it is opened, other places when they are read.
            let is_missing = image.layers.iter().any(|layer| layer.open().is_err());
            assert!(
                is_missing,
                "opened by its blobs, and not in an archive: {}",
                super::chain(&error)
            );
            return;
        }
    };
    assert_eq!(same.configuration, image.configuration);
    assert_eq!(same.manifest, image.manifest);
    let of = |image: &Image| {
        let mut inspection = inspect(image).map(|inspection| inspection.to_json());
        inspection = inspection.map(|text| text.replace("archive", "image"));
        inspection.map_err(|error| super::chain(&error).replace("archive", "image"))
    };
    let (one, other) = (of(image), of(&same));
    assert_eq!(one.is_ok(), other.is_ok(), "{one:?} and {other:?}");
}
