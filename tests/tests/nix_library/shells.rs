//! Images with the environment of a build, checked against that environment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::Path;

use serde_json::Value;
use terrine_tests::{NixStore, Run};

use super::{arguments, build, build_all};

/// The differences between an image and `nix-shell --pure`, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("HOME", "the image has its own"),
    (
        "PATH",
        "the image's begins with the shell and `buildDerivation`",
    ),
    ("TERM", "that of the caller in `nix-shell`"),
    ("TMPDIR", "a folder of the caller's in `nix-shell`"),
    ("TEMPDIR", "the same"),
    ("TMP", "the same"),
    ("TEMP", "the same"),
    ("NIX_BUILD_TOP", "the same"),
    ("PWD", "`/build` in the image"),
    (
        "__json",
        "the attributes as the derivation has them, which are compared",
    ),
    (
        "prefix",
        "`nix-shell` leaves the stand-in of an output where it is",
    ),
    ("OWN", "a variable that is given to the image"),
    ("NIX_BUILD_SHELL", "set by the test"),
    ("__ETC_PROFILE_SOURCED", "left behind by `nix-shell`"),
    ("OLDPWD", "as the shell was entered"),
    (
        "NIX_BUILD_CORES",
        "1 in the image, so that it is the same everywhere",
    ),
    ("IN_NIX_SHELL", "there is no `nix-shell` in the image"),
    ("SHLVL", "as the shell was entered"),
    ("_", "the same"),
    ("NIX_ENFORCE_PURITY", "left behind by `nix-shell`"),
    ("textPath", "the place of the text, which is compared"),
    (
        "NIX_ATTRS_JSON_FILE",
        "the place of the attributes, which are compared",
    ),
    ("NIX_ATTRS_SH_FILE", "the same"),
];

/// Variables as `env -0` prints them.
fn variables(printed: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8(printed.to_vec()).unwrap();
    let pairs = text.split('\0').filter_map(|line| line.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The variables that a command of a container has.
fn in_the_image(store: &NixStore, image: &str) -> Option<BTreeMap<String, String>> {
    let conf = build(store, &format!("{image}.conf"));
    let conf: Value = serde_json::from_slice(&fs::read(conf).unwrap()).unwrap();
    let words = |name: &str| -> Vec<String> {
        serde_json::from_value(conf["config"][name].clone()).unwrap()
    };
    let mut command = store.inside("env")?;
    command
        .arg("-i")
        .args(words("Env"))
        .args(words("Entrypoint"));
    let run = Run::of(command.args(["/usr/bin/env", "-0"])).ok();
    Some(variables(&run.stdout))
}

/// The variables that a command has in `nix-shell --pure`.
fn in_nix_shell(store: &NixStore, derivation: &str) -> Option<BTreeMap<String, String>> {
    let mut command = store.inside("nix-shell")?;
    command.env("NIX_BUILD_SHELL", "/bin/bash");
    command.args(arguments("images.nix", &["-A", derivation, "--pure"]));
    let run = Run::of(command.args(["--run", "/usr/bin/env -0"])).ok();
    Some(variables(&run.stdout))
}

#[test]
fn the_environment_is_that_of_nix_shell() {
    let Some(store) = NixStore::build() else {
        return;
    };
    // What they refer to has to be there.
    build_all(&store, "images.nix", &["shell", "structuredShell"]);
    let different: BTreeSet<&str> = DIFFERENT.iter().map(|(name, _)| *name).collect();
    for (image, derivation) in [("shell", "subject"), ("structuredShell", "structured")] {
        let Some(mut ours) = in_the_image(&store, image) else {
            return;
        };
        let mut theirs = in_nix_shell(&store, derivation).unwrap();
        if let (Some(our), Some(their)) = (ours.get("textPath"), theirs.get("textPath")) {
            let text = fs::read_to_string(store.root().join(&our[1..])).unwrap();
            assert_eq!(text, "as a file", "{their}");
        }
        ours.retain(|name, _| !different.contains(name.as_str()));
        theirs.retain(|name, _| !different.contains(name.as_str()));
        assert_eq!(ours, theirs, "{image}");
        assert!(ours.len() > 2, "{ours:?}");
    }
}

#[test]
fn structured_attributes_are_those_that_nix_gives_to_a_builder() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let built = build_all(
        &store,
        "images.nix",
        &["structured", "structuredShell.layer"],
    );
    let mut layer = tar::Archive::new(fs::File::open(built[1].join("layer.tar")).unwrap());
    let mut compared = 0;
    for entry in layer.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        let Ok(name) = path.strip_prefix(Path::new("./build")) else {
            continue;
        };
        if entry.header().entry_type().is_file() {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            let theirs = fs::read_to_string(built[0].join(name)).unwrap();
            assert_eq!(text, theirs, "{}", name.display());
            assert_eq!(entry.header().uid().unwrap(), 1000);
            compared += 1;
        }
    }
    assert_eq!(compared, 2);
}

/// A derivation is built in the image's environment: at the same place, from the same attributes.
#[test]
fn a_derivation_with_structured_attributes_is_built_the_same() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let built = build_all(
        &store,
        "images.nix",
        &[
            "structured",
            "structuredShell.conf",
            "structuredShell.layer",
        ],
    );
    let conf: Value = serde_json::from_slice(&fs::read(&built[1]).unwrap()).unwrap();
    let words = |name: &str| -> Vec<String> {
        serde_json::from_value(conf["config"][name].clone()).unwrap()
    };
    let Some(mut command) = store.inside("sh") else {
        return;
    };
    // The image's folder, and an output that is another one.
    let folder = store.beside().join("build");
    fs::create_dir(&folder).unwrap();
    let layer = fs::File::open(built[2].join("layer.tar")).unwrap();
    tar::Archive::new(layer).unpack(&folder).unwrap();
    let script = r#"
        mkdir /build
        mount --bind "$1/build" /build
        mount --bind "$2" "$3"
        cd /build
        shift 3
        exec env -i "$@" buildDerivation
    "#;
    let output = store.beside().join("out");
    fs::create_dir(&output).unwrap();
    let place = format!(
        "/{}",
        built[0].strip_prefix(store.root()).unwrap().display()
    );
    command
        .args(["-euc", script, "sh"])
        .arg(&folder)
        .arg(&output);
    command
        .arg(place)
        .args(words("Env"))
        .args(words("Entrypoint"));
    Run::of(&mut command).ok();
    for name in [".attrs.sh", ".attrs.json"] {
        let ours = fs::read(output.join(name)).unwrap();
        assert!(ours == fs::read(built[0].join(name)).unwrap(), "{name}");
    }
}
