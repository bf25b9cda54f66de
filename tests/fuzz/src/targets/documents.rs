//! Documents of images: manifests, indexes, configurations, and what their histories and annotations say.

use std::collections::BTreeSet;

use terrine_oci::{
    Annotations, ArchiveManifest, Configuration, Content, Descriptor, Digest, Document, Index,
    Manifest, MediaType, annotation, store_paths,
};

use crate::format::Format;
use crate::{Limit, Target};

const WORDS: &[&str] = &[
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "subject",
    "annotations",
    "digest",
    "size",
    "platform",
    "architecture",
    "os",
    "os.version",
    "os.features",
    "variant",
    "rootfs",
    "diff_ids",
    "history",
    "created",
    "created_by",
    "comment",
    "empty_layer",
    "Config",
    "RepoTags",
    "Layers",
    "linux",
    "amd64",
    "v8",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "dev.terrine.store-paths",
    "[\"/nix/store/a\"]",
    "store paths: ['/nix/store/a', \"it's\"]",
    "2",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
];

pub(super) const TARGET: Target = Target {
    name: "documents",
    format: Format::Json(WORDS),
    seeds,
    run,
    short: 10_000,
    longest: 8 << 10,
    limit: Limit::USUAL,
};

/// A manifest of one layer, with annotations.
pub(super) fn manifest() -> Manifest {
    let of = |media_type, bytes: &[u8]| Descriptor::of(media_type, bytes);
    let mut layer = of(MediaType::OciLayerGzip, b"layer");
    let annotations = [
        (annotation::STORE_PATHS, "[\"/nix/store/a\"]".to_owned()),
        (annotation::LAYER_KEY, Digest::of(b"key").to_string()),
        (annotation::LAYER_DIFF_ID, Digest::of(b"plain").to_string()),
        (annotation::LAYER_SIZE, "5".to_owned()),
    ];
    let annotations = annotations.map(|(name, value)| (name.to_owned(), value));
    layer.annotations = Annotations::from(annotations);
    let own = [("a", "b"), (annotation::COMPRESSION, "gzip")];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Manifest::new(
        of(MediaType::OciConfig, b"config"),
        vec![layer],
        Annotations::from(own),
    )
}

/// A configuration as builders write it.
pub(super) fn configuration(diff_ids: &[String]) -> String {
    serde_json::json!({
        "architecture": "amd64", "os": "linux", "os.version": "10.0", "variant": null, "created": "1970-01-01T00:00:01Z",
        "config": { "Cmd": ["/bin/sh"], "Env": ["PATH=/bin"] },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": [
            { "created_by": "x", "empty_layer": true },
            { "comment": "store paths: ['/nix/store/a', \"it's\\n\\x7f\\u200b\\U0001f600\"]" },
        ],
    })
    .to_string()
}

fn seeds() -> Vec<Vec<u8>> {
    let document = manifest().to_document();
    let mut listed = document.descriptor();
    listed.platform = "linux/arm/v7".parse().ok();
    let index = Index::new(vec![listed, document.descriptor()], Annotations::new()).to_document();
    let docker = String::from_utf8_lossy(&document.bytes).replace(
        "vnd.oci.image.manifest.v1",
        "vnd.docker.distribution.manifest.v2",
    );
    let archive = ArchiveManifest {
        config: "c.json".to_owned(),
        repo_tags: vec!["é:1".to_owned()],
        layers: vec!["a/layer.tar".to_owned(), "😀".to_owned()],
    };
    vec![
        document.bytes,
        docker.into_bytes(),
        index.bytes,
        configuration(&[
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".to_owned(),
        ])
        .into_bytes(),
        archive.to_json(),
        br#"{"schemaVersion":2,"manifests":null,"annotations":null}"#.to_vec(),
    ]
}

fn run(data: &[u8]) -> bool {
    let read = document(data);
    let configured = configured(data);
    if let Ok(images) = serde_json::from_slice::<Vec<ArchiveManifest>>(data) {
        let text = ArchiveManifest::list_to_json(&images);
        assert!(
            text.iter().all(|byte| matches!(byte, b'\n' | b' '..=b'~')),
            "printable ASCII alone"
        );
        assert_eq!(
            serde_json::from_slice::<Vec<ArchiveManifest>>(&text).ok(),
            Some(images)
        );
        return true;
    }
    read || configured
}

/// A manifest or an index.
fn document(data: &[u8]) -> bool {
    let Ok(document) = Document::parse(data.to_vec(), None) else {
        return false;
    };
    assert_eq!(document.bytes, data, "kept as it is");
    let given = Some(&document.media_type);
    assert_eq!(
        Document::parse(data.to_vec(), given).as_ref(),
        Ok(&document),
        "of the type that it has itself"
    );
    let descriptor = document.descriptor();
    assert_eq!(
        (descriptor.digest, descriptor.size),
        (document.digest(), data.len() as u64)
    );
    let written = match &document.content {
        Content::Manifest(manifest) => {
            assert!(document.media_type.is_manifest());
            manifest
                .layers
                .iter()
                .for_each(|layer| drop(annotation::store_paths(&layer.annotations)));
            manifest.to_document()
        }
        Content::Index(index) => {
            assert!(document.media_type.is_index());
            index.to_document()
        }
    };
    let again = Document::parse(written.bytes.clone(), given).expect("what is written is read");
    assert_eq!(again.content, document.content, "written and read again");
    let twice = match &again.content {
        Content::Manifest(manifest) => manifest.to_document(),
        Content::Index(index) => index.to_document(),
    };
    assert_eq!(twice.bytes, written.bytes, "written twice");
    true
}

/// A configuration.
fn configured(data: &[u8]) -> bool {
    let Ok(configuration) = Configuration::parse(data.to_vec()) else {
        return false;
    };
    assert_eq!(configuration.text().as_bytes(), data, "kept as it is");
    let platform = configuration.platform();
    assert!(
        platform.satisfies(&platform) || platform.variant.is_none(),
        "{platform}"
    );
    if let Some(history) = configuration.layer_history() {
        assert_eq!(history.len(), configuration.diff_ids().len());
    }
    for entry in configuration.history() {
        if let Some(paths) = store_paths(&entry.comment) {
            let value = annotation::store_paths_value(&paths);
            let annotations = Annotations::from([(annotation::STORE_PATHS.to_owned(), value)]);
            assert_eq!(
                annotation::store_paths(&annotations),
                Some(paths.clone()),
                "as an annotation"
            );
            let text: BTreeSet<char> = entry.comment.chars().collect();
            assert!(paths.is_empty() || text.contains(&'\'') || text.contains(&'"'));
        }
    }
    true
}
