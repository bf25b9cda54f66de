//! Planners out of files as users see them: flags, specifications, messages and exit codes.

use std::fs;

use serde_json::{Value, json};
use terrine::oci::Digest;
use terrine_tests::{Archive, OciLayout, Run, SpecFile, TestStore, terrine};

use super::component::{data, describing, good, planning, words};

const GRAPH: &[(&str, u64, &str)] = &[
    ("app", 900, "lib"),
    ("lib", 600, "libc"),
    ("libc", 5000, ""),
];

/// A store, and components beside the specification.
fn store() -> TestStore {
    let store = TestStore::default();
    store
        .file("app/bin/app", b"app")
        .file("lib/lib", b"lib")
        .file("libc/libc", b"libc");
    fs::write(store.root().join("good.wasm"), good().build()).unwrap();
    store
}

fn spec(store: &TestStore) -> SpecFile<'_> {
    SpecFile::new(store, &["app"]).graph(GRAPH)
}

fn said(store: &TestStore, run: &Run) -> String {
    run.snapshot(&[(store.root(), "[ROOT]")])
}

/// `terrine SUBCOMMAND image.json` in the folder of the specification.
fn run(spec: &SpecFile<'_>, subcommand: &str, arguments: &[&str]) -> Run {
    Run::of(
        spec.command(subcommand)
            .current_dir(spec.root())
            .args(arguments),
    )
}

fn facts(run: Run) -> Value {
    serde_json::from_slice(&run.ok().stdout).unwrap()
}

#[test]
fn a_component_groups_the_paths_by_flags_and_by_the_specification() {
    let store = store();
    let digest = Digest::of(&good().build()).to_string();
    let plan = |spec: SpecFile<'_>, arguments: &[&str]| facts(run(&spec, "plan", arguments));
    let by_flag = plan(spec(&store), &["--planner", "good.wasm"]);
    assert_eq!(by_flag["policy"], "one-layer");
    assert_eq!(
        by_flag["planner"],
        json!({"name": "good 1.2.3", "digest": digest, "builtIn": false})
    );
    let table = run(
        &spec(&store),
        "plan",
        &["--planner", "good.wasm", "--format", "table"],
    )
    .ok();
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(
        table.contains("1 grouped by `one-layer` of `good 1.2.3`"),
        "{table}"
    );
    assert_eq!(by_flag["budget"]["storeLayers"], 1);
    let pinned = format!("./good.wasm@{digest}");
    let arguments = [
        "--planner",
        &pinned,
        "--policy",
        "one-layer",
        "--option",
        "spread=3",
    ];
    assert_eq!(plan(spec(&store), &arguments)["layers"], by_flag["layers"]);
    // A path of a specification starts where that lies.
    let planner = json!({"component": "good.wasm", "digest": digest, "policy": "one-layer",
        "options": {"spread": 1}});
    let named = spec(&store).with("planner", planner.clone());
    let by_spec = facts(Run::of(named.command("plan").current_dir("/")));
    assert_eq!(by_spec["planner"], by_flag["planner"]);
    // Without one, and with flags over what the specification says.
    assert_eq!(plan(spec(&store), &[])["planner"]["name"], "terrine 0.1.0");
    let elsewhere = spec(&store).with("planner", json!({"component": "nowhere.wasm"}));
    assert_eq!(
        plan(elsewhere, &["--planner", "good.wasm"])["layers"],
        by_flag["layers"]
    );
    let pipeline = spec(&store).with("layeringPipeline", json!([]));
    assert_eq!(
        plan(pipeline, &["--planner", "good.wasm"])["layers"],
        by_flag["layers"]
    );
    let optioned = spec(&store).with("planner", planner);
    let arguments = ["--option", "spred=3"];
    insta::assert_snapshot!(
        "unknown-option",
        said(&store, &run(&optioned, "plan", &arguments))
    );
}

#[test]
fn options_are_merged_for_built_in_policies_as_well() {
    let store = store();
    let layers = |first: &str| {
        let groups = json!([[store.path(first)], [store.path("app")]]);
        format!("layers={groups}")
    };
    let spec = spec(&store).with(
        "planner",
        json!({"policy": "explicit", "options": {"layers": 7}}),
    );
    let wrong = run(&spec, "plan", &["--option", "layers=word"]);
    assert_eq!(wrong.code, Some(1), "{}", wrong.stderr);
    assert!(
        wrong.stderr.contains("`--option layers=word`"),
        "{}",
        wrong.stderr
    );
    let all = json!([[store.path("libc")], [store.path("lib"), store.path("app")]]);
    // The last one counts.
    let plan = facts(run(
        &spec,
        "plan",
        &[
            "--option",
            &layers("lib"),
            "--option",
            &format!("layers={all}"),
        ],
    ));
    assert_eq!(terrine_tests::spec::layers(&plan), "libc|lib app");
    // So it is for a bare list of layers.
    let graph = store.root().join("graph.json");
    let mut command = terrine();
    command
        .args([
            "layers",
            "--max-layers",
            "9",
            "--policy",
            "explicit",
            "--graph",
        ])
        .arg(graph);
    command.args([
        "--options",
        r#"{"layers": 1}"#,
        "--option",
        &format!("layers={all}"),
    ]);
    let listed: Value = serde_json::from_slice(&Run::of(&mut command).ok().stdout).unwrap();
    assert_eq!(listed, all);
}

#[test]
fn an_image_says_which_component_planned_it_and_is_the_same_wherever_that_lies() {
    let store = store();
    let layout = store.root().join("layout");
    fs::create_dir(store.root().join("deep")).unwrap();
    fs::copy(
        store.root().join("good.wasm"),
        store.root().join("deep/other.wasm"),
    )
    .unwrap();
    let image = |planner: &str, tag: &str| {
        let to = format!("oci:{}:{tag}", layout.display());
        let spec = spec(&store).with("name", "untagged");
        let built = run(&spec, "build", &["--planner", planner, "--to", &to]).ok();
        let archive = Archive::read(run(&spec, "build", &["--planner", planner]).ok().stdout);
        let generated = archive.manifest["RepoTags"].clone();
        assert!(built.stderr.contains("sha256:"), "{}", built.stderr);
        (
            OciLayout::read(&layout).image(Some(tag)).json()["annotations"].clone(),
            generated,
        )
    };
    let (annotations, tag) = image("good.wasm", "a");
    assert_eq!(annotations["dev.terrine.plan.planner"], "good 1.2.3");
    assert_eq!(annotations["dev.terrine.plan.policy"], "one-layer");
    assert_eq!(
        annotations["dev.terrine.plan.component"],
        Digest::of(&good().build()).to_string()
    );
    assert_eq!(image("deep/other.wasm", "b"), (annotations, tag.clone()));
    let mut another = good();
    another.rest += &data(20000, b"another");
    fs::write(store.root().join("another.wasm"), another.build()).unwrap();
    assert_ne!(image("another.wasm", "c").1, tag);
}

#[test]
fn what_is_wrong_with_a_component_is_told_with_its_name() {
    let store = store();
    let write = |name: &str, bytes: &[u8]| fs::write(store.root().join(name), bytes).unwrap();
    write("garbage.wasm", b"garbage");
    write("text.wat", b"(component)");
    write("module.wasm", &wat::parse_str("(module)").unwrap());
    write("other.wasm", &wat::parse_str("(component)").unwrap());
    let importing = r#"(component (import "wasi:cli/stdout@0.2.6" (instance)) (instance $i)
        (export "terrine:planner/layering@0.1.0" (instance $i)))"#;
    write("importing.wasm", &wat::parse_str(importing).unwrap());
    write(
        "memory.wasm",
        &planning("(drop (memory.grow (i32.const 20000))) (unreachable)").build(),
    );
    write("deep.wasm", &planning("(call $plan (local.get 0))").build());
    write("trap.wasm", &planning("(unreachable)").build());
    write("silent.wasm", &describing("(unreachable)").build());
    let mut twice = planning("(i32.const 0)");
    twice.rest += &(words(0, &[0, 32, 2, 0, 0, 0, 0])
        + &words(32, &[128, 3, 0, 0, 0, 0, 0, 0, 128, 3, 0, 0, 0, 0, 0, 0])
        + &words(128, &[0, 1, 2]));
    write("twice.wasm", &twice.build());
    let mut refusing = planning("(i32.const 0)");
    refusing.rest += &(words(0, &[1, 1, 64, 16, 1, 96, 14, 1, 128, 8])
        + &data(64, b"must be positive")
        + &data(96, b"options.spread")
        + &data(128, b"give a 1"));
    write("refusing.wasm", &refusing.build());
    let mut newer = good();
    newer.contract = |text| text.replace("@0.1.0", "@0.2.0");
    write("newer.wasm", &newer.build());
    let pin = format!("good.wasm@{}", Digest::of(b""));
    let mut text = String::new();
    let cases: [(&str, &[&str]); 18] = [
        ("a file that is not there", &["--planner", "auto"]),
        ("a folder", &["--planner", "."]),
        ("garbage", &["--planner", "garbage.wasm"]),
        ("the text format", &["--planner", "text.wat"]),
        ("a core module", &["--planner", "module.wasm"]),
        ("another world", &["--planner", "other.wasm"]),
        ("a newer contract", &["--planner", "newer.wasm"]),
        ("imports", &["--planner", "importing.wasm"]),
        ("another file than the pinned one", &["--planner", &pin]),
        (
            "no such policy",
            &["--planner", "good.wasm", "--policy", "auto"],
        ),
        (
            "no such option",
            &["--planner", "good.wasm", "--option", "spraed=1"],
        ),
        (
            "a refusal",
            &["--planner", "refusing.wasm", "--option", "spread=0"],
        ),
        ("too much memory", &["--planner", "memory.wasm"]),
        ("endless recursion", &["--planner", "deep.wasm"]),
        ("a trap", &["--planner", "trap.wasm"]),
        ("a trap in its description", &["--planner", "silent.wasm"]),
        ("a plan with a path twice", &["--planner", "twice.wasm"]),
        (
            "a built-in policy with an option",
            &["--policy", "auto", "--option", "spread=1"],
        ),
    ];
    for (what, arguments) in cases {
        let run = run(&spec(&store), "plan", arguments);
        assert_eq!(
            (run.code, run.stdout.len()),
            (Some(1), 0),
            "{what}: {}",
            run.stderr
        );
        let said = run.stderr.replace(store.root().to_str().unwrap(), "[ROOT]");
        text += &format!("## {what}\n{said}\n");
    }
    let digest = Digest::of(&good().build()).to_string();
    insta::assert_snapshot!("wrong-components", text.replace(&digest, "[GOOD]"));
    // Nothing is written of an image, either.
    let out = store.root().join("out.tar");
    let run = run(
        &spec(&store),
        "build",
        &["--planner", "twice.wasm", "-o", out.to_str().unwrap()],
    );
    assert_eq!(run.code, Some(1));
    assert!(!out.exists());
}

#[test]
fn wrong_flags_and_fields_are_told() {
    let store = store();
    let mut text = String::new();
    let flags: [(&str, &[&str]); 5] = [
        ("a pin that is none", &["--planner", "good.wasm@sha256:12"]),
        ("an option without a value", &["--option", "spread"]),
        (
            "a pipeline as well",
            &["--planner", "good.wasm", "--pipeline", "x.json"],
        ),
        ("a sealed WASI for the built-in planner", &["--sealed-wasi"]),
        ("an empty name", &["--planner", ""]),
    ];
    for (what, arguments) in flags {
        let run = run(&spec(&store), "plan", arguments);
        assert_ne!(run.code, Some(0), "{what}");
        let said = run.stderr.replace(store.root().to_str().unwrap(), "[ROOT]");
        text += &format!("## {what}\nexit: {}\n{said}\n", run.code.unwrap());
    }
    let fields = [
        (
            "a pin of nothing",
            json!({"digest": Digest::of(b"").to_string()}),
        ),
        (
            "a sealed WASI for nothing",
            json!({"sealedWasi": true, "policy": "auto"}),
        ),
        (
            "a digest that is none",
            json!({"component": "good.wasm", "digest": "sha256:12"}),
        ),
        (
            "a misspelled field",
            json!({"component": "good.wasm", "sealed-wasi": true}),
        ),
        (
            "options that are no object",
            json!({"component": "good.wasm", "options": [1]}),
        ),
    ];
    for (what, planner) in fields {
        let run = run(&spec(&store).with("planner", planner), "plan", &[]);
        assert_eq!(run.code, Some(1), "{what}: {}", run.stderr);
        let said = run.stderr.replace(store.root().to_str().unwrap(), "[ROOT]");
        text += &format!("## {what}\n{said}\n");
    }
    insta::assert_snapshot!("wrong-flags", text);
}

#[test]
fn a_bare_list_of_layers_is_made_by_a_component_as_well() {
    let store = store();
    spec(&store).write();
    let layers = |arguments: &[&str]| {
        let mut command = terrine();
        command.current_dir(store.root()).args([
            "layers",
            "--max-layers",
            "5",
            "--graph",
            "graph.json",
        ]);
        Run::of(command.args(arguments))
    };
    let listed: Value =
        serde_json::from_slice(&layers(&["--planner", "good.wasm"]).ok().stdout).unwrap();
    assert_eq!(
        listed,
        json!([[store.path("app"), store.path("lib"), store.path("libc")]])
    );
    let run = layers(&["--sealed-wasi"]);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    let run = layers(&["--planner", "good.wasm", "--option", "x=1"]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("`options.x`"), "{}", run.stderr);
}
