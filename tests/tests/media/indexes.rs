//! Indexes, as terrine and skopeo have them.

use std::fs;

use serde_json::{Value, json};
use terrine_tests::archive::digest;
use terrine_tests::proxy::{Fault, Proxy, Request, When};
use terrine_tests::skopeo::skopeo;
use terrine_tests::{OciLayout, Run, terrine, verify};

use super::written::{Written, configuration, layer};
use super::{Medium, Shelf, TAG, copy, run};

#[test]
fn indexes_are_copied_whole() {
    let Some(shelf) = Shelf::new() else { return };
    let written = Written::new(shelf.path("written"));
    let gzip = |layer: &[u8]| terrine_tests::archive::filter("gzip", &["-nc"], layer);
    let mut entries = vec![];
    for architecture in ["amd64", "arm64"] {
        let plain = layer(architecture);
        let config = configuration(architecture, &[&plain]);
        let config = written.put("application/vnd.oci.image.config.v1+json", &config);
        let blob = written.put("application/vnd.oci.image.layer.v1.tar+gzip", &gzip(&plain));
        let mut image = written.manifest(&config, &[blob]);
        image["platform"] = json!({"architecture": architecture, "os": "linux"});
        // As buildkit writes it: an image by its types, with a layer that is none.
        let statement = written.put(
            "application/vnd.in-toto+json",
            format!("{{\"{architecture}\":1}}").as_bytes(),
        );
        let config = format!(
            "{{\"architecture\":\"unknown\",\"os\":\"unknown\",\"config\":{{}},\"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[{}]}}}}",
            statement["digest"]
        );
        let config = written.put(
            "application/vnd.oci.image.config.v1+json",
            config.as_bytes(),
        );
        let mut attestation = written.manifest(&config, &[statement]);
        attestation["platform"] = json!({"architecture": "unknown", "os": "unknown"});
        attestation["annotations"] = json!({
            "vnd.docker.reference.digest": image["digest"],
            "vnd.docker.reference.type": "attestation-manifest",
        });
        entries.extend([image, attestation]);
    }
    // A list of what is in an image, as the specification has it since version 1.1.
    let nothing = written.put("application/vnd.oci.empty.v1+json", b"{}");
    let list = written.put("text/spdx", b"everything");
    entries.push(written.manifest(&nothing, &[list]));
    let index = written.index(&entries);
    let entry = written.put("application/vnd.oci.image.index.v1+json", &index);
    written.list(entry, TAG);
    let whole = |name: &str| {
        let mut blobs = OciLayout::read(&shelf.path(name)).blobs;
        assert!(
            blobs.contains_key(&format!("sha256:{}", digest(&index))),
            "{name}"
        );
        // Configurations and manifests too: nothing is missing, nothing is left over.
        std::mem::take(&mut blobs).into_keys().collect::<Vec<_>>()
    };
    let all = whole("written");
    let at = |medium, name: &str| shelf.reference(medium, name);
    copy(
        &at(Medium::Layout, "written"),
        &at(Medium::Registry, "pushed"),
    );
    let pushed = shelf.registry.manifest("pushed", TAG).unwrap();
    assert_eq!(pushed.bytes, index);
    copy(
        &at(Medium::Registry, "pushed"),
        &at(Medium::Registry, "again"),
    );
    assert_eq!(shelf.registry.manifest("again", TAG).unwrap().bytes, index);
    copy(
        &at(Medium::Registry, "again"),
        &at(Medium::OciArchive, "archive"),
    );
    copy(
        &at(Medium::OciArchive, "archive"),
        &at(Medium::Layout, "back"),
    );
    assert_eq!(whole("back"), all);
    for medium in [Medium::Layout, Medium::Registry] {
        let name = if medium == Medium::Layout {
            "back"
        } else {
            "again"
        };
        verify(&at(medium, name));
        let picked = at(Medium::Layout, &format!("picked-{name}"));
        run(&[
            "copy",
            &at(medium, name),
            &picked,
            "--platform",
            "linux/arm64",
        ]);
        let image = OciLayout::read(&shelf.path(&format!("picked-{name}"))).image(Some(TAG));
        assert_eq!(image.digest(), entries[2]["digest"].as_str().unwrap());
    }
    // What speaks of images that changed is left out, and that is said.
    let anew = run(&[
        "copy",
        &at(Medium::Layout, "back"),
        &at(Medium::Layout, "zstd"),
        "--compression",
        "zstd",
    ]);
    let said = "warning: 3 attestations, signatures or lists left out: they describe images that have other digests here\n";
    assert!(anew.stderr.ends_with(said), "{}", anew.stderr);
    let same = run(&[
        "copy",
        &at(Medium::Layout, "back"),
        &at(Medium::Layout, "same"),
    ]);
    assert!(!same.stderr.contains("left out"), "{}", same.stderr);
    verify(&at(Medium::Layout, "zstd"));
    let images = OciLayout::read(&shelf.path("zstd")).images(Some(TAG));
    assert_eq!(images.len(), 2);
    assert!(images.iter().all(|(_, image)| image.compressions() == "z"));
}

#[test]
fn an_index_may_list_what_nobody_knows() {
    let Some(shelf) = Shelf::new() else { return };
    let written = Written::new(shelf.path("written"));
    let plain = layer("etc/one");
    let config = written.put(
        "application/vnd.oci.image.config.v1+json",
        &configuration("amd64", &[&plain]),
    );
    let gzip = terrine_tests::archive::filter("gzip", &["-nc"], &plain);
    let blob = written.put("application/vnd.oci.image.layer.v1.tar+gzip", &gzip);
    let image = written.manifest(&config, &[blob]);
    let unknown = written.put("application/vnd.example.thing+json", b"{\"a\":1}");
    let index = written.index(&[image.clone(), unknown.clone()]);
    let entry = written.put("application/vnd.oci.image.index.v1+json", &index);
    written.list(entry, TAG);
    let at = |medium, name: &str| shelf.reference(medium, name);
    let from = at(Medium::Layout, "written");
    // As a blob, as crane has it.
    copy(&from, &at(Medium::Registry, "known"));
    assert_eq!(shelf.registry.manifest("known", TAG).unwrap().bytes, index);
    copy(
        &at(Medium::Registry, "known"),
        &at(Medium::OciArchive, "archive"),
    );
    copy(
        &at(Medium::OciArchive, "archive"),
        &at(Medium::Layout, "back"),
    );
    let blobs = |name: &str| OciLayout::read(&shelf.path(name)).blobs;
    assert_eq!(blobs("back"), blobs("written"));
    // It stays where the images change.
    let (zstd, how) = (at(Medium::Layout, "zstd"), ["--compression", "zstd"]);
    run(&["copy", &from, &zstd, how[0], how[1]]);
    assert!(blobs("zstd").contains_key(unknown["digest"].as_str().unwrap()));
    // A registry that refuses such an index gets it without that.
    let proxy = Proxy::to(&shelf.registry);
    let is_index = |request: &Request| request.is("PUT", &format!("/manifests/{TAG}"));
    proxy.fault(is_index, When::First(1), Fault::status(400));
    let to = format!("docker://{}/refused:{TAG}", proxy.host());
    let said = run(&["copy", &from, &to, &at(Medium::Layout, "beside")]);
    let warning = format!(
        "left out: `{}` of the index",
        unknown["digest"].as_str().unwrap()
    );
    assert!(said.stderr.contains(&warning), "{}", said.stderr);
    let pushed = shelf.registry.manifest("refused", TAG).unwrap();
    let pushed: Value = serde_json::from_slice(&pushed.bytes).unwrap();
    assert_eq!(pushed["manifests"], json!([image]));
    assert_eq!(blobs("beside"), blobs("written"));
    // One that fails has refused nothing.
    proxy.heal();
    proxy.fault(is_index, When::Always, Fault::status(500));
    let to = format!("docker://{}/failed:{TAG}", proxy.host());
    let failed = Run::of(terrine().args(["copy", &from, &to, "--retries", "0"]));
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    assert!(!failed.stderr.contains("left out"), "{}", failed.stderr);
    assert!(shelf.registry.manifest("failed", TAG).is_none());
}

#[test]
fn skopeo_reads_an_index_and_picks_its_platforms() {
    let Some(shelf) = Shelf::new() else { return };
    let written = Written::new(shelf.path("written"));
    let mut from = vec![];
    for architecture in ["arm64", "amd64"] {
        written.list(written.image(architecture, &[&layer(architecture)]), TAG);
        let to = format!("oci:{}:{architecture}", shelf.path("images").display());
        copy(&shelf.reference(Medium::Layout, "written"), &to);
        from.push(to);
    }
    for medium in [Medium::Layout, Medium::Registry, Medium::OciArchive] {
        let to = shelf.reference(medium, "index");
        run(&["index", "--to", &to, &from[0], &from[1]]);
        verify(&to);
        let folder = shelf.folder.path();
        let Some(raw) = skopeo(folder, &["inspect", "--tls-verify=false", "--raw", &to]) else {
            return;
        };
        let raw: Value = serde_json::from_slice(&raw.stdout).unwrap();
        let platforms: Vec<&Value> = raw["manifests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| &entry["platform"])
            .collect();
        let expected = ["amd64", "arm64"].map(|name| json!({"architecture": name, "os": "linux"}));
        assert_eq!(platforms, expected.iter().collect::<Vec<_>>(), "{to}");
        for architecture in ["amd64", "arm64"] {
            let one = [
                "--override-arch",
                architecture,
                "inspect",
                "--tls-verify=false",
                "--config",
                &to,
            ];
            let config: Value =
                serde_json::from_slice(&skopeo(folder, &one).unwrap().stdout).unwrap();
            assert_eq!(config["architecture"], architecture, "{to}");
            assert_eq!(
                config["rootfs"]["diff_ids"][0],
                format!("sha256:{}", digest(&layer(architecture)))
            );
        }
    }
}

#[test]
fn one_name_for_several_platforms_is_one_index_to_all() {
    let Some(shelf) = Shelf::new() else { return };
    let written = Written::new(shelf.path("written"));
    let named = |mut entry: Value| {
        entry["annotations"]["org.opencontainers.image.ref.name"] = json!(TAG);
        entry
    };
    // A registry gets no plain layers.
    let image = |architecture: &str| {
        let plain = layer(architecture);
        let config = configuration(architecture, &[&plain]);
        let config = written.put("application/vnd.oci.image.config.v1+json", &config);
        let gzip = terrine_tests::archive::filter("gzip", &["-nc"], &plain);
        let blob = written.put("application/vnd.oci.image.layer.v1.tar+gzip", &gzip);
        written.manifest(&config, &[blob])
    };
    let (amd64, arm64) = (image("amd64"), image("arm64"));
    // A signature or the like may have the name, too.
    let nothing = written.put("application/vnd.oci.empty.v1+json", b"{}");
    let artifact = written.manifest(&nothing, &[]);
    let platform = |mut entry: Value, architecture: &str| {
        entry["platform"] = json!({"os": "linux", "architecture": architecture});
        entry
    };
    let from = shelf.reference(Medium::Layout, "written");
    let (bare, _) = from.rsplit_once(':').unwrap();
    let lists = [
        (vec![named(amd64.clone()), named(arm64.clone())], &*from),
        (
            vec![named(amd64.clone()), named(artifact), named(arm64.clone())],
            &from,
        ),
        (
            vec![platform(amd64, "amd64"), platform(arm64, "arm64")],
            bare,
        ),
    ];
    for (number, (entries, from)) in lists.into_iter().enumerate() {
        let index = written.index(&entries);
        fs::write(shelf.path("written").join("index.json"), index).unwrap();
        let told = |image: &str| String::from_utf8(run(&["digest", image]).stdout).unwrap();
        let digest = told(from);
        let pushed = shelf.reference(Medium::Registry, &format!("pushed-{number}"));
        copy(from, &pushed);
        assert_eq!(told(&pushed), digest);
        run(&["tag", from, "other"]);
        let tagged = format!("{bare}:other");
        assert_eq!(told(&tagged), digest);
        assert_eq!(told(from), digest);
        verify(&tagged);
        for (to, architecture) in [&pushed, &tagged]
            .into_iter()
            .flat_map(|to| [(to, "amd64"), (to, "arm64")])
        {
            let options = [
                "--override-arch",
                architecture,
                "inspect",
                "--tls-verify=false",
            ];
            let arguments = [&options[..], &["--config", to]].concat();
            let Some(config) = skopeo(shelf.folder.path(), &arguments) else {
                return;
            };
            let config: Value = serde_json::from_slice(&config.stdout).unwrap();
            assert_eq!(config["architecture"], architecture, "{to}");
        }
    }
}
