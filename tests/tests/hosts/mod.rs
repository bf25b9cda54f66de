//! The built-in planner in hosts of other languages: on the same requests it has the same answers
//! as in terrine itself.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot be set up has failed"
)]

mod contract;
mod questions;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use terrine::planner::{Limits, Runtime};
use terrine_tests::page::{Step, steps};
use terrine_tests::{Run, peer, temporary, terrine, workspace};

/// The command that makes the component a module of JavaScript.
const TRANSPILE: &str = "npx jco transpile planner.wasm --instantiation async --quiet -o planner";

/// The built-in planner, as a user gets it.
fn export(folder: &Path) {
    Run::of(
        terrine()
            .current_dir(folder)
            .args(["planner", "export", "planner.wasm"]),
    )
    .ok();
}

/// Asks everything by a command, and checks the answers against those of the native host.
fn same_answers(folder: &Path, command: &mut Command) {
    let questions = questions::all();
    let lines: String = questions
        .iter()
        .map(|question| format!("{question}\n"))
        .collect();
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
        let mut native = contract::ask(&planner, question);
        read_costs(&mut native);
        read_costs(&mut answer);
        assert_eq!(native, answer, "{question}");
    }
    // Both kinds of answers were compared, and as many as the page says.
    assert!(
        refused >= 8 && questions.len() - refused >= 200,
        "{refused} of {}",
        questions.len()
    );
}

/// Writes the costs of a plan's layers again. JSON numbers keep their text here, and JavaScript
/// writes 5.0 as `5`; that they are the same to the last bit is what counts.
fn read_costs(answer: &mut Value) {
    let layers = answer
        .pointer_mut("/ok/layers")
        .and_then(Value::as_array_mut);
    for layer in layers.into_iter().flatten() {
        layer["cost"] = json!(layer["cost"].as_f64());
    }
}

#[test]
fn the_planner_answers_the_same_in_python() {
    let Some(python) = peer::installed("python/bin/python") else {
        return;
    };
    let folder = temporary();
    export(folder.path());
    let program = workspace().join("tests/hosts/python/ask.py");
    same_answers(
        folder.path(),
        Command::new(python).arg(program).arg("planner.wasm"),
    );
}

#[test]
fn the_planner_answers_the_same_in_javascript() {
    let (Some(node), Some(jco)) = (
        peer::find("node"),
        peer::installed("javascript/node_modules/.bin/jco"),
    ) else {
        return;
    };
    let folder = temporary();
    export(folder.path());
    Run::of(
        Command::new(jco)
            .current_dir(folder.path())
            .args(TRANSPILE.split(' ').skip(2)),
    )
    .ok();
    // What jco writes are modules, which Node is to know.
    fs::write(
        folder.path().join("package.json"),
        r#"{ "type": "module" }"#,
    )
    .unwrap();
    let program = workspace().join("tests/hosts/javascript/ask.mjs");
    same_answers(
        folder.path(),
        Command::new(node).arg(program).arg("planner/planner.js"),
    );
}

#[test]
fn the_page_shows_what_is_tested() {
    let read = |file: &str| fs::read_to_string(workspace().join("tests/hosts").join(file)).unwrap();
    let package: Value = serde_json::from_str(&read("javascript/package.json")).unwrap();
    let jco = package["dependencies"]["@bytecodealliance/jco"]
        .as_str()
        .unwrap();
    let commands = [
        "terrine planner export planner.wasm".to_owned(),
        format!("pip install {}", read("python/requirements.txt").trim_end()),
        "python ask.py planner.wasm < questions".to_owned(),
        format!("npm install @bytecodealliance/jco@{jco}"),
        TRANSPILE.to_owned(),
        "node ask.mjs planner/planner.js < questions".to_owned(),
    ];
    let (mut shown, mut programs, mut lines) = (vec![], 0, vec![]);
    for step in steps("wit/HOSTS.md") {
        match step {
            Step::Command(command) => shown.push(command),
            Step::Block {
                file: Some(file),
                text,
            } => {
                let folder = if file == "ask.py" {
                    "python"
                } else {
                    "javascript"
                };
                assert_eq!(text, read(&format!("{folder}/{file}")));
                programs += 1;
            }
            Step::Block { file: None, text } => {
                lines.push(serde_json::from_str::<Value>(&text).unwrap());
            }
        }
    }
    assert_eq!(shown, commands);
    assert_eq!(programs, 2);
    let runtime = Runtime::new(Limits::default(), None).unwrap();
    assert_eq!(
        contract::ask(&runtime.embedded().unwrap(), &lines[0]),
        lines[1]
    );
    assert_eq!(lines[1]["ok"]["remarks"], json!([]));
}
