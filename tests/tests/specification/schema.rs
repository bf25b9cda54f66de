//! The JSON Schema of specifications, its examples, and the reference that is made from it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use terrine_tests::base::{BaseImage, layer};
use terrine_tests::{Run, peer, reference, temporary, terrine, workspace};

fn schema() -> Value {
    let run = Run::of(terrine().arg("schema")).ok();
    serde_json::from_slice(&run.stdout).unwrap()
}

/// The reference of the specification is what the schema says. `INSTA_UPDATE=always` writes it.
#[test]
fn the_reference_is_that_of_the_schema() {
    let schema = schema();
    let mut documented = reference::fields();
    documented.sort_unstable();
    let properties = schema["properties"].as_object().unwrap();
    let mut fields: Vec<&str> = properties.keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(documented, fields, "each field has one subject");
    let file = workspace().join("docs/specification.md");
    let text = reference::document(&schema);
    if std::env::var_os("INSTA_UPDATE").is_some_and(|value| value == "always") {
        fs::write(&file, &text).unwrap();
    }
    let is_current = fs::read_to_string(&file).is_ok_and(|written| written == text);
    assert!(
        is_current,
        "`{}` is not what the schema says; `INSTA_UPDATE=always cargo test --release --workspace --test suite specification::` writes it",
        file.display()
    );
}

/// Checks each example by the schema, and that it refuses some specifications.
const VALIDATE: &str = r#"
import json, sys
import jsonschema
schema = json.load(open(sys.argv[1]))
Validator = jsonschema.Draft202012Validator
Validator.check_schema(schema)
whole = Validator(schema)
count = 0
for part in [schema, *schema["$defs"].values()]:
    for example in part.get("examples", []):
        whole.evolve(schema=part).validate(example)
    for name, field in part.get("properties", {}).items():
        for example in field["examples"]:
            whole.evolve(schema=field).validate(example)
            count += 1
for wrong in json.load(open(sys.argv[2])):
    assert not whole.is_valid(wrong), wrong
print(count)
"#;

#[test]
fn every_example_is_valid() {
    // One of the machine may stand before that of Debian's packages.
    let validates = |python: &PathBuf| {
        let imported = Command::new(python)
            .args(["-c", "import jsonschema"])
            .output();
        imported.is_ok_and(|run| run.status.success())
    };
    let mut pythons = peer::find("python3")
        .into_iter()
        .chain([PathBuf::from("/usr/bin/python3")]);
    let Some(python) = pythons.find(validates) else {
        peer::missing("Python has no module `jsonschema`");
        return;
    };
    let folder = temporary();
    let write = |name: &str, value: &Value| {
        let file = folder.path().join(name);
        fs::write(&file, value.to_string()).unwrap();
        file
    };
    let wrong = json!([
        {"contnts": "x"},
        {"name": 1},
        {"maxLayers": 1},
        {"config": {"cmd": ["x"]}},
        {"files": {"/x": {"mode": "789"}}},
        {"baseConfig": "none"},
        {"planner": {"digest": "sha256:0"}},
    ]);
    let mut validate = Command::new(python);
    validate.args(["-c", VALIDATE]);
    validate.arg(write("schema.json", &schema()));
    validate.arg(write("wrong.json", &wrong));
    let run = Run::of(&mut validate).ok();
    let count: usize = String::from_utf8(run.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(count > 110, "only {count} examples were checked");
}

/// The complete examples are images, of which nothing is warned.
#[test]
fn the_complete_examples_can_be_planned() {
    let folder = temporary();
    let site = folder.path().join("site");
    for directory in ["bin", "srv/data"] {
        fs::create_dir_all(site.join(directory)).unwrap();
    }
    fs::write(site.join("srv/data/x"), "").unwrap();
    let hello = workspace().join("tests/hello");
    let program = "nix/store/7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-hello-1.0/bin/hello";
    fs::copy(hello.join(program), site.join("bin/web")).unwrap();
    let base = BaseImage::old(&[&layer("etc/base", b"base")], &[]);
    fs::write(folder.path().join("base.tar"), base.archive()).unwrap();
    let schema = schema();
    let examples = schema["examples"].as_array().unwrap();
    assert_eq!(examples.len(), 2);
    for example in examples {
        // A base image of a registry is a file here.
        let text = example
            .to_string()
            .replace("docker://debian:12", "base.tar");
        plan(folder.path(), &text, &hello);
    }
}

fn plan(folder: &Path, specification: &str, hello: &Path) {
    fs::write(folder.join("image.json"), specification).unwrap();
    let mut command = terrine();
    command.current_dir(folder).args(["plan", "image.json"]);
    if specification.contains("/nix/store/") {
        command.arg("--closure").arg(hello.join("closure.json"));
        command.arg("--store-root").arg(hello);
    }
    let run = Run::of(&mut command).ok();
    assert!(
        !run.stderr.contains("warning"),
        "{specification}: {}",
        run.stderr
    );
}
