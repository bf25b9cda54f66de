//! Tags: those of an image, of its destinations, and further ones.

use std::fs;

use serde_json::{Value, json};
use terrine_tests::registry::Registry;
use terrine_tests::{Run, programs};

use super::Place;

/// The names in the index of a layout.
fn names(place: &Place, layout: &str) -> Vec<String> {
    let index: Value =
        serde_json::from_slice(&place.file(&format!("{layout}/index.json"))).unwrap();
    let entries = index["manifests"].as_array().unwrap();
    let name = |entry: &Value| entry["annotations"]["org.opencontainers.image.ref.name"].clone();
    let names = entries.iter().map(name);
    names
        .map(|name| name.as_str().unwrap_or("").to_owned())
        .collect()
}

#[test]
fn a_destination_without_a_tag_gets_those_of_the_image_or_latest() {
    let place = Place::new();
    let bare = "build --name web --store-root . --contents site --architecture amd64 --no-cache";
    fs::create_dir(place.root().join("site")).unwrap();
    fs::write(place.root().join("site/a"), "a").unwrap();
    let table = [
        ("BUILD", "", &["1.2"][..]),
        ("BUILD --tag 3", "", &["3"]),
        ("BUILD --tag 3 --tag 4 --tag 3", "", &["3", "4"]),
        ("BUILD --tag 3 --tag 4", ":5", &["5"]),
        (bare, "", &["latest"]),
        (bare, ":5", &["5"]),
    ];
    for (number, (build, tag, expected)) in table.into_iter().enumerate() {
        let run = place
            .run(&format!("{build} --to oci:layout{number}{tag}"))
            .ok();
        assert_eq!(
            names(&place, &format!("layout{number}")),
            expected,
            "{build}"
        );
        assert!(!run.stderr.contains("generated"), "{}", run.stderr);
    }
    // One is generated where it is asked for, and for archives.
    for (to, layout) in [("oci:x:@", "x"), ("oci:y --generated-tag", "y")] {
        let run = place.run(&format!("-q {bare} --to {to}")).ok();
        assert!(run.stderr.contains("(tag generated)"), "{}", run.stderr);
        assert!(names(&place, layout)[0].len() > 20);
    }
    place.run(&format!("{bare} --to docker-archive:a.tar")).ok();
    let archive = place.names("a.tar")[0][0].as_str().unwrap().to_owned();
    assert_eq!(archive, format!("web:{}", names(&place, "x")[0]));
}

#[test]
fn a_specification_has_several_tags() {
    let place = Place::new();
    let mut spec: Value = serde_json::from_slice(&place.file("image.json")).unwrap();
    spec["tags"] = json!(["latest", "1.2", "stable"]);
    fs::write(place.root().join("image.json"), spec.to_string()).unwrap();
    place
        .run("BUILD --to oci:layout -q --summary web.json")
        .ok();
    assert_eq!(names(&place, "layout"), ["1.2", "latest", "stable"]);
    let summary: Value = serde_json::from_slice(&place.file("web.json")).unwrap();
    assert_eq!(summary["tags"], json!(["1.2", "latest", "stable"]));
    place.run("BUILD -o new.tar").ok();
    assert_eq!(
        place.names("new.tar"),
        json!([["web:1.2", "web:latest", "web:stable"]])
    );
    spec["tags"] = json!(["a b"]);
    fs::write(place.root().join("image.json"), spec.to_string()).unwrap();
    let run = place.run("BUILD -o new.tar");
    assert!(run.code == Some(1) && run.stderr.contains("`tags[0]`: `a b` is not a tag"));
}

#[test]
fn further_tags_move_no_layer_and_keep_the_digest() {
    let place = Place::new();
    place.run("BUILD --to oci:layout:1").ok();
    let out = |line: &str| String::from_utf8(place.run(line).ok().stdout).unwrap();
    let own = out("digest oci:layout:1");
    assert_eq!(
        out("tag oci:layout:1 2 oci:layout:3"),
        format!("oci:layout@{own}")
    );
    assert_eq!(names(&place, "layout"), ["1", "2", "3"]);
    assert_eq!(out("digest oci:layout:3"), own);
    if let Some(registry) = Registry::start() {
        let host = registry.host();
        place
            .run(&format!("BUILD --to docker://{host}/a/web:1"))
            .ok();
        let own = out(&format!("digest docker://{host}/a/web:1"));
        let line = format!("tag docker://{host}/a/web:1 2 docker://{host}/a/web:3 --digest-file d");
        assert_eq!(out(&line), format!("{host}/a/web@{own}"));
        assert_eq!(place.file("d"), own.as_bytes());
        assert_eq!(registry.tags("a/web"), ["1", "2", "3"]);
        let other = place.run(&format!(
            "tag docker://{host}/a/web:1 docker://{host}/b/web:1"
        ));
        assert!(other.code == Some(2) && other.stderr.contains("terrine copy"));
        let missing = place.run(&format!("tag docker://{host}/a/web:gone 9"));
        assert_eq!(missing.code, Some(1), "{}", missing.stderr);
    }
    let docker = place.root().join("bin/docker");
    fs::create_dir_all(docker.parent().unwrap()).unwrap();
    programs::script(&docker, "echo \"$@\" >> calls");
    let path = format!("{}:/usr/bin:/bin", docker.parent().unwrap().display());
    Run::of(
        place
            .command("tag docker-daemon:web:1 2 other:3 h/other")
            .env("PATH", path),
    )
    .ok();
    assert_eq!(
        String::from_utf8(place.file("calls")).unwrap(),
        "tag -- web:1 web:2\ntag -- web:1 other:3\ntag -- web:1 h/other:latest\n"
    );
}

#[test]
fn the_digest_is_that_of_the_manifest_or_the_index() {
    let place = Place::new();
    super::index(&place);
    let out = |line: &str| String::from_utf8(place.run(line).ok().stdout).unwrap();
    let copied = out("copy web.tar oci:layout:web");
    let (_, copied) = copied.split_once('@').unwrap();
    for line in [
        "digest web.tar",
        "digest docker-archive:web.tar",
        "digest oci:layout:web",
        "digest layout",
    ] {
        assert_eq!(out(line), copied, "{line}");
    }
    let index: Value = serde_json::from_slice(&place.file("index/index.json")).unwrap();
    let listed = index["manifests"][0]["digest"].as_str().unwrap();
    assert_eq!(out("digest oci:index:web"), format!("{listed}\n"));
    let arm = out("digest oci:index:web --platform linux/arm64");
    assert_eq!(out("digest arm.tar"), arm);
    let json: Value = serde_json::from_str(&out("digest oci:layout:web --format json")).unwrap();
    assert_eq!(json["digest"], copied.trim_end());
    assert_eq!(place.run("digest gone.tar").code, Some(1));
}
