//! Claims about layers: entries of repositories of layers, with the annotations that manifests of images have as well.

use terrine::cache::Plain;
use terrine::claims::Entry;
use terrine_binary_cache::PublicKey;
use terrine_oci::{Descriptor, Digest, Document, MediaType};

use crate::format::Format;
use crate::{Limit, Target};

const WORDS: &[&str] = &[
    "artifactType",
    "application/vnd.dev.terrine.layer.v1+json",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "dev.terrine.layer.key",
    "dev.terrine.layer.diff-id",
    "dev.terrine.layer.uncompressed-size",
    "dev.terrine.layer.author",
    "dev.terrine.layer.signature",
    "dev.terrine.compression",
    "layers",
    "config",
    "annotations",
    "digest",
    "size",
    "mediaType",
    "18446744073709551615",
    "gzip level 4\n",
    "\u{1b}[2J",
    "k:c2ln",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
];

/// A key that has signed nothing.
const KEY: &str = "test-1:A0MbiZIFD3QuM4SyEm8Pj3uv0QtmzfeKABKrolPmzd4=";

pub(super) const TARGET: Target = Target {
    name: "claims",
    format: Format::Json(WORDS),
    seeds,
    run,
    short: 10_000,
    longest: 8 << 10,
    limit: Limit::USUAL,
};

fn seeds() -> Vec<Vec<u8>> {
    let plain = Entry {
        key: Digest::of(b"key"),
        setting: "gzip level 4".to_owned(),
        plain: Plain {
            diff_id: Digest::of(b"plain"),
            size: 5,
        },
        blob: Descriptor::of(MediaType::OciLayerGzip, b"blob"),
        author: None,
        signature: None,
    };
    let named = Entry {
        author: Some("ci 7".to_owned()),
        signature: Some("test-1:c2ln".to_owned()),
        ..plain.clone()
    };
    [plain, named].map(|entry| entry.to_document().bytes).into()
}

/// An entry that is read is written as the same entry, and the signed text has a line for each field.
fn run(input: &[u8]) -> bool {
    let Ok(document) = Document::parse(input.to_vec(), None) else {
        return false;
    };
    let Some(entry) = Entry::parse(&document) else {
        return false;
    };
    assert_eq!(entry.signed_text().lines().count(), 9, "{entry:?}");
    let key = PublicKey::parse(KEY).expect("a key");
    assert!(!entry.is_trusted(&[key]) && entry.is_trusted(&[]));
    let shown = entry.author_at("docker://r/layers:layer-1");
    assert!(!shown.contains(char::is_control), "{shown}");
    let again = Entry::parse(&entry.to_document());
    assert_eq!(again.as_ref(), Some(&entry));
    true
}
