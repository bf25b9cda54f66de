//! The commands that README.md shows are run as they stand there.

#![allow(clippy::unwrap_used, reason = "a test that can not be set up has failed")]

use std::fs;
use terrine_tests::{Archive, Run, temporary, terrine, workspace};

/// The commands of the indented blocks, in order.
fn commands() -> Vec<String> {
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    readme
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .map(|line| line.trim().to_owned())
        .collect()
}

#[test]
fn every_command_is_known_to_a_test() {
    let commands = commands();
    assert!(commands.len() >= 6, "{commands:?}");
    for command in &commands {
        let runs_us = command.starts_with("terrine ") || command.starts_with("cargo run --release -- ");
        // The consumers' own test loads and runs the example, the tests are being run, and
        // the benchmark takes minutes, but is built with them.
        let known = [
            "docker run --rm hello:1.0",
            "cargo test --release --workspace",
            "cargo run --release -p terrine-tests --bin bench",
        ];
        assert!(runs_us || known.contains(&command.as_str()), "no test runs `{command}`");
    }
}

#[test]
fn every_command_of_ours_makes_an_image() {
    let example = workspace().join("tests/hello");
    let folder = temporary();
    fs::copy(example.join("conf.json"), folder.path().join("conf.json")).unwrap();
    for line in commands() {
        let Some(ours) =
            line.strip_prefix("terrine ").or_else(|| line.strip_prefix("cargo run --release -- "))
        else {
            continue;
        };
        // What it is piped to is tried in the consumers' own test.
        let ours = ours.split(" | ").next().unwrap();
        let words: Vec<&str> = ours.split(' ').collect();
        let mut command = terrine();
        // The first command names the example from the root of the workspace; the others
        // name files that the reader has.
        if words.contains(&"tests/hello") {
            command.current_dir(workspace());
        } else {
            command.current_dir(folder.path());
        }
        command.args(
            words.iter().map(|word| if *word == "/mnt" { example.to_str().unwrap() } else { word }),
        );
        if words[0] == "stream" && !words.contains(&"--store-root") {
            command.arg("--store-root").arg(&example);
        }
        let run = Run::of(&mut command).ok();
        match words[0] {
            "stream" if words.contains(&"--output") => {
                Archive::read(fs::read(folder.path().join(words.last().unwrap())).unwrap());
            }
            "stream" => {
                Archive::read(run.stdout.clone());
            }
            _ => assert!(folder.path().join(words.last().unwrap()).is_file()),
        }
    }
}
