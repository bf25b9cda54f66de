//! Databases of base images.

use std::fs;
use std::process::Command;

use serde_json::json;
use terrine_tests::registry::Registry;
use terrine_tests::{NixImage, NixStore, Run, peer};

use super::{DATABASE, USER, build, closure, command, file, of, spec};

#[test]
fn a_base_and_what_is_on_it_are_both_known() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let below = of(&store, "unrelated");
    let base = build(&store, &below);
    fs::write(store.beside().join("base.tar"), &base).unwrap();
    let mut above = spec(&store);
    above["fromImage"] = json!("base.tar");
    let archive = build(&store, &above);
    let expected = closure(&store, &["app", "settings", "unrelated"]);
    let Some(image) = NixImage::unpack(&archive) else {
        return;
    };
    let all = ["nix", "path-info", "--all"];
    assert_eq!(image.list(USER, &all), expected);
    let check = ["nix-store", "--verify", "--check-contents"];
    image.run(USER, &check).ok();
    image.run(USER, &["nix-store", "--gc"]).ok();
    assert_eq!(image.list(USER, &all), expected);

    // A base that Nix wrote to, and left its log: what is in there alone is known.
    let Some(python) = peer::find("python3") else {
        return;
    };
    let added = "/nix/store/zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz-added";
    let script = format!(
        "
import sqlite3, os
connection = sqlite3.connect('db.sqlite', isolation_level=None)
connection.execute('PRAGMA journal_mode = WAL')
connection.execute(\"INSERT INTO ValidPaths (path, hash, registrationTime) VALUES ('{added}', 'sha256:' || hex(zeroblob(32)), 3)\")
os._exit(0)
"
    );
    let state = store.beside().join("wal/nix/var/nix/db");
    let added_at = store.beside().join("wal").join(&added[1..]);
    for folder in [&state, &added_at] {
        fs::create_dir_all(folder).unwrap();
    }
    fs::write(state.join("db.sqlite"), file(&base, DATABASE)).unwrap();
    let mut write = Command::new(python);
    Run::of(write.args(["-c", &script]).current_dir(&state)).ok();
    assert!(fs::metadata(state.join("db.sqlite-wal")).unwrap().len() > 0);
    let mut wal = json!({"name": "wal:1", "fromImage": "base.tar", "copyToRoot": "./wal"});
    wal["config"] = json!({"Env": [format!("A={}", store.path("current"))]});
    fs::write(store.beside().join("wal.tar"), build(&store, &wal)).unwrap();
    above["fromImage"] = json!("wal.tar");
    let run = Run::of(&mut command(&store, "build", &above)).ok();
    // It has a path that it does not register.
    let expected_remark = "1 path in the store is not in the Nix database";
    assert!(run.stderr.contains(expected_remark), "{}", run.stderr);
    assert!(run.stderr.contains(store.path("current")), "{}", run.stderr);
    let image = NixImage::unpack(&run.stdout).unwrap();
    assert!(!image.host("/nix/var/nix/db/db.sqlite-wal").exists());
    let known = image.list(USER, &all);
    assert!(known.contains(&added.to_owned()), "{known:?}");
    assert_eq!(known.len(), expected.len() + 1);
}

#[test]
fn a_base_in_a_registry_is_read_for_its_database() {
    let (Some(store), Some(registry)) = (NixStore::build(), Registry::start()) else {
        return;
    };
    let below = of(&store, "unrelated");
    let reference = format!("docker://{}/base:1", registry.host());
    let mut push = command(&store, "build", &below);
    Run::of(push.args(["--plain-http", "--to", &reference])).ok();
    let mut above = spec(&store);
    above["fromImage"] = json!(reference);
    let mut build = command(&store, "build", &above);
    let archive = Run::of(build.arg("--plain-http")).ok().stdout;
    let Some(image) = NixImage::unpack(&archive) else {
        return;
    };
    assert_eq!(
        image.list(USER, &["nix", "path-info", "--all"]),
        closure(&store, &["app", "settings", "unrelated"])
    );
}
