//! Things that the functions say before anything is built.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};
use terrine_tests::NixStore;

use super::{evaluate, refusal};

/// The arguments that Nixpkgs' functions have; all but the first have a default.
const BUILD_IMAGE: &[&str] = &[
    "name",
    "tag",
    "fromImage",
    "fromImageName",
    "fromImageTag",
    "copyToRoot",
    "runAsRoot",
    "contents",
    "config",
    "keepContentsDirlinks",
    "architecture",
    "variant",
    "extraCommands",
    "uid",
    "gid",
    "diskSize",
    "buildVMMemorySize",
    "created",
    "compressor",
    "includeNixDB",
    "meta",
];
const STREAM: &[&str] = &[
    "name",
    "tag",
    "fromImage",
    "layeringPipeline",
    "contents",
    "config",
    "architecture",
    "variant",
    "created",
    "mtime",
    "uid",
    "gid",
    "uname",
    "gname",
    "maxLayers",
    "extraCommands",
    "fakeRootCommands",
    "enableFakechroot",
    "includeStorePaths",
    "includeNixDB",
    "passthru",
    "meta",
    "debug",
];
/// Those that only terrine's have.
const OWN: &[&str] = &[
    "planner",
    "previous",
    "history",
    "permissions",
    "files",
    "annotations",
    "labels",
    "baseConfig",
    "tmp",
    "commands",
    "nixDatabase",
];

/// The functions of dockerTools. `tests` is not here; three say what does the same.
const DOCKERTOOLS: &[&str] = &[
    "binSh",
    "buildImage",
    "buildImageWithNixDb",
    "buildLayeredImage",
    "buildLayeredImageWithNixDb",
    "buildNixShellImage",
    "caCertificates",
    "examples",
    "exportImage",
    "fakeNss",
    "mergeDrvs",
    "mergeImages",
    "mkPureLayer",
    "mkRootLayer",
    "pullImage",
    "runWithOverlay",
    "shadowSetup",
    "shellScript",
    "streamLayeredImage",
    "streamNixShellImage",
    "tarsum",
    "usrBinEnv",
];

/// Arguments as Nix tells them: whether each has a default.
fn told(names: &[&[&str]]) -> Value {
    let names = names.concat().into_iter();
    let all: BTreeMap<&str, bool> = names.map(|name| (name, name != "name")).collect();
    json!(all)
}

#[test]
fn functions_take_what_those_of_dockertools_take() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let facts = evaluate(&store, "images.nix", "facts");
    let arguments = &facts["arguments"];
    assert_eq!(arguments["buildImage"], told(&[BUILD_IMAGE, OWN]));
    assert_eq!(arguments["streamLayeredImage"], told(&[STREAM, OWN]));
    assert_eq!(
        arguments["buildLayeredImage"],
        told(&[STREAM, OWN, &["compressor"]])
    );
    let pull = &facts["pull"];
    for (name, has_default) in [
        ("imageName", false),
        ("imageDigest", false),
        ("hash", true),
        ("sha256", true),
        ("os", true),
        ("arch", true),
        ("variant", true),
        ("finalImageName", true),
        ("finalImageTag", true),
        ("tlsVerify", true),
        ("name", true),
    ] {
        assert_eq!(pull[name], has_default, "{name}");
    }
    assert_eq!(facts["export"]["fromImage"], false);
    for name in [
        "drv",
        "name",
        "tag",
        "uid",
        "gid",
        "homeDirectory",
        "shell",
        "command",
        "run",
    ] {
        assert_eq!(facts["shell"][name], name != "drv", "{name}");
    }
    let names: Vec<&str> = facts["names"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    for name in DOCKERTOOLS {
        assert!(names.contains(name), "{name}");
    }
    // macOS builds images for Linux.
    let darwin = json!({"system": "aarch64-darwin", "host": "aarch64-linux"});
    assert_eq!(facts["darwin"], darwin);

    // What derivations say of themselves.
    let hash = |field: &str| {
        let path = facts[field].as_str().unwrap();
        path.strip_prefix("/nix/store/").unwrap()[..32].to_owned()
    };
    assert_eq!(facts["imageName"], "acme/hello");
    assert_eq!(facts["imageTag"], hash("conf"));
    assert_eq!(facts["plainTag"], hash("plain"));
    assert_eq!(facts["layeredTag"], "layered");
    assert_eq!(facts["layeredName"], "acme/hello");
    assert_eq!(facts["overridden"], "other");
    assert_eq!(facts["isExe"], true);
    assert_eq!(facts["push"], "push-Hello");
    assert_eq!(facts["override"], true);
    assert_eq!(facts["pulled"], "c/d:latest /nix/store/");
    assert_eq!(facts["variants"], json!(["v7", null, "v6"]));
    // The overlay replaces what is here, and leaves what is not.
    assert_eq!(
        facts["replaced"],
        json!({"onlyThere": true, "own": true, "tarsum": "theirs"})
    );
}

#[test]
fn everything_in_nix_can_be_read_by_it() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let root = terrine_tests::workspace();
    let mut files = vec![root.join("flake.nix")];
    for folder in ["nix", "tests/nix"] {
        let entries = fs::read_dir(root.join(folder)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        files.extend(paths.filter(|path| path.extension().is_some_and(|end| end == "nix")));
    }
    let documents = ["docs/nix.md", "docs/recipes.md"];
    let documents = documents.map(|page| fs::read_to_string(root.join(page)).unwrap());
    let blocks = documents
        .iter()
        .flat_map(|text| text.split("```nix\n").skip(1));
    for (number, block) in blocks.enumerate() {
        let file = store.beside().join(format!("block-{number}.nix"));
        fs::write(&file, block.split("```").next().unwrap()).unwrap();
        files.push(file);
    }
    for file in files {
        store.run("nix-instantiate", &["--parse", file.to_str().unwrap()]);
    }
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_built() {
    let Some(store) = NixStore::build() else {
        return;
    };
    for (attribute, expected) in [
        (
            "compressor",
            "in docker image x: compressor must be one of: [gz none zstd]",
        ),
        (
            "contents",
            "in docker image x: You cannot specify both contents and copyToRoot.",
        ),
        (
            "maxLayers",
            "the maxLayers argument of dockerTools.buildLayeredImage function must be greather than 1 (current value: 1)",
        ),
        ("unknown", "called with unexpected argument 'colour'"),
        ("hash", "pullImage: fetcher called without `hash`"),
        ("hashes", "pullImage: multiple hashes passed: hash sha256"),
    ] {
        let said = refusal(&store, "nix-instantiate", &format!("refused.{attribute}"));
        assert!(said.contains(expected), "{attribute}: {said}");
    }
}

#[test]
fn what_is_of_a_wrong_type_is_told_with_the_image() {
    let Some(store) = NixStore::build() else {
        return;
    };
    for (attribute, expected) in [
        (
            "maxLayers",
            "streamLayeredImage: the argument `maxLayers` of the image `web` must be an integer, and is a string",
        ),
        (
            "contents",
            "buildLayeredImage: the argument `contents` of the image `web` must be a package, a path, a list of these, or null, and is a list with a set, an integer",
        ),
        (
            "name",
            "buildImage: the argument `name` must be a string, and is null",
        ),
        (
            "config",
            "buildImage: the argument `config` of the image `web` must be a set or null, and is a list with a string",
        ),
        (
            "uid",
            "the argument `uid` of the image `web` must be a number from 0 on, and is a string",
        ),
        (
            "drv",
            "streamNixShellImage: the argument `drv` of the image `web` must be a derivation, and is a string",
        ),
        (
            "merge",
            "mergeImages: the argument `images` must be a list in which each is a package or a path, and is a set",
        ),
        (
            "export",
            "exportImage: the argument `fromImage` of the image `x` must be a package or a path or null, and is an integer",
        ),
        (
            "index",
            "buildIndex: the argument `images` of the image `web` must be a list in which each is a package or a path, and is a set",
        ),
        (
            "absent",
            "`mergeDrvs` is not among terrine's functions: `symlinkJoin` joins packages",
        ),
        (
            "planner",
            "in docker image web: You cannot specify both planner and layeringPipeline.",
        ),
        (
            "darwin",
            "in docker image web: commands at the root need Linux, and this is built on aarch64-darwin.",
        ),
    ] {
        let said = refusal(&store, "nix-instantiate", &format!("mistaken.{attribute}"));
        assert!(said.contains(expected), "{attribute}: {said}");
    }
}

#[test]
fn a_build_that_fails_ends_with_the_error_and_its_hint() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let said = refusal(&store, "nix-build", "failing");
    for part in ["`config`: unknown field `cmd`", "hint: did you mean `Cmd`?"] {
        assert!(said.contains(part), "{said}");
    }
}
