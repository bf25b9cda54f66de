//! Caches of two generations of Nix: images are those of a local store.

use std::process::Command;

use serde_json::{Value, json};
use terrine_tests::{Run, temporary};

use super::caches::{Caches, NAMES, digest, url};

/// The compressions that both Nix and terrine know. Nix compresses with more of them, by programs that it needs for it.
const COMPRESSIONS: [&str; 9] = [
    "none", "xz", "zstd", "bzip2", "br", "gzip", "lz4", "lzip", "lzma",
];

/// Checks that the images out of a cache, a layout and an archive, are the expected ones.
fn check(caches: &Caches, spec: &Value, parameters: &[String]) {
    let folder = temporary();
    let layout = |name: &str| format!("oci:{}", folder.path().join(name).display());
    let tar = "docker-archive:/dev/stdout";
    let expected = digest(caches.local(spec, &layout("local")));
    let expected_archive = archive(caches.local(spec, tar));
    for parameters in parameters {
        let listed = caches.cache(&format!("{parameters}&write-nar-listing=true"));
        for place in [caches.without_listings(&listed), listed] {
            let cache = url(&place);
            let found = digest(caches.remote(spec, &cache, &layout("remote")));
            assert_eq!(found, expected, "{parameters}");
            assert!(
                archive(caches.remote(spec, &cache, tar)) == expected_archive,
                "the archive with {parameters}"
            );
        }
    }
}

/// The archive that a build writes.
fn archive(mut command: Command) -> Vec<u8> {
    let run = Run::of(&mut command).ok();
    assert!(run.stdout.len() > 10_000, "an archive");
    run.stdout
}

#[test]
fn images_are_those_of_the_store_for_every_compression() {
    let Some(caches) = Caches::shared() else {
        return;
    };
    let parameters = COMPRESSIONS.map(|name| format!("compression={name}"));
    check(&caches, &caches.spec(), &parameters);
}

#[test]
fn images_are_those_of_the_store_with_the_newest_nix() {
    let Some(caches) = Caches::of_newest() else {
        return;
    };
    let secret = caches.secret();
    let sign = [
        "store",
        "sign",
        "--recursive",
        "--key-file",
        secret.to_str().unwrap(),
    ];
    let paths = NAMES.map(|name| caches.store.path(name));
    caches.run("nix", &[&sign[..], &paths].concat());
    let parameters = COMPRESSIONS.map(|name| format!("compression={name}"));
    check(&caches, &caches.spec(), &parameters);
    content_addressed(&caches);
}

#[test]
fn paths_with_a_content_address_need_no_signature() {
    let Some(caches) = Caches::shared() else {
        return;
    };
    content_addressed(&caches);
}

/// Builds an image of unsigned paths with every kind of content address, and none with another path.
fn content_addressed(caches: &Caches) {
    let mut paths = added(caches);
    let app = caches.store.path("app");
    let rewritten = caches.run("nix", &["store", "make-content-addressed", "--json", app]);
    let rewritten: Value = serde_json::from_str(&rewritten).unwrap();
    let rewritten = rewritten["rewrites"][app].as_str().unwrap().to_owned();
    let spec = json!({"name": "x:1", "contents": [rewritten]});
    if has_weak_addresses(caches) {
        let copy = |parameters: &str| url(&caches.copy(parameters, &[&rewritten]));
        let weak = "does not cover the references of";
        refused(caches, &spec, &copy("compression=xz"), weak);
        let signed = copy(&format!("secret-key={}", caches.secret().display()));
        let layout = format!("oci:{}", caches.directory().display());
        let expected = digest(caches.local(&spec, &layout));
        assert_eq!(digest(caches.remote(&spec, &signed, &layout)), expected);
    } else {
        paths.push(rewritten);
    }
    let texts: Vec<&str> = paths.iter().map(String::as_str).collect();
    let cache = url(&caches.copy("compression=xz", &texts));
    let layout = format!("oci:{}", caches.directory().display());
    let files = format!("FILES={}", paths.join(":"));
    let spec = json!({"name": "x:1", "config": {"Env": [files]}});
    let expected = digest(caches.local(&spec, &layout));
    let found = digest(caches.untrusting(&spec, &cache, &layout));
    assert_eq!(found, expected);

    let other = caches.store.path("unrelated");
    let cache = url(&caches.copy("compression=xz", &[other]));
    let spec = json!({"name": "x:1", "config": {"Env": [format!("FILE={other}")]}});
    refused(caches, &spec, &cache, "is not signed");
}

/// Checks that a cache without signatures is refused for a reason, and that there is a hint.
fn refused(caches: &Caches, spec: &Value, cache: &str, why: &str) {
    let layout = format!("oci:{}", caches.directory().display());
    let run = Run::of(&mut caches.untrusting(spec, cache, &layout));
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(
        run.stderr.contains(why) && run.stderr.contains("hint: "),
        "{}",
        run.stderr
    );
}

/// Returns whether the Nix that writes the caches leaves the positions of a path's references to itself out of its
/// address, as those from 2.17 to 2.34 do.
fn has_weak_addresses(caches: &Caches) -> bool {
    let text = caches.run("nix", &["--version"]);
    let version = text.trim().rsplit(' ').next().unwrap();
    let mut numbers = version.split('.').map(str::parse::<u32>);
    let mut next = || numbers.next().unwrap().unwrap();
    ((2, 17)..(2, 35)).contains(&(next(), next()))
}

/// Adds files to the store by each way that gives them a content address, and returns their paths.
fn added(caches: &Caches) -> Vec<String> {
    let folder = caches.directory();
    let file = folder.join("added");
    std::fs::write(&file, "added").unwrap();
    let (file, folder) = (file.to_str().unwrap(), folder.to_str().unwrap());
    let text = r#"builtins.toFile "text" "see ${builtins.toFile "other" "text"}""#;
    let commands: [&[&str]; 5] = [
        &["nix", "store", "add-path", "--name", "path", folder],
        &["nix", "store", "add-file", "--name", "file", file],
        &["nix-store", "--add-fixed", "sha512", file],
        &["nix-store", "--add-fixed", "--recursive", "sha1", file],
        &["nix", "eval", "--raw", "--expr", text],
    ];
    let print = |words: &[&str]| caches.run(words[0], &words[1..]).trim().to_owned();
    commands.map(print).into()
}

#[test]
fn a_compression_that_is_not_supported_is_named() {
    let Some(caches) = Caches::shared() else {
        return;
    };
    let cache = url(&caches.cache("compression=compress&write-nar-listing=true"));
    let folder = temporary();
    let layout = format!("oci:{}", folder.path().display());
    let run = Run::of(&mut caches.remote(&caches.spec(), &cache, &layout));
    assert_eq!(run.code, Some(1));
    for text in [
        "the compression `compress` is not supported",
        "hint: supported are `none`, `xz`",
    ] {
        assert!(run.stderr.contains(text), "{}", run.stderr);
    }
}
