//! `terrine replay record`: sequences from images, specifications, plans and closures.

use std::fs;

use serde_json::{Value, json};
use terrine_tests::updates::{hashed, sequence};
use terrine_tests::{ConfFile, Run, SpecFile, TestStore, temporary, terrine};

use super::json_of;

/// Two versions of an application, as images, specifications and plans.
struct Versions {
    store: TestStore,
}

impl Versions {
    fn new() -> Self {
        let store = TestStore::default();
        for (hash, version) in [("a", "1.0"), ("b", "1.1")] {
            store.file_with_mode(
                &format!("{}-web-{version}/bin/web", hash.repeat(32)),
                version.as_bytes(),
                0o555,
            );
        }
        store.file(&format!("{}-lib-1", "c".repeat(32)), &[7; 600]);
        Self { store }
    }

    fn web(version: &str) -> String {
        let hash = if version == "1.0" { "a" } else { "b" };
        format!("{}-web-{version}", hash.repeat(32))
    }

    fn spec(&self, version: &str) -> SpecFile<'_> {
        let (web, lib) = (Self::web(version), format!("{}-lib-1", "c".repeat(32)));
        let spec = SpecFile::new(&self.store, &[&web])
            .with("name", "host/acme/web")
            .with("tag", version);
        spec.graph(&[(&web, 900, &lib), (&lib, 700, "")])
    }

    fn file(&self, name: &str) -> String {
        self.store.root().join(name).to_str().unwrap().to_owned()
    }

    fn record(&self, arguments: &[&str]) -> Run {
        Run::of(
            terrine()
                .args(["replay", "record", "--store-root"])
                .arg(self.store.root())
                .args(arguments),
        )
    }

    fn said(&self, run: &Run) -> String {
        run.snapshot(&[(self.store.root(), "[ROOT]")])
    }
}

#[test]
fn a_sequence_is_recorded_from_images_specifications_plans_and_closures() {
    let versions = Versions::new();
    let mut arguments = vec![];
    for version in ["1.0", "1.1"] {
        let spec = versions.spec(version);
        let (archive, summary) = (
            versions.file(&format!("{version}.tar")),
            versions.file(&format!("{version}.json")),
        );
        Run::of(
            spec.command("build")
                .args(["-o", &archive, "--summary", &summary]),
        )
        .ok();
        let layout = format!("oci:{}:{version}", versions.file("web"));
        Run::of(terrine().args(["copy", "--quiet", &archive, &layout])).ok();
        arguments.push((archive, layout, summary));
    }
    let [(old, old_layout, old_plan), (new, new_layout, new_plan)] = &arguments[..] else {
        panic!()
    };
    insta::assert_snapshot!(
        "record-archives",
        versions.said(&versions.record(&[old, new]))
    );
    let recorded = |arguments: &[&str]| versions.record(arguments).ok().stdout;
    // Compressed or not, under a tag or with a name: the same.
    assert_eq!(recorded(&[old, new]), recorded(&[old_layout, new_layout]));
    insta::assert_snapshot!(
        "record-plans",
        versions.said(&versions.record(&[old_plan, new_plan, "--name", "app"]))
    );
    // The specification is that of 1.1, and the graph beside it as well.
    let (spec, graph) = (versions.file("image.json"), versions.file("graph.json"));
    insta::assert_snapshot!(
        "record-spec",
        versions.said(&versions.record(&[&spec, &graph]))
    );
    insta::assert_snapshot!(
        "record-closure",
        versions.said(&versions.record(&[new, "--closure", &graph]))
    );
}

#[test]
fn a_step_is_added_to_a_sequence_that_is_there() {
    let versions = Versions::new();
    let updates = versions.file("updates.json");
    for version in ["1.0", "1.1"] {
        versions.spec(version).write();
        let run = versions.record(&[
            &versions.file("image.json"),
            "-o",
            &updates,
            "--append",
            "--quiet",
        ]);
        assert_eq!(run.ok().stderr, "");
    }
    let report = json_of(Run::of(terrine().args(["replay", &updates])));
    let labels = report["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["label"].as_str().unwrap());
    assert_eq!(labels.collect::<Vec<_>>(), ["1.0", "1.1"]);
    assert_eq!(report["images"][0]["name"], "web");
    versions
        .record(&[
            &versions.file("image.json"),
            "-o",
            &updates,
            "--append",
            "--name",
            "site",
        ])
        .ok();
    let renamed = json_of(Run::of(terrine().args(["replay", &updates])));
    assert_eq!(
        renamed["images"][0],
        json!({"name": "site", "steps": 3, "lostReferences": 0})
    );
    assert_eq!(report["runs"][0]["total"]["lowerBound"], 900);
    // Without `--append` it begins anew.
    versions
        .record(&[&versions.file("image.json"), "-o", &updates])
        .ok();
    let report = json_of(Run::of(terrine().args(["replay", &updates])));
    assert_eq!(report["steps"].as_array().unwrap().len(), 1);
    let before = fs::read(&updates).unwrap();
    let failed = versions.record(&[
        &versions.file("image.json"),
        &versions.file("missing"),
        "-o",
        &updates,
        "--append",
    ]);
    assert_eq!(
        (failed.code, fs::read(&updates).unwrap()),
        (Some(1), before)
    );
}

#[test]
fn what_cannot_be_recorded_is_told() {
    let versions = Versions::new();
    let base = terrine_tests::base::BaseImage::new(&[&terrine_tests::base::layer("a", b"1")], &[]);
    fs::write(versions.file("foreign.tar"), base.archive()).unwrap();
    fs::write(versions.file("broken.json"), "{").unwrap();
    fs::write(
        versions.file("empty.json"),
        r#"{"schemaVersion": 1, "layers": []}"#,
    )
    .unwrap();
    fs::write(versions.file("updates.json"), sequence().to_string()).unwrap();
    fs::write(
        versions.file("elsewhere.json"),
        r#"[{"path": "/gnu/store/a", "references": []}]"#,
    )
    .unwrap();
    let file = |name: &str| versions.file(name);
    for (name, arguments) in [
        ("record-nothing", vec![]),
        ("record-missing", vec![file("missing.tar")]),
        ("record-foreign", vec![file("foreign.tar")]),
        ("record-broken", vec![file("broken.json")]),
        ("record-empty", vec![file("empty.json")]),
        ("record-sequence", vec![file("updates.json")]),
        (
            "record-append-stdout",
            vec![
                file("foreign.tar"),
                "--append".to_owned(),
                "-o".to_owned(),
                "-".to_owned(),
            ],
        ),
        (
            "record-elsewhere",
            vec![
                file("elsewhere.json"),
                "--store-dir".to_owned(),
                "/gnu/store".to_owned(),
                "--append".to_owned(),
                "-o".to_owned(),
                file("updates.json"),
            ],
        ),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        insta::assert_snapshot!(name, versions.said(&versions.record(&arguments)));
    }
}

#[test]
fn images_of_dockertools_are_recorded() {
    let versions = Versions::new();
    let web = Versions::web("1.0");
    let conf = ConfFile::new(&versions.store, &[&[&web]]).with("repo_tag", "web:7");
    fs::write(versions.file("old.tar"), conf.run().ok().stdout).unwrap();
    let run = versions.record(&[&versions.file("old.tar")]).ok();
    let text: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(
        (&text["name"], &text["steps"][0]["date"]),
        (&json!("web"), &json!("7"))
    );
    assert_eq!(
        text["paths"],
        json!([{"path": hashed("a", "web-1.0"), "narSize": 3, "references": []}])
    );
}

/// A directory of one name with other files in it: from a specification, from images, and where nothing tells.
#[test]
fn a_directory_that_changed_under_its_name_is_pulled_again() {
    let folder = temporary();
    let site = folder.path().join("site");
    let run = |arguments: &[&str]| {
        let mut command = terrine();
        Run::of(command.current_dir(folder.path()).args(arguments)).ok()
    };
    fs::create_dir(&site).unwrap();
    for (step, content) in ["one", "two", "two"].into_iter().enumerate() {
        fs::write(site.join("index.html"), content).unwrap();
        fs::write(
            folder.path().join("image.json"),
            json!({"name": format!("web:{step}"), "contents": "./site"}).to_string(),
        )
        .unwrap();
        let archive = format!("{step}.tar");
        run(&["build", "image.json", "-o", &archive]);
        run(&["plan", "image.json", "--format", "json"]);
        run(&[
            "replay",
            "record",
            "image.json",
            "-o",
            "specs.json",
            "--append",
        ]);
    }
    run(&[
        "replay",
        "record",
        "0.tar",
        "1.tar",
        "2.tar",
        "-o",
        "images.json",
    ]);
    // The directory is the same in the image and on this machine.
    let read = |file: &str| fs::read_to_string(folder.path().join(file)).unwrap();
    let contents = |file: &str| {
        let sequence: Value = serde_json::from_str(&read(file)).unwrap();
        let paths = sequence["paths"].as_array().unwrap().clone();
        paths
            .iter()
            .map(|path| path["content"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(contents("specs.json").len(), 2);
    assert_eq!(contents("specs.json"), contents("images.json"));
    for file in ["specs.json", "images.json"] {
        let replayed = run(&[
            "replay",
            file,
            "--max-layers",
            "5",
            "--policy",
            "auto",
            "--format",
            "json",
        ]);
        assert!(
            !replayed.stderr.contains("it is not known whether"),
            "{}",
            replayed.stderr
        );
        let report: Value = serde_json::from_slice(&replayed.stdout).unwrap();
        let pulled: Vec<usize> = report["runs"][0]["steps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step["paths"].as_u64().unwrap() as usize)
            .collect();
        assert_eq!(pulled, [1, 0], "{file}");
    }
    // A closure does not say what is in it.
    let closure = json!([{"path": "/nix/store/site", "narSize": 3, "references": []}]).to_string();
    for step in ["a.json", "b.json"] {
        fs::write(folder.path().join(step), &closure).unwrap();
    }
    let recorded = run(&[
        "replay",
        "record",
        "a.json",
        "b.json",
        "-o",
        "closures.json",
    ]);
    let message = "it is not known whether the content of `/nix/store/site` changed";
    assert!(recorded.stderr.contains(message), "{}", recorded.stderr);
    let replayed = run(&[
        "replay",
        "closures.json",
        "--max-layers",
        "5",
        "--format",
        "json",
        "--html",
        "page.html",
    ]);
    assert!(read("page.html").contains(message));
    assert!(replayed.stderr.contains(message), "{}", replayed.stderr);
    let report: Value = serde_json::from_slice(&replayed.stdout).unwrap();
    assert_eq!(report["images"][0]["uncertain"], json!(["/nix/store/site"]));
}
