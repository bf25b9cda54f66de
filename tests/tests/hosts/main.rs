//! The built-in planner in hosts of other languages: on the same requests it has the same answers
//! as in terrine itself.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can not be set up has failed")]

mod contract;
mod questions;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use terrine::planner::{Limits, Runtime};
use terrine_tests::{Run, peer, temporary, terrine, workspace};

/// The built-in planner, as a user gets it.
fn export(folder: &Path) {
    Run::of(terrine().current_dir(folder).args(["planner", "export", "planner.wasm"])).ok();
}

/// Asks everything by a command, and holds the answers against those of the native host.
fn same_answers(folder: &Path, command: &mut Command) {
    let questions = questions::all();
    let lines: String = questions.iter().map(|question| format!("{question}\n")).collect();
    fs::write(folder.join("questions"), lines).unwrap();
    let input = fs::File::open(folder.join("questions")).unwrap();
    let run = Run::of(command.current_dir(folder).stdin(input)).ok();
    assert_eq!(run.stderr, "");
    let answers: Vec<Value> = run
        .stdout
        .split(|&byte| byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    assert_eq!(answers.len(), questions.len());
    let runtime = Runtime::new(Limits::default(), None).unwrap();
    let planner = runtime.embedded().unwrap();
    let mut refused = 0;
    for (question, mut answer) in questions.iter().zip(answers) {
        if let Some(error) = answer.get_mut("err").and_then(Value::as_object_mut) {
            refused += 1;
            assert!(error.remove("kind").unwrap().is_string());
        }
        assert_eq!(contract::ask(&planner, question), answer, "{question}");
    }
    // Both kinds of answers were compared.
    assert!(refused >= 8 && questions.len() - refused >= 60, "{refused} of {}", questions.len());
}

#[test]
fn the_planner_answers_the_same_in_python() {
    let Some(python) = peer::installed("python/bin/python") else { return };
    let folder = temporary();
    export(folder.path());
    let program = workspace().join("tests/hosts/python/ask.py");
    same_answers(folder.path(), Command::new(python).arg(program).arg("planner.wasm"));
}

#[test]
fn the_planner_answers_the_same_in_javascript() {
    let (Some(node), Some(jco)) =
        (peer::find("node"), peer::installed("javascript/node_modules/.bin/jco"))
    else {
        return;
    };
    let folder = temporary();
    export(folder.path());
    let transpile = "transpile planner.wasm --instantiation async --quiet -o planner";
    Run::of(Command::new(jco).current_dir(folder.path()).args(transpile.split(' '))).ok();
    // What jco writes are modules, which Node is to know.
    fs::write(folder.path().join("package.json"), r#"{ "type": "module" }"#).unwrap();
    let program = workspace().join("tests/hosts/javascript/ask.mjs");
    same_answers(folder.path(), Command::new(node).arg(program).arg("planner/planner.js"));
}
