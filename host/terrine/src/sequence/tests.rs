use terrine_support::file::FileError;
use terrine_support::hint::Hint;

use super::*;
use crate::closure::GraphEntry;

fn parse(text: &str) -> Result<Sequence, String> {
    Sequence::parse(text.as_bytes()).map_err(|fault| fault.to_string())
}

/// A sequence with these steps, and paths as the text of a list.
fn with(paths: &str, steps: &str) -> Result<Sequence, String> {
    parse(&format!(
        r#"{{"name": "web", "paths": [{paths}], "steps": [{steps}]}}"#
    ))
}

fn entry(name: &str, size: u64, references: &str) -> GraphEntry {
    let references = references
        .split_whitespace()
        .map(|name| format!("/nix/store/{name}"));
    GraphEntry {
        path: format!("/nix/store/{name}"),
        size,
        references: references.collect(),
    }
}

const A: &str = r#"{"path": "/nix/store/a", "narSize": 5, "references": [1, 0, 1]}"#;
const B: &str = r#"{"path": "/nix/store/b", "narSize": null, "x": 1}"#;

#[test]
fn a_sequence_is_read() {
    let steps = r#"{"date": "one", "paths": [1, 0]}, {"paths": [0], "more": true}"#;
    let updates = with(&format!("{A}, {B}"), steps).unwrap();
    assert_eq!((updates.name(), updates.store_dir()), ("web", "/nix/store"));
    let path = |path: &str, size, references: &[usize]| Path {
        content: String::new(),
        path: path.to_owned(),
        size,
        references: references.to_vec(),
    };
    assert_eq!(
        updates.paths(),
        [
            path("/nix/store/a", 5, &[0, 1]),
            path("/nix/store/b", 0, &[])
        ]
    );
    let step = |label: &str, paths: &[usize]| Step {
        label: label.to_owned(),
        paths: paths.to_vec(),
    };
    assert_eq!(updates.steps(), [step("one", &[0, 1]), step("2", &[0])]);
    // `a` refers to `b`, which is gone in the second step.
    assert_eq!(updates.lost_references(), 1);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let step = r#"{"date": "d", "paths": [0]}"#;
    let path = |path: &str| format!(r#"{{"path": "{path}"}}"#);
    for (text, expected) in [
        (with("", step), "it has no steps"),
        (with(B, ""), "it has no steps"),
        (
            with(B, r#"{"date": "d", "paths": []}"#),
            "step 1 (`d`) has no paths",
        ),
        (
            with(B, r#"{"date": "d", "paths": [0, 0]}"#),
            "step 1 (`d`) lists `/nix/store/b` twice",
        ),
        (
            with(B, r#"{"paths": [0, 1]}"#),
            "`steps[0].paths[1]`: there is no path 1: the number of paths is 1",
        ),
        (
            with(A, step),
            "`paths[0].references[0]`: there is no path 1: the number of paths is 1",
        ),
        (
            with(&format!("{B}, {B}"), step),
            "`paths[1]`: `/nix/store/b` appears twice",
        ),
        (
            with(&format!("{B}, {}", path("/gnu/store/b")), step),
            "`/gnu/store/b` is not directly below `/nix/store`, where the other paths are",
        ),
        (
            with(&path("nix/store/b"), step),
            "`nix/store/b` is not a store path: it must be absolute and end in a name",
        ),
        (
            with(&path("/b"), step),
            "`/b` is not a store path: it must be absolute and end in a name",
        ),
        (
            with(
                r#"{"path": "/nix/store/b", "narSize": 9223372036854775808}"#,
                step,
            ),
            "`paths[0].narSize`: 9223372036854775808 is not a number of bytes",
        ),
        (
            with(r#"{"path": "/nix/\u001b[2J/b"}"#, step),
            "`/nix/\\u{1b}[2J/b` is not a store path: it must be absolute and end in a name",
        ),
        (
            with(B, r#"{"date": "\u001b[2J", "paths": [0]}"#),
            "`steps[0].date` has control characters",
        ),
        (
            parse(r#"{"name": "a\nb", "paths": [{"path": "/s/a"}], "steps": [{"paths": [0]}]}"#),
            "`name` has control characters",
        ),
        (parse("[]"), "it must be a JSON object"),
        (parse(""), "it must be a JSON object"),
    ] {
        assert_eq!(text.unwrap_err(), expected);
    }
    for (text, start) in [
        (
            with(r#"{"narSize": 1}"#, step),
            "`paths[0]`: the field `path` is missing",
        ),
        (with(B, r#"{"paths": [-1]}"#), "`steps[0].paths[0]`: "),
        (parse("{}"), "the field `paths` is missing"),
        (parse("{"), "the text ends within an object"),
        (
            parse(r#"{"name": "x", "paths": [], "steps": []} x"#),
            "there is more text after the JSON",
        ),
    ] {
        let error = text.unwrap_err();
        assert!(error.starts_with(start), "{error}");
    }
}

#[test]
fn what_is_recorded_is_written_and_read_again() {
    let first = [entry("b", 2, "a"), entry("a", 1, "")];
    let mut updates = Sequence::new("x\"", "1.0", &first).unwrap();
    // An image tells no references and other sizes; a store tells both.
    updates
        .add(
            "1.1",
            &[
                entry("b", 3, ""),
                entry("a", 1, "a"),
                entry("0", 0, "b gone"),
            ],
        )
        .unwrap();
    updates.add("1.2", &[entry("0", 7, "a")]).unwrap();
    let text = updates.to_json();
    let expected = r#"{"name":"x\"","paths":[
{"path":"/nix/store/a","narSize":1,"references":[0]},
{"path":"/nix/store/b","narSize":2,"references":[0]},
{"path":"/nix/store/0","narSize":7,"references":[0,1]}
],"steps":[
{"date":"1.0","paths":[0,1]},
{"date":"1.1","paths":[0,1,2]},
{"date":"1.2","paths":[2]}
]}
"#;
    assert_eq!(text, expected);
    assert_eq!(Sequence::parse(text.as_bytes()), Ok(updates));
}

#[test]
fn what_is_no_closure_is_not_recorded() {
    let mut updates = Sequence::new("x", "1", &[entry("a", 1, "")]).unwrap();
    let before = updates.clone();
    let said = [
        updates.add("2", &[]).unwrap_err(),
        updates
            .add("2", &[entry("b", 1, ""), entry("b", 1, "")])
            .unwrap_err(),
        updates
            .add(
                "2",
                &[GraphEntry {
                    path: "/other/a".to_owned(),
                    ..entry("a", 1, "")
                }],
            )
            .unwrap_err(),
        updates.add("\u{7}", &[entry("b", 1, "")]).unwrap_err(),
        updates.rename("\n").unwrap_err(),
    ]
    .map(|fault| fault.to_string());
    assert_eq!(said[0], "step 2 (`2`) has no paths");
    assert_eq!(said[1], "step 2 (`2`) lists `/nix/store/b` twice");
    assert!(said[2].starts_with("`/other/a` is not directly below `/nix/store`"));
    assert_eq!(said[3], "`steps[1].date` has control characters");
    assert_eq!(said[4], "`name` has control characters");
    assert_eq!(updates, before);
    assert!(Sequence::new("x", "1", &[]).is_err());
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("updates.json");
    assert_eq!(
        read(&file).unwrap_err().to_string(),
        format!("reading `{}`", file.display())
    );
    std::fs::write(&file, "[]").unwrap();
    let error = read(&file).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("is not a valid sequence of closures")
    );
    assert!(error.hint().unwrap().contains("record"));
    std::fs::File::create(&file)
        .unwrap()
        .set_len((256 << 20) + 1)
        .unwrap();
    assert!(matches!(
        read(&file),
        Err(Error::File(FileError::TooLarge { .. }))
    ));
}

#[test]
fn a_path_without_a_hash_is_another_one_with_another_content() {
    let closure = [
        entry("site", 5, ""),
        entry(&format!("{}-lib", "a".repeat(32)), 7, ""),
    ];
    let known = |content: &str| [("/nix/store/site".to_owned(), content.to_owned())].into();
    let mut updates = Sequence::new_known("x", "1", &closure, &known("one")).unwrap();
    updates.add_known("2", &closure, &known("two")).unwrap();
    updates.add_known("3", &closure, &known("one")).unwrap();
    let steps: Vec<&[usize]> = updates.steps().iter().map(|step| &*step.paths).collect();
    assert_eq!(
        (
            updates.paths().len(),
            steps[0] == steps[2],
            steps[0] == steps[1]
        ),
        (3, true, false)
    );
    assert_eq!(updates.uncertain(), Vec::<&str>::new());
    assert_eq!(
        Sequence::parse(updates.to_json().as_bytes()).unwrap(),
        updates
    );
    // One step of which nothing is known is enough.
    updates.add("4", &closure).unwrap();
    assert_eq!(updates.uncertain(), ["/nix/store/site"]);
    // A single step has nothing to be compared with.
    assert_eq!(
        Sequence::new("x", "1", &closure).unwrap().uncertain(),
        Vec::<&str>::new()
    );
}
