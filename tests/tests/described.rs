//! A `conf.json` as an image that exists: to build on, and wherever one is read.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use terrine_tests::base::layer;
use terrine_tests::{Archive, ConfFile, Run, TestStore, oracle, terrine};

fn store() -> TestStore {
    let store = TestStore::default();
    store.file("a/bin/hello", b"hello");
    store
}

/// The image of one path, with a name and a file of its own.
fn named<'s>(store: &'s TestStore, name: &str, path: &str, from: Option<&Path>) -> ConfFile<'s> {
    let customisation = format!("0wdpn1fvg7k5p3x4gq2h9rl8z6cbsmjy-{name}");
    terrine_tests::conf::customise(store, &customisation, &layer(name, b""));
    ConfFile::new(store, &[&[path]])
        .with("repo_tag", format!("{name}:1"))
        .with("customisation_layer", store.path(&customisation))
        .with("from_image", from.map(|path| path.to_str().unwrap()))
        .with("config", json!({"Env": [format!("FROM_{name}=1")]}))
}

/// The `conf.json` of that.
fn conf_named(store: &TestStore, name: &str, path: &str, from: Option<&Path>) -> PathBuf {
    let conf = named(store, name, path, from);
    let file = store.root().join(format!("{name}.json"));
    fs::rename(conf.write(), &file).unwrap();
    file
}

#[test]
fn an_image_is_built_on_another_one_of_which_there_is_no_archive() {
    let store = store();
    store.file("b/share/b", b"b").file("c/share/c", b"c");
    let bottom = conf_named(&store, "bottom", "b", None);
    let middle = conf_named(&store, "middle", "c", Some(&bottom));
    let own = || ConfFile::new(&store, &[&["a"]]).with("config", json!({"Env": ["OWN=1"]}));
    let ours = own().with("from_image", middle.to_str().unwrap()).archive();
    assert_eq!(ours.layers().len(), 6);
    assert_eq!(
        ours.config()["config"]["Env"],
        json!(["FROM_bottom=1", "FROM_middle=1", "OWN=1"])
    );
    // The original makes an archive of each, and the same image of them.
    let mut from: Option<PathBuf> = None;
    for (name, path) in [("bottom", "b"), ("middle", "c")] {
        let conf = named(&store, name, path, from.as_deref());
        let Some(archive) = oracle::image(&conf) else {
            return;
        };
        let file = store.root().join(format!("{name}.tar"));
        fs::write(&file, &archive.bytes).unwrap();
        from = Some(file);
    }
    let theirs = oracle::agree(&own().with("from_image", from.unwrap().to_str().unwrap()));
    assert_eq!(ours.id, theirs.id);
    assert!(ours.layers() == theirs.layers());
}

#[test]
fn a_conf_is_an_image_wherever_one_is_read() {
    let store = TestStore::new("/nix/store");
    store.file("b/share/b", b"b");
    let conf = conf_named(&store, "read", "b", None);
    // Store paths are looked for at their place; what is in no store has none.
    let text = fs::read_to_string(&conf).unwrap();
    let mut json: Value = serde_json::from_str(&text).unwrap();
    json["store_layers"] = json!([]);
    let layer = json["customisation_layer"].as_str().unwrap();
    let outside = store.root().join("layer");
    fs::rename(store.root().join(&layer[1..]), &outside).unwrap();
    json["customisation_layer"] = json!(outside.to_str().unwrap());
    fs::write(&conf, json.to_string()).unwrap();
    let archive = store.root().join("read.tar");
    let run = |words: &[&str]| Run::of(terrine().args(words)).ok();
    let conf = conf.to_str().unwrap();
    run(&["stream", conf, "-o", archive.to_str().unwrap()]);
    let id = Archive::read(fs::read(&archive).unwrap()).id;
    let told = run(&["inspect", "--format", "json", conf]);
    assert!(String::from_utf8(told.stdout).unwrap().contains(&id));
    let layout = store.root().join("layout");
    let to = format!("oci:{}:read", layout.display());
    run(&["copy", conf, &to]);
    run(&["verify", &to]);
    let merged = store.root().join("merged.tar");
    run(&["merge", conf, "-o", merged.to_str().unwrap()]);
    let merged = Archive::read(fs::read(&merged).unwrap());
    assert_eq!(merged.manifest["RepoTags"], json!(["read:1"]));
    assert_eq!(merged.id, id);
}

#[test]
fn a_conf_that_cannot_be_built_on_is_told() {
    let store = store();
    let own =
        |from: &Path| ConfFile::new(&store, &[&["a"]]).with("from_image", from.to_str().unwrap());
    // It leads back to itself.
    let endless = store.root().join("conf.json");
    let run = own(&endless).run();
    assert!(
        run.stderr
            .contains("more than 64 images are built on each other"),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr
            .contains("hint: a conf.json must not lead back to itself"),
        "{}",
        run.stderr
    );
    // A layer of it is not there.
    let missing = conf_named(&store, "missing", "no-such-path", None);
    let run = own(&missing).run();
    assert_eq!(run.code, Some(1));
    for part in [
        "the base image `",
        "missing.json` cannot be used",
        "no-such-path",
    ] {
        assert!(run.stderr.contains(part), "{}", run.stderr);
    }
    // It is no conf.json, or one that lacks something.
    let other = store.root().join("other.json");
    for (text, expected) in [
        ("{}", "neither a docker-archive nor an OCI archive"),
        (
            r#"{"customisation_layer": "x"}"#,
            "other.json` is not a valid conf.json: the field `architecture` is missing",
        ),
        (
            r#"{"customisation_layer": "#,
            "other.json` is not a valid conf.json",
        ),
    ] {
        fs::write(&other, text).unwrap();
        let run = own(&other).run();
        assert!(run.stderr.contains(expected), "{text}: {}", run.stderr);
    }
}
