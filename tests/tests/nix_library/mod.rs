//! The Nix library in `nix/`: what its functions take, what they build, and what is in it.

mod built;
mod evaluated;
mod nixos;
mod project;
mod remote;
mod shells;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use terrine_tests::{NixStore, Run, binary, fixture, peer};

/// Arguments for a program of Nix's that evaluates a file in `tests/nix`.
fn arguments(file: &str, rest: &[&str]) -> Vec<String> {
    // One that is not there is told by the build that needs it.
    let busybox = peer::find("busybox").unwrap_or_default();
    arguments_with(&busybox, file, rest)
}

/// The same with the place of a static busybox.
fn arguments_with(busybox: &Path, file: &str, rest: &[&str]) -> Vec<String> {
    let library = terrine_tests::workspace().join("nix");
    let mut all = vec![fixture("nix").join(file).display().to_string()];
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

/// Builds an attribute of `images.nix`. Returns its place on this machine.
fn build(store: &NixStore, attribute: &str) -> PathBuf {
    build_all(store, "images.nix", &[attribute]).remove(0)
}

/// Builds attributes of a file. Returns their places on this machine.
fn build_all(store: &NixStore, file: &str, attributes: &[&str]) -> Vec<PathBuf> {
    build_with(store, file, attributes, &[])
}

/// The same with further arguments.
fn build_with(store: &NixStore, file: &str, attributes: &[&str], rest: &[&str]) -> Vec<PathBuf> {
    let mut words = vec!["--no-out-link"];
    words.extend(attributes.iter().flat_map(|attribute| ["-A", attribute]));
    words.extend(rest);
    let all = arguments(file, &words);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let out = store.run("nix-build", &all);
    let paths: Vec<PathBuf> = out
        .lines()
        .map(|path| store.root().join(&path[1..]))
        .collect();
    assert_eq!(paths.len(), attributes.len(), "{out}");
    paths
}

/// Evaluates an attribute of a file.
fn evaluate(store: &NixStore, file: &str, attribute: &str) -> Value {
    let all = arguments(file, &["--eval", "--strict", "--json", "-A", attribute]);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    serde_json::from_str(&store.run("nix-instantiate", &all)).unwrap()
}

/// Returns what a program of Nix's says of an attribute of `images.nix` that it has to refuse.
fn refusal(store: &NixStore, program: &str, attribute: &str) -> String {
    let mut command: Command = store.command(program);
    command.args(arguments("images.nix", &["-A", attribute]));
    let run = Run::of(&mut command);
    assert_ne!(run.code, Some(0), "{attribute}");
    run.stderr
}
