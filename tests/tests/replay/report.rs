//! The report: as a table, as JSON, and what is wrong with its arguments.

use std::fs::{self, File};
use std::path::Path;

use serde_json::json;
use terrine_tests::updates::{sequence, write};
use terrine_tests::{Run, temporary, terrine};

use super::json_of;

fn replay(file: &Path, arguments: &[&str]) -> Run {
    Run::of(terrine().arg("replay").arg(file).args(arguments))
}

/// Returns what a run says, without the fuel, which another compiler of the planner may change.
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
fn output_that_cannot_be_written_is_a_failure() {
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
