//! The form of messages: for programs, for jobs on GitHub; and what shells and `man` are given.

mod carried;
mod shells;
mod wrong;

use std::fs;

use serde_json::{Value, json};
use terrine_tests::{Run, SpecFile, TestStore, hello, temporary, terrine};

/// Returns the lines that a run writes to stderr, each parsed as JSON.
fn records(run: &Run) -> Vec<Value> {
    run.stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect()
}

/// A store whose image may have a file of its own.
fn store() -> TestStore {
    let store = TestStore::default();
    store.file_with_mode("hello/bin/hello", &hello::program(), 0o555);
    store
}

#[test]
fn every_message_is_a_json_object_on_a_line() {
    let store = store();
    let spec = SpecFile::new(&store, &["hello"])
        .graph(&[("hello", 1, "")])
        .with("diskSize", 1);
    let out = spec.root().join("image.tar");
    let mut build = spec.command("build");
    let run = Run::of(build.args(["--log-format", "json", "-o"]).arg(&out)).ok();
    let said = records(&run);
    let of = |level: &str| {
        let found: Vec<&Value> = said.iter().filter(|said| said["level"] == level).collect();
        found
    };
    let warning = "`diskSize` has no effect: no virtual machine is used";
    assert_eq!(
        of("warning"),
        [&json!({"level": "warning", "message": warning})]
    );
    assert!(!of("info").is_empty(), "{said:?}");
    assert_eq!(of("error").len(), 0);

    let missing = Run::of(terrine().args(["build", "missing.json", "--log-format=json"]));
    assert_eq!(missing.code, Some(1));
    let error = &records(&missing)[0];
    assert_eq!(error["level"], "error");
    assert!(
        error["causes"]
            .as_array()
            .is_some_and(|causes| !causes.is_empty()),
        "{error}"
    );

    // What cannot be parsed says so in the format that it asks for.
    let usage = Run::of(terrine().args(["--log-format", "json", "inspect", "--platfrom", "x"]));
    assert_eq!(usage.code, Some(2));
    let error = &records(&usage)[0];
    assert_eq!(error["message"], "unexpected argument `--platfrom`");
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.contains("did you mean `--platform`?"), "{hint}");
}

#[test]
fn an_option_nobody_knows_is_not_advised_to_be_a_value() {
    for command in [
        "build", "stream", "inspect", "copy", "index", "replay", "cache", "verify",
    ] {
        let run = Run::of(terrine().args([command, "--all-of-them"]));
        assert_eq!(run.code, Some(2));
        assert!(!run.stderr.contains("as a value"), "{}", run.stderr);
    }
}

#[test]
fn a_job_on_github_shows_warnings_and_errors_and_has_outputs() {
    let store = store();
    let spec = SpecFile::new(&store, &["hello"])
        .graph(&[("hello", 1, "")])
        .with("diskSize", 1);
    let folder = temporary();
    let output = folder.path().join("output");
    fs::write(&output, "before=1\n").unwrap();
    let run = |command: &mut std::process::Command| {
        let command = command.env("GITHUB_ACTIONS", "true");
        Run::of(command.env("GITHUB_OUTPUT", &output))
    };
    let layout = format!("oci:{}:1", folder.path().join("layout").display());
    let built = run(spec.command("build").args(["--to", &layout])).ok();
    let warning = "::warning title=terrine::`diskSize` has no effect: no virtual machine is used\n";
    assert!(built.stderr.contains(warning), "{}", built.stderr);
    let outputs = fs::read_to_string(&output).unwrap();
    let value = |name: &str| {
        let line = outputs
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        line.to_owned()
    };
    assert!(outputs.starts_with("before=1\n"), "{outputs}");
    let inspected = Run::of(terrine().args(["inspect", "--format", "json", &layout])).ok();
    let inspected = String::from_utf8(inspected.stdout).unwrap();
    assert!(inspected.contains(&value("digest=")), "{inspected}");
    assert_eq!((value("image="), value("tags=")), (layout.clone(), layout));

    // An error is one line, whatever it holds.
    let missing = run(terrine().args(["inspect", "100%\nx"]));
    let error = "::error title=terrine::reading the image `100%25%0Ax`%0A  caused by: ";
    assert!(missing.stderr.starts_with(error), "{}", missing.stderr);
    assert_eq!(missing.stderr.lines().count(), 1);

    // Elsewhere nothing of this is written.
    fs::remove_file(&output).unwrap();
    let mut elsewhere = spec.command("build");
    let elsewhere = Run::of(elsewhere.env("GITHUB_OUTPUT", &output)).ok();
    assert!(
        elsewhere.stderr.contains("warning: `diskSize`"),
        "{}",
        elsewhere.stderr
    );
    assert!(!output.exists());
    // Outputs that cannot be left are told of.
    let mut nowhere = spec.command("build");
    let nowhere = nowhere.env("GITHUB_ACTIONS", "true");
    let nowhere = Run::of(nowhere.env("GITHUB_OUTPUT", folder.path())).ok();
    assert!(
        nowhere
            .stderr
            .contains("::warning title=terrine::the outputs"),
        "{}",
        nowhere.stderr
    );
}

#[test]
fn the_version_is_told_to_programs() {
    let version = Run::of(terrine().args(["version", "--format", "json"])).ok();
    let version: Value = serde_json::from_slice(&version.stdout).unwrap();
    let short = Run::of(terrine().arg("--version")).ok();
    let short = String::from_utf8(short.stdout).unwrap();
    let expected = format!("terrine {}\n", version["version"].as_str().unwrap());
    assert_eq!(short, expected);
    let planner = Run::of(terrine().args(["planner", "export", "-"])).ok();
    let digest = terrine::oci::Digest::of(&planner.stdout);
    assert_eq!(version["planner"]["digest"], digest.to_string());
    assert_eq!(version["planner"]["contract"], terrine::planner::CONTRACT);
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = temporary();
    let pages = folder.path().join("man/man1");
    let _ = Run::of(terrine().args(["man", "--output"]).arg(&pages)).ok();
    for (page, arguments) in [
        ("terrine", &[][..]),
        ("terrine-copy", &["copy"]),
        ("terrine-cache-info", &["cache", "info"]),
    ] {
        let printed = Run::of(terrine().arg("man").args(arguments)).ok().stdout;
        assert_eq!(fs::read(pages.join(format!("{page}.1"))).unwrap(), printed);
    }
    let unknown = Run::of(terrine().args(["man", "copi"]));
    assert_eq!(unknown.code, Some(2));
    assert!(
        unknown
            .stderr
            .contains("there is no command `terrine copi`")
    );
}

/// Runs a command with text on its standard input.
fn with_stdin(command: &mut std::process::Command, text: &[u8]) -> Run {
    use std::io::Write as _;
    use std::process::Stdio;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Whoever refuses its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(text);
    child.wait_with_output().unwrap().into()
}

#[test]
fn a_dash_is_stdin_wherever_a_file_is_read() {
    let store = store();
    let spec = SpecFile::new(&store, &["hello"]).graph(&[("hello", 1, "")]);
    let plan = Run::of(spec.command("plan").args(["--format", "json"])).ok();
    let with = |arguments: &[&str], text: &[u8]| {
        let run = with_stdin(spec.command("plan").args(arguments), text);
        run.ok().stdout
    };
    // The plan of the image is what clients hold.
    let previous = with(&["--previous", "-"], &plan.stdout);
    assert!(!previous.is_empty());
    let pipeline = with(&["--pipeline", "-"], b"[[\"popularity_contest\"]]");
    assert!(!pipeline.is_empty());
    let record = terrine()
        .args(["replay", "record", "--name", "web", "-"])
        .stdin_is(&plan.stdout);
    let sequence = record.ok().stdout;
    assert!(String::from_utf8_lossy(&sequence).contains("\"steps\""));
    // The paths of a specification from there start in the working directory.
    let folder = temporary();
    fs::create_dir(folder.path().join("site")).unwrap();
    fs::write(folder.path().join("site/index.html"), "x\n").unwrap();
    let record = terrine()
        .current_dir(folder.path())
        .args(["replay", "record", "-"])
        .stdin_is(br#"{"name": "web", "contents": ["./site"]}"#);
    assert!(String::from_utf8_lossy(&record.ok().stdout).contains("\"narSize\":2"));
    let replayed = terrine().args(["replay", "-"]).stdin_is(&sequence).ok();
    assert!(!replayed.stdout.is_empty());
    let _ = with(&["--history", "-"], &sequence);
    let described = terrine()
        .args(["planner", "describe", "-"])
        .stdin_is(b"no component");
    assert_eq!(described.code, Some(1));
    assert!(
        described.stderr.contains("`-`") && !described.stderr.contains("/dev/stdin"),
        "{}",
        described.stderr
    );
    // It can be read once.
    let twice = ["--pipeline", "-", "--history", "-"];
    let twice = with_stdin(spec.command("plan").args(twice), b"[]");
    assert_eq!(twice.code, Some(2));
    assert!(
        twice
            .stderr
            .contains("another argument reads stdin already"),
        "{}",
        twice.stderr
    );
}

/// Running a command on text.
trait OnStdin {
    fn stdin_is(&mut self, text: &[u8]) -> Run;
}

impl OnStdin for std::process::Command {
    fn stdin_is(&mut self, text: &[u8]) -> Run {
        with_stdin(self, text)
    }
}

#[test]
fn numbers_are_asked_for_in_the_words_of_the_user() {
    for (arguments, expected) in [
        (
            &["build", "--max-layers", "x"][..],
            "it must be a whole number",
        ),
        (
            &["build", "--max-layers", "99999999999"],
            "it must be a whole number from 0 to 4294967295",
        ),
        (&["plan", "--max-layers", ""], "but is empty"),
        (
            &["cache", "prune", "--older-than", "soon"],
            "a number of days or weeks",
        ),
        (
            &["cache", "prune", "--max-size", "much"],
            "it must be a size",
        ),
    ] {
        let run = Run::of(terrine().args(arguments));
        assert_eq!(run.code, Some(2), "{}", run.stderr);
        assert!(run.stderr.contains(expected), "{}", run.stderr);
        assert!(!run.stderr.contains("digit found"), "{}", run.stderr);
    }
}
