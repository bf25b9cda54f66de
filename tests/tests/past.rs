//! `--previous` and `--history`: what is known of an image's past, and what is wrong with it.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use terrine_tests::registry::Registry;
use terrine_tests::{Archive, Run, SpecFile, TestStore, terrine};

/// A program `app`, which needs `lib`.
fn store() -> TestStore {
    let store = TestStore::default();
    store
        .file_with_mode("app/bin/app", b"app", 0o555)
        .file("lib/lib/lib.so", &[1; 600]);
    store
}

fn spec(store: &TestStore) -> SpecFile<'_> {
    SpecFile::new(store, &["app"]).graph(&[("app", 900, "lib"), ("lib", 600, "")])
}

/// Two closures, the second of which is the image's own.
fn history(store: &TestStore) -> String {
    let updates = json!({
        "name": "test",
        "paths": [
            {"path": store.path("app"), "narSize": 900, "references": [1]},
            {"path": store.path("lib"), "narSize": 600, "references": []},
            {"path": store.path("old-app"), "narSize": 800, "references": [1]},
        ],
        "steps": [{"date": "2024-01-01", "paths": [1, 2]}, {"date": "2024-01-08", "paths": [0, 1]}],
    });
    let file = store.root().join("updates.json");
    fs::write(&file, updates.to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

/// The digest of what the planner was asked, in an image that is made with these arguments.
fn request(spec: &SpecFile<'_>, arguments: &[&str]) -> String {
    let layout = spec.root().join("layout");
    let to = format!("oci:{}:web", layout.display());
    Run::of(
        spec.command("build")
            .args(["--to", &to, "--quiet"])
            .args(arguments),
    )
    .ok();
    let inspection = Run::of(terrine().args(["inspect", &to])).ok();
    let inspection: Value = serde_json::from_slice(&inspection.stdout).unwrap();
    inspection["annotations"]["dev.terrine.plan.request"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn said(run: &Run, store: &TestStore) -> String {
    run.snapshot(&[(store.root(), "[ROOT]")])
}

#[test]
fn the_past_is_part_of_what_the_planner_was_asked() {
    let store = store();
    let spec = spec(&store);
    let history = history(&store);
    let archive = store.root().join("old.tar");
    let summary = store.root().join("old.json");
    let layout = format!("oci:{}:old", store.root().join("layout").display());
    let (archive, summary) = (archive.to_str().unwrap(), summary.to_str().unwrap());
    Run::of(
        spec.command("build")
            .args(["-o", archive, "--summary", summary]),
    )
    .ok();
    Run::of(terrine().args(["copy", "--quiet", archive, &layout])).ok();
    let requests = [
        request(&spec, &[]),
        request(&spec, &["--history", &history]),
        request(&spec, &["--previous", archive]),
        request(&spec, &["--previous", summary]),
        request(&spec, &["--previous", archive, "--previous", archive]),
        request(&spec, &["--history", &history, "--previous", archive]),
    ];
    let distinct: std::collections::BTreeSet<&String> = requests.iter().collect();
    // The same layers, though of other sizes where they are stored.
    assert!(distinct.len() >= requests.len() - 1, "{requests:?}");
    assert_ne!(requests[0], requests[2]);
    assert_eq!(requests[2], request(&spec, &["--previous", &layout]));
    // Twice the same is the same.
    assert_eq!(
        requests[5],
        request(&spec, &["--history", &history, "--previous", archive])
    );
    // A specification says the same, and its paths start where it lies.
    let named = self::spec(&store)
        .with("history", "updates.json")
        .with("previous", "old.tar");
    assert_eq!(requests[5], request(&named, &[]));
    let named = named.with("previous", json!(["old.tar", "old.tar"]));
    assert_eq!(requests[5], request(&named, &["--previous", archive]));
}

#[test]
fn a_generated_tag_covers_the_past() {
    let store = store();
    let spec = spec(&store).with("name", "test");
    let tag = |arguments: &[&str]| {
        let built = Run::of(spec.command("build").args(arguments)).ok();
        Archive::read(built.stdout).manifest["RepoTags"].clone()
    };
    assert_ne!(tag(&[]), tag(&["--history", &history(&store)]));
}

#[test]
fn what_is_wrong_is_told() {
    let store = store();
    let spec = spec(&store);
    let root = store.root();
    let base = terrine_tests::base::BaseImage::new(&[&terrine_tests::base::layer("a", b"1")], &[]);
    fs::write(root.join("foreign.tar"), base.archive()).unwrap();
    fs::write(root.join("not-a-plan.json"), "{\"name\": 1}").unwrap();
    fs::write(
        root.join("wrong.json"),
        r#"{"paths": [{"path": "/nix/store/a"}], "steps": []}"#,
    )
    .unwrap();
    fs::write(
        root.join("elsewhere.json"),
        r#"{"paths": [{"path": "/gnu/store/a"}], "steps": [{"paths": [0]}]}"#,
    )
    .unwrap();
    let file = |name: &str| root.join(name).to_str().unwrap().to_owned();
    let plan = |arguments: &[&str]| Run::of(spec.command("plan").args(arguments));
    let missing = format!("oci:{}:web", file("missing"));
    for (name, arguments) in [
        ("missing", vec!["--previous", &file("missing.tar")]),
        ("missing-layout", vec!["--previous", &missing]),
        ("no-record", vec!["--previous", &file("foreign.tar")]),
        ("not-a-plan", vec!["--previous", &file("not-a-plan.json")]),
        ("stdin", vec!["--previous", "-"]),
        ("history", vec!["--history", &file("wrong.json")]),
        ("elsewhere", vec!["--history", &file("elsewhere.json")]),
    ] {
        insta::assert_snapshot!(name, said(&plan(&arguments), &store));
    }
    let run = plan(&[
        "--previous",
        &file("missing.tar"),
        "--allow-missing-previous",
    ]);
    insta::assert_snapshot!(
        "allowed",
        run.ok().stderr.replace(root.to_str().unwrap(), "[ROOT]")
    );
}

#[test]
fn an_image_that_is_not_in_a_registry_may_be_missing() {
    let store = store();
    let spec = spec(&store);
    let layout = format!("oci:{}", store.root().join("layout").display());
    Run::of(
        spec.command("build")
            .args(["--to", &format!("{layout}:web"), "--quiet"]),
    )
    .ok();
    let mut missing = vec![format!("{layout}:other")];
    let registry = Registry::start();
    if let Some(registry) = &registry {
        let there = format!("docker://{}/web:1", registry.host());
        missing.extend([
            format!("docker://{}/web:2", registry.host()),
            format!("docker://{}/nothing:1", registry.host()),
        ]);
        Run::of(spec.command("build").args(["--to", &there, "--quiet"])).ok();
        let plan = Run::of(spec.command("plan").args(["--previous", &there])).ok();
        assert!(
            !plan.stderr.contains("the previous image `"),
            "{}",
            plan.stderr
        );
    }
    for reference in missing {
        let run = Run::of(spec.command("plan").args(["--previous", &reference]));
        assert_eq!(run.code, Some(1), "{reference}");
        assert!(
            run.stderr.contains("hint: for the first image, give"),
            "{}",
            run.stderr
        );
        let arguments = ["--previous", &reference, "--allow-missing-previous"];
        let run = Run::of(spec.command("plan").args(arguments)).ok();
        let said = format!("warning: the previous image `{reference}` does not exist");
        assert!(run.stderr.starts_with(&said), "{}", run.stderr);
    }
    // A registry that does not answer is another matter.
    let arguments = [
        "--previous",
        "docker://127.0.0.1:1/web:1",
        "--allow-missing-previous",
        "--retries",
        "0",
    ];
    let run = Run::of(spec.command("plan").args(arguments));
    assert_eq!(run.code, Some(1), "{}", run.stderr);
}

#[test]
fn an_index_tells_the_image_of_the_platform() {
    let store = store();
    let layout = |tag: &str| format!("oci:{}:{tag}", store.root().join("layout").display());
    for architecture in ["amd64", "arm64"] {
        let spec = spec(&store).with("architecture", architecture);
        Run::of(
            spec.command("build")
                .args(["--to", &layout(architecture), "--quiet"]),
        )
        .ok();
    }
    let mut index = terrine();
    index.args([
        "index",
        "--quiet",
        "--to",
        &layout("both"),
        &layout("amd64"),
        &layout("arm64"),
    ]);
    Run::of(&mut index).ok();
    let spec = spec(&store);
    let of = |tag: &str| request(&spec, &["--previous", &layout(tag)]);
    assert_eq!(of("both"), of("amd64"));
    let other = self::spec(&store).with("architecture", "s390x");
    let run = Run::of(other.command("plan").args(["--previous", &layout("both")]));
    assert!(
        run.stderr.contains("it has no image for linux/s390x"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_policy_that_does_not_look_at_the_past_says_so() {
    let store = store();
    let history = history(&store);
    let run =
        Run::of(
            spec(&store)
                .command("plan")
                .args(["--history", &history, "--policy", "single"]),
        );
    insta::assert_snapshot!("ignored", run.ok().stderr);
}

#[test]
fn layers_takes_the_past_as_well() {
    let store = store();
    spec(&store).write();
    let history = history(&store);
    let layers = |arguments: &[&str]| -> Run {
        let mut command: Command = terrine();
        command.args([
            "layers",
            "--max-layers",
            "3",
            "--store-dir",
            store.dir(),
            "--graph",
        ]);
        Run::of(command.arg(store.root().join("graph.json")).args(arguments))
    };
    let plain = layers(&[]).ok();
    let with = layers(&["--history", &history]).ok();
    assert_eq!(plain.stdout, with.stdout);
    assert_eq!(plain.stderr, "");
    assert!(
        with.stderr.contains("does not use history"),
        "{}",
        with.stderr
    );
    let wrong = layers(&["--previous", "missing.tar"]);
    insta::assert_snapshot!("layers-missing", said(&wrong, &store));
    layers(&["--previous", "missing.tar", "--allow-missing-previous"]).ok();
}

/// The digests of an image's layers of store paths, in their order.
fn store_layers(image: &str) -> Vec<String> {
    let inspection = Run::of(terrine().args(["inspect", image, "--format", "json"])).ok();
    let inspection: Value = serde_json::from_slice(&inspection.stdout).unwrap();
    inspection["layers"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|layer| {
            layer["storePaths"]
                .as_array()
                .is_some_and(|paths| !paths.is_empty())
        })
        .map(|layer| layer["diffId"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn layers_that_clients_hold_are_kept() {
    let store = TestStore::default();
    for (name, byte) in [("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5)] {
        store.file(&format!("{name}/data"), &[byte; 5000]);
    }
    let image = |names: &[&str], tag: &str, more: &[&str]| {
        let graph: Vec<_> = names.iter().map(|name| (*name, 5000, "")).collect();
        let spec = SpecFile::new(&store, names)
            .graph(&graph)
            .with("config", Value::Null);
        let to = format!("oci:{}:{tag}", store.root().join("layout").display());
        let run = Run::of(
            spec.command("build")
                .args(["--quiet", "--max-layers", "3", "--to", &to])
                .args(more),
        )
        .ok();
        // All of them have a file of that name.
        let other =
            |line: &&str| !line.contains("`/data` is in") && !line.contains("name it first");
        assert_eq!(run.stderr.lines().find(other), None);
        store_layers(&to)
    };
    let layout = format!("oci:{}", store.root().join("layout").display());
    let (four, five) = (&["a", "b", "c", "d"], &["a", "b", "c", "d", "e"]);
    // Two layers, of other paths than the policy would put together.
    let grouping = [["d", "a"], ["c", "b"]].map(|paths| paths.map(|name| store.path(name)));
    let options = format!("layers={}", json!(grouping));
    let held = image(
        four,
        "held",
        &["--policy", "explicit", "--option", &options],
    );
    assert_eq!(held.len(), 2);
    let anew = image(four, "anew", &[]);
    assert!(anew.iter().all(|layer| !held.contains(layer)), "{anew:?}");
    let previous = format!("{layout}:held");
    let mut kept = image(four, "kept", &["--previous", &previous]);
    kept.sort();
    let mut all = held.clone();
    all.sort();
    assert_eq!(kept, all);
    // What is new goes into one of them; the other one is still the same, byte for byte.
    let more = image(five, "more", &["--previous", &previous]);
    assert_eq!(
        more.iter().filter(|layer| held.contains(layer)).count(),
        1,
        "{more:?}"
    );
}
