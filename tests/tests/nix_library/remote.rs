//! Images from registries and to them.

use std::fs;

use serde_json::{Value, json};
use terrine_tests::consumer::{self, Consumed};
use terrine_tests::registry::Registry;
use terrine_tests::{Archive, NixStore, Run, terrine};

use super::{build, build_with};

/// Puts the image `layered` into a registry as `hello:1`.
fn hello(store: &NixStore, registry: &Registry) {
    let archive = build(store, "layered");
    let to = format!("docker://{}/hello:1", registry.host());
    let archive = format!("docker-archive:{}", archive.display());
    Run::of(terrine().args(["copy", &archive, &to])).ok();
}

/// Returns what a pull of it needs.
fn prefetched(registry: &Registry) -> Value {
    let name = format!("{}/hello:1", registry.host());
    let words = [
        "prefetch",
        "--json",
        &name,
        "--final-name",
        "hello",
        "--final-tag",
        "pulled",
    ];
    let run = Run::of(terrine().args(words)).ok();
    serde_json::from_slice(&run.stdout).unwrap()
}

#[test]
fn an_image_from_a_registry_is_one_to_build_on() {
    let (Some(store), Some(registry)) = (NixStore::build(), Registry::start()) else {
        return;
    };
    hello(&store, &registry);
    let told = prefetched(&registry);
    let text = |name: &str| told[name].as_str().unwrap();
    let rest = [
        "--argstr",
        "registry",
        registry.host(),
        "--argstr",
        "imageDigest",
        text("imageDigest"),
        "--argstr",
        "hash",
        text("hash"),
    ];
    let built = build_with(&store, "remote.nix", &["pulled", "onPulled"], &rest);
    let [pulled, on_pulled] =
        [&built[0], &built[1]].map(|path| Archive::read(fs::read(path).unwrap()));
    assert_eq!(pulled.manifest["RepoTags"], json!(["hello:pulled"]));
    assert_eq!(
        on_pulled.diff_ids()[..pulled.layers().len()],
        pulled.diff_ids()
    );
    if consumer::available(&["podman"]) {
        let output = "Hello from an image that Nix made.\n";
        Consumed::by("podman", &built[0], "hello:pulled").check(&pulled, output);
        Consumed::by("podman", &built[1], "on-pulled:1").check(&on_pulled, output);
    }
    // Another image than the promised one is refused.
    let mut command = store.command("nix-build");
    let wrong = text("hash").replace("sha256-", "sha256-AAAA");
    let wrong = format!("{}=", &wrong[..wrong.len() - 5]);
    let rest = [
        "--no-out-link",
        "-A",
        "pulled",
        "--argstr",
        "registry",
        registry.host(),
        "--argstr",
        "imageDigest",
        text("imageDigest"),
        "--argstr",
        "hash",
        &wrong,
    ];
    let run = Run::of(command.args(super::arguments("remote.nix", &rest)));
    assert_ne!(run.code, Some(0));
    assert!(run.stderr.contains("hash mismatch"), "{}", run.stderr);
}

#[test]
fn programs_push_to_the_registry_of_the_name() {
    let (Some(store), Some(registry)) = (NixStore::build(), Registry::start()) else {
        return;
    };
    let rest = ["--argstr", "registry", registry.host()];
    let names = ["stream", "base", "onStream", "plain", "index", "layered"];
    let programs: Vec<String> = names.iter().map(|name| format!("{name}.push")).collect();
    let programs: Vec<&str> = programs.iter().map(String::as_str).collect();
    let built = build_with(&store, "remote.nix", &programs, &rest);
    for program in &built {
        let inside = program.strip_prefix(store.root()).unwrap();
        let file = fs::read_dir(program.join("bin"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        let path = format!("/{}/bin/{}", inside.display(), file.file_name().display());
        let Some(mut command) = store.inside(&path) else {
            return;
        };
        Run::of(command.arg("--plain-http")).ok();
    }
    assert_eq!(
        registry.tags("pushed"),
        ["base", "index", "layered", "on-stream", "stream"]
    );
    let image = |tag: &str| -> Value {
        serde_json::from_slice(&registry.manifest("pushed", tag).unwrap().bytes).unwrap()
    };
    // One image on another shares its layers with it, and an index has the image itself.
    let digests = |manifest: &Value| -> Vec<String> {
        let layers = manifest["layers"].as_array().unwrap();
        layers
            .iter()
            .map(|layer| layer["digest"].as_str().unwrap().to_owned())
            .collect()
    };
    let (base, on_stream) = (digests(&image("base")), digests(&image("on-stream")));
    assert_eq!(on_stream[..base.len()], base);
    let index = image("index");
    let platforms: Vec<&Value> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["platform"]["architecture"])
        .collect();
    assert_eq!(platforms, ["amd64", "arm64"]);
    let of_index = index["manifests"][0]["digest"].as_str().unwrap();
    let listed: Value =
        serde_json::from_slice(&registry.manifest("pushed", of_index).unwrap().bytes).unwrap();
    assert_eq!(digests(&listed), base);
    // The tag of `buildImage` is the hash of its archive.
    let archive = build_with(&store, "remote.nix", &["plain"], &rest).remove(0);
    let name = archive.file_name().unwrap().to_str().unwrap();
    assert_eq!(registry.tags("plain"), [&name[..32]]);
}

#[test]
fn no_archive_lies_between_an_image_and_one_on_it() {
    let (Some(store), Some(registry)) = (NixStore::build(), Registry::start()) else {
        return;
    };
    let rest = ["--argstr", "registry", registry.host()];
    build_with(
        &store,
        "remote.nix",
        &["onStream.push", "index.push", "index"],
        &rest,
    );
    let folder = store.root().join("nix/store");
    let names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(names.iter().any(|name| name.ends_with("-pushed-conf")));
    // The name of an archive that is not built may be there as that of its derivation.
    assert!(
        !names
            .iter()
            .any(|name| name.ends_with(".tar") || name.ends_with(".tar.gz")),
        "{names:?}"
    );
}

#[test]
fn a_registry_has_to_be_known_or_is_not_looked_at() {
    let (Some(store), Some(registry)) = (NixStore::build(), Registry::with_tls()) else {
        return;
    };
    let archive = build(&store, "layered");
    let archive = format!("docker-archive:{}", archive.display());
    let to = format!("docker://{}/hello:1", registry.host());
    let mut command = terrine();
    command.env("SSL_CERT_FILE", registry.authority());
    Run::of(command.args(["copy", &archive, &to])).ok();
    let mut command = terrine();
    let name = format!("{}/hello:1", registry.host());
    command.args(["prefetch", "--json", "--tls-verify=false", &name]);
    command.args(["--final-name", "hello", "--final-tag", "pulled"]);
    let told: Value = serde_json::from_slice(&Run::of(&mut command).ok().stdout).unwrap();
    let authority = registry.authority();
    let rest = [
        "--argstr",
        "registry",
        registry.host(),
        "--argstr",
        "imageDigest",
        told["imageDigest"].as_str().unwrap(),
        "--argstr",
        "hash",
        told["hash"].as_str().unwrap(),
        "--arg",
        "authority",
        authority.to_str().unwrap(),
    ];
    let built = build_with(&store, "remote.nix", &["checked", "unchecked"], &rest);
    assert!(fs::read(&built[0]).unwrap() == fs::read(&built[1]).unwrap());
    let mut all = vec!["--no-out-link", "-A", "unknown"];
    all.extend(rest);
    let mut command = store.command("nix-build");
    let run = Run::of(command.args(super::arguments("remote.nix", &all)));
    assert_ne!(run.code, Some(0), "{}", run.stderr);
}
