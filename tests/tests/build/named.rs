//! Names of layers in the words of the input, and the note about links.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;
use terrine_tests::{Run, temporary, terrine};

use super::plain::{build, put, text};

/// A folder with a site, another directory, and one with a program.
fn directories() -> TempDir {
    let folder = temporary();
    let place = |name| folder.path().join(name);
    put(&place("site"), &[("index.html", 0o644)]);
    put(&place("data"), &[("table", 0o644)]);
    put(&place("app"), &[("bin/app", 0o755)]);
    folder
}

#[test]
fn layers_are_named_in_the_words_of_the_input() {
    let folder = directories();
    let absolute = folder.path().join("site");
    let root = "root layer: files and links at `/`";
    let absolute_name = format!("directory `{}`", text(&absolute));
    for (args, expected) in [
        (&["--contents", "./site"][..], &["directory `./site`"][..]),
        (&["--contents", "site"], &["directory `./site`"]),
        (&["--contents", "www=./site"], &["directory `www`"]),
        (&["--contents", text(&absolute)], &[&absolute_name]),
        (
            &["--contents", "./site", "--contents", "app"],
            &["directory `./site`", "directory `./app`"],
        ),
        (&["--copy-to-root", "./site"], &[]),
    ] {
        let common = ["--name", "web:1", "--architecture", "amd64"];
        let run = |more: &[&str]| {
            let mut command = terrine();
            command.args(more).args(common).args(args);
            Run::of(command.current_dir(folder.path())).ok()
        };
        let plan: Value =
            serde_json::from_slice(&run(&["plan", "--format", "json"]).stdout).unwrap();
        let layers = plan["layers"].as_array().unwrap();
        let reasons: Vec<&str> = layers
            .iter()
            .map(|layer| layer["reason"].as_str().unwrap())
            .collect();
        assert_eq!(reasons, [expected, &[root]].concat(), "{args:?}");
        // The same names where layers are written.
        let said = run(&["build"]).stderr;
        for (number, name) in (1..).zip(expected.iter().chain(&["root layer"])) {
            let line = format!("layer {number} of {}: {name}, ", layers.len());
            assert!(said.contains(&line), "{said}");
        }
    }
}

#[test]
fn a_directory_can_be_explained_by_the_path_that_was_given() {
    let folder = directories();
    for path in ["./site", "site/", "/nix/store/contents", "contents"] {
        let mut command = terrine();
        let args = [
            "plan",
            "--name",
            "web:1",
            "--contents",
            "./site",
            "--explain",
            path,
        ];
        let run = Run::of(command.args(args).current_dir(folder.path())).ok();
        let explained: Value = serde_json::from_slice(&run.stdout).unwrap();
        assert_eq!(explained["path"], "/nix/store/contents", "{path}");
        assert_eq!(explained["directory"], "./site", "{path}");
    }
}

#[test]
fn copies_are_recommended_where_links_would_surprise() {
    let folder = directories();
    let note = "note: in the image, the files of `./site` are links into `/nix/store/contents`
hint: use `--copy-to-root` instead of `--contents` to copy the files
";
    let base = folder.path().join("base.tar");
    let built = build(&["--name", "base:1", "--tmp"]).0;
    fs::write(&base, built.bytes).unwrap();
    for (args, is_noted) in [
        (&["--contents", "./site"][..], true),
        (&["--contents", "./site", "--from-image", "base.tar"], true),
        (
            &[
                "--contents",
                "./site",
                "--fake-nss",
                "--file",
                "data/table:/etc/",
            ],
            true,
        ),
        (&["--copy-to-root", "./site"], false),
        // The user knows the store path.
        (&["--contents", "www=./site"], false),
        (
            &["--contents", "./site", "--env", "ROOT=/nix/store/contents"],
            false,
        ),
        (&["--contents", "./site", "--store-dir", "/opt"], false),
        // A layer for each is of use, and programs can be links.
        (&["--contents", "./site", "--contents", "./data"], false),
        (&["--contents", "./app"], false),
    ] {
        let mut command = terrine();
        command.args(["build", "--name", "web:1", "--strict", "-o", "web.tar"]);
        let run = Run::of(command.args(args).current_dir(folder.path())).ok();
        assert_eq!(
            run.stderr.contains(note),
            is_noted,
            "{args:?}: {}",
            run.stderr
        );
    }
}
