//! The Nix library in `nix/`: what its functions take, what they build, and what is in it.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod built;
mod evaluated;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use terrine_tests::{NixStore, Run, binary, fixture, peer};

/// Arguments for a program of Nix's that evaluates `tests/nix/images.nix`.
fn arguments(rest: &[&str]) -> Vec<String> {
    // One that is not there is told by the build that needs it.
    let busybox = peer::find("busybox").unwrap_or_default();
    arguments_with(&busybox, rest)
}

/// The same with the place of a static busybox.
fn arguments_with(busybox: &Path, rest: &[&str]) -> Vec<String> {
    let library = terrine_tests::workspace().join("nix");
    let mut all = vec![fixture("nix/images.nix").display().to_string()];
    for (name, value) in [
        ("terrine", binary().to_owned()),
        ("library", library),
        ("busybox", busybox.to_owned()),
    ] {
        all.extend(["--arg".to_owned(), name.to_owned()]);
        all.push(value.display().to_string());
    }
    all.extend(rest.iter().map(|&word| word.to_owned()));
    all
}

/// Builds an attribute. Returns its place on this machine.
fn build(store: &NixStore, attribute: &str) -> PathBuf {
    let all = arguments(&["--no-out-link", "-A", attribute]);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let out = store.run("nix-build", &all);
    let path = out.lines().last().unwrap();
    store.root().join(&path[1..])
}

/// Evaluates an attribute.
fn evaluate(store: &NixStore, attribute: &str) -> Value {
    let all = arguments(&["--eval", "--strict", "--json", "-A", attribute]);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    serde_json::from_str(&store.run("nix-instantiate", &all)).unwrap()
}

/// What a program of Nix's says of an attribute that it has to refuse.
fn refusal(store: &NixStore, program: &str, attribute: &str) -> String {
    let mut command: Command = store.command(program);
    command.args(arguments(&["-A", attribute]));
    let run = Run::of(&mut command);
    assert_ne!(run.code, Some(0), "{attribute}");
    run.stderr
}
