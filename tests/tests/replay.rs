//! `terrine replay` and `terrine replay record` as their users see them.

#![allow(clippy::unwrap_used, reason = "a test that can not be set up has failed")]

use std::fs::{self, File};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use terrine::planner::{Limits, Runtime};
use terrine::replay::{Candidate, Fleet, Keep, Observer, Settings, Task};
use terrine::updates::Updates;
use terrine_tests::{ConfFile, Run, SpecFile, TestStore, peer, temporary, terrine};

/// A name with a hash that is one character, repeated.
fn hashed(hash: &str, name: &str) -> String {
    format!("/nix/store/{}-{name}", hash.repeat(32))
}

/// A sequence of three steps: an application is updated, then its library, which rebuilds it.
fn sequence() -> Value {
    let path = |hash: &str, name: &str, size: u64, references: &[u64]| json!({"path": hashed(hash, name), "narSize": size, "references": references});
    json!({
        "name": "web",
        "paths": [
            path("a", "libc-2.38", 1_000_000, &[]),
            path("b", "ssl-3.0", 300_000, &[0]),
            path("c", "web-1.0", 20_000, &[0, 1]),
            path("d", "web-1.1", 21_000, &[0, 1]),
            path("e", "ssl-3.1", 310_000, &[0]),
            path("f", "web-1.1", 21_000, &[0, 4]),
        ],
        "steps": [
            {"date": "2024-01-01", "paths": [0, 1, 2]},
            {"date": "2024-01-08", "paths": [0, 1, 3]},
            {"date": "2024-01-15", "paths": [0, 4, 5]},
            {"date": "2024-01-22", "paths": [0, 4, 5]},
        ],
    })
}

/// Writes a sequence to a folder.
fn write(folder: &Path, name: &str, sequence: &Value) -> PathBuf {
    let file = folder.join(name);
    fs::write(&file, sequence.to_string()).unwrap();
    file
}

fn replay(file: &Path, arguments: &[&str]) -> Run {
    Run::of(terrine().arg("replay").arg(file).args(arguments))
}

fn json_of(run: Run) -> Value {
    serde_json::from_slice(&run.ok().stdout).unwrap()
}

/// What a run says, without the fuel, which another compiler of the planner may change.
fn without_fuel(run: &Run, folder: &Path) -> String {
    let text = run.snapshot(&[(folder, "[FOLDER]")]);
    let line = |line: &str| {
        let field = line.trim_start();
        let is_fuel = ["\"fuel\"", "\"maxFuel\"", "\"memory\"", "\"component\""]
            .iter()
            .any(|key| field.starts_with(key));
        match is_fuel {
            true => format!("{}: [USAGE],\n", line.split(':').next().unwrap()),
            false => format!("{line}\n"),
        }
    };
    text.lines().map(line).collect()
}

/// The table without the column of fuel.
fn table(run: &Run, folder: &Path) -> String {
    let text = run.snapshot(&[(folder, "[FOLDER]")]);
    // Its width goes with the number of digits.
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let is_fuel = |word: &&str| {
            word.strip_suffix(['k', 'M', 'G']).is_some_and(|number| number.parse::<f64>().is_ok())
        };
        match words.iter().position(is_fuel) {
            Some(place) => {
                let before = words[..place].join(" ");
                format!("{} [FUEL] {}\n", before.trim_end(), words[place + 1..].join(" "))
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
    let policies = ["--policy", "single", "--policy", "path-per-layer", "--max-layers", "2,none"];
    let with = |more: &[&'static str]| [&policies[..], &["--format", "table"], more].concat();
    insta::assert_snapshot!("table", said(&with(&[])));
    insta::assert_snapshot!(
        "table-from",
        said(&with(&["--steps", "1..4", "--from-step", "2", "--pull-every", "2"]))
    );
    insta::assert_snapshot!(
        "table-told",
        said(&with(&["--with-history", "--with-previous", "--keep", "all"]))
    );
    let run = replay(&file, &["--policy", "single", "--max-layers", "2"]);
    insta::assert_snapshot!("json", without_fuel(&run, folder.path()));
    let data = write(folder.path(), "data.json", &sequence());
    let fleet = replay(&file, &[data.to_str().unwrap(), "--policy", "single", "--format", "table"]);
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
        ("no-first", &file, vec!["--steps", "2..3", "--from-step", "1"]),
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
    let stderr = replay(&lost, &[]).ok().stderr.replace(folder.path().to_str().unwrap(), "[FOLDER]");
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
        let run = |run: &Value| run["policy"].as_str().unwrap().to_owned();
        report["runs"].as_array().unwrap().iter().map(run).collect()
    };
    // The default policy of the one that is given, unless one of its policies is named.
    assert_eq!(policies(&["--planner", planner]), ["auto"]);
    assert_eq!(policies(&["--policy", "single", "--planner", planner]), ["single", "single"]);
    let report = replay(&file, &["--policy", "single", "--planner", planner, "--format", "table"]).ok();
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
        &["--policy", pipeline, "--policy", "auto", "--policy", "auto", "--format", "table"],
    );
    let text = String::from_utf8(run.ok().stdout).unwrap();
    assert!(text.contains(r#"pipeline {"pipeline":[["popularity_contest"]]}  "#), "{text}");
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
    assert!(timed["runs"][0]["total"]["planning"]["seconds"].as_f64().unwrap() > 0.0);
    let table = String::from_utf8(replay(&file, &["--time", "--format", "table"]).ok().stdout).unwrap();
    assert!(table.contains("time/plan") && table.contains(" ms"), "{table}");
}

#[test]
fn output_that_can_not_be_written_is_a_failure() {
    let folder = temporary();
    let file = write(folder.path(), "web.json", &sequence());
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let run = Run::of(
        Command::new("sh")
            .arg("-c")
            .arg("\"$0\" replay \"$1\" --format json >/dev/full")
            .args([terrine().get_program(), file.as_os_str()]),
    );
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("No space left"), "{}", run.stderr);
    let output =
        terrine().args(["replay", "--html", "/dev/full"]).arg(&file).stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    // Whoever reads has gone: nothing is said.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let gone = terrine().arg("replay").arg(&file).stdout(writer).output().unwrap();
    assert_eq!((gone.status.code(), gone.stderr.as_slice()), (Some(1), &b""[..]));
    // A page that was there stays if the replay fails.
    let page = folder.path().join("page.html");
    fs::write(&page, "old").unwrap();
    let run = replay(&file, &["--policy", "explicit", "--html", page.to_str().unwrap()]);
    assert_eq!((run.code, fs::read_to_string(&page).unwrap().as_str()), (Some(1), "old"));
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
        let spec =
            SpecFile::new(&self.store, &[&web]).with("name", "host/acme/web").with("tag", version);
        spec.graph(&[(&web, 900, &lib), (&lib, 700, "")])
    }

    fn file(&self, name: &str) -> String {
        self.store.root().join(name).to_str().unwrap().to_owned()
    }

    fn record(&self, arguments: &[&str]) -> Run {
        Run::of(
            terrine().args(["replay", "record", "--store-root"]).arg(self.store.root()).args(arguments),
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
        let (archive, summary) =
            (versions.file(&format!("{version}.tar")), versions.file(&format!("{version}.json")));
        Run::of(spec.command("build").args(["-o", &archive, "--summary", &summary])).ok();
        let layout = format!("oci:{}:{version}", versions.file("web"));
        Run::of(terrine().args(["copy", "--quiet", &archive, &layout])).ok();
        arguments.push((archive, layout, summary));
    }
    let [(old, old_layout, old_plan), (new, new_layout, new_plan)] = &arguments[..] else { panic!() };
    insta::assert_snapshot!("record-archives", versions.said(&versions.record(&[old, new])));
    let recorded = |arguments: &[&str]| versions.record(arguments).ok().stdout;
    // Compressed or not, under a tag or with a name: the same.
    assert_eq!(recorded(&[old, new]), recorded(&[old_layout, new_layout]));
    insta::assert_snapshot!(
        "record-plans",
        versions.said(&versions.record(&[old_plan, new_plan, "--name", "app"]))
    );
    // The specification is that of 1.1, and the graph beside it as well.
    let (spec, graph) = (versions.file("image.json"), versions.file("graph.json"));
    insta::assert_snapshot!("record-spec", versions.said(&versions.record(&[&spec, &graph])));
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
        let run =
            versions.record(&[&versions.file("image.json"), "-o", &updates, "--append", "--quiet"]);
        assert_eq!(run.ok().stderr, "");
    }
    let report = json_of(Run::of(terrine().args(["replay", &updates])));
    let labels = report["steps"].as_array().unwrap().iter().map(|step| step["label"].as_str().unwrap());
    assert_eq!(labels.collect::<Vec<_>>(), ["1.0", "1.1"]);
    assert_eq!(report["images"][0]["name"], "web");
    assert_eq!(report["runs"][0]["total"]["lowerBound"], 900);
    // Without `--append` it begins anew.
    versions.record(&[&versions.file("image.json"), "-o", &updates]).ok();
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
    assert_eq!((failed.code, fs::read(&updates).unwrap()), (Some(1), before));
}

#[test]
fn what_can_not_be_recorded_is_told() {
    let versions = Versions::new();
    let base = terrine_tests::base::BaseImage::new(&[&terrine_tests::base::layer("a", b"1")], &[]);
    fs::write(versions.file("foreign.tar"), base.archive()).unwrap();
    fs::write(versions.file("broken.json"), "{").unwrap();
    fs::write(versions.file("empty.json"), r#"{"schemaVersion": 1, "layers": []}"#).unwrap();
    fs::write(versions.file("updates.json"), sequence().to_string()).unwrap();
    fs::write(versions.file("elsewhere.json"), r#"[{"path": "/gnu/store/a", "references": []}]"#)
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
            vec![file("foreign.tar"), "--append".to_owned(), "-o".to_owned(), "-".to_owned()],
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
    assert_eq!((&text["name"], &text["steps"][0]["date"]), (&json!("web"), &json!("7")));
    assert_eq!(text["paths"], json!([{"path": hashed("a", "web-1.0"), "narSize": 3, "references": []}]));
}

/// A page about two images and two budgets, with names that would break out if they could.
fn page(folder: &Path) -> String {
    let mut evil = sequence();
    evil["name"] = json!("</script><script>document.title='broken'</script>");
    evil["steps"][1]["date"] = json!("<b>\"1&amp;\"</b>\u{2028}");
    evil["paths"][3]["path"] = json!(format!("{}'\"<img src=x>", hashed("d", "web-1.1")));
    let (first, second) = (write(folder, "web.json", &sequence()), write(folder, "evil.json", &evil));
    let html = folder.join("page.html");
    let arguments = ["--policy", "auto", "--policy", "single", "--max-layers", "2,none", "--html"];
    let mut command = terrine();
    command.arg("replay").args([&first, &second]).args(arguments).arg(&html);
    Run::of(&mut command).ok();
    let page = fs::read_to_string(&html).unwrap();
    Run::of(&mut command).ok();
    assert_eq!(page, fs::read_to_string(&html).unwrap(), "the same report makes the same page");
    page
}

/// The elements of a page that are open at its end, or close what is not open.
fn unbalanced(page: &str) -> Vec<String> {
    const VOID: [&str; 4] = ["meta", "link", "input", "br"];
    let (mut open, mut wrong): (Vec<String>, Vec<String>) = (vec![], vec![]);
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let end = rest.find('>').unwrap_or(rest.len());
        let tag = &rest[..end];
        let name: String =
            tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        if tag.starts_with('/') {
            if open.pop().as_deref() != Some(&name) {
                wrong.push(name);
            }
        } else if !tag.starts_with('!') && !VOID.contains(&name.as_str()) {
            open.push(name.clone());
            // What is in a script or a style is no markup.
            if matches!(name.as_str(), "script" | "style") {
                rest = &rest[rest.find(&format!("</{name}>")).unwrap()..];
                continue;
            }
        }
        rest = &rest[end..];
    }
    wrong.extend(open);
    wrong
}

#[test]
fn a_page_is_whole_and_asks_for_nothing_else() {
    let folder = temporary();
    let page = page(folder.path());
    assert!(page.starts_with("<!DOCTYPE html>"));
    assert_eq!(unbalanced(&page), Vec::<String>::new());
    for reference in [
        "http:",
        "https:",
        "//cdn",
        "url(",
        "@import",
        "src=\"",
        "<link rel=\"stylesheet",
        "{{",
        "fetch(",
        "import(",
    ] {
        assert!(!page.contains(reference), "{reference}");
    }
    assert!(page.contains("default-src 'none'"));
    assert!(!page.contains("<b>") && !page.contains("<img"));
    let (_, data) = page.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    let data: Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
    assert_eq!(data["runs"].as_array().unwrap().len(), 4);
    assert_eq!(data["images"].as_array().unwrap().len(), 2);
    let steps = data["steps"].as_array().unwrap().len();
    for run in data["runs"].as_array().unwrap() {
        for list in ["pulled", "bound", "requests", "states"] {
            assert_eq!(run[list].as_array().unwrap().len(), steps, "{list}");
        }
    }
    // Without scripts there are tables: one of all runs and one of the steps of each.
    assert_eq!(page.matches("<details><summary>").count(), 4);
    assert_eq!(page.matches("(first pull)</td>").count(), 4);
}

/// Tries everything that can be clicked, chosen and pointed at, and keeps the errors.
const TRY: &str = r#"<script>
const seen = [];
addEventListener('error', (event) => seen.push(event.message));
const all = (selector) => Array.from(document.querySelectorAll(selector));
for (const id of ['budgets', 'modes']) for (const button of all('#' + id + ' button')) button.click();
for (const id of ['policy', 'image']) {
  const select = document.getElementById(id);
  for (const option of all('#' + id + ' option')) { select.value = option.value; select.dispatchEvent(new Event('change')); }
}
const step = document.getElementById('step');
for (let i = 0; i <= Number(step.max); i++) { step.value = i; step.dispatchEvent(new Event('input')); }
document.getElementById('layer-details').open = true;
document.getElementById('earlier').click();
const chart = document.getElementById('chart');
chart.dispatchEvent(new PointerEvent('pointermove', { clientX: 300, clientY: 300 }));
for (const key of ['ArrowLeft', 'ArrowRight', 'Enter']) chart.dispatchEvent(new KeyboardEvent('keydown', { key }));
for (const tile of all('#map g')) tile.dispatchEvent(new PointerEvent('pointermove', { clientX: 9, clientY: 9 }));
const tip = document.getElementById('tip').textContent;
all('#map g')[0].dispatchEvent(new MouseEvent('click'));
setTimeout(() => {
  const result = {
    errors: seen, title: document.title, tip, images: all('img, b:not([class]):not([style])').length,
    lines: all('#chart .series').length, tiles: all('#map g').length,
    rows: all('#layer-rows tr').length, detail: all('#detail-rows tr').length,
    requests: performance.getEntriesByType('resource').length,
  };
  document.body.setAttribute('data-result', JSON.stringify(result));
}, 0);
</script></body>"#;

#[test]
fn a_page_works_in_a_browser_that_is_offline() {
    let Some(chromium) = peer::find("chromium") else { return };
    let folder = temporary();
    let page = page(folder.path()).replace("</body>", TRY);
    let file = folder.path().join("tried.html");
    fs::write(&file, page).unwrap();
    let mut command = Command::new(chromium);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
    command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
    command.args([
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--enable-logging=stderr",
        "--virtual-time-budget=5000",
    ]);
    command.arg(format!("--user-data-dir={}", folder.path().join("profile").display()));
    let run = Run::of(command.arg("--dump-dom").arg(format!("file://{}", file.display()))).ok();
    // Whatever a page says on its console, refused requests among it, is logged so.
    let console: Vec<&str> = run.stderr.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert_eq!(console, Vec::<&str>::new());
    let dom = String::from_utf8(run.stdout).unwrap();
    assert!(dom.contains("data-ready=\"yes\""), "{}", run.stderr);
    let (_, rest) = dom.split_once("data-result=\"").expect("the page was tried");
    let result = rest
        .split_once('"')
        .unwrap()
        .0
        .replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    let result: Value = serde_json::from_str(&result).unwrap();
    assert_eq!(
        (&result["errors"], &result["requests"], &result["images"]),
        (&json!([]), &json!(0), &json!(0))
    );
    assert!(result["title"].as_str().unwrap().contains("</script>"), "{result}");
    assert!(result["tip"].as_str().unwrap().starts_with("layer "), "{result}");
    // Two policies at the last budget; the second is `single`, with one layer of three paths.
    assert_eq!((&result["lines"], &result["tiles"]), (&json!(2), &json!(1)));
    assert_eq!((&result["rows"], &result["detail"]), (&json!(1), &json!(3)));
}

/// A sequence of closures of the same few packages, in versions that change at random.
fn sequences() -> impl Strategy<Value = Vec<Value>> {
    let step = proptest::collection::vec(proptest::option::weighted(0.8, 0_u64..3), 1..8);
    let sequence = (proptest::collection::vec(step, 1..6), proptest::collection::vec(0_u64..50, 24));
    let make = |(steps, sizes): (Vec<Vec<Option<u64>>>, Vec<u64>)| {
        let name = |package: usize, version: u64| format!("/nix/store/p{package}-{version}");
        let paths = (0..24).map(|i| json!({"path": name(i / 3, i as u64 % 3), "narSize": sizes[i]}));
        let index = |(package, version): (usize, &Option<u64>)| Some(3 * package as u64 + (*version)?);
        let steps =
            steps.iter().map(|step| step.iter().enumerate().filter_map(index).collect::<Vec<_>>());
        let steps = steps.filter(|paths| !paths.is_empty()).map(|paths| json!({"paths": paths}));
        json!({"name": "", "paths": paths.collect::<Value>(), "steps": steps.collect::<Value>()})
    };
    let sequence = sequence.prop_map(make);
    let has_steps = |sequence: &Value| !sequence["steps"].as_array().unwrap().is_empty();
    proptest::collection::vec(sequence.prop_filter("a step", has_steps), 1..3)
}

struct Quiet;

impl Observer for Quiet {
    fn planned(&self) {}
}

#[test]
fn what_holds_for_every_sequence() {
    let runtime = Runtime::new(Limits::default(), None).unwrap();
    let planner = runtime.embedded().unwrap();
    let task = |policy: &str, max_layers| Task {
        candidate: Candidate {
            planner: &planner,
            component: String::new(),
            policy: policy.to_owned(),
            options: "{}".to_owned(),
            uses_history: false,
        },
        max_layers,
    };
    let tasks = [
        task("path-per-layer", None),
        task("auto", Some(2)),
        task("popularity", Some(3)),
        task("single", Some(1)),
    ];
    let mut runner = TestRunner::new_with_rng(
        Config { cases: 60, failure_persistence: None, ..Config::default() },
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    );
    let check = |(sequences, every, from): (Vec<Value>, usize, usize)| {
        let read = |sequence: &Value| Updates::parse(sequence.to_string().as_bytes()).unwrap();
        let fleet = Fleet::new(sequences.iter().map(read).collect());
        let mut settings = Settings {
            pull_every: NonZeroUsize::new(every).unwrap(),
            from: from.min(fleet.steps()),
            ..Settings::new(&fleet)
        };
        let replay = |settings: &Settings<'_>| {
            terrine::replay::replay(&fleet, &tasks, settings, NonZeroUsize::MIN, &Quiet).unwrap()
        };
        let last = replay(&settings);
        settings.keep = Keep::All;
        let all = replay(&settings);
        for (last, all) in last.runs.iter().zip(&all.runs) {
            // Whoever keeps more pulls no more.
            prop_assert!(all.total.pulled <= last.total.pulled);
            prop_assert!(all.total.lower_bound <= last.total.lower_bound);
            for step in last.steps.iter().chain(&all.steps).chain([&last.first, &all.first]) {
                prop_assert!(step.pulled >= step.lower_bound);
                // Nothing is asked for in vain, and nothing comes without being asked for.
                prop_assert!(step.layers_pulled <= step.requests && step.layers_pulled <= step.layers);
                prop_assert!(step.pulled == 0 || step.layers_pulled > 0);
            }
            // Two images may have a path in two layers.
            prop_assert!(sequences.len() > 1 || last.first.pulled == last.first.lower_bound);
        }
        for report in [&last, &all] {
            let alone = &report.runs[0];
            prop_assert_eq!(alone.total.pulled, alone.total.lower_bound);
            for run in &report.runs {
                prop_assert_eq!(run.total.lower_bound, alone.total.lower_bound);
            }
        }
        Ok(())
    };
    runner.run(&(sequences(), 1_usize..4, 1_usize..4), check).unwrap();
}
