//! Things that the functions build.

use std::fs;
use std::path::Path;

use rustix::process::geteuid;
use serde_json::{Value, json};
use terrine_tests::archive::{digest, unpack};
use terrine_tests::consumer::{self, Consumed};
use terrine_tests::{
    Archive, NixStore, Run, binary, debian, fixture, peer, policy, programs, temporary,
};

use super::{build, evaluate};

fn read(path: &Path) -> Archive {
    Archive::read(unpack(&fs::read(path).unwrap()))
}

/// Names, modes and owners of a layer's entries.
fn listed(layer: &[u8]) -> Vec<(String, u32, u64, u64)> {
    let mut archive = tar::Archive::new(layer);
    let entries = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        let header = entry.header();
        (
            String::from_utf8(entry.path_bytes().into_owned()).unwrap(),
            header.mode().unwrap(),
            header.uid().unwrap(),
            header.gid().unwrap(),
        )
    });
    entries.collect()
}

#[test]
fn a_stream_is_the_image_of_its_conf() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let facts = evaluate(&store, "images.nix", "facts");
    let streamed = read(&build(&store, "streamed"));
    let tag = facts["imageTag"].as_str().unwrap();
    assert_eq!(
        streamed.manifest["RepoTags"],
        json!([format!("acme/hello:{tag}")])
    );
    assert_eq!(streamed.config()["config"]["Cmd"], json!(["/bin/hello"]));
    let conf = build(&store, "stream.conf");
    if let Some(python) = peer::find("python3") {
        let mut command = std::process::Command::new(python);
        command.arg(fixture("oracle/stream.py")).arg(&conf);
        command.arg("--store-root").arg(store.root());
        let theirs = Archive::read(Run::of(&mut command).ok().stdout);
        assert_eq!(streamed.id, theirs.id);
        assert!(streamed.layers() == theirs.layers());
    }
    // By the name of the script of Nixpkgs, as its wrapper calls it.
    let wrapped = read(&build(&store, "wrapped"));
    assert_eq!(wrapped.id, streamed.id);
    assert_eq!(wrapped.manifest["RepoTags"], json!(["acme/hello:wrapped"]));
    // By Nixpkgs' own function, with the overlay.
    let overlaid = read(&build(&store, "overlaid"));
    assert_eq!(overlaid.id, streamed.id);
    assert_eq!(
        overlaid.manifest["RepoTags"],
        json!(["acme/hello:overlaid"])
    );
    // Another tag is another conf, and the same image.
    let conf: Value =
        serde_json::from_slice(&fs::read(build(&store, "other.conf")).unwrap()).unwrap();
    assert_eq!(conf["repo_tag"], "acme/hello:other");
}

#[test]
fn archives_hold_what_was_asked_for() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let layered = read(&build(&store, "layered"));
    assert_eq!(layered.manifest["RepoTags"], json!(["acme/hello:layered"]));
    assert_eq!(layered.layers().len(), 4, "{:?}", layered.manifest);

    let facts = evaluate(&store, "images.nix", "facts");
    let plain = read(&build(&store, "plain"));
    let tag = facts["plainTag"].as_str().unwrap();
    let named = json!([format!("acme/plain:{tag}")]);
    assert_eq!(plain.manifest["RepoTags"], named);
    // One layer of store paths, and the root, whose owner is another.
    let layers = plain.layers();
    assert_eq!(layers.len(), 2);
    assert!(
        listed(layers[0])
            .iter()
            .all(|entry| (entry.2, entry.3) == (0, 0))
    );
    let root = listed(layers[1]);
    let hello = root.iter().find(|entry| entry.0 == "./bin/hello").unwrap();
    assert_eq!((hello.2, hello.3), (7, 8));

    let commands = read(&build(&store, "commands"));
    let layers = commands.layers();
    let root = listed(layers.last().unwrap());
    let folder = root.iter().find(|entry| entry.0 == "./var/lib/hello/");
    assert_eq!(folder.map(|entry| (entry.2, entry.3)), Some((5, 6)));
    let all: Vec<_> = layers.iter().flat_map(|layer| listed(layer)).collect();
    // A rule for a store path, and one that commands alone refer to.
    let program = all
        .iter()
        .find(|entry| entry.0.ends_with("-hello/bin/hello"));
    assert_eq!(program.map(|entry| entry.1), Some(0o4555));
    assert!(all.iter().any(|entry| entry.0.ends_with("-unrelated")));

    let as_root = read(&build(&store, "asRoot"));
    let top = listed(as_root.layers().last().unwrap());
    assert!(
        top.iter().any(|entry| entry.0 == "./data/" && entry.2 == 9),
        "{top:?}"
    );
    assert_eq!(as_root.layers().len(), 5);

    let users = read(&build(&store, "users"));
    let text = String::from_utf8_lossy(users.layers()[0]).into_owned();
    assert!(
        text.contains("\nweb:x:33:33::/:/bin/sh\nnobody:x:65534:65534"),
        "{text}"
    );
    let database = read(&build(&store, "database"));
    let root = listed(database.layers().last().unwrap());
    assert!(
        root.iter()
            .any(|entry| entry.0 == "./nix/var/nix/db/db.sqlite")
    );
}

#[test]
fn images_run() {
    let Some(store) = NixStore::build() else {
        return;
    };
    if !consumer::available(&["podman"]) {
        return;
    }
    for (attribute, name) in [
        ("layered", "acme/hello:layered"),
        ("commands", "commands:1"),
        ("asRoot", "as-root:1"),
        ("database", "database:1"),
    ] {
        // Podman 4 takes no compressed archive, whoever compressed it.
        let archive = read(&build(&store, attribute));
        let file = store.beside().join("image.tar");
        fs::write(&file, &archive.bytes).unwrap();
        let consumed = Consumed::by("podman", &file, name);
        consumed.check(&archive, "Hello from an image that Nix made.\n");
    }
}

#[test]
fn another_nix_builds_the_same() {
    let Some(store) = NixStore::build() else {
        return;
    };
    if !geteuid().is_root() {
        peer::missing("sandboxes of Nix are made as root here");
        return;
    }
    let Some(root) = debian::root("trixie", "nix-bin") else {
        return;
    };
    let folder = temporary();
    let place = folder.path().join("store");
    let busybox = folder.path().join("busybox");
    programs::copy(peer::find("busybox").unwrap(), &busybox);
    let binary = binary().parent().unwrap();
    let folders = [terrine_tests::workspace(), binary, folder.path()];
    for attribute in [
        "streamed", "layered", "plain", "commands", "asRoot", "shell",
    ] {
        let mut command = debian::within(&root, &folders, "nix-build").unwrap();
        let rest = ["--no-out-link", "-A", attribute];
        command.args(super::arguments_with(&busybox, "images.nix", &rest));
        command.arg("--store").arg(&place);
        for (option, value) in [
            ("sandbox", "true"),
            ("sandbox-paths", "/bin /usr /lib /lib64?"),
            ("build-users-group", ""),
            ("substituters", ""),
        ] {
            command.args(["--option", option, value]);
        }
        command
            .env("HOME", folder.path())
            .env("NIX_CONF_DIR", folder.path());
        let out = String::from_utf8(Run::of(&mut command).ok().stdout).unwrap();
        let theirs = fs::read(place.join(&out.trim()[1..])).unwrap();
        assert!(
            theirs == fs::read(build(&store, attribute)).unwrap(),
            "{attribute}"
        );
    }
}

#[test]
fn archives_become_others() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let merged = Archive::read_all(unpack(&fs::read(build(&store, "merged")).unwrap()));
    assert_eq!(merged.len(), 2);
    let exported = fs::read(build(&store, "exported")).unwrap();
    let files = listed(&exported);
    assert!(
        files
            .iter()
            .any(|entry| entry.0.ends_with("-hello/bin/hello"))
    );
    let index = build(&store, "index");
    let text = fs::read_to_string(index.join("index.json")).unwrap();
    assert!(
        text.contains("application/vnd.oci.image.index.v1+json"),
        "{text}"
    );
    let conf: Value =
        serde_json::from_slice(&fs::read(build(&store, "based.conf")).unwrap()).unwrap();
    assert!(
        conf["from_image"]
            .as_str()
            .unwrap()
            .ends_with("-Hello-conf")
    );
}

#[test]
fn a_shell_image_has_the_environment_of_the_build() {
    let Some(store) = NixStore::build() else {
        return;
    };
    // What a container runs builds the same as Nix.
    let expected = fs::read(build(&store, "subject")).unwrap();
    assert_eq!(fs::read(build(&store, "inShell")).unwrap(), expected);
    assert!(
        expected.starts_with(b"it's built 1 two /nix/store/"),
        "{expected:?}"
    );
    assert!(expected.ends_with(b" 1\nas a file"), "{expected:?}");
    let conf: Value =
        serde_json::from_slice(&fs::read(build(&store, "shell.conf")).unwrap()).unwrap();
    let config = &conf["config"];
    assert_eq!(config["User"], "1000:1000");
    assert_eq!(config["WorkingDir"], "/build");
    assert_eq!(config["Labels"]["own"], "yes");
    let environment = config["Env"].as_array().unwrap();
    for expected in [
        "HOME=/build",
        "NIX_BUILD_CORES=1",
        "TERM=xterm-256color",
        "flag=1",
        "shellHook=hooked=yes",
        "OWN=yes",
    ] {
        assert!(environment.contains(&json!(expected)), "{environment:?}");
    }
    let layer = build(&store, "shell.layer").join("layer.tar");
    let root = listed(&fs::read(layer).unwrap());
    for owned in ["./build/", "./etc/nix/", "./nix/store/"] {
        let found = root.iter().find(|entry| entry.0 == owned);
        let owner = found.map(|entry| (entry.2, entry.3));
        assert_eq!(owner, Some((1000, 1000)), "{owned}");
    }
}

#[test]
fn builds_are_reproducible_and_refer_to_what_they_need() {
    let Some(store) = NixStore::build() else {
        return;
    };
    for attribute in [
        "stream",
        "layered",
        "plain",
        "commands",
        "stream.push",
        "users",
        "merged",
        "index",
    ] {
        build(&store, attribute);
        let all = super::arguments("images.nix", &["--no-out-link", "--check", "-A", attribute]);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        store.run("nix-build", &all);
    }
    // An archive needs nothing (one that is not compressed from Nix 2.14 on); a stream needs terrine, its conf
    // and the store paths.
    for attribute in ["layered", "plain"] {
        let path = build(&store, attribute);
        let path = format!("/nix/store/{}", path.file_name().unwrap().to_str().unwrap());
        let references = store.run("nix-store", &["-q", "--references", &path]);
        assert_eq!(references, "", "{attribute}");
    }
    let path = build(&store, "stream");
    let path = format!("/nix/store/{}", path.file_name().unwrap().to_str().unwrap());
    let closure = store.list("nix-store", &["-qR", &path]);
    let mut names: Vec<&str> = closure
        .iter()
        .map(|path| &path["/nix/store/".len() + 33..])
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "Hello",
            "Hello-conf",
            "Hello-layer",
            "busybox",
            "greeting",
            "hello",
            "terrine"
        ]
    );
}

#[test]
fn a_planner_is_a_derivation_that_is_held_against_its_digest() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let component = policy::steady();
    let digest = format!("sha256:{}", digest(&fs::read(&component).unwrap()));
    let component = component.to_str().unwrap();
    let words = |digest| {
        [
            "--arg",
            "component",
            component,
            "--argstr",
            "digest",
            digest,
        ]
    };
    let rest = words(&digest);
    let spec = super::build_with(&store, "policy.nix", &["image.spec"], &rest).remove(0);
    let spec = fs::read_to_string(spec.join("image.json")).unwrap();
    assert!(spec.contains("-policy/policy.wasm"), "{spec}");
    // The planner is no part of the image.
    let conf = super::build_with(&store, "policy.nix", &["image.conf"], &rest).remove(0);
    let conf = fs::read_to_string(conf).unwrap();
    assert!(
        !conf.contains("-policy\"") && conf.contains("-hello"),
        "{conf}"
    );
    let wrong = format!("sha256:{}", "0".repeat(64));
    let mut command = store.command("nix-build");
    let mut all = vec!["--no-out-link", "-A", "image.conf"];
    all.extend(words(&wrong));
    let run = Run::of(command.args(super::arguments("policy.nix", &all)));
    assert_ne!(run.code, Some(0));
    assert!(run.stderr.contains(&wrong), "{}", run.stderr);
}

#[test]
fn what_is_mentioned_is_what_nix_knows() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let conf = fs::read_to_string(build(&store, "mentions.conf")).unwrap();
    let conf: Value = serde_json::from_str(&conf).unwrap();
    let paths = conf["store_layers"].to_string();
    for name in ["-hello", "-greeting", "-busybox"] {
        assert!(paths.contains(&format!("{name}\"")), "{paths}");
    }
    let layer = build(&store, "mentions.layer").join("layer.tar");
    let root = listed(&fs::read(layer).unwrap());
    for path in ["./from-a-file/", "./greeting"] {
        assert!(root.iter().any(|entry| entry.0 == path), "{root:?}");
    }
}
