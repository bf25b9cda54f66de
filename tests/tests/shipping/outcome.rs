//! The state in the end.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use terrine_tests::Run;
use terrine_tests::base::{BaseImage, layer};
use terrine_tests::registry::Registry;

use super::{Place, index};

/// Runs a command line with fewer open files than the image has layers.
fn with_few_files(place: &Place, line: &str) {
    let command = place.command(line);
    let mut limited = Command::new("sh");
    limited
        .args(["-c", r#"ulimit -n 256 && exec "$@""#, "sh"])
        .arg(command.get_program());
    limited.args(command.get_args()).current_dir(place.root());
    Run::of(&mut limited).ok();
}

#[test]
fn an_image_may_have_more_layers_than_there_may_be_open_files() {
    let place = Place::new();
    let layers: Vec<Vec<u8>> = (0..300)
        .map(|number| layer(&format!("etc/{number}"), &[b'x'; 100]))
        .collect();
    let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    fs::write(
        place.root().join("many.tar"),
        BaseImage::old(&layers, &[]).archive(),
    )
    .unwrap();
    with_few_files(&place, "copy many.tar oci-archive:archive.tar --no-cache");
    place.run("verify archive.tar").ok();
    let Some(registry) = Registry::start() else {
        return;
    };
    let many = format!("docker://{}/many:1", registry.host());
    place.run(&format!("copy many.tar {many}")).ok();
    with_few_files(&place, &format!("copy {many} docker-archive:copy.tar"));
    place.run("verify copy.tar").ok();
    with_few_files(&place, &format!("merge {many} web.tar -o both.tar"));
    assert_eq!(place.names("both.tar").as_array().map(Vec::len), Some(2));
    with_few_files(&place, &format!("export {many} -o files.tar"));
}

#[test]
fn the_summary_of_a_shipped_image_says_what_is_where() {
    let place = Place::new();
    let summary = |line: &str| {
        place.run(&format!("{line} --summary web.json")).ok();
        let facts: Value = serde_json::from_slice(&place.file("web.json")).unwrap();
        let there: Vec<Value> = facts["layers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|layer| layer["wasThere"].clone())
            .collect();
        (facts, there)
    };
    let (first, there) = summary("BUILD --to oci:layout:web --compression gzip");
    assert_eq!(there, [false, false, false]);
    let (second, there) = summary("BUILD --to oci:layout:web --compression gzip");
    assert_eq!(there, [true, true, true]);
    assert_eq!(first["manifest"], second["manifest"]);
    let inspected = place.run("inspect oci:layout:web --format json").ok();
    let inspected: Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!(first["manifest"]["digest"], inspected["manifest"]["digest"]);
    // The component is in the manifest, and another whenever it is built by another compiler.
    let text = serde_json::to_string_pretty(&second).unwrap();
    let digest = second["manifest"]["digest"].as_str().unwrap();
    let planner = second["planner"]["digest"].as_str().unwrap();
    let text = text
        .replace(digest, "[MANIFEST]")
        .replace(planner, "[PLANNER]");
    insta::assert_snapshot!("summary", text);
    let (archive, there) = summary("BUILD -o new.tar");
    assert_eq!(
        (&archive["manifest"], there),
        (&Value::Null, vec![Value::Null; 3])
    );
}

#[test]
fn a_base_in_a_layout_is_planned_and_built_on() {
    let place = Place::new();
    place
        .run("copy web.tar oci:layout:base --compression zstd")
        .ok();
    index(&place);
    for base in ["oci:layout:base", "layout", "oci:index:web"] {
        let line = format!("image.json --store-root . --from-image {base} --format json");
        let plan = place.run(&format!("plan {line}")).ok();
        let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
        let kinds: Vec<&Value> = plan["layers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|l| &l["kind"])
            .collect();
        assert_eq!(kinds, ["base", "base", "store", "store", "root"], "{base}");
    }
    let table = "plan image.json --store-root . --from-image oci:layout:base --format table";
    insta::assert_snapshot!("plan", place.said(&[table]));
    place
        .run("BUILD --from-image oci:layout:base --to oci:out:web")
        .ok();
    place.run("verify oci:out:web").ok();
}

/// The digests of the layers of an image.
fn blobs(place: &Place, image: &str) -> Vec<String> {
    let run = place.run(&format!("inspect {image}")).ok();
    let facts: Value = serde_json::from_slice(&run.stdout).unwrap();
    let layers = facts["layers"].as_array().unwrap();
    layers
        .iter()
        .map(|layer| layer["digest"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_damaged_blob_is_mended_by_whoever_makes_it_again() {
    let place = Place::new();
    place.run("BUILD --to oci:layout:1").ok();
    let blob = &blobs(&place, "oci:layout:1")[0];
    let path = place
        .root()
        .join("layout/blobs/sha256")
        .join(blob.trim_start_matches("sha256:"));
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 2000;
    bytes[last] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(place.run("verify oci:layout:1").code, Some(1));
    place.run("BUILD --to oci:layout:2").ok();
    place.run("verify oci:layout:1 oci:layout:2").ok();
}

#[test]
fn what_is_in_a_registry_is_not_sent_again_by_who_has_no_cache() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let place = Place::new();
    let host = registry.host();
    let line = format!("copy --no-cache web.tar docker://{host}/acme/web:1");
    assert!(place.run(&line).ok().stderr.contains(" sent"));
    let again = place.run(&line).ok().stderr;
    assert!(!again.contains(" sent"), "{again}");
    // The image's own tag counts where the target names none.
    place
        .run(&format!("BUILD --to docker://{host}/acme/own"))
        .ok();
    assert_eq!(registry.tags("acme/own"), ["1.2"]);
    place
        .run(&format!("copy web.tar docker://{host}/acme/none"))
        .ok();
    assert_eq!(registry.tags("acme/none"), ["latest"]);
}

#[test]
fn a_level_that_is_asked_for_is_what_comes() {
    let place = Place::new();
    place
        .run("copy web.tar oci:layout:1 --compression gzip:1")
        .ok();
    let first = blobs(&place, "oci:layout:1");
    place
        .run("copy oci:layout:1 oci:layout:same --compression gzip")
        .ok();
    assert_eq!(blobs(&place, "oci:layout:same"), first);
    place
        .run("copy oci:layout:1 oci:layout:9 --compression gzip:9")
        .ok();
    assert_ne!(blobs(&place, "oci:layout:9"), first);
}

#[test]
fn what_a_manifest_says_of_others_is_kept_when_it_is_made_anew() {
    let place = Place::new();
    place.run("copy web.tar oci:layout:1").ok();
    let index = place.root().join("layout/index.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
    let blob = |digest: &Value| {
        let hex = digest
            .as_str()
            .unwrap()
            .trim_start_matches("sha256:")
            .to_owned();
        place.root().join("layout/blobs/sha256").join(hex)
    };
    let entry = &mut json["manifests"][0];
    let mut manifest: Value =
        serde_json::from_slice(&fs::read(blob(&entry["digest"])).unwrap()).unwrap();
    manifest["artifactType"] = json!("application/x");
    manifest["subject"] = json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": entry["digest"], "size": entry["size"],
    });
    let subject = manifest["subject"].clone();
    let bytes = manifest.to_string().into_bytes();
    entry["digest"] = json!(format!("sha256:{}", terrine_tests::archive::digest(&bytes)));
    entry["size"] = json!(bytes.len());
    fs::write(blob(&entry["digest"]), bytes).unwrap();
    fs::write(&index, json.to_string()).unwrap();
    place
        .run("copy oci:layout:1 oci:layout:2 --annotation a=b")
        .ok();
    let json: Value = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
    let entries = json["manifests"].as_array().unwrap();
    let copied = entries
        .iter()
        .find(|entry| entry["annotations"]["org.opencontainers.image.ref.name"] == "2");
    let copied: Value =
        serde_json::from_slice(&fs::read(blob(&copied.unwrap()["digest"])).unwrap()).unwrap();
    assert_eq!(
        (&copied["artifactType"], &copied["subject"]),
        (&json!("application/x"), &subject)
    );
    assert_eq!(copied["annotations"]["a"], "b");
}
