//! Descriptors, configurations and indexes that lie, or have no end.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::{Value, json};
use terrine_tests::archive::digest;
use terrine_tests::registry::Registry;
use terrine_tests::{Run, base};

use super::{CONFIG, INDEX, Layout, MANIFEST, TAR, oci, refused};

#[test]
fn descriptors_that_lie_are_found_out() {
    let plain = base::layer("etc/x", b"x");
    let with = |change: &dyn Fn(&Layout, &mut Value)| {
        let layout = Layout::new();
        let mut layer = layout.put(TAR, &plain);
        change(&layout, &mut layer);
        let image = layout.image(&[layer], &[format!("sha256:{}", digest(&plain))]);
        layout.index(&json!([image]));
        layout
    };
    type Change<'a> = &'a dyn Fn(&Layout, &mut Value);
    let changes: &[(&str, Change<'_>, &[&str])] = &[
        (
            "too small",
            &|_, layer| layer["size"] = json!(10),
            &["bytes, not 10"],
        ),
        (
            "too large",
            &|_, layer| layer["size"] = json!(u64::MAX),
            &["bytes, not 18446744073709551615"],
        ),
        (
            "another digest",
            &|layout, layer| {
                layer["digest"] = json!(format!("sha256:{}", "1".repeat(64)));
                fs::write(layout.blob(&"1".repeat(64)), base::layer("etc/x", b"y")).unwrap();
            },
            &["digest", "expected"],
        ),
        (
            "no digest",
            &|_, layer| layer["digest"] = json!("sha256:../../../etc/passwd"),
            &["cannot be used"],
        ),
        (
            "another algorithm",
            &|_, layer| layer["digest"] = json!("md5:00"),
            &["cannot be used"],
        ),
        (
            "a kind that nobody knows",
            &|_, layer| layer["mediaType"] = json!("text/html"),
            &["not a layer of an image"],
        ),
        (
            "a blob that is not there",
            &|layout, layer| {
                fs::remove_file(layout.blob(layer["digest"].as_str().unwrap())).unwrap();
            },
            &["it has no member"],
        ),
        (
            "a blob that is a link",
            &|layout, layer| {
                let blob = layout.blob(layer["digest"].as_str().unwrap());
                let real = layout.path().join("real");
                fs::rename(&blob, &real).unwrap();
                symlink(real, blob).unwrap();
            },
            &["is not a file"],
        ),
        (
            "a blob that is a fifo",
            &|layout, layer| {
                let blob = layout.blob(layer["digest"].as_str().unwrap());
                fs::remove_file(&blob).unwrap();
                Run::of(Command::new("mkfifo").arg(blob)).ok();
            },
            &["is not a file"],
        ),
        (
            "a blob that is a directory",
            &|layout, layer| {
                let blob = layout.blob(layer["digest"].as_str().unwrap());
                fs::remove_file(&blob).unwrap();
                fs::create_dir(blob).unwrap();
            },
            &["is not a file"],
        ),
    ];
    for (what, change, says) in changes {
        refused(what, &oci(&with(change)), says);
    }
}

#[test]
fn configurations_that_lie_are_found_out() {
    let plain = base::layer("etc/x", b"x");
    let id = format!("sha256:{}", digest(&plain));
    let layout = Layout::new();
    let layer = layout.put(TAR, &plain);
    let ids = |count: usize| vec![id.clone(); count];
    for (what, layers, diff_ids, says) in [
        (
            "more diff ids",
            1,
            ids(2),
            "it lists 1 layers and 2 diff ids",
        ),
        ("fewer", 2, ids(1), "it lists 2 layers and 1 diff ids"),
        ("none", 1, vec![], "it lists 1 layers and 0 diff ids"),
        (
            "many diff ids",
            1,
            ids(100_000),
            "it lists 1 layers and 100000 diff ids",
        ),
        (
            "many layers",
            5000,
            ids(5000),
            "but at most 1000 are allowed",
        ),
        (
            "another diff id",
            1,
            vec![format!("sha256:{}", "2".repeat(64))],
            "sha256:2222",
        ),
        ("no diff id", 1, vec!["x".to_owned()], "cannot be read"),
    ] {
        let image = layout.image(&vec![layer.clone(); layers], &diff_ids);
        layout.index(&json!([image]));
        refused(what, &oci(&layout), &[says]);
    }
    for (what, text) in [
        ("no JSON", "x".to_owned()),
        (
            "deep",
            format!("{}{}", r#"{"rootfs":"#.repeat(100_000), "1"),
        ),
        ("deep lists", "[".repeat(1_000_000)),
        (
            "twice",
            format!(
                r#"{{"rootfs":{{"type":"layers","diff_ids":["{id}"]}},"rootfs":{{"type":"layers","diff_ids":[]}}}}"#
            ),
        ),
        ("a number", "1e999999999".to_owned()),
        (
            "a huge number",
            format!(r#"{{"rootfs":{}}}"#, "9".repeat(1_000_000)),
        ),
        ("nothing", String::new()),
        ("not UTF-8", "\u{0}".to_owned()),
    ] {
        let config = layout.put(CONFIG, text.as_bytes());
        let image = layout.manifest(&config, std::slice::from_ref(&layer));
        layout.index(&json!([image]));
        refused(
            what,
            &oci(&layout),
            &["cannot be read", "it lists 1 layers", "cannot be used"],
        );
    }
    // Said to be huge; nothing of that is made room for.
    let mut config = layout.put(CONFIG, b"{}");
    config["size"] = json!(1_u64 << 60);
    let image = layout.manifest(&config, &[layer]);
    layout.index(&json!([image]));
    refused(
        "a configuration of an exbibyte",
        &oci(&layout),
        &["are allowed"],
    );
}

#[test]
fn indexes_have_an_end() {
    let layout = Layout::new();
    let plain = base::layer("etc/x", b"x");
    let layer = layout.put(TAR, &plain);
    let image = layout.image(&[layer], &[format!("sha256:{}", digest(&plain))]);
    let index = |manifests: &Value| {
        let text =
            json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).to_string();
        layout.put(INDEX, text.as_bytes())
    };
    let mut nested = image.clone();
    for _ in 0..50 {
        nested = index(&json!([nested]));
    }
    layout.index(&json!([nested]));
    refused("fifty deep", &oci(&layout), &["nested too deep"]);
    // Ten in each of ten in each of ten: a thousand and more.
    let mut wide = index(&json!(vec![image.clone(); 30]));
    for _ in 0..2 {
        wide = index(&json!(vec![wide; 30]));
    }
    layout.index(&json!([wide]));
    refused("many in many", &oci(&layout), &["manifests", "holds"]);
    layout.index(&json!(vec![image.clone(); 5000]));
    refused(
        "many",
        &oci(&layout),
        &["it lists 5000 manifests, but at most 1000 are allowed"],
    );
    // Its digest is that of something else, or it would not be possible.
    let own = "3".repeat(64);
    let entry = json!({"mediaType": INDEX, "digest": format!("sha256:{own}"), "size": 400});
    let mut text =
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).to_string();
    text.push_str(&" ".repeat(400 - text.len()));
    fs::write(layout.blob(&own), text).unwrap();
    layout.index(&json!([entry]));
    refused(
        "itself",
        &oci(&layout),
        &["it has the digest", "has the digest"],
    );
    // Kinds that disagree.
    let mut other = image.clone();
    other["mediaType"] = json!(INDEX);
    layout.index(&json!([other]));
    refused(
        "an index that is a manifest",
        &oci(&layout),
        &["cannot be used"],
    );
    layout.index(&json!([]));
    refused("an empty index", &oci(&layout), &["lists no image"]);
    for (what, text) in [
        ("deep JSON", "[".repeat(2_000_000)),
        ("no list", r#"{"schemaVersion":2,"manifests":7}"#.to_owned()),
        (
            "twice",
            r#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#.to_owned(),
        ),
        ("too large", " ".repeat(5 << 20)),
    ] {
        fs::write(layout.path().join("index.json"), text).unwrap();
        refused(what, &oci(&layout), &["cannot be used", "are allowed"]);
    }
    fs::remove_file(layout.path().join("index.json")).unwrap();
    Run::of(Command::new("mkfifo").arg(layout.path().join("index.json"))).ok();
    refused("an index that is a fifo", &oci(&layout), &["is not a file"]);
    fs::remove_file(layout.path().join("oci-layout")).unwrap();
    Run::of(Command::new("mkfifo").arg(layout.path().join("oci-layout"))).ok();
    refused("a marker that is a fifo", &oci(&layout), &["is not a file"]);
}

#[test]
fn what_a_registry_holds_is_not_believed() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let plain = base::layer("etc/x", b"x");
    let id = format!("sha256:{}", digest(&plain));
    let put = |tag: &str, layer: Value, config: &Value| {
        let text = config.to_string();
        let config = registry.put_blob("evil/web", text.as_bytes());
        let config = json!({"mediaType": CONFIG, "digest": config, "size": text.len()});
        let manifest =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
        registry.put_manifest("evil/web", tag, MANIFEST, manifest.to_string().as_bytes());
        format!("docker://{}/evil/web:{tag}", registry.host())
    };
    let blob = registry.put_blob("evil/web", &plain);
    let config = |ids: &Value| json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ids}});
    let layer = |size: u64, kind: &str| json!({"mediaType": kind, "digest": blob, "size": size});
    let size = plain.len() as u64;
    for (tag, layer, ids, says) in [
        ("small", layer(10, TAR), json!([id]), "bytes, not 10"),
        (
            "large",
            layer(1 << 50, TAR),
            json!([id]),
            "bytes, not 1125899906842624",
        ),
        (
            "id",
            layer(size, TAR),
            json!([format!("sha256:{}", "4".repeat(64))]),
            "sha256:4444",
        ),
        (
            "many",
            layer(size, TAR),
            json!(vec![&id; 3]),
            "it lists 1 layers and 3 diff ids",
        ),
    ] {
        let image = put(tag, layer, &config(&ids));
        refused(tag, &image, &[says]);
    }
}
