//! Nix in images that have a database.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::json;
use terrine_tests::{NixImage, NixStore, Run, debian};

use super::{USER, build, closure, spec};

#[test]
fn nix_works_in_the_image_without_a_daemon() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let archive = build(&store, &spec(&store));
    for user in [USER, 0] {
        let Some(image) = NixImage::unpack(&archive) else {
            return;
        };
        works(&store, &image, user);
    }
}

#[test]
fn the_nix_of_the_next_debian_works_in_the_image() {
    let (Some(store), Some(root)) = (NixStore::build(), debian::root("trixie", "nix-bin")) else {
        return;
    };
    let archive = build(&store, &spec(&store));
    for user in [USER, 0] {
        let Some(image) = NixImage::unpack(&archive) else {
            return;
        };
        works(&store, &image.with_tools_of(&root), user);
    }
}

/// Checks that a user can do with Nix what images with a database are made for.
fn works(store: &NixStore, image: &NixImage, user: u32) {
    let expected = closure(store, &["app", "settings"]);
    let app = store.path("app");
    assert_eq!(
        image.list(user, &["nix-store", "-qR", app, store.path("settings")]),
        expected
    );
    let verified = image.run(user, &["nix-store", "--verify", "--check-contents"]);
    assert_eq!(verified.code, Some(0), "{}", verified.stderr);
    let said = verified.stderr.lines();
    let odd: Vec<&str> = said
        .filter(|line| !line.starts_with("reading ") && !line.starts_with("checking "))
        .collect();
    assert_eq!(odd, Vec::<&str>::new());

    image.write("/tmp/added", b"added");
    let added = image.list(user, &["nix-store", "--add", "/tmp/added"]);
    let expression = format!(
        "derivation {{ name = \"built\"; system = builtins.currentSystem; builder = \"/bin/sh\"; \
         args = [ \"-c\" \"read line < ${{builtins.storePath {app}}}/share/self; echo $line > $out\" ]; }}"
    );
    let built = image.list(user, &["nix-build", "--no-out-link", "-E", &expression]);
    assert_eq!(
        fs::read_to_string(image.host(&built[0])).unwrap().trim(),
        app
    );

    image
        .run(user, &["nix", "copy", "--to", "file:///tmp/cache", app])
        .ok();
    let infos = fs::read_dir(image.host("/tmp/cache")).unwrap();
    let infos = infos.filter(|file| {
        let name = file.as_ref().unwrap().file_name();
        name.to_str().unwrap().ends_with(".narinfo")
    });
    assert_eq!(infos.count(), closure(store, &["app"]).len());

    image.run(user, &["nix-store", "--gc"]).ok();
    let left: BTreeSet<String> = fs::read_dir(image.host("/nix/store"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.'))
        .map(|name| format!("/nix/store/{name}"))
        .collect();
    assert_eq!(left, expected.iter().cloned().collect());
    assert!(!left.contains(&added[0]) && !left.contains(&built[0]));
}

#[test]
fn a_user_who_owns_the_store_paths_may_delete_them() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let mut spec = spec(&store);
    (spec["uid"], spec["gid"]) = (json!(USER), json!(USER));
    let Some(image) = NixImage::unpack(&build(&store, &spec)) else {
        return;
    };
    let script = "rm /nix/var/nix/gcroots/docker/* && exec nix-store --gc";
    image.run(USER, &["sh", "-c", script]).ok();
    let left = image.list(USER, &["ls", "/nix/store"]);
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn signatures_and_content_addresses_are_kept() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let key = store.run("nix", &["key", "generate-secret", "--key-name", "test-1"]);
    let secret = store.beside().join("secret");
    fs::write(&secret, key.trim()).unwrap();
    let paths = closure(&store, &["app", "settings"]);
    let mut sign = vec!["store", "sign", "--key-file", secret.to_str().unwrap()];
    sign.extend(paths.iter().map(String::as_str));
    store.run("nix", &sign);
    let mut convert = Command::new("sh");
    convert
        .args(["-euc", "exec nix --extra-experimental-features nix-command key convert-secret-to-public < \"$1\"", "sh"])
        .arg(&secret)
        .env("HOME", store.beside());
    let public = String::from_utf8(Run::of(&mut convert).ok().stdout).unwrap();

    let from_database = build(&store, &spec(&store));
    // By Nix's JSON, the same.
    let (app, settings) = (store.path("app"), store.path("settings"));
    let json = store.run("nix", &["path-info", "--json", "-r", app, settings]);
    fs::write(store.beside().join("closure.json"), json).unwrap();
    let mut given = spec(&store);
    given["closure"] = json!("closure.json");
    assert!(build(&store, &given) == from_database);

    let Some(image) = NixImage::unpack(&from_database) else {
        return;
    };
    let verify = |public: &str| {
        let keys = ["--option", "trusted-public-keys", public];
        let verify = ["nix", "store", "verify", "--all", "--sigs-needed", "1"];
        image.run(USER, &[&verify[..], &keys].concat())
    };
    verify(public.trim()).ok();
    assert_ne!(verify("").code, Some(0));
}

#[test]
fn derivations_are_registered_with_their_outputs() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let derivation = store.run("nix-store", &["-q", "--deriver", store.path("settings")]);
    let mut spec = spec(&store);
    spec["config"]["Env"] = json!([format!("DRV={}", derivation.trim())]);
    let Some(image) = NixImage::unpack(&build(&store, &spec)) else {
        return;
    };
    let outputs = ["nix-store", "-q", "--outputs", derivation.trim()];
    assert_eq!(image.list(USER, &outputs), [store.path("settings")]);
    let derivers = ["nix-store", "-q", "--referrers", derivation.trim()];
    assert_eq!(image.list(USER, &derivers), Vec::<String>::new());
    // It can be built there: all that it needs is.
    image
        .run(USER, &["nix-store", "--realise", derivation.trim()])
        .ok();
    assert!(image.host(store.path("settings")).exists());
}
