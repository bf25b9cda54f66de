//! Images with a Nix database, and Nix in them.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use terrine_tests::archive::digest;
use terrine_tests::registry::Registry;
use terrine_tests::{Archive, NixImage, NixStore, Run, peer, temporary, terrine};

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
fn nix_works_in_the_image_without_a_daemon() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let archive = build(&store, &spec(&store));
    let expected = closure(&store, &["app", "settings"]);
    for user in [USER, 0] {
        let Some(image) = NixImage::unpack(&archive) else {
            return;
        };
        let app = store.path("app");
        assert_eq!(
            image.list(user, &["nix-store", "-qR", app, store.path("settings")]),
            expected
        );
        let verified = image.run(user, &["nix-store", "--verify", "--check-contents"]);
        assert_eq!(verified.code, Some(0), "{}", verified.stderr);
        let said = verified.stderr.lines();
        let odd: Vec<&str> = said
            .filter(|line| !line.starts_with("reading ") && !line.starts_with("checking "))
            .collect();
        assert_eq!(odd, Vec::<&str>::new());

        image.write("/tmp/added", b"added");
        let added = image.list(user, &["nix-store", "--add", "/tmp/added"]);
        let expression = format!(
            "derivation {{ name = \"built\"; system = builtins.currentSystem; builder = \"/bin/sh\"; \
             args = [ \"-c\" \"read line < ${{builtins.storePath {app}}}/share/self; echo $line > $out\" ]; }}"
        );
        let built = image.list(user, &["nix-build", "--no-out-link", "-E", &expression]);
        assert_eq!(
            fs::read_to_string(image.host(&built[0])).unwrap().trim(),
            app
        );

        image
            .run(user, &["nix", "copy", "--to", "file:///tmp/cache", app])
            .ok();
        let infos = fs::read_dir(image.host("/tmp/cache")).unwrap();
        let infos = infos.filter(|file| {
            let name = file.as_ref().unwrap().file_name();
            name.to_str().unwrap().ends_with(".narinfo")
        });
        assert_eq!(infos.count(), closure(&store, &["app"]).len());

        image.run(user, &["nix-store", "--gc"]).ok();
        let left: BTreeSet<String> = fs::read_dir(image.host("/nix/store"))
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with('.'))
            .map(|name| format!("/nix/store/{name}"))
            .collect();
        assert_eq!(left, expected.iter().cloned().collect());
        assert!(!left.contains(&added[0]) && !left.contains(&built[0]));
    }
}

#[test]
fn a_user_who_owns_the_store_paths_may_delete_them() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let mut spec = spec(&store);
    (spec["uid"], spec["gid"]) = (json!(USER), json!(USER));
    let Some(image) = NixImage::unpack(&build(&store, &spec)) else {
        return;
    };
    let script = "rm /nix/var/nix/gcroots/docker/* && exec nix-store --gc";
    image.run(USER, &["sh", "-c", script]).ok();
    let left = image.list(USER, &["ls", "/nix/store"]);
    assert_eq!(left, Vec::<String>::new());
}

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
        assert!(
            file(&built, DATABASE) == file(&archive, DATABASE),
            "{fields:?}"
        );
    }
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

#[test]
fn signatures_and_content_addresses_are_kept() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let key = store.run("nix", &["key", "generate-secret", "--key-name", "test-1"]);
    let secret = store.beside().join("secret");
    fs::write(&secret, key.trim()).unwrap();
    let paths = closure(&store, &["app", "settings"]);
    let mut sign = vec!["store", "sign", "--key-file", secret.to_str().unwrap()];
    sign.extend(paths.iter().map(String::as_str));
    store.run("nix", &sign);
    let mut convert = Command::new("sh");
    convert
        .args(["-euc", "exec nix --extra-experimental-features nix-command key convert-secret-to-public < \"$1\"", "sh"])
        .arg(&secret)
        .env("HOME", store.beside());
    let public = String::from_utf8(Run::of(&mut convert).ok().stdout).unwrap();

    let from_database = build(&store, &spec(&store));
    // By Nix's JSON, the same.
    let (app, settings) = (store.path("app"), store.path("settings"));
    let json = store.run("nix", &["path-info", "--json", "-r", app, settings]);
    fs::write(store.beside().join("closure.json"), json).unwrap();
    let mut given = spec(&store);
    given["closure"] = json!("closure.json");
    assert!(build(&store, &given) == from_database);

    let Some(image) = NixImage::unpack(&from_database) else {
        return;
    };
    let verify = |public: &str| {
        let keys = ["--option", "trusted-public-keys", public];
        let verify = ["nix", "store", "verify", "--all", "--sigs-needed", "1"];
        image.run(USER, &[&verify[..], &keys].concat())
    };
    verify(public.trim()).ok();
    assert_ne!(verify("").code, Some(0));
}

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

#[test]
fn derivations_are_registered_with_their_outputs() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let derivation = store.run("nix-store", &["-q", "--deriver", store.path("settings")]);
    let mut spec = spec(&store);
    spec["config"]["Env"] = json!([format!("DRV={}", derivation.trim())]);
    let Some(image) = NixImage::unpack(&build(&store, &spec)) else {
        return;
    };
    let outputs = ["nix-store", "-q", "--outputs", derivation.trim()];
    assert_eq!(image.list(USER, &outputs), [store.path("settings")]);
    let derivers = ["nix-store", "-q", "--referrers", derivation.trim()];
    assert_eq!(image.list(USER, &derivers), Vec::<String>::new());
    // It can be built there: all that it needs is.
    image
        .run(USER, &["nix-store", "--realise", derivation.trim()])
        .ok();
    assert!(image.host(store.path("settings")).exists());
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
        "`{}` has the NAR hash `sha256:x`, which Nix does not write",
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
