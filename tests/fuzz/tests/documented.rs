//! CONTRIBUTING.md and the README of the targets list what exists, and the scripts of long runs do what they say.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use terrine_fuzz::targets::TARGETS;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(workspace().join(name)).expect("a file of the workspace")
}

/// Runs a script of this package, and returns what it prints.
fn script(name: &str, arguments: &[&str]) -> String {
    let script = workspace().join("tests/fuzz").join(name);
    let output = Command::new(script)
        .args(arguments)
        .output()
        .expect("a script that can be run");
    assert!(output.status.success(), "{name} {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_table_lists_the_targets() {
    let text = read("tests/fuzz/README.md");
    let rows = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let listed: Vec<&str> = rows.map(|(name, _)| name).collect();
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(listed, names);
    let unknown = Command::new(workspace().join("tests/fuzz/run"))
        .arg("nosuch")
        .output()
        .expect("a script that can be run");
    assert_eq!(unknown.status.code(), Some(2), "{unknown:?}");
    let run = script("run", &["--list"]);
    let sorted: BTreeSet<&str> = names.into_iter().collect();
    assert_eq!(run.lines().collect::<BTreeSet<_>>(), sorted);
}

/// Reports whether a command runs one test of the workspace.
fn is_one_test(command: &str) -> bool {
    let all = "cargo test --release --workspace --test suite ";
    let Some((_, name)) = command.split_once(all) else {
        return false;
    };
    let Some(name) = name.strip_suffix("::") else {
        return false;
    };
    let tests = workspace().join("tests/tests");
    tests.join(name).with_extension("rs").is_file() || tests.join(name).join("mod.rs").is_file()
}

#[test]
fn commands_are_those_of_other_documents() {
    let text = read("CONTRIBUTING.md") + &read("tests/fuzz/README.md");
    let others = ["README.md", ".ci/run", "docs/benchmarks.md"].map(read);
    let commands: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .collect();
    assert!(commands.len() >= 4, "{commands:?}");
    for command in commands {
        let is_run = ["tests/fuzz/run all ", "tests/consumers/debian test "]
            .iter()
            .any(|known| command.starts_with(known));
        let elsewhere = |text: &String| text.lines().any(|line| line.trim() == command);
        assert!(
            is_run || is_one_test(command) || others.iter().any(elsewhere),
            "nothing runs `{command}`"
        );
    }
    for named in [
        "ARCHITECTURE.md",
        ".ci/run",
        "tests/fuzz/src/targets/",
        "tests/fuzz/tests/short.rs",
        "tests/consumers/debian",
    ] {
        assert!(
            text.contains(named) && workspace().join(named).exists(),
            "{named}"
        );
    }
}

#[test]
fn only_parsers_of_the_program_are_instrumented() {
    let counts = |arguments: &[&str]| {
        let command = [&["echo"], arguments].concat();
        script("instrument", &command).contains("-sanitizer-coverage-inline-8bit-counters")
    };
    let triple = ["--target", "x86_64-unknown-linux-gnu"];
    assert!(counts(
        &[&["--crate-name", "terrine_tar"], &triple[..]].concat()
    ));
    assert!(counts(
        &[&["--crate-name", "wasmparser"], &triple[..]].concat()
    ));
    assert!(!counts(
        &[&["--crate-name", "wasmtime"], &triple[..]].concat()
    ));
    // What cargo itself runs, and the planner that is embedded.
    assert!(!counts(&["--crate-name", "terrine_tar"]));
    assert!(!counts(&[
        "--crate-name",
        "terrine_planner",
        "--target",
        "wasm32-unknown-unknown"
    ]));
}
