//! The `index.json` of layouts that others write, too: what is not ours stays as it is.

use std::cell::OnceCell;
use std::fs;

use serde_json::Value;
use terrine::layout::Layout;
use terrine::oci::{Descriptor, MediaType};

use super::documents;
use crate::format::Format;
use crate::{Limit, Target};

const WORDS: &[&str] = &[
    "schemaVersion",
    "mediaType",
    "manifests",
    "annotations",
    "digest",
    "size",
    "platform",
    "org.opencontainers.image.ref.name",
    "name",
    "other",
    "io.containerd.image.name",
];
const REF_NAME: &str = "org.opencontainers.image.ref.name";

pub(super) const TARGET: Target = Target {
    name: "layouts",
    format: Format::Json(WORDS),
    seeds,
    run,
    short: 600,
    longest: 8 << 10,
    limit: Limit::USUAL,
};

fn seeds() -> Vec<Vec<u8>> {
    let descriptor = documents::manifest().to_document().descriptor();
    let entry = serde_json::to_value(&descriptor).expect("a descriptor as JSON");
    let mut named = entry.clone();
    named["annotations"] = serde_json::json!({ REF_NAME: "name" });
    let mut other = entry.clone();
    other["annotations"] = serde_json::json!({ REF_NAME: "other" });
    let index = |manifests: Value| serde_json::json!({ "schemaVersion": 2, "x": 1.50, "manifests": manifests, "annotations": {} });
    [
        index(serde_json::json!([])),
        index(serde_json::json!([named, other, entry, {}])),
        serde_json::json!({ "schemaVersion": 2, "manifests": null }),
    ]
    .iter()
    .map(|index| index.to_string().into_bytes())
    .collect()
}

/// A layout, and the manifest in it.
struct Fixture {
    _folder: tempfile::TempDir,
    layout: Layout,
    manifest: Descriptor,
}

thread_local! {
    static FIXTURE: OnceCell<Fixture> = const { OnceCell::new() };
}

fn fixture() -> Fixture {
    let folder = super::folder();
    let layout = Layout::create(&folder.path().join("layout")).expect("a layout");
    let manifest = layout.put(b"{}", MediaType::OciManifest).expect("a blob");
    Fixture {
        _folder: folder,
        layout,
        manifest,
    }
}

fn run(data: &[u8]) -> bool {
    FIXTURE.with(|cell| {
        let Fixture {
            layout, manifest, ..
        } = cell.get_or_init(fixture);
        fs::write(layout.path().join("index.json"), data).expect("an index");
        let tagged = layout.tag(manifest.clone(), Some("name"));
        let files = fs::read_dir(layout.path()).expect("a layout").count();
        assert_eq!(files, 3, "an index, a marker, blobs, and nothing else");
        let text = layout.index_text().expect("an index");
        if tagged.is_err() {
            assert_eq!(text, data, "an index that is refused stays as it is");
            return false;
        }
        check(data, &text, manifest);
        layout
            .tag(manifest.clone(), Some("name"))
            .expect("an image that is listed is listed again");
        assert_eq!(layout.index_text().expect("an index"), text, "listed twice");
        true
    })
}

/// Checks that an image was listed, and nothing else has changed.
fn check(before: &[u8], after: &[u8], manifest: &Descriptor) {
    let parse = |text| serde_json::from_slice::<Value>(text).expect("an index as JSON");
    let (before, after) = (parse(before), parse(after));
    let named = |entry: &Value| entry["annotations"][REF_NAME] == "name";
    let entries = |index: &Value| index["manifests"].as_array().cloned().unwrap_or_default();
    let listed = entries(&after);
    let ours = |entry: &&Value| named(entry) && entry["digest"] == manifest.digest.to_string();
    assert_eq!(
        listed.iter().filter(ours).count(),
        1,
        "listed once: {after}"
    );
    for entry in entries(&before) {
        assert!(
            named(&entry) || listed.contains(&entry),
            "an entry is gone: {entry}"
        );
    }
    for (key, value) in before.as_object().into_iter().flatten() {
        assert!(
            key == "manifests" || after.get(key) == Some(value),
            "`{key}` has changed"
        );
    }
}
