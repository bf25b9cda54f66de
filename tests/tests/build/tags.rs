//! Tags that are generated: from what an image holds, to the last byte.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::{Value, json};
use terrine_tests::{Archive, Run, SpecFile, TestStore};

const HASHED: &str = "6xg259477c90a229xwmb53pdfkn6ig3g-app-1.0";
/// Looks like a bundle, for a program that looks.
const BUNDLE: &str = "-----BEGIN CERTIFICATE-----\n";

/// An image without a tag.
fn untagged<'s>(store: &'s TestStore, contents: &[&str]) -> SpecFile<'s> {
    let graph: Vec<(&str, u64, &str)> = contents.iter().map(|name| (*name, 1, "")).collect();
    SpecFile::new(store, contents)
        .graph(&graph)
        .with("name", "test")
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    // Another file each time.
    let _ = fs::remove_file(path);
    fs::write(path, content).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
}

/// A specification for each way into an image, and the file that comes by it.
fn ways(store: &TestStore) -> Vec<(SpecFile<'_>, &'static str)> {
    let empty = || untagged(store, &[]).with("closure", Value::Null);
    vec![
        (empty().with("contents", "./site"), "site/deep/file"),
        (empty().with("copyToRoot", "./site"), "site/deep/file"),
        (
            empty().with("files", json!({"/x": {"source": "./site/deep/file"}})),
            "site/deep/file",
        ),
        (
            empty().with("caCertificates", "./site/deep/file"),
            "site/deep/file",
        ),
        (untagged(store, &["plain"]), "nix/store/plain/file"),
        (
            untagged(store, &["plain"])
                .with("contents", Value::Null)
                .with("files", json!({"/x": {"source": "/nix/store/plain/file"}})),
            "nix/store/plain/file",
        ),
    ]
}

#[test]
fn other_bytes_of_the_same_size_make_another_tag() {
    let store = TestStore::default();
    store.directory("plain");
    for (spec, file) in ways(&store) {
        let file = store.root().join(file);
        let tag = |letter: &str| {
            write(&file, &format!("{BUNDLE}{letter}"));
            spec.tag()
        };
        let first = tag("a");
        assert_ne!(tag("b"), first, "{}", spec.json);
        // Whatever its inode and its times.
        assert_eq!(tag("a"), first, "{}", spec.json);
    }
}

#[test]
fn an_executable_bit_makes_another_tag() {
    let store = TestStore::default();
    store.directory("plain");
    for (spec, file) in ways(&store) {
        let file = store.root().join(file);
        write(&file, BUNDLE);
        let before = spec.tag();
        fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
        let is_copy_of_bytes = spec.json.get("caCertificates").is_some();
        assert_eq!(spec.tag() == before, is_copy_of_bytes, "{}", spec.json);
    }
}

#[test]
fn names_and_links_make_another_tag() {
    let store = TestStore::default();
    store.directory(HASHED).directory("plain");
    // Nothing at the root tells what is in a path that is only referred to.
    let graph = [(HASHED, 1, "plain"), ("plain", 1, "")];
    let spec = untagged(&store, &[HASHED]).graph(&graph);
    let plain = store.host("plain");
    write(&plain.join("a"), "1");
    let first = spec.tag();
    fs::rename(plain.join("a"), plain.join("b")).unwrap();
    let renamed = spec.tag();
    symlink("b", plain.join("c")).unwrap();
    let linked = spec.tag();
    fs::remove_file(plain.join("c")).unwrap();
    symlink("d", plain.join("c")).unwrap();
    let elsewhere = spec.tag();
    assert_eq!(BTreeSet::from([first, renamed, linked, elsewhere]).len(), 4);
}

#[test]
fn what_a_hash_names_is_not_read() {
    let store = TestStore::default();
    let (tree, file) = (format!("/nix/store/{HASHED}"), format!("{HASHED}/etc/file"));
    let host = store.host(&file);
    let copied = |field: &str, value: Value| {
        untagged(&store, &[HASHED])
            .with("contents", Value::Null)
            .with(field, value)
    };
    let specs = [
        untagged(&store, &[HASHED]),
        copied("copyToRoot", json!(tree)),
        copied("copyToRoot", json!("./result")),
        copied(
            "files",
            json!({"/x": {"source": format!("{tree}/etc/file")}}),
        ),
    ];
    symlink(&tree, store.root().join("result")).unwrap();
    for (number, spec) in specs.iter().enumerate() {
        write(&host, "a");
        let (built, planned) = (spec.tag(), spec.plan());
        // Nothing is read for a plan, and it knows the tag.
        assert_eq!(planned["tag"], built, "{}", spec.json);
        assert_eq!(planned["tagGenerated"], true);
        assert_eq!(planned.get("tagAfterReading"), None);
        // Nobody may do this to a path with a hash, so nobody looks, unless asked to.
        write(&host, "b");
        let run = Run::of(spec.command("build").arg("--verify-cached")).ok();
        let archive = Archive::read(run.stdout);
        let name = archive.manifest["RepoTags"][0].as_str().unwrap();
        assert_eq!(name, format!("test:{built}"), "{}", spec.json);
        // Only the first one has a layer that the cache knows by the name of its path.
        let is_noticed = run.stderr.contains("was not what its entry said");
        assert_eq!(is_noticed, number == 0, "{}", run.stderr);
    }
}

#[test]
fn where_a_copy_of_a_named_file_comes_from_makes_another_tag() {
    let store = TestStore::default();
    let other = "7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-app-1.0";
    for name in [HASHED, other] {
        store
            .file(&format!("{name}/etc/a"), b"1")
            .file(&format!("{name}/etc/b"), b"1");
    }
    let tag = |source: &str| {
        let source = format!("/nix/store/{source}");
        untagged(&store, &[HASHED, other])
            .with("files", json!({"/x": {"source": source}}))
            .tag()
    };
    let tags = [
        tag(&format!("{HASHED}/etc/a")),
        tag(&format!("{HASHED}/etc/b")),
        tag(&format!("{other}/etc/a")),
    ];
    assert_eq!(BTreeSet::from(tags).len(), 3);
}

#[test]
fn a_plan_does_not_read_for_a_tag_and_says_so() {
    let store = TestStore::default();
    let spec = untagged(&store, &[])
        .with("closure", Value::Null)
        .with("contents", "./site")
        .with("config", Value::Null);
    let file = store.root().join("site/file");
    write(&file, "content");
    let plan = spec.plan();
    assert_eq!(
        (&plan["tag"], &plan["tagGenerated"]),
        (&Value::Null, &json!(true))
    );
    assert_eq!(plan["tagAfterReading"], file.to_str().unwrap());
    assert_eq!(plan["remarks"], json!([]));
    let table = Run::of(spec.command("plan").args(["--format", "table"])).ok();
    insta::assert_snapshot!(
        "plan-tag-unknown",
        table.snapshot(&[(store.root(), "[ROOT]")])
    );
    // A summary knows it, and so does a plan of what is given a tag or has nothing to read.
    let tagged = Run::of(spec.command("plan").args(["--tag", "1"])).ok();
    let tagged: Value = serde_json::from_slice(&tagged.stdout).unwrap();
    assert_eq!(
        (&tagged["tag"], tagged.get("tagAfterReading")),
        (&json!("1"), None)
    );
    write(&file, "");
    assert_eq!(spec.plan()["tag"], spec.tag());
}
