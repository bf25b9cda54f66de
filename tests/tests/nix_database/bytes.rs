//! The bytes of the database, and of what lies around it.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use terrine_tests::archive::digest;
use terrine_tests::oci::OciLayout;
use terrine_tests::{Archive, NixStore, Run, temporary, terrine};

use super::{DATABASE, build, closure, file, rows, spec};

#[test]
fn the_database_says_what_nix_loads() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let archive = build(&store, &spec(&store));
    let folder = store.beside();
    fs::write(folder.join("ours.sqlite"), file(&archive, DATABASE)).unwrap();
    assert_eq!(file(&archive, "nix/var/nix/db/schema"), b"10");

    // As dockerTools does: the registration of the closure without derivers, and one time.
    let mut registration = String::new();
    for path in closure(&store, &["app", "settings"]) {
        let hash = store.run("nix-store", &["-q", "--hash", &path]);
        let size = store.run("nix-store", &["-q", "--size", &path]);
        let references = store.list("nix-store", &["-q", "--references", &path]);
        registration += &format!("{path}\n{hash}{size}\n{}\n", references.len());
        for reference in references {
            registration += &format!("{reference}\n");
        }
    }
    fs::write(folder.join("registration"), registration).unwrap();
    let loaded = folder.join("loaded");
    let mut load = Command::new("sh");
    load.args([
        "-euc",
        "exec nix-store --store \"$1\" --load-db < \"$2\"",
        "sh",
    ])
    .arg(&loaded)
    .arg(folder.join("registration"))
    .env("NIX_CONF_DIR", folder.parent().unwrap().join("conf"))
    .env("HOME", &folder);
    Run::of(&mut load).ok();
    let update = "UPDATE ValidPaths SET registrationTime = 1";
    let Some(theirs) = rows(&loaded.join(DATABASE), update) else {
        return;
    };
    let ours = rows(&folder.join("ours.sqlite"), "").unwrap();
    assert_eq!(ours, theirs);
    assert!(ours.starts_with("('ok',)\n('/nix/store/"), "{ours}");
}

#[test]
fn two_stores_make_the_same_image_whenever_they_registered_it() {
    let (Some(one), Some(other)) = (NixStore::build(), NixStore::build()) else {
        return;
    };
    let update = "UPDATE ValidPaths SET registrationTime = 7 + id, deriver = NULL, ultimate = 1";
    if rows(&other.database(), update).is_none() {
        return;
    }
    let archive = build(&one, &spec(&one));
    assert!(build(&other, &spec(&other)) == archive);

    // Without hashes, they are computed; whatever says them, they are the same.
    let (app, settings) = (one.path("app"), one.path("settings"));
    let json = one.run("nix", &["path-info", "--json", "-r", app, settings]);
    let mut infos: Vec<Value> = serde_json::from_str(&json).unwrap();
    let mut given = spec(&one);
    given["closure"] = json!("closure.json");
    for fields in [&[][..], &["narHash"], &["narHash", "narSize"], &["narSize"]] {
        for info in &mut infos {
            for field in fields {
                info.as_object_mut().unwrap().remove(*field);
            }
        }
        let text = serde_json::to_string(&infos).unwrap();
        fs::write(one.beside().join("closure.json"), text).unwrap();
        let built = build(&one, &given);
        assert!(built == archive, "{fields:?}");
    }
}

#[test]
fn hashes_are_found_out_while_layers_are_made_or_are_there() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let folder = store.beside();
    let (app, settings) = (store.path("app"), store.path("settings"));
    let json = store.run("nix", &["path-info", "--json", "-r", app, settings]);
    let mut infos: Vec<Value> = serde_json::from_str(&json).unwrap();
    for info in &mut infos {
        info.as_object_mut().unwrap().remove("narHash");
    }
    fs::write(folder.join("closure.json"), Value::from(infos).to_string()).unwrap();
    let known = spec(&store);
    let mut open = known.clone();
    open["closure"] = json!("closure.json");
    let ship = |spec: &Value, layout: &str, jobs: &str| {
        let mut build = super::command(&store, "build", spec);
        let layout = folder.join(layout);
        build
            .arg("--to")
            .arg(format!("oci:{}:nix", layout.display()));
        build.args(["--jobs", jobs, "--no-cache"]);
        Run::of(&mut build).ok();
        // The manifests differ: one names the keys of layers, which the other cannot tell.
        OciLayout::read(&layout).image(Some("nix")).id()
    };
    let expected = ship(&known, "known", "2");
    for (layout, jobs) in [
        ("open-1", "1"),
        ("open-4", "4"),
        ("open-4", "4"),
        ("known", "2"),
    ] {
        assert_eq!(ship(&open, layout, jobs), expected, "{layout}");
    }
    // A layer that is known is not made, so its paths are read for their hashes alone.
    let cached = |spec: &Value| {
        let mut build = super::command(&store, "build", spec);
        let layout = folder.join("cached");
        build
            .arg("--to")
            .arg(format!("oci:{}:nix", layout.display()));
        Run::of(&mut build).ok();
        OciLayout::read(&layout).image(Some("nix")).id()
    };
    let first = cached(&known);
    assert_eq!(cached(&open), first);
    assert_eq!(cached(&open), first);
}

#[test]
fn every_form_of_a_closure_makes_the_same_database() {
    let Some(mut store) = NixStore::build() else {
        return;
    };
    store.add("exports.nix");
    let mut spec = spec(&store);
    spec["config"] = json!({});
    let expected = build(&store, &spec);
    let export = |name: &str| json!(store.host(name).to_str().unwrap());
    for closure in [
        export("exported-attributes"),
        export("exported-text"),
        json!([export("exported-text"), export("exported-text")]),
    ] {
        spec["closure"] = closure.clone();
        assert!(
            file(&build(&store, &spec), DATABASE) == file(&expected, DATABASE),
            "{closure}"
        );
    }
    // As `--dump-db` and `closureInfo` write it: base 16, and base 32 with the algorithm.
    let mut texts = [String::new(), String::new()];
    for path in closure(&store, &["app"]) {
        let hash = store.run("nix-store", &["-q", "--hash", &path]);
        let size = store.run("nix-store", &["-q", "--size", &path]);
        let references = store.list("nix-store", &["-q", "--references", &path]);
        let base16 = ["hash", "to-base16", "--type", "sha256", hash.trim()];
        let base16 = store.run("nix", &base16);
        for (text, hash) in texts.iter_mut().zip([base16, hash]) {
            let (hash, size, count) = (hash.trim(), size.trim(), references.len());
            *text += &format!("{path}\n{hash}\n{size}\n\n{count}\n");
            references
                .iter()
                .for_each(|path| *text += &format!("{path}\n"));
        }
    }
    for text in texts {
        fs::write(store.beside().join("registration"), &text).unwrap();
        spec["closure"] = json!("registration");
        assert!(build(&store, &spec) == expected, "{text}");
    }
}

#[test]
fn a_store_elsewhere_has_its_database_beside_it() {
    let folder = temporary();
    let spec = folder.path().join("image.json");
    let json = json!({
        "name": "nix:1", "architecture": "amd64", "storeDir": "/opt/store",
        "includeNixDB": true, "nixDatabase": {"uid": 7, "gid": 8},
    });
    fs::write(&spec, json.to_string()).unwrap();
    let archive = Archive::read(Run::of(terrine().arg("build").arg(&spec)).ok().stdout);
    let layers = archive.layers();
    let mut top = tar::Archive::new(*layers.last().unwrap());
    let mut entries = vec![];
    for entry in top.entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        let (uid, gid) = (header.uid().unwrap(), header.gid().unwrap());
        let mode = header.mode().unwrap();
        let path = entry.path().unwrap().display().to_string();
        entries.push(format!("{path} {mode:o} {uid}:{gid}"));
    }
    let expected = [
        "./ 755 0:0",
        "./opt/ 755 0:0",
        "./opt/store/ 755 7:8",
        "./opt/store/.links/ 755 7:8",
        "./opt/var/ 755 0:0",
        "./opt/var/log/ 755 0:0",
        "./opt/var/log/nix/ 755 7:8",
        "./opt/var/nix/ 755 7:8",
        "./opt/var/nix/db/ 755 7:8",
        "./opt/var/nix/db/db.sqlite 644 7:8",
        "./opt/var/nix/db/schema 644 7:8",
        "./opt/var/nix/gcroots/ 755 7:8",
        "./opt/var/nix/gcroots/docker/ 755 7:8",
        "./opt/var/nix/profiles/ 755 7:8",
        "./opt/var/nix/temproots/ 755 7:8",
    ];
    assert_eq!(entries, expected);
    // Pinned: a version of SQLite that makes other bytes changes images.
    let database = file(&archive.bytes, "opt/var/nix/db/db.sqlite");
    let pinned = "3840f78aa3ede0215bd2c98e9fb96ff1f3b989f9cc64f5c662eff2ae874d5338";
    assert_eq!(digest(&database), pinned);
}
