use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::{Value, json};
use terrine_planner_host::{Limits, Planners, Runtime};

use crate::cache::Cache;
use crate::plan::PlanOptions;
use crate::plan::content::Unread;
use crate::plan::context::Context;
use crate::plan::gather::Gathered;
use crate::plan::identify::TagContent;
use crate::source::LocalOpener;
use crate::spec::ImageSpec;

const APP: &str = "/nix/store/6xg259477c90a229xwmb53pdfkn6ig3g-app-1.0";
const LIB: &str = "/nix/store/7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-lib-2.0";

/// A store below a root of its own, and directories beside it.
fn machine() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, content, mode) in [
        (&format!("{APP}/bin/app")[1..], "app", 0o555),
        (&format!("{LIB}/lib/lib.so")[1..], "lib", 0o444),
        ("nix/store/plain/data", "data", 0o444),
        ("site/index.html", "<p>hello", 0o644),
        ("site/run", "#!/bin/app", 0o755),
        ("copied/etc/motd", "welcome", 0o644),
        ("caf\u{e9} \"1\"", "quoted", 0o600),
    ] {
        write(&root.path().join(path), content, mode);
    }
    symlink("index.html", root.path().join("site/start")).unwrap();
    let lib = format!("{}/lib", &LIB[1..]);
    // Those of others do not matter, whatever the user's mask.
    for directory in ["site", "copied/etc", "nix/store/plain", &lib] {
        fs::set_permissions(root.path().join(directory), Permissions::from_mode(0o755)).unwrap();
    }
    let history = json!({
        "schemaVersion": 1,
        "paths": [{"path": APP, "size": 3}],
        "steps": [{"paths": [0]}],
    });
    write(
        &root.path().join("history.json"),
        &history.to_string(),
        0o644,
    );
    let graph = json!([
        {"path": APP, "narSize": 30, "references": [APP, LIB]},
        {"path": LIB, "narSize": 20, "references": ["/nix/store/plain"]},
        {"path": "/nix/store/plain", "narSize": 10, "references": []},
    ]);
    write(&root.path().join("graph.json"), &graph.to_string(), 0o644);
    root
}

fn write(path: &Path, content: &str, mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A specification that says something of everything.
fn spec() -> Value {
    json!({
        "name": "web",
        "architecture": "amd64",
        "contents": [APP, "./site"],
        "copyToRoot": ["./copied", LIB],
        "files": {
            "/etc/text": {"text": "text", "uid": 3},
            "/etc/caf\u{e9}": {"source": "./caf\u{e9} \"1\""},
            "/etc/named": {"source": format!("{APP}/bin/app")},
        },
        "created": "2024-02-03T04:05:06Z",
        "mtime": "@7",
        "uid": 8,
        "gid": 9,
        "uname": "user\n",
        "gname": "group",
        "permissions": [
            {"path": "/data/**", "mode": "0750", "uid": 1, "gid": 2, "uname": "a", "gname": "b"},
            {"regex": "\\.key$", "mode": "400"},
        ],
        "planner": {"policy": "auto", "options": {"b": 1.50, "a": ["x", "y"]}},
        "history": "history.json",
        "closure": "graph.json",
        "config": {"Env": ["A=1"]},
    })
}

/// The canonical forms and tags of specifications.
fn identities(machine: &Path, specs: &[Value]) -> Vec<(String, String)> {
    let runtime = Runtime::new(Limits::default(), None).unwrap();
    let planner = runtime.embedded().unwrap();
    let cache = Cache::none();
    let options = PlanOptions {
        store_root: machine.to_owned(),
        ..PlanOptions::new(&LocalOpener, &cache)
    };
    let identity = |spec: &Value| {
        let text = spec.to_string();
        let spec = ImageSpec::read_from(text.as_bytes(), Path::new("image.json"), machine).unwrap();
        let context = Context {
            spec: &spec,
            options: &options,
            planners: Planners::one(&planner),
        };
        let identified = Gathered::of(&context, true)
            .and_then(|gathered| gathered.close(&context))
            .and_then(|closed| closed.complete(&context))
            .and_then(|complete| {
                complete.identify(&context, context.ownership()?, TagContent::Read)
            })
            .unwrap();
        let contents = Unread::find(&identified.complete, &identified.ownership)
            .and_then(Unread::read)
            .unwrap();
        let identity = identified.identity(&context, contents).unwrap();
        (identity.text(), identified.resolved.tag.clone())
    };
    specs.iter().map(identity).collect()
}

#[test]
fn the_form_and_the_tag_are_pinned() {
    let machine = machine();
    let (text, tag) = identities(machine.path(), &[spec()]).remove(0);
    // With another text or tag, images that were given no tag get another one: the form's first
    // line and the change log have to say so.
    assert_eq!(text, include_str!("pinned.txt"));
    assert_eq!(tag, "c14fhc5wz616918s8p2jb3a6pibgwk76");
}

#[test]
fn what_differs_in_one_thing_is_spelt_differently() {
    let machine = machine();
    let with = |field: &str, value: Value| {
        let mut spec = spec();
        spec[field] = value;
        spec
    };
    let rule = |field: &str, value: Value| {
        let mut spec = spec();
        spec["permissions"][0][field] = value;
        spec
    };
    let file = |field: &str, value: Value| {
        let mut spec = spec();
        spec["files"]["/etc/text"][field] = value;
        spec
    };
    let larger = [
        json!({"path": APP, "narSize": 31, "references": [LIB]}),
        json!({"path": LIB, "narSize": 20, "references": ["/nix/store/plain"]}),
        json!({"path": "/nix/store/plain", "narSize": 10, "references": []}),
    ];
    let linked = [
        json!({"path": APP, "narSize": 30, "references": [APP, LIB, "/nix/store/plain"]}),
        larger[1].clone(),
        larger[2].clone(),
    ];
    for (name, graph) in [("larger.json", larger), ("linked.json", linked)] {
        let text = Value::from(graph.to_vec()).to_string();
        write(&machine.path().join(name), &text, 0o644);
    }
    let mut regex = rule("path", Value::Null);
    regex["permissions"][0]["regex"] = json!("/data/**");
    let mut pipeline = with("planner", Value::Null);
    pipeline["layeringPipeline"] = json!([["flatten"]]);
    let specs = [
        spec(),
        with("created", json!("now")),
        with("created", json!("@3")),
        with("mtime", json!("@8")),
        with("uid", json!(9)),
        with("gid", json!(8)),
        with("uname", json!("user")),
        with("uname", json!("user\\n")),
        with("gname", json!("group\ngid 9")),
        with("permissions", json!([])),
        rule("path", json!("/data/*")),
        rule("mode", json!("0751")),
        rule("mode", Value::Null),
        rule("uid", json!(2)),
        rule("gid", json!(1)),
        rule("gid", Value::Null),
        rule("uname", json!("b")),
        rule("gname", json!("a")),
        regex,
        with("planner", json!("auto")),
        with("planner", json!("popularity")),
        with("planner", Value::Null),
        pipeline,
        with("history", Value::Null),
        with("closure", json!("larger.json")),
        with("closure", json!("linked.json")),
        with("contents", json!([APP])),
        with("contents", json!(["./site"])),
        with("copyToRoot", json!([LIB])),
        with("copyToRoot", json!(["./copied"])),
        with("includeStorePaths", json!(false)),
        with("tmp", json!(true)),
        file("text", json!("texT")),
        file("mode", json!("0600")),
        file("uid", json!(4)),
        file("gid", json!(4)),
    ];
    let texts: BTreeSet<String> = identities(machine.path(), &specs)
        .into_iter()
        .map(|(text, _)| text)
        .collect();
    assert_eq!(texts.len(), specs.len());
}

#[test]
fn what_says_the_same_is_spelt_the_same() {
    let machine = machine();
    let defaults = json!({"name": "web", "architecture": "amd64", "contents": "./site"});
    let mut said = defaults.clone();
    for (field, value) in [
        ("created", json!("1970-01-01T00:00:01Z")),
        ("mtime", json!("@1")),
        ("uname", json!("root")),
        ("gname", json!("root")),
        ("storeDir", json!("/nix/store/")),
        ("planner", json!({"policy": "least-pull", "options": {}})),
        ("copyToRoot", json!([])),
    ] {
        said[field] = value;
    }
    let [plain, said]: [_; 2] = identities(machine.path(), &[defaults, said])
        .try_into()
        .unwrap();
    assert_eq!(plain, said);
}
