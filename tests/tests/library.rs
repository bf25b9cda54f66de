//! The library, as the program `host/terrine/examples/ship.rs` uses it.

use std::fs;
use std::process::Command;

use terrine_tests::{Run, example, policy, temporary, terrine, verify};

#[test]
fn a_program_plans_packs_and_ships_an_image() {
    let folder = temporary();
    for directory in ["site", "tools"] {
        fs::create_dir(folder.path().join(directory)).unwrap();
        fs::write(
            folder
                .path()
                .join(directory)
                .join(format!("{directory}.txt")),
            directory,
        )
        .unwrap();
    }
    let json = r#"{ "name": "web", "tag": "1.0", "contents": ["./site", "./tools"] }"#;
    fs::write(folder.path().join("image.json"), json).unwrap();
    let program = example("ship");
    let run = |spec: &str| {
        Run::of(
            Command::new(&program)
                .current_dir(folder.path())
                .args([spec, "layout"]),
        )
    };
    let first = run("image.json").ok();
    insta::assert_snapshot!("first", first.snapshot(&[]));
    insta::assert_snapshot!("again", run("image.json").ok().snapshot(&[]));
    let layout = folder.path().join("layout");
    verify(&format!("oci:{}:1.0", layout.display()));
    // It is the image that the command makes.
    let mut command = terrine();
    command
        .current_dir(folder.path())
        .args(["build", "image.json", "--to", "oci:layout:command"]);
    let command = Run::of(&mut command).ok();
    let id = String::from_utf8(first.stdout).unwrap();
    let (_, id) = id.trim_end().rsplit_once(' ').unwrap();
    assert!(command.stderr.contains(id), "{}", command.stderr);
    // A policy of someone else's decides on the layers, where one is named.
    fs::copy(policy::steady(), folder.path().join("steady.wasm")).unwrap();
    let json = json.replace(" }", r#", "planner": { "component": "steady.wasm" } }"#);
    fs::write(folder.path().join("steady.json"), json).unwrap();
    let steady = String::from_utf8(run("steady.json").ok().stdout).unwrap();
    assert!(
        steady.starts_with("layer 1: packages by name\n"),
        "{steady}"
    );
    let wrong = run("missing.json");
    assert_eq!(
        (wrong.code, wrong.stdout.len()),
        (Some(1), 0),
        "{}",
        wrong.stderr
    );
}
