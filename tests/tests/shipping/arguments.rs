//! Arguments that can be given, and those that cannot be meant.

use std::fs;

use terrine_tests::{Run, terrine};

use super::Place;

#[test]
fn help_is_what_it_was() {
    let place = Place::new();
    insta::assert_snapshot!(
        "help",
        place.said(&["copy --help", "index --help", "merge --help", "copy -h"])
    );
}

#[test]
fn what_is_no_reference_is_refused_with_the_reason() {
    let place = Place::new();
    let zeros = "0".repeat(64);
    let mut text = String::new();
    for reference in [
        "docker:x",
        "docker://",
        "docker:///x",
        "docker://ghcr.io/Acme/web",
        "docker://ghcr.io/acme/web:a b",
        "docker://ghcr.io/acme/web@sha256:00",
        "docker://ghcr.io/acme/web@md5:00",
        "dir:x",
        "https://ghcr.io/acme/web",
        "oci:",
        "oci::web",
        "oci:layout:",
        "oci:layout:@web",
        "oci-archive:",
        "docker-archive:",
        "docker-archive:x.tar:",
        "docker-daemon:",
        "containers-storage:",
        "",
        &format!("oci:layout:web@sha256:{zeros}"),
        &format!("oci:layout@sha256:{}", &zeros[1..]),
    ] {
        let run = Run::of(
            terrine()
                .current_dir(place.root())
                .args(["copy", reference, "oci:out"]),
        );
        assert_eq!(
            (run.code, run.stdout.len()),
            (Some(2), 0),
            "{reference}: {}",
            run.stderr
        );
        let first = run.stderr.lines().next().unwrap();
        text.push_str(&format!("{}\n", first.split_once("<SOURCE>`: ").unwrap().1));
    }
    insta::assert_snapshot!("references", text);
    insta::assert_snapshot!("reference-hint", place.said(&["copy dir:x oci:out"]));
}

#[test]
fn what_cannot_be_meant_is_a_usage_error() {
    let place = Place::new();
    let zeros = "0".repeat(64);
    fs::create_dir(place.root().join("folder")).unwrap();
    let digest = format!("BUILD --to docker://localhost:1/x@sha256:{zeros}");
    let lines = [
        "BUILD --to oci:layout -o web.tar",
        "BUILD --to docker-archive:new.tar --compression gzip",
        "BUILD -o new.tar --compression zstd:19",
        "BUILD --to docker-daemon:web:1 --compression gzip",
        "BUILD --to docker-archive:new.tar --annotation a=b",
        "BUILD --to oci:layout --annotation a",
        "BUILD --to oci:layout --compression xz",
        "BUILD --to oci:layout --compression gzip:13",
        "BUILD --to - --summary -",
        "BUILD --to oci-archive:- --summary -",
        "BUILD --to docker-archive:new.tar:Web:1",
        "BUILD --to docker-archive:new.tar:@0",
        "BUILD --to oci:layout:@0",
        "BUILD --to folder",
        &digest,
        "BUILD --to containers-storage:web:1:2",
        "build image.json --no-cache --cache-directories",
        "copy web.tar docker-archive:new.tar --compression gzip",
        "copy web.tar - --annotation a=b",
        "copy web.tar folder",
        "copy web.tar",
        "copy web.tar oci:layout --platform arm64/linux/v8/9",
        "index --to docker-archive:new.tar web.tar",
        "index --to oci:layout",
        "merge",
    ];
    for line in lines {
        let run = place.run(line);
        assert_eq!(
            (run.code, run.stdout.len()),
            (Some(2), 0),
            "{line}: {}",
            run.stderr
        );
    }
    insta::assert_snapshot!("usage", place.said(&lines));
    for name in ["layout", "new.tar"] {
        assert!(!place.root().join(name).exists(), "{name}");
    }
}

#[test]
fn places_that_cannot_be_written_are_named_before_anything_is_made() {
    let place = Place::new();
    fs::write(place.root().join("file"), "x").unwrap();
    fs::create_dir_all(place.root().join("folder/x")).unwrap();
    let lines = [
        "BUILD --to oci:file",
        "BUILD --to oci:file/below",
        "BUILD --to oci:folder",
        "BUILD --to oci:/proc/nothing",
        "BUILD --to oci:layout:a+",
        "BUILD --to oci-archive:nowhere/x.tar",
        "BUILD --to docker-archive:folder",
        "copy web.tar oci:folder",
        "copy web.tar oci-archive:/proc/x.tar",
        "merge web.tar -o nowhere/x.tar",
    ];
    let said = place.said(&lines);
    assert!(!said.contains("layer 1"), "{said}");
    insta::assert_snapshot!("places", said);
}
