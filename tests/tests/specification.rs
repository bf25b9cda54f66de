//! Wrong specifications, graphs and contents, and what is said about them; the tables and
//! explanations of `terrine plan`; the lists of `terrine layers`; the schema.

#[path = "specification/schema.rs"]
mod schema;

use std::fs;

use serde_json::{Value, json};
use terrine_tests::base::{self, BaseImage};
use terrine_tests::{Run, SpecFile, TestStore, temporary, terrine};

/// The start of an ELF program for a machine by its number.
fn elf(machine: u8) -> Vec<u8> {
    let mut head = vec![0; 64];
    head[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1]);
    (head[16], head[18], head[20]) = (2, machine, 1);
    head
}

fn store() -> TestStore {
    let store = TestStore::default();
    store
        .file_with_mode("app/bin/app", &elf(62), 0o555)
        .file("lib/lib.so", &[1; 600]);
    store
}

const GRAPH: &[(&str, u64, &str)] = &[("app", 900, "lib"), ("lib", 600, "")];

fn spec(store: &TestStore) -> SpecFile<'_> {
    SpecFile::new(store, &["app"]).graph(GRAPH)
}

/// Returns what a run said, with the store's root by another name.
fn said(store: &TestStore, run: &Run) -> String {
    run.snapshot(&[(store.root(), "[ROOT]")])
}

/// The messages about several specifications that cannot be built, each after what was
/// wrong with it.
fn messages(store: &TestStore, cases: Vec<(&str, SpecFile<'_>)>) -> String {
    let mut text = String::new();
    for (what, spec) in cases {
        let run = spec.run();
        assert_eq!(
            (run.code, run.stdout.len()),
            (Some(1), 0),
            "{what}: {}",
            run.stderr
        );
        let said = run.stderr.replace(store.root().to_str().unwrap(), "[ROOT]");
        text += &format!("## {what}\n{said}\n");
    }
    text
}

#[test]
fn wrong_fields_are_named() {
    let store = store();
    let with = |field: &str, value: Value| spec(&store).with(field, value);
    insta::assert_snapshot!(messages(
        &store,
        vec![
            ("no name", with("name", Value::Null)),
            ("a name that is none", with("name", json!("a b"))),
            ("a misspelled field", with("maxLayer", json!(3))),
            (
                "a misspelled field of config",
                with("config", json!({"Command": []}))
            ),
            (
                "an argument of dockerTools that there is not",
                with("keepContentsDirlinks", json!(true))
            ),
            ("a mistyped field", with("maxLayers", json!("3"))),
            (
                "a mistyped field of config",
                with("config", json!({"Env": {"A": "1"}}))
            ),
            ("too few layers", with("maxLayers", json!(1))),
            (
                "an unknown architecture",
                with("architecture", json!("vax"))
            ),
            ("an unknown policy", with("planner", json!("best"))),
            (
                "options that a policy does not have",
                with("planner", json!({"policy": "auto", "options": {"x": 1}}))
            ),
            (
                "a pipeline with a fault",
                with(
                    "layeringPipeline",
                    json!([["flatten"], ["limit_layers", 0]])
                )
            ),
            (
                "both a policy and a pipeline",
                with("layeringPipeline", json!([])).with("planner", "auto")
            ),
            ("a time that is none", with("created", json!("yesterday"))),
            (
                "a glob that is none",
                with("permissions", json!([{"path": "/[", "uid": 1}]))
            ),
            (
                "a permission without a pattern",
                with("permissions", json!([{"uid": 1}]))
            ),
            (
                "a file that is two things",
                with("files", json!({"/x": {"text": "", "link": "y"}}))
            ),
            (
                "a file with a relative path",
                with("files", json!({"x": {"text": ""}}))
            ),
            (
                "users that would break the file",
                with("fakeNss", json!({"extraPasswdLines": ["root"]}))
            ),
            (
                "a duplicate label",
                with("labels", json!({}))
                    .with("labels", Value::Null)
                    .with("config", json!({"Labels": [1]}))
            ),
        ]
    ));
}

#[test]
fn wrong_contents_are_named() {
    let store = store();
    store
        .file("etc/etc/passwd", b"x")
        .file("file", b"x")
        .file("sh1/bin/sh", b"")
        .file("sh2/bin/bash", b"");
    let graph: &[_] = &[
        ("app", 900, "lib"),
        ("lib", 600, ""),
        ("etc", 1, ""),
        ("file", 1, ""),
        ("sh1", 1, ""),
        ("sh2", 1, ""),
    ];
    let contents = |names: &[&str]| SpecFile::new(&store, names).graph(graph);
    let app = || contents(&["app"]);
    insta::assert_snapshot!(messages(
        &store,
        vec![
            (
                "contents that are not there",
                app().with("contents", json!(["missing"]))
            ),
            (
                "a store path that is not in the closure",
                app().with("contents", json!(["/nix/store/other"]))
            ),
            ("contents that are a file", contents(&["file"])),
            (
                "contents that clash with a helper",
                contents(&["etc"]).with("fakeNss", true)
            ),
            (
                "files that clash with contents",
                contents(&["etc"]).with("files", json!({"/etc/passwd": {"text": ""}}))
            ),
            (
                "a file where contents have a directory",
                contents(&["etc"]).with("files", json!({"/etc": {"text": ""}}))
            ),
            (
                "two helpers that clash",
                app().with("fakeNss", true).with("shadowSetup", true)
            ),
            ("no shell to be found", app().with("binSh", true)),
            (
                "two shells to choose from",
                contents(&["sh1", "sh2"]).with("binSh", true)
            ),
            (
                "a package without a shell",
                app().with("binSh", "/nix/store/lib")
            ),
            (
                "a bundle without certificates",
                app().with("caCertificates", "graph.json")
            ),
            (
                "a source that is not there",
                app().with("files", json!({"/x": {"source": "nowhere"}}))
            ),
            (
                "a base that is not there",
                app().with("fromImage", "base.tar")
            ),
            (
                "a mention that is not in the closure",
                app().with(
                    "config",
                    json!({
            "Cmd": ["/nix/store/1qm4lyyajvvvq1xz7b6swmbm9v3s8c5x-gone/bin/x"]})
                )
            ),
        ]
    ));
}

#[test]
fn wrong_graphs_are_named() {
    let store = store();
    let graph = |text: &str| {
        fs::write(store.root().join("graph.json"), text).unwrap();
        SpecFile::new(&store, &["app"])
    };
    let cases = [
        ("not JSON", "{"),
        ("another kind of JSON", r#"{"outputs": {}}"#),
        (
            "a reference that is missing",
            r#"[{"path": "/nix/store/app", "narSize": 1, "references": ["/nix/store/lib"]}]"#,
        ),
        (
            "a path twice, differently",
            r#"[{"path": "/nix/store/app", "narSize": 1, "references": []}, {"path": "/nix/store/app", "narSize": 2, "references": []}]"#,
        ),
        (
            "a size that is none",
            r#"[{"path": "/nix/store/app", "narSize": -1, "references": []}]"#,
        ),
        (
            "a path outside of the store",
            r#"[{"path": "/etc", "narSize": 1, "references": []}]"#,
        ),
        (
            "a path that is not there any more",
            r#"[{"path": "/nix/store/app", "references": ["/nix/store/gone"]}, {"path": "/nix/store/gone", "references": []}]"#,
        ),
    ];
    let mut text = String::new();
    for (what, content) in cases {
        text += &messages(&store, vec![(what, graph(content))]);
    }
    text += &messages(
        &store,
        vec![
            (
                "no closure and no database",
                graph("[]").with("closure", Value::Null),
            ),
            (
                "a closure that is not there",
                graph("[]").with("closure", "nowhere.json"),
            ),
        ],
    );
    insta::assert_snapshot!(text);
    // A circle is no fault.
    let circle = r#"[{"path": "/nix/store/app", "narSize": 1, "references": ["/nix/store/lib"]},
        {"path": "/nix/store/lib", "narSize": 1, "references": ["/nix/store/app", "/nix/store/lib"]}]"#;
    assert_eq!(graph(circle).layers(), "app lib");
}

#[test]
fn programs_for_another_platform_are_refused() {
    let store = store();
    store
        .file_with_mode("arm/bin/arm", &elf(183), 0o555)
        .file_with_mode(
            "mac/bin/mac",
            &[
                0xcf, 0xfa, 0xed, 0xfe, 12, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0,
            ],
            0o555,
        );
    store.file("data/arm", &elf(183));
    let graph: &[_] = &[
        ("app", 1, "lib"),
        ("lib", 1, ""),
        ("arm", 1, ""),
        ("mac", 1, ""),
        ("data", 1, ""),
    ];
    let contents = |names: &[&str]| {
        SpecFile::new(&store, names)
            .graph(graph)
            .with("architecture", Value::Null)
    };
    let base = BaseImage::old(&[&base::layer("base/a", b"a")], &[]).write(&store);
    insta::assert_snapshot!(messages(
        &store,
        vec![
            ("two architectures", contents(&["app", "arm"])),
            (
                "not the one that was asked for",
                contents(&["app"]).with("architecture", "arm64")
            ),
            ("one for macOS", contents(&["app", "mac"])),
            (
                "a base for another",
                contents(&["arm"]).with("fromImage", base.to_str().unwrap())
            ),
        ]
    ));
    // What cannot be run is not looked at, and what is allowed is allowed.
    let architecture = |spec: &SpecFile<'_>| spec.plan()["architecture"].clone();
    assert_eq!(architecture(&contents(&["app", "data"])), "amd64");
    assert_eq!(architecture(&contents(&["arm"])), "arm64");
    let run = Run::of(
        contents(&["app", "mac"])
            .command("build")
            .arg("--allow-foreign"),
    );
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    // Without programs, the base tells, else this machine.
    let source = |spec: &SpecFile<'_>| spec.plan()["architectureSource"]["from"].clone();
    assert_eq!(
        source(&contents(&["data"]).with("fromImage", base.to_str().unwrap())),
        "base"
    );
    assert_eq!(source(&contents(&["data"])), "thisMachine");
}

#[test]
fn what_may_not_be_meant_is_said() {
    let store = store();
    store.file_with_mode("script/bin/script", b"#!/bin/python\n", 0o555);
    store.file_with_mode("script/bin/fine", b"#!/nix/store/app/bin/app\n", 0o555);
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "bin", "usr/bin").unwrap();
    let layer = builder.into_inner().unwrap();
    let base = BaseImage::old(&[&layer], &[]).write(&store);
    let spec = SpecFile::new(&store, &["script"])
        .graph(&[("script", 1, "app"), ("app", 1, ""), ("unused", 1, "")])
        .with("fromImage", base.to_str().unwrap())
        .with("baseLinks", "replace");
    let run = Run::of(spec.command("plan").args(["--format", "table"])).ok();
    insta::assert_snapshot!(said(&store, &run));
}

#[test]
fn a_plan_is_shown_and_explained() {
    let store = store();
    let spec = spec(&store)
        .with("config", json!({"Env": ["A=1", "B=2"]}))
        .with("created", "@0");
    let plan = |arguments: &[&str]| said(&store, &Run::of(spec.command("plan").args(arguments)));
    // The built-in planner is another whenever it is built by another compiler.
    let planner = terrine::oci::Digest::of(terrine::planner::EMBEDDED).to_string();
    insta::assert_snapshot!("plan-json", plan(&[]).replace(&planner, "[PLANNER]"));
    insta::assert_snapshot!("plan-table", plan(&["--format", "table"]));
    insta::assert_snapshot!(
        "explain-table",
        plan(&["--explain", "lib", "--format", "table"])
    );
    insta::assert_snapshot!(
        "explain-json",
        plan(&["--explain", "/nix/store/app/bin/app"])
    );
    insta::assert_snapshot!("explain-nothing", plan(&["--explain", "li"]));
}

#[test]
fn layers_are_printed_as_a_list_of_lists() {
    let folder = temporary();
    let graph = json!([
        {"path": "/nix/store/a", "narSize": 5, "references": ["/nix/store/b"]},
        {"path": "/nix/store/b", "narSize": 9, "references": ["/nix/store/c"]},
        {"path": "/nix/store/c", "narSize": 7, "references": []},
    ]);
    fs::write(folder.path().join("graph.json"), graph.to_string()).unwrap();
    fs::write(
        folder.path().join("pipeline.json"),
        r#"[["subcomponent_out", ["/nix/store/b"]]]"#,
    )
    .unwrap();
    let layers = |arguments: &[&str]| {
        let mut command = terrine();
        command
            .current_dir(folder.path())
            .args(["layers", "--graph", "graph.json"])
            .args(arguments);
        let run = Run::of(&mut command).ok();
        assert_eq!(run.stderr, "");
        String::from_utf8(run.stdout)
            .unwrap()
            .replace("/nix/store/", "")
    };
    assert_eq!(
        layers(&["--max-layers", "9"]),
        "[[\"c\"],[\"b\"],[\"a\"]]\n"
    );
    assert_eq!(layers(&["--max-layers", "2"]), "[[\"b\",\"c\"],[\"a\"]]\n");
    assert_eq!(
        layers(&["--max-layers", "2", "--policy", "popularity"]),
        "[[\"c\"],[\"b\",\"a\"]]\n"
    );
    assert_eq!(
        layers(&["--pipeline", "pipeline.json"]),
        "[[\"c\",\"b\"],[\"a\"]]\n"
    );
    assert_eq!(
        layers(&[
            "--max-layers",
            "9",
            "--exclude",
            "/nix/store/b",
            "--exclude",
            "/nix/store/x"
        ]),
        "[[\"c\"],[\"a\"]]\n"
    );
    let failing = |arguments: &[&str]| {
        let mut command = terrine();
        command
            .current_dir(folder.path())
            .arg("layers")
            .args(arguments);
        Run::of(&mut command).snapshot(&[(folder.path(), "[DIR]")])
    };
    insta::assert_snapshot!("layers-usage", failing(&["--graph", "graph.json"]));
    insta::assert_snapshot!(
        "layers-missing",
        failing(&["--graph", "x.json", "--max-layers", "3"])
    );
    insta::assert_snapshot!(
        "layers-pipeline",
        failing(&["--graph", "graph.json", "--pipeline", "graph.json"])
    );
}

#[test]
fn arguments_that_do_not_go_together_are_a_usage_error() {
    for arguments in [
        &["build"][..],
        &["plan"],
        &["build", "--name", "x", "--summary", "-"],
        &["build", "--name", "x", "--env", "A"],
        &["build", "--name", "x", "--cmd", "a", "--", "b"],
        &[
            "build",
            "--name",
            "x",
            "--policy",
            "auto",
            "--pipeline",
            "x",
        ],
        &["build", "--name", "x", "--created", "soon"],
        &["plan", "--name", "x", "--format", "yaml"],
        &["layers", "--graph", "x", "--max-layers", "0"],
    ] {
        let run = Run::of(terrine().args(arguments));
        assert_eq!(
            (run.code, run.stdout.len()),
            (Some(2), 0),
            "{arguments:?}: {}",
            run.stderr
        );
    }
}

#[test]
fn a_failed_build_leaves_no_file() {
    let store = store();
    store.link("lib/fifo", "x");
    fs::remove_file(store.host("lib/fifo")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        store.host("lib/fifo"),
        rustix::fs::FileType::Fifo,
        0o644.into(),
        0,
    )
    .unwrap();
    let (image, summary) = (
        store.root().join("image.tar"),
        store.root().join("summary.json"),
    );
    let mut command = spec(&store).command("build");
    let run = Run::of(command.arg("-o").arg(&image).arg("--summary").arg(&summary));
    assert_eq!(run.code, Some(1));
    assert!(
        run.stderr
            .contains("lib/fifo` is a fifo, which a layer cannot hold"),
        "{}",
        run.stderr
    );
    assert!(!image.exists() && !summary.exists());
    // Whoever reads a plan may have read enough.
    fs::remove_file(store.host("lib/fifo")).unwrap();
    let mut full = spec(&store).command("build");
    let run = Run::of(
        full.stdout(
            fs::OpenOptions::new()
                .write(true)
                .open("/dev/full")
                .unwrap(),
        ),
    );
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(
        run.stderr.contains("No space left on device"),
        "{}",
        run.stderr
    );
}
