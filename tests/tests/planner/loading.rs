//! Files that are no planner, or one of another contract: each told as what it is.

use std::fs;

use terrine::hint::Hint;
use terrine::oci::Digest;
use terrine::planner::{ComponentFile, EMBEDDED, Imports, Limits, Runtime};
use terrine_tests::temporary;

use super::component::{LAYERING, data, good, info};
use super::{chain, describe, refused};

#[test]
fn a_good_component_is_taken_and_says_what_it_is() {
    let component = good().build();
    let runtime = Runtime::new(Limits::default(), None).unwrap();
    let planner = runtime
        .load("good.wasm", &component, Imports::Nothing)
        .unwrap();
    assert_eq!(
        (planner.name(), planner.digest()),
        ("good.wasm", Digest::of(&component))
    );
    assert!(planner.imports().is_empty() && !planner.is_embedded());
    let info = planner.describe().unwrap();
    assert_eq!(
        (info.name.as_str(), info.version.as_str()),
        ("good", "1.2.3")
    );
    // So is one that decides about images as well.
    runtime
        .load("whole.wasm", EMBEDDED, Imports::Nothing)
        .unwrap()
        .describe()
        .unwrap();
}

#[test]
fn what_is_not_a_component_is_told_apart() {
    let said = |bytes: &[u8]| {
        let error = refused(bytes);
        format!("{error}; {}", error.hint().unwrap_or("no hint".into()))
    };
    let module = wat::parse_str("(module)").unwrap();
    let mut unknown = EMBEDDED.to_vec();
    unknown[4] = 0x7f;
    let cases: [(&str, &[u8]); 8] = [
        ("nothing", b""),
        ("garbage", b"garbage"),
        ("a script", b"#!/bin/sh\n"),
        ("the text format", b";; a policy\n(component)"),
        ("a core module", &module),
        (
            "a component that is cut short",
            &EMBEDDED[..EMBEDDED.len() / 2],
        ),
        ("a component of another encoding", &unknown),
        ("no more than the magic number", b"\0asm"),
    ];
    let text: String = cases
        .map(|(what, bytes)| format!("{what}:\n  {}\n", said(bytes)))
        .concat();
    insta::assert_snapshot!("kinds", text);
    let short = refused(&EMBEDDED[..EMBEDDED.len() / 2]);
    assert_ne!(chain(&short), short.to_string());
}

#[test]
fn what_exports_something_else_is_told_apart() {
    let said = |component: &[u8]| {
        let error = refused(component);
        format!("{error}; {}", error.hint().unwrap())
    };
    let version = |change: fn(String) -> String| {
        let mut policy = good();
        policy.contract = change;
        policy.build()
    };
    let other = r#"(component (instance $i)
        (export "wasi:cli/run@0.2.0" (instance $i)) (export "mine" (instance $i)))"#;
    let function = r#"(component
        (core module $m (func (export "f")))
        (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f")))
        (export "run" (func $f)))"#;
    let text: String = [
        ("nothing", wat::parse_str("(component)").unwrap()),
        ("another world", wat::parse_str(other).unwrap()),
        ("a function", wat::parse_str(function).unwrap()),
        (
            "a newer version",
            version(|text| text.replace("@0.1.0", "@0.2.0")),
        ),
        (
            "a newer version that is like it",
            version(|text| text.replace("@0.1.0", "@0.1.7")),
        ),
        (
            "an older version",
            version(|text| text.replace("@0.1.0", "@0.0.9")),
        ),
        ("no version", version(|text| text.replace("@0.1.0", ""))),
    ]
    .map(|(what, component)| format!("{what}:\n  {}\n", said(&component)))
    .concat();
    insta::assert_snapshot!("worlds", text);
}

#[test]
fn what_has_the_right_names_and_other_types_does_not_fit() {
    let changes: [fn(String) -> String; 4] = [
        |text| text.replace("describe: func() -> info", "describe: func() -> string"),
        |text| {
            text.replace(
                "    uses-history: bool,",
                "    uses-history: bool,\n    more: u8,",
            )
        },
        |text| text.replace("    summary: string,", "    about: string,"),
        |text| text.replace("  describe: func() -> info;", "  explain: func() -> info;"),
    ];
    for change in changes {
        let mut policy = good();
        policy.contract = change;
        if !change("describe: func() -> info;".to_owned()).contains("info") {
            policy.describe = "(i32.const 0)".to_owned();
        }
        let mut text = policy.clone();
        text.describe.clone_from(&policy.describe);
        let component = policy.build_with(|module| {
            if (policy.contract)("  describe: func() -> info;".to_owned()).contains("explain") {
                module.replace("#describe", "#explain")
            } else {
                module
            }
        });
        let error = describe(&component);
        assert_eq!(
            error.to_string(),
            "planner `hostile.wasm` does not fit the contract terrine:planner@0.1.0"
        );
        assert!(
            error
                .hint()
                .unwrap()
                .contains("terrine:planner/policy@0.1.0")
        );
        assert_ne!(chain(&error), error.to_string());
    }
}

#[test]
fn imports_are_listed() {
    let importing = |names: &[&str]| {
        let imports: String = names
            .iter()
            .map(|name| format!("(import \"{name}\" (instance))"))
            .collect();
        let text =
            format!("(component {imports} (instance $i) (export \"{LAYERING}\" (instance $i)))");
        let error = refused(&wat::parse_str(text).unwrap());
        format!("{error}; {}", error.hint().unwrap())
    };
    let many: Vec<String> = (0..9).map(|i| format!("mine:many/number{i}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let text: String = [
        importing(&["wasi:clocks/wall-clock@0.2.0"]),
        importing(&["wasi:io/streams@0.2.6", "wasi:cli/stderr@0.2.6"]),
        importing(&["wasi:io/streams@0.2.6", "wasi:http/outgoing-handler@0.2.6"]),
        importing(&["wasi:io/streams@0.3.0"]),
        importing(&["run"]),
        importing(&many),
    ]
    .join("\n");
    insta::assert_snapshot!("imports", text);
}

#[test]
fn what_a_component_says_of_itself_is_checked() {
    let said = |name: &str, version: &str, policies: &[(&str, &str, &str)]| {
        let mut policy = good();
        policy.rest = info(name, version, policies);
        let error = describe(&policy.build());
        assert_eq!(
            error.to_string(),
            "planner `hostile.wasm` has a description that the contract does not allow"
        );
        std::error::Error::source(&error).unwrap().to_string()
    };
    let policy = ("one", "Does.", "{}");
    assert_eq!(said("mine", "1.0.0", &[]), "it has no policies");
    assert!(said("Mine", "1.0.0", &[policy]).starts_with("its name `Mine` is not made of"));
    assert!(said("mine", "one", &[policy]).starts_with("its version `one` is not"));
    assert_eq!(
        said("mine", "1.0.0", &[policy, policy]),
        "it has two policies with the name `one`"
    );
    assert!(
        said("mine", "1.0.0", &[("one", "", "{")])
            .starts_with("the options schema of its policy `one`")
    );
    // A terminal is safe from it.
    let said = said("\u{1b}[2J", "1.0.0", &[policy]);
    assert!(
        said.contains(r"\u{1b}[2J") && !said.contains('\u{1b}'),
        "{said}"
    );
}

#[test]
fn files_are_held_against_their_pins() {
    let folder = temporary();
    let component = good().build();
    let path = folder.path().join("good@1.wasm");
    fs::write(&path, &component).unwrap();
    let runtime = Runtime::new(Limits::default(), None).unwrap();
    let load = |pin: &str| {
        let file = ComponentFile::parse(&format!("{}{pin}", path.display())).unwrap();
        let loaded = runtime.load_file(&file, Imports::Nothing);
        loaded
            .map(|planner| planner.digest())
            .map_err(|error| error.to_string())
    };
    let (found, other) = (Digest::of(&component), Digest::of(b""));
    assert_eq!(load(""), Ok(found));
    assert_eq!(load(&format!("@{found}")), Ok(found));
    let said = load(&format!("@{other}")).unwrap_err();
    assert!(
        said.contains(&format!(
            "has the digest `{found}`, not the pinned `{other}`"
        )),
        "{said}"
    );
    // The pin is looked at before what the file is.
    fs::write(&path, data(0, b"")).unwrap();
    assert!(
        load(&format!("@{found}"))
            .unwrap_err()
            .contains("not the pinned")
    );
    fs::remove_file(&path).unwrap();
    assert_eq!(
        load("").unwrap_err(),
        format!("reading the planner `{}`", path.display())
    );
}
