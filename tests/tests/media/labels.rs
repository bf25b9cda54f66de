//! Images whose documents call things by other names than their bytes have, and those that not everything is of.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use serde_json::{Value, json};
use terrine_tests::archive::{digest, filter};
use terrine_tests::{Archive, OciLayout, Run, skopeo, terrine};

use super::written::{Written, configuration, layer};
use super::{Medium, Shelf, TAG, copy, run};

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const TAR: &str = "application/vnd.oci.image.layer.v1.tar";
const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// The bytes of the only document that a layout lists.
fn document(folder: &Path) -> Vec<u8> {
    let index = fs::read(folder.join("index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    let digest = index["manifests"][0]["digest"].as_str().unwrap();
    let hex = digest.strip_prefix("sha256:").unwrap();
    fs::read(folder.join("blobs/sha256").join(hex)).unwrap()
}

/// Returns the stdout of a run that has to succeed.
fn shown(arguments: &[&str]) -> String {
    String::from_utf8(run(arguments).stdout).unwrap()
}

/// The types of the layers of a manifest.
fn types(manifest: &[u8]) -> Vec<String> {
    let manifest: Value = serde_json::from_slice(manifest).unwrap();
    let layers = manifest["layers"].as_array().unwrap().iter();
    layers
        .map(|layer| layer["mediaType"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn bytes_count_more_than_labels_wherever_an_image_is() {
    let Some(shelf) = Shelf::new() else { return };
    let written = Written::new(shelf.path("written"));
    let mut plain: Vec<Vec<u8>> = ["a", "b", "c", "d", "e"].map(layer).into();
    // An archive without members.
    plain.push(vec![0; 1024]);
    let gzip = filter("gzip", &["-nc"], &plain[1]);
    let zstd = filter("zstd", &["-qc"], &plain[2]);
    let again = filter("zstd", &["-qc"], &plain[3]);
    let members = [&plain[4][..700], &plain[4][700..]].map(|part| filter("gzip", &["-nc"], part));
    let members = members.concat();
    let described = configuration(
        "amd64",
        &plain.iter().map(Vec::as_slice).collect::<Vec<_>>(),
    );
    let config = written.put("application/octet-stream", &described);
    let layers = [
        written.put(GZIP, &plain[0]),
        written.put(TAR, &gzip),
        written.put(GZIP, &zstd),
        written.put(TAR, &again),
        written.put(ZSTD, &members),
        written.put(GZIP, &plain[5]),
    ];
    written.list(written.manifest(&config, &layers), TAG);
    let at = |medium, name: &str| shelf.reference(medium, name);
    // As it is it goes everywhere, to a registry without compressing plain layers.
    copy(
        &at(Medium::Layout, "written"),
        &at(Medium::OciArchive, "archive"),
    );
    let wrong = |medium, name: &str| {
        let image = at(medium, name);
        let told = Run::of(terrine().args(["verify", &image]));
        assert_eq!(told.code, Some(1), "{image}");
        assert_eq!(
            told.stderr.matches(": media type:").count(),
            6,
            "{}",
            told.stderr
        );
        assert!(shown(&["inspect", &image]).contains("amd64"), "{image}");
        // What is rewritten is right, and what reads layers reads them.
        for (setting, expected) in [("none", TAR), ("gzip", GZIP), ("zstd", ZSTD)] {
            let to = at(Medium::Layout, &format!("{name}-{medium:?}-{setting}"));
            run(&["copy", &image, &to, "--compression", setting]);
            terrine_tests::verify(&to);
            let folder = shelf.path(&format!("{name}-{medium:?}-{setting}"));
            let made = OciLayout::read(&folder).image(Some(TAG));
            assert_eq!(types(&made.manifest), [expected; 6], "{image} {setting}");
            if setting != "zstd" {
                let archive = shelf.path(&format!("{name}-{medium:?}-{setting}.tar"));
                let archive = format!("docker-archive:{}", archive.display());
                skopeo::skopeo(&shelf.path(""), &["copy", &to, &archive]);
            }
        }
        let noted = at(Medium::Layout, &format!("{name}-{medium:?}-noted"));
        run(&["copy", &image, &noted, "--annotation", "a=1"]);
        let folder = shelf.path(&format!("{name}-{medium:?}-noted"));
        let made = OciLayout::read(&folder).image(Some(TAG));
        let expected = [TAR, GZIP, ZSTD, ZSTD, GZIP, TAR];
        assert_eq!(types(&made.manifest), expected, "{image}");
        let archive = shelf.path(&format!("{name}-{medium:?}.tar"));
        run(&["merge", &image, "-o", &archive.display().to_string()]);
        let archive = Archive::read(fs::read(archive).unwrap());
        assert_eq!(archive.diff_ids().len(), 6);
        let onto = shelf.path(&format!("{name}-{medium:?}-onto.tar"));
        let onto = onto.display().to_string();
        run(&[
            "build",
            "--name",
            "on:1",
            "--from-image",
            &image,
            "-o",
            &onto,
        ]);
        skopeo::skopeo(
            &shelf.path(""),
            &["inspect", &format!("docker-archive:{onto}")],
        );
        shown(&["diff", &image, &onto]);
        let files = shelf.path(&format!("{name}-{medium:?}-files.tar"));
        run(&["export", &image, "-o", &files.display().to_string()]);
        assert!(fs::metadata(files).unwrap().len() > 0);
    };
    wrong(Medium::Layout, "written");
    wrong(Medium::OciArchive, "archive");
    let repository = "labels";
    for blob in [&plain[0], &gzip, &zstd, &again, &members, &plain[5]] {
        shelf.registry.put_blob(repository, blob);
    }
    let kind = "application/vnd.oci.image.manifest.v1+json";
    shelf.registry.put_blob(repository, &described);
    let manifest =
        json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers});
    let manifest = manifest.to_string();
    shelf
        .registry
        .put_manifest(repository, TAG, kind, manifest.as_bytes());
    wrong(Medium::Registry, repository);
}

#[test]
fn layers_that_are_not_distributed_stay_where_they_are() {
    let Some(shelf) = Shelf::new() else { return };
    let written = Written::new(shelf.path("written"));
    let plain = ["base", "own"].map(layer);
    let config = configuration("amd64", &plain.each_ref().map(Vec::as_slice));
    let config = String::from_utf8(config)
        .unwrap()
        .replace("linux", "windows");
    let config = written.put(CONFIG, config.as_bytes());
    let gzip = filter("gzip", &["-nc"], &plain[0]);
    let kind = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    let mut foreign = written.put(kind, &gzip);
    let hex = digest(&gzip);
    // The first leads nowhere.
    let dead = "http://127.0.0.1:1/base";
    let url = format!(
        "http://{}/v2/elsewhere/blobs/sha256:{hex}",
        shelf.registry.host()
    );
    foreign["urls"] = json!([dead, url]);
    let blob = shelf.path("written").join("blobs/sha256").join(&hex);
    let windows = written.manifest(&config, &[foreign.clone(), written.put(TAR, &plain[1])]);
    let entry = written.put(
        "application/vnd.oci.image.index.v1+json",
        &written.index(&[windows, written.image("amd64", &[&layer("linux")])]),
    );
    written.list(entry, TAG);
    let at = |medium, name: &str| shelf.reference(medium, name);
    let holds = |name: &str| {
        let folder = shelf.path(name);
        folder.join("blobs/sha256").join(&hex).exists()
    };
    let from = at(Medium::Layout, "written");
    let left = run(&["copy", &from, &at(Medium::Layout, "left")]);
    assert!(!holds("left"));
    let some = ", 1 of 3 layers left where they are\n";
    assert!(left.stderr.ends_with(some), "{}", left.stderr);
    let again = run(&["copy", &from, &at(Medium::Layout, "left")]);
    let rest = "2 of 3 layers already existed, 1 of 3 layers left where they are\n";
    assert!(again.stderr.ends_with(rest), "{}", again.stderr);
    run(&["copy", &from, &at(Medium::Layout, "all"), "--all-layers"]);
    assert!(holds("all"));
    // Where it cannot be had, all the rest goes.
    fs::remove_file(blob).unwrap();
    let all = ["--all-layers", "--retries", "0"];
    let rest = run(&[
        "copy",
        &from,
        &at(Medium::Layout, "rest"),
        all[0],
        all[1],
        all[2],
    ]);
    assert!(
        rest.stderr
            .contains("warning: left out: the layer `sha256:")
            && rest.stderr.contains("answers 404"),
        "{}",
        rest.stderr
    );
    assert!(
        !holds("rest") && rest.stderr.ends_with(some),
        "{}",
        rest.stderr
    );
    let windows = ["--platform", "windows/amd64"];
    let text = shown(&["inspect", &from, windows[0], windows[1]]);
    assert!(text.contains(dead), "{text}");
    let valid = run(&["verify", &at(Medium::Layout, "left")]);
    let some = "2 layers, 1 of them not distributed with the image and not read, ";
    assert!(valid.stderr.contains(some), "{}", valid.stderr);
    let zstd = at(Medium::Layout, "zstd");
    run(&[
        "copy",
        &from,
        &zstd,
        windows[0],
        windows[1],
        "--compression",
        "zstd",
    ]);
    let manifest = document(&shelf.path("zstd"));
    assert_eq!(types(&manifest), [kind, ZSTD]);
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["layers"][0], foreign);
    let export = || {
        let arguments = ["export", &from, windows[0], windows[1], "-o", "/dev/null"];
        Run::of(terrine().args(arguments).args(&all[1..]))
    };
    let refused = export();
    assert!(
        refused
            .stderr
            .contains("is not distributed with it, but from `http://127.0.0.1:1/base`"),
        "{}",
        refused.stderr
    );
    // Where the second URL has it, it is copied to where all layers are wanted, and where they have to be.
    shelf.registry.put_blob("elsewhere", &gzip);
    let (fetched, archive) = (
        at(Medium::Layout, "fetched"),
        at(Medium::DockerArchive, "fetched.tar"),
    );
    run(&["copy", &from, &fetched, all[0], all[1], all[2]]);
    assert!(holds("fetched"));
    let several = [
        "copy",
        &from,
        &archive,
        &at(Medium::Layout, "other"),
        windows[0],
        windows[1],
    ];
    Run::of(terrine().args(several).args(&all[1..])).ok();
    assert!(!holds("other"));
    run(&["verify", &archive]);
    export().ok();
    // What comes from there is verified.
    foreign["digest"] = json!(format!("sha256:{}", digest(b"another")));
    foreign["urls"] = json!([url]);
    let windows = written.manifest(&config, &[foreign, written.put(TAR, &plain[1])]);
    written.list(windows, TAG);
    let lies = Run::of(
        terrine()
            .args(["copy", &from, &at(Medium::Layout, "lies")])
            .args(all),
    );
    assert_eq!(lies.code, Some(1));
    assert!(lies.stderr.contains("has the digest"), "{}", lies.stderr);
}

#[test]
fn no_url_is_asked_unless_it_has_to_be() {
    let Some(shelf) = Shelf::new() else { return };
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let url = format!("http://{}/layer", server.local_addr().unwrap());
    let written = Written::new(shelf.path("written"));
    let plain = ["base", "own"].map(layer);
    let config = configuration("amd64", &plain.each_ref().map(Vec::as_slice));
    let config = written.put(CONFIG, &config);
    let gzip = plain
        .each_ref()
        .map(|plain| filter("gzip", &["-nc"], plain));
    let nowhere = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let mut layers = [written.put(nowhere, &gzip[0]), written.put(GZIP, &gzip[1])];
    for layer in &mut layers {
        layer["urls"] = json!([url]);
    }
    written.list(written.manifest(&config, &layers), TAG);
    let blob = |number: usize| {
        let name = format!("blobs/sha256/{}", digest(&gzip[number]));
        shelf.path("written").join(name)
    };
    let from = shelf.reference(Medium::Layout, "written");
    // A foreign layer that is not wanted is not looked for, here or there.
    fs::remove_file(blob(0)).unwrap();
    copy(&from, &shelf.reference(Medium::Layout, "left"));
    run(&["inspect", &from]);
    // An ordinary one belongs to its image: where it is missing, the image is broken.
    fs::remove_file(blob(1)).unwrap();
    let to = shelf.reference(Medium::Layout, "broken");
    let broken = Run::of(terrine().args(["copy", &from, &to]));
    assert_eq!(broken.code, Some(1), "{}", broken.stderr);
    assert!(
        broken.stderr.contains(&digest(&gzip[1])),
        "{}",
        broken.stderr
    );
    assert!(server.accept().is_err());
}

#[test]
fn a_base_of_several_platforms_gives_the_one_that_is_meant() {
    let Some(shelf) = Shelf::new() else { return };
    let written = Written::new(shelf.path("written"));
    let this = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    let images = ["amd64", "arm64", "s390x"].map(|architecture| {
        let mut image = written.image(architecture, &[&layer(architecture)]);
        image["platform"] = json!({"architecture": architecture, "os": "linux"});
        image
    });
    let entry = written.put(
        "application/vnd.oci.image.index.v1+json",
        &written.index(&images),
    );
    written.list(entry, TAG);
    let from = shelf.reference(Medium::Layout, "written");
    let build = |options: &[&str]| {
        let base = ["build", "--name", "web:1", "--from-image", &from];
        let to = shelf.path("built").display().to_string();
        let to = format!("oci:{to}:web");
        Run::of(terrine().args(base).args(["--to", &to]).args(options))
    };
    let built = || {
        let image = format!("oci:{}:web", shelf.path("built").display());
        let text = shown(&["inspect", &image, "--format", "json"]);
        let facts: Value = serde_json::from_str(&text).unwrap();
        facts["platform"].as_str().unwrap().to_owned()
    };
    for (options, expected) in [
        (&[][..], this),
        (&["--platform", "linux/s390x"], "s390x"),
        (&["--platform", "linux/aarch64"], "arm64"),
        (&["--architecture", "arm64"], "arm64"),
        (&["--system", "s390x-linux"], "s390x"),
    ] {
        build(options).ok();
        assert_eq!(built(), format!("linux/{expected}"), "{options:?}");
    }
    let missing = build(&["--platform", "linux/riscv64"]);
    assert!(
        missing.stderr.contains("no image for linux/riscv64")
            && missing
                .stderr
                .contains("select one of them with `--platform`"),
        "{}",
        missing.stderr
    );
    for (options, says) in [
        (
            ["--platform", "linux/amd64", "--system", "x86_64-linux"],
            "cannot be used with",
        ),
        (
            ["--platform", "linux/amd64", "--architecture", "amd64"],
            "cannot be used with",
        ),
        (
            ["--system", "x86_64-linux", "--architecture", "amd64"],
            "cannot be used with",
        ),
        (
            ["--platform", "windows/amd64", "--tag", "1"],
            "images can only be built for Linux",
        ),
    ] {
        let refused = build(&options);
        assert_eq!(refused.code, Some(2), "{options:?}");
        assert!(refused.stderr.contains(says), "{}", refused.stderr);
    }
}
