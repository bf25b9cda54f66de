//! References without a transport, and files that are something else.

use std::fs;

use serde_json::{Value, json};

use super::Place;

#[test]
fn a_missing_transport_is_noticed() {
    let place = Place::new();
    place.run("copy web.tar oci:layout").ok();
    let lines = [
        "BUILD --to ghcr.io/acme/web:1",
        "BUILD --to localhost/web",
        "BUILD --to web:1",
        "BUILD --from-image debian:12 --to oci:out",
        "BUILD --previous ghcr.io/acme/web:1 --allow-missing-previous --to oci:out",
        "inspect localhost/x",
        "copy docker:debian:12 oci:out",
        "copy https://ghcr.io/acme/web oci:out",
        "copy oci-layout:layout:web oci:out",
        "copy oci://layout oci:out",
        "copy dir:layout oci:out",
        "copy web.tar docker-deamon:web:1",
        "copy OCI:layout:1 oci:out",
        "BUILD --to oci-archve:x.tar:1",
        "BUILD --to tar:x.tar",
        "BUILD --to Docker://ghcr.io/a",
        "BUILD --to a+b:c",
        "tag debian latest",
        "tag ghcr.io/acme/web:1 latest",
        "tag ./layout latest",
        "index --to ghcr.io/acme/web:1 web.tar",
    ];
    for line in lines {
        assert_eq!(place.run(line).code, Some(2), "{line}");
    }
    insta::assert_snapshot!("transports", place.said(&lines));
    // In a specification as well.
    let mut spec: Value = serde_json::from_slice(&place.file("image.json")).unwrap();
    spec["fromImage"] = json!("debian:12");
    fs::write(place.root().join("image.json"), spec.to_string()).unwrap();
    insta::assert_snapshot!("from-image", place.said(&["BUILD --to oci:out"]));
    // A file that is there is one, and so is one that is named as a path.
    fs::copy(place.root().join("web.tar"), place.root().join("debian:12")).unwrap();
    place.run("inspect debian:12").ok();
    place.run("copy debian:12 ./web:2").ok();
    place.run("copy debian:12 plain").ok();
    assert!(place.file("web:2") == place.file("plain"));
}

#[test]
fn files_of_other_kinds_are_known() {
    let place = Place::new();
    for (name, text) in [
        ("conf.json", r#"{"store_layers": [], "repo_tag": "x:1"}"#),
        ("image.yaml", "name: web\ncontents: [site]\n"),
        ("image.toml", "name = \"web\"\n"),
        ("Dockerfile", "FROM debian:12\nCOPY . /\n"),
        (
            "default.nix",
            "{ pkgs ? import <nixpkgs> {} }:\npkgs.hello\n",
        ),
        ("plan.json", r#"{"schemaVersion": 1, "layers": []}"#),
    ] {
        fs::write(place.root().join(name), text).unwrap();
    }
    let lines = [
        "build conf.json -o new.tar",
        "build image.yaml -o new.tar",
        "build image.toml -o new.tar",
        "build Dockerfile -o new.tar",
        "build default.nix -o new.tar",
        "build plan.json -o new.tar",
        "build web.tar -o new.tar",
        "stream image.json -o new.tar",
        "stream image.yaml -o new.tar",
    ];
    for line in lines {
        assert_eq!(place.run(line).code, Some(1), "{line}");
    }
    insta::assert_snapshot!("kinds", place.said(&lines));
}

#[test]
fn files_come_from_flags() {
    let place = Place::new();
    fs::create_dir(place.root().join("a:b")).unwrap();
    fs::write(place.root().join("a:b/x"), "x").unwrap();
    let run = place.run("BUILD --file a:b/x:/etc/x:0600:7:8 --file image.json:/srv/ -o new.tar");
    run.ok();
    let files = place.run("export new.tar -q").ok().stdout;
    let mut archive = tar::Archive::new(&files[..]);
    let found: Vec<(String, u32, u64, u64)> = archive
        .entries()
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.header().entry_type().is_file())
        .map(|entry| {
            let header = entry.header();
            let path = entry.path().unwrap().display().to_string();
            let owner = (header.uid().unwrap(), header.gid().unwrap());
            (path, header.mode().unwrap() & 0o7777, owner.0, owner.1)
        })
        .filter(|(path, ..)| !path.starts_with("nix"))
        .collect();
    let image = fs::metadata(place.root().join("image.json")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&image.permissions()) & 0o777;
    assert_eq!(
        found,
        [
            ("etc/x".to_owned(), 0o600, 7, 8),
            ("srv/image.json".to_owned(), mode, 0, 0)
        ]
    );
    let lines = [
        "BUILD --file gone:/x -o new.tar",
        "BUILD --file a:b:/x -o new.tar",
        "BUILD --file image.json:x -o new.tar",
        "BUILD --file image.json -o new.tar",
        "BUILD --file image.json:/x:888 -o new.tar",
        "BUILD --file image.json:/x:u+x -o new.tar",
        "BUILD --file image.json:/x:0755:-1:0 -o new.tar",
        "BUILD --file image.json:/x --file image.json:/x -o new.tar",
    ];
    for line in lines {
        assert_eq!(place.run(line).code, Some(2), "{line}");
    }
    insta::assert_snapshot!("files", place.said(&lines));
}

#[test]
fn what_is_dropped_of_a_base_is_told_and_kept_on_demand() {
    let place = Place::new();
    let build = "BUILD --from-image base.tar";
    place
        .run("BUILD --user app --workdir /srv --cmd /bin/x -o base.tar")
        .ok();
    let note = "not inherited, only its environment";
    let dropped = place.run(&format!("{build} -o new.tar")).ok().stderr;
    assert!(
        dropped.contains(&format!(
            "`User`, `WorkingDir` of the base image are {note}"
        )),
        "{dropped}"
    );
    let meant = place.run(&format!("{build} --base-config environment -o new.tar"));
    assert!(!meant.ok().stderr.contains(note));
    let all = place.run(&format!("{build} --base-config all -o new.tar"));
    assert!(!all.ok().stderr.contains(note));
    let facts = place.run("inspect new.tar --format json").ok();
    let facts = String::from_utf8(facts.stdout).unwrap();
    assert!(
        facts.contains("/srv") && facts.contains("\"app\""),
        "{facts}"
    );
}
