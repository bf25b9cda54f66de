//! `terrine inspect`, `verify`, `diff` and `export` as their users see them.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use terrine_tests::base::{BaseImage, layer};
use terrine_tests::{ConfFile, Run, TestStore, terrine};

/// Two versions of an image, in the store's root.
fn versions(store: &TestStore) -> [PathBuf; 2] {
    let path = |hash: &str, name: &str| format!("{}-{name}", hash.repeat(32));
    let (old, new, same) = (
        path("a", "web-1.0"),
        path("b", "web-1.1"),
        path("c", "data"),
    );
    store
        .file(&old, b"old")
        .file(&new, b"new")
        .file(&same, b"same");
    let image = |name: &str, layers: &[&[&str]], tag: &str| {
        let file = store.root().join(name);
        let conf = ConfFile::new(store, layers).with("repo_tag", tag);
        fs::write(&file, conf.run().ok().stdout).unwrap();
        file
    };
    [
        image("old.tar", &[&[&old], &[&same]], "web:1.0"),
        image("new.tar", &[&[&new], &[&same]], "web:1.1"),
    ]
}

fn run(arguments: &[&str], files: &[&PathBuf]) -> Run {
    Run::of(terrine().args(arguments).args(files))
}

#[test]
fn help_is_what_it_was() {
    for command in ["inspect", "verify", "diff", "export"] {
        insta::assert_snapshot!(
            format!("help-{command}"),
            run(&[command, "--help"], &[]).snapshot(&[])
        );
    }
}

#[test]
fn what_is_said_is_what_it_was() {
    let store = TestStore::default();
    let [old, new] = versions(&store);
    let said = |run: Run| run.snapshot(&[(store.root(), "[ROOT]")]);
    insta::assert_snapshot!(
        "inspect-table",
        said(run(&["inspect", "--format", "table"], &[&new]))
    );
    insta::assert_snapshot!("inspect-json", said(run(&["inspect"], &[&new])));
    insta::assert_snapshot!(
        "diff-table",
        said(run(&["diff", "--format", "table"], &[&old, &new]))
    );
    insta::assert_snapshot!("diff-json", said(run(&["diff"], &[&old, &new])));
    insta::assert_snapshot!(
        "diff-same",
        said(run(&["diff", "--format", "table"], &[&old, &old]))
    );
    insta::assert_snapshot!("verify", said(run(&["verify"], &[&old, &new])));
}

#[test]
fn everything_that_is_wrong_is_told_and_is_a_failure() {
    let store = TestStore::default();
    let mut image = BaseImage::new(&[&layer("a", b"1"), &layer("b", b"2")], &[]);
    for (name, content) in &mut image.members {
        if name.starts_with("blobs/") {
            content[0] = b'x';
        }
    }
    let file = image.write(&store);
    let broken = run(&["verify", "--format", "json"], &[&file]);
    let report: Value = serde_json::from_slice(&broken.stdout).unwrap();
    assert_eq!(
        (broken.code, &report["valid"]),
        (Some(1), &Value::Bool(false))
    );
    // Digest, diff id and the header of the archive, of both.
    assert_eq!(
        report["images"][0]["mismatches"].as_array().unwrap().len(),
        6
    );
    let text = Run {
        stdout: vec![],
        ..broken
    }
    .snapshot(&[(store.root(), "[ROOT]")]);
    insta::assert_snapshot!("verify-broken", text);
    let [old, _] = versions(&store);
    let both = run(&["verify"], &[&store.root().join("missing.tar"), &old]);
    assert_eq!(both.code, Some(1));
    assert!(
        both.stderr.contains("is valid") && both.stderr.contains("missing.tar"),
        "{}",
        both.stderr
    );
}

#[test]
fn an_export_that_fails_leaves_no_file() {
    let store = TestStore::default();
    let mut image = BaseImage::new(&[&layer("a", b"1")], &[]);
    image.members[1].1[512] = b'2';
    let file = image.write(&store);
    let out = store.root().join("out.tar");
    let failed = Run::of(terrine().arg("export").arg(&file).arg("-o").arg(&out));
    insta::assert_snapshot!(
        "export-broken",
        failed.snapshot(&[(store.root(), "[ROOT]")])
    );
    assert!(!out.exists());
}

#[test]
fn wrong_arguments_are_a_usage_error() {
    for arguments in [
        &["verify"][..],
        &["inspect"],
        &["diff", "a"],
        &["export"],
        &["inspect", "a", "b"],
    ] {
        assert_eq!(run(arguments, &[]).code, Some(2), "{arguments:?}");
    }
    let unknown = run(&["inspect", "dir:/x"], &[]);
    assert_eq!(unknown.code, Some(1));
    assert!(
        unknown
            .stderr
            .contains("hint: convert it to an OCI layout first: `skopeo copy"),
        "{}",
        unknown.stderr
    );
}
