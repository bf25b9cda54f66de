//! `terrine replay` and `terrine replay record` as their users see them.

#![allow(
    clippy::unwrap_used,
    reason = "a test that can not be set up has failed"
)]

use std::fs::{self, File};
use std::path::Path;

use serde_json::{Value, json};
use terrine_tests::updates::{hashed, sequence, write};
use terrine_tests::{ConfFile, Run, SpecFile, TestStore, temporary, terrine};

fn replay(file: &Path, arguments: &[&str]) -> Run {
    Run::of(terrine().arg("replay").arg(file).args(arguments))
}

fn json_of(run: Run) -> Value {
    serde_json::from_slice(&run.ok().stdout).unwrap()
}

/// What a run says, without the fuel, which another compiler of the planner may change.
fn without_fuel(run: &Run, folder: &Path) -> String {
    let text = run.snapshot(&[(folder, "[FOLDER]")]);
    text.lines()
        .map(|line| {
            let field = line.trim_start();
            let is_fuel = ["\"fuel\"", "\"maxFuel\"", "\"memory\"", "\"component\""]
                .iter()
                .any(|key| field.starts_with(key));
            if is_fuel {
                format!("{}: [USAGE],\n", line.split(':').next().unwrap())
            } else {
                format!("{line}\n")
            }
        })
        .collect()
}

/// The table without the column of fuel.
fn table(run: &Run, folder: &Path) -> String {
    let text = run.snapshot(&[(folder, "[FOLDER]")]);
    // Its width goes with the number of digits.
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let is_fuel = |word: &&str| {
            word.strip_suffix(['k', 'M', 'G'])
                .is_some_and(|number| number.parse::<f64>().is_ok())
        };
        match words.iter().position(is_fuel) {
            Some(place) => {
                let before = words[..place].join(" ");
                format!(
                    "{} [FUEL] {}\n",
                    before.trim_end(),
                    words[place + 1..].join(" ")
                )
            }
            None => format!("{line}\n"),
        }
    };
    text.lines().map(line).collect()
}

#[test]
fn help_is_what_it_was() {
    let help = |arguments: &[&str]| Run::of(terrine().args(arguments)).snapshot(&[]);
    insta::assert_snapshot!("help", help(&["replay", "--help"]));
    insta::assert_snapshot!("help-record", help(&["replay", "record", "--help"]));
}

#[test]
fn what_is_said_is_what_it_was() {
    let folder = temporary();
    let file = write(folder.path(), "web.json", &sequence());
    let said = |arguments: &[&str]| table(&replay(&file, arguments), folder.path());
    let policies = [
        "--policy",
        "single",
        "--policy",
        "path-per-layer",
        "--max-layers",
        "2,none",
    ];
    let with = |more: &[&'static str]| [&policies[..], &["--format", "table"], more].concat();
    insta::assert_snapshot!("table", said(&with(&[])));
    insta::assert_snapshot!(
        "table-from",
        said(&with(&[
            "--steps",
            "1..4",
            "--from-step",
            "2",
            "--pull-every",
            "2"
        ]))
    );
    insta::assert_snapshot!(
        "table-told",
        said(&with(&[
            "--with-history",
            "--with-previous",
            "--keep",
            "all"
        ]))
    );
    let run = replay(&file, &["--policy", "single", "--max-layers", "2"]);
    insta::assert_snapshot!("json", without_fuel(&run, folder.path()));
    let data = write(folder.path(), "data.json", &sequence());
    let fleet = replay(
        &file,
        &[
            data.to_str().unwrap(),
            "--policy",
            "single",
            "--format",
            "table",
        ],
    );
    insta::assert_snapshot!("fleet", table(&fleet, folder.path()));
}

#[test]
fn what_is_wrong_is_told() {
    let folder = temporary();
    let file = write(folder.path(), "web.json", &sequence());
    let mut wrong = sequence();
    wrong["steps"][1]["paths"] = json!([0, 17]);
    let wrong = write(folder.path(), "wrong.json", &wrong);
    let mut lost = sequence();
    lost["steps"][1]["paths"] = json!([1, 3]);
    let lost = write(folder.path(), "lost.json", &lost);
    let missing = folder.path().join("missing.json");
    let page = folder.path().join("missing/page.html");
    for (name, file, arguments) in [
        ("wrong", &wrong, vec![]),
        ("missing", &missing, vec![]),
        ("no-policy", &file, vec!["--policy", "nonsense"]),
        ("no-options", &file, vec!["--policy", "auto=[]"]),
        ("no-json", &file, vec!["--policy", "auto={"]),
        ("no-steps", &file, vec!["--steps", "3..9"]),
        ("no-end", &file, vec!["--steps", "1..18446744073709551615"]),
        (
            "no-first",
            &file,
            vec!["--steps", "2..3", "--from-step", "1"],
        ),
        ("no-range", &file, vec!["--steps", "3"]),
        ("no-budget", &file, vec!["--max-layers", "0"]),
        ("refused", &file, vec!["--policy", "explicit"]),
        ("no-planner", &file, vec!["--planner", "/dev/null"]),
        ("no-folder", &file, vec!["--html", page.to_str().unwrap()]),
        ("both-to-stdout", &file, vec!["--html", "-"]),
    ] {
        let run = replay(file, &arguments);
        insta::assert_snapshot!(name, run.snapshot(&[(folder.path(), "[FOLDER]")]));
    }
    let stderr = replay(&lost, &[])
        .ok()
        .stderr
        .replace(folder.path().to_str().unwrap(), "[FOLDER]");
    insta::assert_snapshot!("lost", stderr);
}

#[test]
fn a_component_takes_part_under_its_name() {
    let folder = temporary();
    let file = write(folder.path(), "web.json", &sequence());
    let planner = folder.path().join("planner.wasm");
    Run::of(terrine().args(["planner", "export"]).arg(&planner)).ok();
    // Another component for whoever looks at its bytes: it has an empty section more.
    let mut bytes = fs::read(&planner).unwrap();
    bytes.extend([0, 2, 1, b'x']);
    fs::write(&planner, bytes).unwrap();
    let planner = planner.to_str().unwrap();
    let policies = |arguments: &[&str]| -> Vec<String> {
        let report = json_of(replay(&file, arguments));
        report["runs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["policy"].as_str().unwrap().to_owned())
            .collect()
    };
    // The default policy of the one that is given, unless one of its policies is named.
    assert_eq!(policies(&["--planner", planner]), ["auto"]);
    let said = replay(
        &file,
        &["--policy", "single={\"nonsense\": 1}", "--planner", planner],
    );
    assert!(
        said.stderr.contains("`options.nonsense`: policy `single`"),
        "{}",
        said.stderr
    );
    assert_eq!(
        policies(&["--policy", "single", "--planner", planner]),
        ["single", "single"]
    );
    let report = replay(
        &file,
        &[
            "--policy",
            "single",
            "--planner",
            planner,
            "--format",
            "table",
        ],
    )
    .ok();
    let text = String::from_utf8(report.stdout).unwrap();
    assert_eq!(text.matches("terrine/single").count(), 2, "{text}");
}

#[test]
fn policies_take_part_with_their_options() {
    let folder = temporary();
    let file = write(folder.path(), "web.json", &sequence());
    let pipeline = r#"pipeline={"pipeline": [["popularity_contest"]]}"#;
    let run = replay(
        &file,
        &[
            "--policy", pipeline, "--policy", "auto", "--policy", "auto", "--format", "table",
        ],
    );
    let text = String::from_utf8(run.ok().stdout).unwrap();
    assert!(
        text.contains(r#"pipeline {"pipeline":[["popularity_contest"]]}  "#),
        "{text}"
    );
    assert_eq!(text.matches("\nauto ").count(), 1, "{text}");
}

#[test]
fn time_is_told_only_if_it_is_asked_for() {
    let folder = temporary();
    let file = write(folder.path(), "web.json", &sequence());
    let first = replay(&file, &["--jobs", "1"]).ok();
    assert_eq!(first.stdout, replay(&file, &["--jobs", "3"]).ok().stdout);
    assert_eq!(first.stderr, "");
    let timed = json_of(replay(&file, &["--time"]));
    assert!(
        timed["runs"][0]["total"]["planning"]["seconds"]
            .as_f64()
            .unwrap()
            > 0.0
    );
    let table =
        String::from_utf8(replay(&file, &["--time", "--format", "table"]).ok().stdout).unwrap();
    assert!(
        table.contains("time/plan") && table.contains(" ms"),
        "{table}"
    );
}

#[test]
fn output_that_can_not_be_written_is_a_failure() {
    let folder = temporary();
    let file = write(folder.path(), "web.json", &sequence());
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let output = terrine()
        .arg("replay")
        .arg(&file)
        .stdout(full())
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("No space left"), "{stderr}");
    let output = terrine()
        .args(["replay", "--html", "/dev/full"])
        .arg(&file)
        .stdout(full())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    // Whoever reads has gone: nothing is said.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let gone = terrine()
        .arg("replay")
        .arg(&file)
        .stdout(writer)
        .output()
        .unwrap();
    assert_eq!(
        (gone.status.code(), gone.stderr.as_slice()),
        (Some(1), &b""[..])
    );
    // A page that was there stays if the replay fails.
    let page = folder.path().join("page.html");
    fs::write(&page, "old").unwrap();
    let run = replay(
        &file,
        &["--policy", "explicit", "--html", page.to_str().unwrap()],
    );
    assert_eq!(
        (run.code, fs::read_to_string(&page).unwrap().as_str()),
        (Some(1), "old")
    );
}

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
fn what_can_not_be_recorded_is_told() {
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
            !replayed.stderr.contains("nobody can tell"),
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
    let message = "nobody can tell whether the content of `/nix/store/site` changed";
    assert!(recorded.stderr.contains(message), "{}", recorded.stderr);
    let replayed = run(&[
        "replay",
        "closures.json",
        "--max-layers",
        "5",
        "--format",
        "json",
    ]);
    assert!(replayed.stderr.contains(message), "{}", replayed.stderr);
    let report: Value = serde_json::from_slice(&replayed.stdout).unwrap();
    assert_eq!(report["images"][0]["uncertain"], json!(["/nix/store/site"]));
}
