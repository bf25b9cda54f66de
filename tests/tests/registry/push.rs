//! The requests of a push, and what it sends.

use std::collections::BTreeSet;
use std::fs;

use serde_json::json;
use terrine_tests::proxy::{Proxy, Request};
use terrine_tests::registry::Registry;
use terrine_tests::shipment::{Shipment, hashed};
use terrine_tests::{Archive, Run, skopeo};

use super::{GZIP, MANIFEST, PLAIN, json_of, layers, manifest, text, uploads};

/// The requests that move or change anything but manifests.
fn moves(request: &Request) -> bool {
    request.of_upload() || request.method == "GET" && request.of_blob()
}

#[test]
fn a_push_is_what_skopeo_reads_and_the_archive_of_the_same_build() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let proxy = Proxy::to(&registry);
    let shipment = Shipment::small();
    let to = format!("docker://{}/acme/web:1", proxy.host());
    shipment
        .build(&to, &["--annotation", "org.example.note=hello"])
        .ok();
    assert!(shipment.is_valid(&to));
    let manifest = manifest(&registry, "acme/web", "1");
    assert_eq!(manifest["mediaType"], MANIFEST);
    assert!(layers(&manifest).len() == 4 && manifest["layers"][0]["mediaType"] == GZIP);
    // The same image as the archive.
    let run = Run::of(&mut shipment.at_home(shipment.spec().command("build"))).ok();
    let archive = Archive::read(run.stdout);
    assert_eq!(
        manifest["config"]["digest"],
        format!("sha256:{}", archive.id)
    );
    let config = json_of(
        &registry
            .blob("acme/web", &text(&manifest["config"]["digest"]))
            .unwrap(),
    );
    assert_eq!(config, archive.config());
    // What is said of it.
    let annotations = &manifest["annotations"];
    assert_eq!(annotations["org.example.note"], "hello");
    assert_eq!(annotations["dev.terrine.plan.policy"], "least-pull");
    for name in [
        "dev.terrine.plan.component",
        "dev.terrine.plan.request",
        "dev.terrine.compression",
    ] {
        assert!(annotations[name].is_string(), "{name}: {annotations}");
    }
    let named: Vec<String> = manifest["layers"].as_array().unwrap()[..3]
        .iter()
        .map(|layer| text(&layer["annotations"]["dev.terrine.store-paths"]))
        .collect();
    for name in ["a", "b", "c"] {
        let path = format!("[\"{}\"]", shipment.store.path(&hashed(name)));
        assert!(named.contains(&path), "{named:?}");
    }
    // What others read.
    let host = proxy.host();
    let inspected = [
        "inspect",
        "--tls-verify=false",
        &format!("docker://{host}/acme/web:1"),
    ];
    let Some(run) = skopeo::skopeo(shipment.home(), &inspected) else {
        return;
    };
    assert_eq!(json_of(&run.stdout)["Layers"], json!(layers(&manifest)));
    let out = shipment.home().join("pulled.tar");
    let pulled = format!("docker-archive:{}:web:1", out.display());
    let source = format!("docker://{host}/acme/web:1");
    skopeo::skopeo(
        shipment.home(),
        &["copy", "-q", "--src-tls-verify=false", &source, &pulled],
    );
    let unpacked = shipment
        .terrine(&["inspect", "--format", "json", "pulled.tar"])
        .ok();
    assert!(String::from_utf8_lossy(&unpacked.stdout).contains(&archive.id));
}

#[test]
fn a_manifest_goes_up_after_all_its_blobs() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let proxy = Proxy::to(&registry);
    let shipment = Shipment::small();
    shipment
        .build(&format!("docker://{}/acme/web:1", proxy.host()), &[])
        .ok();
    let requests = proxy.requests();
    let puts: Vec<&Request> = requests
        .iter()
        .filter(|request| request.method == "PUT")
        .collect();
    let (last, blobs) = puts.split_last().unwrap();
    assert!(last.is("PUT", "/manifests/1"), "{}", proxy.story());
    assert!(
        blobs
            .iter()
            .all(|request| request.of_upload() && request.status == Some(201))
    );
    let manifest = manifest(&registry, "acme/web", "1");
    let mut expected: BTreeSet<String> = layers(&manifest).into_iter().collect();
    expected.insert(text(&manifest["config"]["digest"]));
    let sent: BTreeSet<String> = blobs
        .iter()
        .map(|put| put.value("digest").unwrap())
        .collect();
    assert_eq!(sent, expected);
}

#[test]
fn an_unchanged_push_asks_only_and_reads_no_file() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let proxy = Proxy::to(&registry);
    let shipment = Shipment::small();
    let to = format!("docker://{}/acme/web:1", proxy.host());
    shipment.build(&to, &[]).ok();
    let first = registry.manifest("acme/web", "1");
    proxy.forget();
    // There is nothing left to be read.
    shipment.remove_files();
    let run = shipment.build(&to, &[]).ok();
    assert!(
        run.stderr.contains("all layers already existed"),
        "{}",
        run.stderr
    );
    assert_eq!(registry.manifest("acme/web", "1"), first);
    assert_eq!(proxy.count(moves), 0, "{}", proxy.story());
    assert_eq!(
        proxy.count(|request| request.is("HEAD", "/blobs/")),
        5,
        "{}",
        proxy.story()
    );
    // It is not the image of what is there now, which was not looked at.
    shipment.build(&to, &["--no-cache"]).ok();
    assert_ne!(registry.manifest("acme/web", "1"), first);
}

#[test]
fn without_the_cache_the_bytes_are_the_same() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let shipment = Shipment::small();
    let push = |tag: &str, arguments: &[&str]| {
        let to = format!("docker://{}/acme/web:{tag}", registry.host());
        shipment.build(&to, arguments).ok();
        registry.manifest("acme/web", tag).unwrap().digest
    };
    let first = push("1", &[]);
    assert_eq!(push("2", &[]), first);
    assert_eq!(push("3", &["--no-cache"]), first);
    fs::remove_file(shipment.database()).unwrap();
    assert_eq!(push("4", &[]), first);
    assert_eq!(push("5", &["--jobs", "1"]), first);
}

#[test]
fn one_changed_path_is_one_layer_to_send() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let proxy = Proxy::to(&registry);
    let mut shipment = Shipment::small();
    let to = format!("docker://{}/acme/web:1", proxy.host());
    shipment.build(&to, &[]).ok();
    let before: BTreeSet<String> = layers(&manifest(&registry, "acme/web", "1"))
        .into_iter()
        .collect();
    shipment.change("b", 250_000);
    proxy.forget();
    shipment.build(&to, &[]).ok();
    assert!(shipment.is_valid(&to));
    let after: BTreeSet<String> = layers(&manifest(&registry, "acme/web", "1"))
        .into_iter()
        .collect();
    let new: Vec<&String> = after.difference(&before).collect();
    let requests = proxy.requests();
    let sent: Vec<String> = requests
        .iter()
        .filter(|put| put.method == "PUT")
        .filter_map(|request| request.value("digest"))
        .collect();
    // And the configuration.
    assert!(
        new.len() == 1 && sent.len() == 2,
        "{new:?} {}",
        proxy.story()
    );
    assert!(sent.contains(new[0]), "{new:?} {sent:?}");
}

#[test]
fn another_repository_takes_layers_over() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let proxy = Proxy::to(&registry);
    let shipment = Shipment::small();
    let to = |name: &str| format!("docker://{}/{name}:1", proxy.host());
    shipment.build(&to("acme/web"), &[]).ok();
    proxy.forget();
    shipment.remove_files();
    shipment.build(&to("other/web"), &[]).ok();
    assert!(shipment.is_valid(&to("other/web")));
    let mounts = proxy
        .count(|request: &Request| request.value("mount").is_some() && request.status == Some(201));
    // The configuration as well.
    assert_eq!(mounts, 5, "{}", proxy.story());
    assert_eq!(uploads(&proxy), 0, "{}", proxy.story());
    // A repository that has it no more is asked once.
    for layer in layers(&manifest(&registry, "acme/web", "1")) {
        registry.delete_blob("acme/web", &layer);
        registry.delete_blob("other/web", &layer);
    }
    proxy.forget();
    shipment.build(&to("third/web"), &[]).ok();
    let asked = proxy.count(|request: &Request| request.value("mount").is_some());
    assert!((1..=8).contains(&asked), "{}", proxy.story());
}

#[test]
fn layers_are_compressed_as_is_asked_for() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let shipment = Shipment::small();
    let mut ids = BTreeSet::new();
    let mut described = BTreeSet::new();
    for (number, (how, kind)) in [
        ("none", PLAIN),
        ("gzip", GZIP),
        ("gzip:1", GZIP),
        ("gzip:9", GZIP),
        ("zstd", ""),
        ("zstd:19", ""),
    ]
    .into_iter()
    .enumerate()
    {
        let to = format!("docker://{}/acme/web:{number}", registry.host());
        shipment.build(&to, &["--compression", how]).ok();
        assert!(shipment.is_valid(&to), "{how}");
        let manifest = manifest(&registry, "acme/web", &number.to_string());
        let kind = if kind.is_empty() {
            "application/vnd.oci.image.layer.v1.tar+zstd"
        } else {
            kind
        };
        for layer in manifest["layers"].as_array().unwrap() {
            assert_eq!(layer["mediaType"], kind, "{how}");
        }
        ids.insert(text(&manifest["config"]["digest"]));
        described.insert(text(&manifest["annotations"]["dev.terrine.compression"]));
    }
    assert_eq!(ids.len(), 1, "compression is no part of the image");
    assert!(described.len() >= 5, "{described:?}");
    let run = shipment.build("docker://localhost:1/x:1", &["--compression", "zstd:99"]);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
}
