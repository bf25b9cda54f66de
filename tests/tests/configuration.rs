//! The image configuration, byte for byte as Python's `json` writes it, and pinned ids.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use terrine_tests::{ConfFile, TestStore, oracle};

fn store() -> TestStore {
    let store = TestStore::default();
    store
        .file("a/bin/hello", b"hello")
        .link("a/hi", "bin/hello");
    store
}

/// Each of these ids is also what `stream_layered_image.py` of Nixpkgs (as of commit
/// 0137840114d1) gives for the same store paths and the same conf.json, run by CPython
/// 3.11: recorded once, because that script is not kept here.
#[test]
fn ids_are_pinned() {
    let store = store();
    let conf = || ConfFile::new(&store, &[&["a"]]);
    let id = |conf: ConfFile<'_>| oracle::agree(&conf).id;
    let table = [
        (id(ConfFile::new(&store, &[])), "none"),
        (id(conf()), "one"),
        (id(conf().with("config", Value::Null)), "null"),
        (
            id(conf()
                .with("architecture", "arm64")
                .with("uid", "1000")
                .with("uname", "user")),
            "arm",
        ),
        (
            id(conf().with("created", "2024-02-29T12:00:00.5+05:30")),
            "time",
        ),
    ];
    let text: String = table
        .iter()
        .map(|(id, name)| format!("{name} {id}\n"))
        .collect();
    insta::assert_snapshot!(text, @r"
    none d38e644fdbcb399654bb622fa169439c9c7e1fc90fa13cb23af756d5e0cb0ffb
    one 72224ad08f30d5ed8aef9c9388570c60ea00beddeed11d0ce5e1f9ce6ad85c0b
    null a59b993b644f5fe0534cd7c1b54ef541ce111cb1f268e5abefcbf1fc7f6cd8ee
    arm f4884839316c381eff028a6df65b1a197a7ec8006b6c99c9e6dbb52c8dd9a1a7
    time 0f846a09af1bd5a05a8a3b01d2b02b9ebb88ef03c4f9f498bc0b2eb9de76b94e
    ");
}

#[test]
fn only_what_is_in_the_image_changes_its_id() {
    let store = store();
    let conf = || ConfFile::new(&store, &[&["a"]]);
    let plain = conf().archive();
    assert_eq!(conf().with("repo_tag", "other:2").archive().id, plain.id);
    let later = conf()
        .with("created", "2024-01-01T00:00:00+00:00")
        .archive();
    assert_ne!(later.id, plain.id);
    assert_eq!(later.layers(), plain.layers());
    assert_ne!(
        conf()
            .with("mtime", "2024-01-01T00:00:00+00:00")
            .archive()
            .layers()[0],
        plain.layers()[0]
    );
}

#[test]
fn the_same_input_gives_the_same_archive() {
    let store = store();
    let conf = ConfFile::new(&store, &[&["a"]]);
    let first = conf.archive();
    assert_eq!(conf.archive().bytes, first.bytes);
    // Whatever the environment, the directory and the cache.
    let mut command = conf.command();
    command
        .env_clear()
        .env("TZ", "Asia/Kathmandu")
        .env("LC_ALL", "tr_TR.UTF-8")
        .current_dir("/");
    assert_eq!(
        terrine_tests::Run::of(&mut command).ok().stdout,
        first.bytes
    );
}

#[test]
fn duplicate_variables_are_settled_without_a_base_too() {
    let store = store();
    let env = json!({"Env": ["A=1", "B=2", "A=3"]});
    let archive = ConfFile::new(&store, &[]).with("config", env).archive();
    assert_eq!(archive.config()["config"]["Env"], json!(["A=3", "B=2"]));
}

#[test]
fn a_variant_is_written_where_there_is_one() {
    let store = store();
    let arm = ConfFile::new(&store, &[]).with("architecture", "arm");
    let archive = arm.with("variant", "v7").archive();
    assert!(
        archive.configuration.contains(
            "\"architecture\": \"arm\",\n    \"variant\": \"v7\",\n    \"os\": \"linux\""
        )
    );
    let empty = ConfFile::new(&store, &[]).with("variant", "");
    assert!(!oracle::agree(&empty).configuration.contains("variant"));
    let nix = ConfFile::new(&store, &[])
        .with("architecture", "armv6l-linux")
        .archive();
    assert_eq!(
        (&nix.config()["architecture"], &nix.config()["variant"]),
        (&json!("arm"), &json!("v6"))
    );
}

#[test]
fn now_is_the_time_of_the_run() {
    let store = store();
    let created = ConfFile::new(&store, &[])
        .with("created", "now")
        .archive()
        .config()["created"]
        .clone();
    let created = created.as_str().unwrap().to_owned();
    assert!(
        created.starts_with("20") && created.ends_with("+00:00"),
        "{created}"
    );
}

/// Any JSON value that a `config` may hold.
fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        proptest::collection::vec(any::<char>(), 0..8).prop_map(String::from_iter),
        "[ -~]{0,12}",
        "[\u{0}-\u{1f}\u{7f}-\u{ff}\u{2028}\u{2029}\"'\\\\]{0,6}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("a number", |x| x.is_finite())
            .prop_map(Value::from),
        (-1e20..1e20_f64).prop_map(Value::from),
        (-10_000..10_000_i32, 0..12_u32)
            .prop_map(|(n, e)| Value::from(f64::from(n) / 10_f64.powi(e as i32))),
        text.clone().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            proptest::collection::vec((text.clone(), inner), 0..6)
                .prop_map(|entries| Value::Object(Map::from_iter(entries))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generated_configurations_are_written_as_the_oracle_does(values in proptest::collection::vec(value(), 1..40)) {
        let store = TestStore::default();
        oracle::agree(&ConfFile::new(&store, &[]).with("config", json!({ "Cmd": values })));
    }

    // Not of all of Unicode: what is printable grows with each of its versions, and
    // Python has another than the compiler.
    #[test]
    fn generated_names_are_represented_as_the_oracle_does(name in "a[ -.0-~\u{a0}-\u{52f}\u{1e00}-\u{1eff}\u{2000}-\u{206f}\u{3040}-\u{309f}\u{1f300}-\u{1f5ff}]{1,40}") {
        let store = TestStore::default();
        store.file(&name, b"x");
        oracle::agree(&ConfFile::new(&store, &[&[&name]]));
    }
}
