//! Images with a Nix database, and Nix in them.

mod bases;
mod bytes;
mod nix;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use terrine_tests::{Archive, NixStore, Run, peer, terrine};

/// The user that owns the store of an image without a daemon.
const USER: u32 = 1000;
const DATABASE: &str = "nix/var/nix/db/db.sqlite";

/// The application, a path that the environment alone mentions, and a database of them.
fn spec(store: &NixStore) -> Value {
    json!({
        "name": "nix:1",
        "contents": store.path("app"),
        "config": {"Env": [format!("SETTINGS={}", store.path("settings"))]},
        "includeNixDB": true,
        "nixDatabase": {"uid": USER, "gid": USER},
    })
}

/// An image of a path that its environment mentions, with a database.
fn of(store: &NixStore, name: &str) -> Value {
    json!({
        "name": "nix:1",
        "config": {"Env": [format!("A={}", store.path(name))]},
        "includeNixDB": true,
    })
}

fn command(store: &NixStore, subcommand: &str, spec: &Value) -> Command {
    let file = store.beside().join("image.json");
    fs::write(&file, spec.to_string()).unwrap();
    let mut command = terrine();
    command
        .arg(subcommand)
        .arg("--store-root")
        .arg(store.root())
        .arg(file)
        // The hashes that other tests left are not known.
        .env("XDG_CACHE_HOME", store.beside().join("cache"));
    command
}

fn build(store: &NixStore, spec: &Value) -> Vec<u8> {
    Run::of(&mut command(store, "build", spec)).ok().stdout
}

fn plan(store: &NixStore, spec: &Value) -> Value {
    let run = Run::of(command(store, "plan", spec).args(["--format", "json"]));
    serde_json::from_slice(&run.ok().stdout).unwrap()
}

fn refusal(store: &NixStore, spec: &Value) -> String {
    let run = Run::of(&mut command(store, "build", spec));
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    run.stderr
}

/// The file of an image's top layer.
fn file(archive: &[u8], path: &str) -> Vec<u8> {
    let archive = Archive::read(archive.to_vec());
    let layers = archive.layers();
    let mut top = tar::Archive::new(*layers.last().unwrap());
    for entry in top.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path().unwrap() == Path::new("./").join(path) {
            let mut content = vec![];
            std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
            return content;
        }
    }
    panic!("the image has no `{path}`")
}

fn closure(store: &NixStore, names: &[&str]) -> Vec<String> {
    let paths: Vec<&str> = names.iter().map(|name| store.path(name)).collect();
    store.list("nix-store", &[&["-qR"], &paths[..]].concat())
}

/// Everything that Python's SQLite says about a database.
fn rows(file: &Path, statement: &str) -> Option<String> {
    const SCRIPT: &str = "
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
if sys.argv[2]:
    connection.execute(sys.argv[2])
for query in ('PRAGMA integrity_check', 'PRAGMA foreign_key_check',
    'SELECT path, hash, registrationTime, deriver, narSize, ultimate, sigs, ca FROM ValidPaths ORDER BY path',
    'SELECT a.path, b.path FROM Refs JOIN ValidPaths a ON a.id = referrer JOIN ValidPaths b ON b.id = reference ORDER BY 1, 2',
    'SELECT v.path, o.id, o.path FROM DerivationOutputs o JOIN ValidPaths v ON v.id = drv ORDER BY 1, 2'):
    for row in connection.execute(query):
        print(row)
";
    let mut command = Command::new(peer::find("python3")?);
    command.args(["-c", SCRIPT]).arg(file).arg(statement);
    Some(String::from_utf8(Run::of(&mut command).ok().stdout).unwrap())
}

#[test]
fn a_plan_reads_no_file_for_a_hash() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let mut spec = spec(&store);
    spec["name"] = json!("nix");
    let known = plan(&store, &spec);
    let tag = known["tag"].as_str().unwrap();
    let names = Archive::read(build(&store, &spec)).manifest["RepoTags"].clone();
    assert_eq!(names, json!([format!("nix:{tag}")]));
    let root = |plan: &Value| plan["layers"].as_array().unwrap().last().unwrap().clone();
    assert!(root(&known)["size"].as_u64().unwrap() > 40_000, "{known}");

    // What a tag covers: the owner of the database, what is said in it, and that it is there.
    let mut others = BTreeSet::from([tag.to_owned()]);
    for (field, value) in [
        ("nixDatabase", json!({"uid": USER})),
        ("nixDatabase", Value::Null),
        ("includeNixDB", json!(false)),
    ] {
        spec[field] = value;
        if spec["includeNixDB"] == json!(false) {
            spec.as_object_mut().unwrap().remove("nixDatabase");
        }
        others.insert(plan(&store, &spec)["tag"].as_str().unwrap().to_owned());
    }
    assert_eq!(others.len(), 4, "{others:?}");

    // A closure that says no hashes.
    let (app, settings) = (store.path("app"), store.path("settings"));
    let json = store.run("nix", &["path-info", "--json", "-r", app, settings]);
    let mut infos: Vec<Value> = serde_json::from_str(&json).unwrap();
    for info in &mut infos {
        info.as_object_mut().unwrap().remove("narHash");
    }
    let text = serde_json::to_string(&infos).unwrap();
    fs::write(store.beside().join("closure.json"), text).unwrap();
    spec["includeNixDB"] = json!(true);
    spec["nixDatabase"] = json!({"uid": USER, "gid": USER});
    spec["closure"] = json!("closure.json");
    let unknown = plan(&store, &spec);
    assert_eq!(unknown["tag"], Value::Null);
    let example = unknown["tagAfterReading"].as_str().unwrap();
    assert!(example.contains("/nix/store/"), "{example}");
    assert_eq!(root(&unknown)["size"], root(&known)["size"]);
    // What a build has hashed is known from then on, and the same.
    build(&store, &spec);
    assert_eq!(plan(&store, &spec)["tag"], tag);
    // And a tag covers what the database says beside.
    infos[0]["signatures"] = json!(["key-1:c2ln"]);
    let text = serde_json::to_string(&infos).unwrap();
    fs::write(store.beside().join("closure.json"), text).unwrap();
    let signed = plan(&store, &spec)["tag"].clone();
    assert!(signed.is_string() && signed != tag);
}

#[test]
fn what_cannot_be_registered_is_told() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let with = |field: &str, value: Value| {
        let mut spec = spec(&store);
        spec[field] = value;
        spec
    };
    for (spec, expected) in [
        (
            with("includeStorePaths", json!(false)),
            "`includeNixDB`: `includeStorePaths` is false, so the image has no store paths",
        ),
        (
            with("storeDir", json!("/gnu/store")),
            "`includeNixDB`: Guix, whose store is `/gnu/store`, does not read the database of Nix",
        ),
        (
            with("includeNixDB", json!(false)),
            "`nixDatabase`: the image has no Nix database",
        ),
    ] {
        let said = refusal(&store, &spec);
        assert!(said.contains(expected) && said.contains("hint: "), "{said}");
    }
    let mut broken = json!([{"path": store.path("unrelated"), "narSize": 1, "references": [], "narHash": "sha256:x"}]);
    let file = store.beside().join("closure.json");
    fs::write(&file, broken.to_string()).unwrap();
    let mut spec = of(&store, "unrelated");
    spec["closure"] = json!("closure.json");
    let said = refusal(&store, &spec);
    let expected = format!(
        "`{}` has the NAR hash `sha256:x`, which is not in Nix's form",
        store.path("unrelated")
    );
    assert!(said.contains(&expected), "{said}");
    // Nobody asks for it without a database.
    let mut plain = spec.clone();
    plain["includeNixDB"] = json!(false);
    build(&store, &plain);
    broken[0].as_object_mut().unwrap().remove("narHash");
    fs::write(&file, broken.to_string()).unwrap();

    // A directory of this machine has no name that Nix takes.
    fs::create_dir(store.beside().join("site")).unwrap();
    spec["contents"] = json!("./site");
    let run = Run::of(&mut command(&store, "build", &spec)).ok();
    assert!(
        run.stderr
            .contains("1 path in the store is not in the Nix database"),
        "{}",
        run.stderr
    );
}
