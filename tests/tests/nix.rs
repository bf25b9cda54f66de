//! A real store of Nix's: what terrine reads of it, and images of what is in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::geteuid;
use serde_json::{Value, json};
use terrine::closure::{self, Database, Graph, Names};
use terrine_tests::consumer::{self, Consumed};
use terrine_tests::{Archive, NixStore, Run, binary, peer, programs, terrine};

const STORE: &str = "/nix/store";
/// The text that the program prints.
const GREETING: &str = "Hello from a store that Nix made.\n";

/// Sizes and references of paths, by the paths.
type Facts = BTreeMap<String, (u64, Vec<String>)>;

fn facts(graph: &Graph) -> Facts {
    let name = |&index: &usize| graph.nodes()[index].path.clone();
    graph
        .nodes()
        .iter()
        .map(|node| {
            (
                node.path.clone(),
                (node.size, node.references.iter().map(name).collect()),
            )
        })
        .collect()
}

/// Returns what `nix path-info` says of a closure.
fn path_info(store: &NixStore, roots: &[&str]) -> (String, Facts) {
    let json = store.run(
        "nix",
        &[&["path-info", "--json", "--recursive"], roots].concat(),
    );
    let infos: Value = serde_json::from_str(&json).unwrap();
    let facts = infos
        .as_array()
        .unwrap()
        .iter()
        .map(|info| {
            let mut references: Vec<_> = info["references"]
                .as_array()
                .unwrap()
                .iter()
                .map(|path| path.as_str().unwrap().to_owned())
                .collect();
            references.sort();
            let path = info["path"].as_str().unwrap().to_owned();
            (path, (info["narSize"].as_u64().unwrap(), references))
        })
        .collect();
    (json, facts)
}

fn graph_of(store: &NixStore, roots: &[&str]) -> Graph {
    let roots: Vec<String> = roots.iter().map(|&root| root.to_owned()).collect();
    Database::open(&store.database())
        .unwrap()
        .closure(&roots)
        .unwrap()
}

#[test]
fn the_database_says_what_nix_says() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let names = [
        "greeting-1.0",
        "app",
        "current",
        "settings",
        "Odd+name_1.0?x=y.z",
    ];
    let mut roots: Vec<Vec<&str>> = names.iter().map(|name| vec![store.path(name)]).collect();
    roots.push(vec![store.path("settings"), store.path("hello-program")]);
    for roots in roots {
        let ours = facts(&graph_of(&store, &roots));
        let closure = store.list("nix-store", &[&["-qR"], &roots[..]].concat());
        assert_eq!(
            ours.keys().cloned().collect::<Vec<_>>(),
            closure,
            "{roots:?}"
        );
        for (path, (_, references)) in &ours {
            assert_eq!(
                *references,
                store.list("nix-store", &["-q", "--references", path]),
                "{path}"
            );
        }
        assert_eq!(ours, path_info(&store, &roots).1, "{roots:?}");
    }
    // The store has a path that refers to itself, and one that is a link.
    let app = graph_of(&store, &[store.path("app")]);
    let index = app.find(store.path("app")).unwrap();
    assert!(app.nodes()[index].references.contains(&index));
    assert!(
        fs::symlink_metadata(store.host("current"))
            .unwrap()
            .is_symlink()
    );
}

#[test]
fn a_dump_of_the_whole_database_is_the_same() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let dump = store.run("nix-store", &["--dump-db"]);
    let dumped = closure::parse(dump.as_bytes(), STORE).unwrap();
    let paths: Vec<&str> = dumped
        .nodes()
        .iter()
        .map(|node| node.path.as_str())
        .collect();
    assert!(
        paths.iter().any(|path| path.ends_with("-app.drv")),
        "{dump}"
    );
    assert_eq!(graph_of(&store, &paths), dumped);
}

#[test]
fn what_nix_prints_and_exports_is_read() {
    let Some(mut store) = NixStore::build() else {
        return;
    };
    let expected = graph_of(&store, &[store.path("app")]);
    let (json, _) = path_info(&store, &[store.path("app")]);
    let file = store.beside().join("closure.json");
    fs::write(&file, json).unwrap();
    assert_eq!(closure::read(&file, STORE).unwrap(), expected);

    store.add("exports.nix");
    let exported = closure::read(&store.host("exported-attributes"), STORE).unwrap();
    assert_eq!(exported, expected);
    // The text has no sizes.
    let unsized_facts = |graph: &Graph| {
        facts(graph)
            .into_iter()
            .map(|(path, (_, references))| (path, references))
            .collect::<Vec<_>>()
    };
    let exported = closure::read(&store.host("exported-text"), STORE).unwrap();
    assert_eq!(unsized_facts(&exported), unsized_facts(&expected));
}

/// A command that builds an image of what is in the store, and of nothing but this.
fn build(store: &NixStore, spec: &Value) -> Command {
    let file = store.beside().join("image.json");
    fs::write(&file, spec.to_string()).unwrap();
    let mut command = terrine();
    command
        .arg("build")
        .arg("--store-root")
        .arg(store.root())
        .arg(file);
    command
}

fn archive(store: &NixStore, spec: &Value) -> Archive {
    Archive::read(Run::of(&mut build(store, spec)).ok().stdout)
}

/// The application and how to run it, with a path that the environment alone mentions.
fn spec(store: &NixStore) -> Value {
    json!({
        "name": "nix:1.0",
        "contents": store.path("app"),
        "config": {
            "Cmd": ["/bin/app"],
            "Env": [format!("SETTINGS={}:/etc", store.path("settings"))],
        },
    })
}

/// The store paths in an image, and those that are links themselves.
fn store_paths(archive: &Archive) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut paths, mut links) = (BTreeSet::new(), BTreeSet::new());
    for layer in archive.layers() {
        for entry in tar::Archive::new(layer).entries().unwrap() {
            let entry = entry.unwrap();
            let path = entry.path().unwrap().into_owned();
            let path = Path::new("/").join(path);
            let Ok(below) = path.strip_prefix(STORE) else {
                continue;
            };
            let Some(name) = below.components().next() else {
                continue;
            };
            let top = Path::new(STORE).join(name).to_str().unwrap().to_owned();
            if entry.header().entry_type().is_symlink() && Path::new(&top) == path {
                links.insert(top.clone());
            }
            paths.insert(top);
        }
    }
    (paths, links)
}

/// The closure of paths, as Nix tells it.
fn closure_of(store: &NixStore, names: &[&str]) -> BTreeSet<String> {
    let paths: Vec<&str> = names.iter().map(|name| store.path(name)).collect();
    store
        .list("nix-store", &[&["-qR"], &paths[..]].concat())
        .into_iter()
        .collect()
}

#[test]
fn an_image_has_the_closure_of_what_is_named() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let image = archive(&store, &spec(&store));
    let (paths, _) = store_paths(&image);
    assert_eq!(paths, closure_of(&store, &["app", "settings"]));
    assert!(!paths.contains(store.path("unrelated")));
    assert!(
        !paths
            .iter()
            .any(|path| path.ends_with(".drv") || path.ends_with("-hello-source"))
    );

    // By Nix's own JSON instead of the database: the same bytes.
    let (json, _) = path_info(&store, &[store.path("app"), store.path("settings")]);
    fs::write(store.beside().join("closure.json"), json).unwrap();
    fs::rename(store.database(), store.beside().join("db.sqlite")).unwrap();
    let mut given = spec(&store);
    given["closure"] = json!("closure.json");
    assert_eq!(archive(&store, &given).bytes, image.bytes);
}

#[test]
fn a_path_that_the_configuration_mentions_is_in_the_image() {
    let Some(store) = NixStore::build() else {
        return;
    };
    for name in ["settings", "Odd+name_1.0?x=y.z", "current"] {
        let mention = format!("see {}.", store.path(name));
        for config in [
            json!({"Env": [format!("A={mention}")]}),
            json!({"Labels": {"a": mention}}),
        ] {
            let image = archive(&store, &json!({"name": "mention", "config": config}));
            let (paths, links) = store_paths(&image);
            assert_eq!(paths, closure_of(&store, &[name]), "{config}");
            assert_eq!(links.contains(store.path(name)), name == "current");
        }
    }
}

#[test]
fn a_path_that_the_store_does_not_have_is_named() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let missing = "/nix/store/00000000000000000000000000000000-missing";
    let mut mentioned = spec(&store);
    mentioned["config"]["Env"] = json!([format!("LIBRARY={missing}/lib")]);
    let mut named = spec(&store);
    named["contents"] = json!([store.path("app"), missing]);
    let said = [mentioned, named].map(|spec| {
        let run = Run::of(&mut build(&store, &spec));
        run.snapshot(&[(&store.root(), "[ROOT]"), (&store.beside(), "[HERE]")])
    });
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_link_that_nix_build_leaves_is_the_path_that_it_leads_to() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let here = store.beside();
    for name in ["app", "current"] {
        let mut expected = spec(&store);
        expected["contents"] = json!(store.path(name));
        let expected = archive(&store, &expected);
        // As Nix leaves it, which leads to the path in the image; and one that leads to
        // where that is on this machine.
        let link = format!("result-{name}");
        store.run(
            "nix-store",
            &[
                "--realise",
                store.path(name),
                "--add-root",
                here.join(&link).to_str().unwrap(),
            ],
        );
        assert_eq!(
            fs::read_link(here.join(&link)).unwrap(),
            Path::new(store.path(name))
        );
        symlink(&link, here.join(format!("again-{name}"))).unwrap();
        for link in [format!("./{link}"), link, format!("again-{name}")] {
            let mut linked = spec(&store);
            linked["contents"] = json!(link);
            assert_eq!(archive(&store, &linked).bytes, expected.bytes, "{link}");
        }
    }
    symlink(store.host("app"), here.join("result")).unwrap();
    let expected = archive(&store, &spec(&store));
    let mut command = terrine();
    command.current_dir(store.beside()).args([
        "build",
        "--contents",
        "result",
        "--name",
        "nix:1.0",
    ]);
    let settings = format!("SETTINGS={}:/etc", store.path("settings"));
    command
        .arg("--store-root")
        .arg(store.root())
        .args(["--env", &settings, "--", "/bin/app"]);
    assert_eq!(
        Archive::read(Run::of(&mut command).ok().stdout).bytes,
        expected.bytes
    );
}

/// A process that holds a write transaction of the store's database. Before, it added a
/// path that is in the log only; in the transaction it adds another.
struct Writer(Child);

impl Writer {
    const LATE: &str = "/nix/store/zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz-late";
    const OPEN: &str = "/nix/store/yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy-open";

    fn of(store: &NixStore) -> Option<Self> {
        const SCRIPT: &str = "
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
insert = 'INSERT INTO ValidPaths (path, hash, registrationTime, narSize) VALUES (?, ?, 1, 1)'
connection.execute(insert, (sys.argv[2], 'sha256:0'))
connection.execute('BEGIN IMMEDIATE')
connection.execute(insert, (sys.argv[3], 'sha256:0'))
print('ready', flush=True)
sys.stdin.read()
";
        let mut command = Command::new(peer::find("python3")?);
        command
            .args(["-c", SCRIPT])
            .arg(store.database())
            .args([Self::LATE, Self::OPEN]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "ready\n");
        Some(Self(child))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn a_store_is_read_while_another_writes_to_it() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let expected = archive(&store, &spec(&store));
    let Some(_writer) = Writer::of(&store) else {
        return;
    };
    let database = Database::open(&store.database()).unwrap();
    assert!(database.contains(Writer::LATE).unwrap());
    assert!(!database.contains(Writer::OPEN).unwrap());
    assert_eq!(archive(&store, &spec(&store)).bytes, expected.bytes);
}

/// Builds as a user who owns nothing of the store.
fn as_nobody(store: &NixStore, program: &Path, spec: &Value) -> Run {
    let built = build(store, spec);
    let mut command = Command::new(peer::find("setpriv").unwrap());
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(program);
    command
        .args(built.get_args())
        .env("XDG_CACHE_HOME", "/nonexistent");
    Run::of(&mut command)
}

#[test]
fn a_user_who_may_not_write_to_the_store_builds_of_it() {
    let Some(store) = NixStore::build() else {
        return;
    };
    if !geteuid().is_root() {
        return peer::missing("only root can be another user");
    }
    if peer::find("setpriv").is_none() {
        return;
    }
    // Where that user can reach it.
    let program: PathBuf = store.beside().join("terrine");
    programs::copy(binary(), &program);
    fs::set_permissions(
        store.beside().parent().unwrap(),
        Permissions::from_mode(0o755),
    )
    .unwrap();
    let expected = archive(&store, &spec(&store));
    let image = || as_nobody(&store, &program, &spec(&store)).ok().stdout;
    assert!(image() == expected.bytes);

    let Some(_writer) = Writer::of(&store) else {
        return;
    };
    assert!(image() == expected.bytes);
    // And what was written last is seen: the path is known, if not there.
    let late = json!({"name": "late", "config": {"Env": [format!("LATE={}", Writer::LATE)]}});
    let run = as_nobody(&store, &program, &late);
    assert!(
        run.stderr
            .contains(&format!("{}` does not exist", Writer::LATE)),
        "{}",
        run.stderr
    );
}

#[test]
fn the_image_runs() {
    let Some(store) = NixStore::build() else {
        return;
    };
    if !consumer::available(&["podman", "runc"]) {
        return;
    }
    let image = archive(&store, &spec(&store));
    let file = store.beside().join("image.tar");
    fs::write(&file, &image.bytes).unwrap();
    Consumed::by("podman", &file, "nix:1.0").check(&image, GREETING);
}
