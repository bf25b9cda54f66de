//! Images out of binary caches that Nix wrote, against images of the same paths in a local store.

mod architecture;
mod caches;
mod compressions;
mod contents;
mod faults;
mod forged;
mod huge;
mod nars;
mod requests;
mod s3;
mod scene;
mod server;
mod transfers;
mod trees;

use std::fs;

use serde_json::{Value, json};
use terrine_tests::{Run, empty_cache, temporary, terrine, workspace};

use caches::{Caches, digest, url};
use server::Server;

#[test]
fn plans_need_no_nar_and_unchanged_images_no_more() {
    let Some(caches) = Caches::shared() else {
        return;
    };
    let mut spec = caches.spec();
    let place = caches.cache("compression=zstd&write-nar-listing=true");
    let server = Server::of(&place);
    let mut plan = terrine();
    plan.arg("plan")
        .arg(caches.file(&spec.to_string()))
        .args(["--no-store", "--cache", &server.url()])
        .args(["--trusted-key", &caches.public]);
    let run = Run::of(&mut plan).ok();
    let facts: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert!(facts["layers"].as_array().unwrap().len() > 3, "{facts}");
    let asked = server.asked();
    assert!(asked.iter().any(|path| path.ends_with(".narinfo")));
    let nars = |asked: &[String]| asked.iter().filter(|path| path.contains("/nar/")).count();
    assert_eq!(nars(&asked), 0, "{asked:?}");

    // The cache of layers knows them by what is in them.
    spec["architecture"] = json!("amd64");
    let folder = temporary();
    let cache = caches.directory();
    empty_cache(&cache);
    let build = || {
        let to = format!("oci:{}", folder.path().join("layout").display());
        let mut command = caches.build_with(&cache, &spec, &to);
        command
            .args(["--no-store", "--cache", &server.url()])
            .args(["--trusted-key", &caches.public]);
        digest(command)
    };
    let first = build();
    let asked = server.asked();
    assert_eq!(nars(&asked), 5, "each path once: {asked:?}");
    assert_eq!(build(), first);
    let asked = server.asked();
    assert_eq!(nars(&asked), 0, "{asked:?}");
}

#[test]
fn files_come_out_of_caches_wherever_they_are_used() {
    let Some(caches) = Caches::shared() else {
        return;
    };
    let place = caches.cache("compression=none&write-nar-listing=true");
    let folder = temporary();
    let layout = |name: &str| format!("oci:{}", folder.path().join(name).display());
    let store = |name: &str| caches.store.path(name).to_owned();
    let specs = [
        json!({"name": "x:1", "copyToRoot": [store("app")]}),
        json!({"name": "x:1", "files": {"/etc/settings": {"source": store("settings")}}}),
        json!({"name": "x:1", "config": {"Env": [format!("SETTINGS={}", store("settings"))]}}),
        json!({"name": "x:1", "contents": [store("app")], "includeNixDB": true}),
        json!({"name": "x:1", "contents": [store("app")], "tag": null}),
        json!({"name": "x:1", "contents": [store("app")], "permissions": [{"path": "/nix/store/*/share/**", "uid": 7}]}),
    ];
    for (number, spec) in specs.iter().enumerate() {
        let expected = digest(caches.local(spec, &layout(&format!("local{number}"))));
        let to = layout(&format!("remote{number}"));
        assert_eq!(
            digest(caches.remote(spec, &url(&place), &to)),
            expected,
            "{spec}"
        );
    }
}

#[test]
fn the_command_and_the_specification_of_the_guide_work() {
    let Some(caches) = Caches::shared() else {
        return;
    };
    let place = caches.cache("compression=xz&write-nar-listing=true");
    let folder = temporary();
    let layout = format!("oci:{}", folder.path().join("layout").display());
    let page = fs::read_to_string(workspace().join("docs/binary-caches.md")).unwrap();
    let shown = |text: &str| {
        text.replace("/nix/store/…-web", caches.store.path("app"))
            .replace("https://cache.example.org", &url(&place))
            .replace("docker://ghcr.io/acme/web", &layout)
            .replace("cache.example.org-1:…", &caches.public)
    };
    let command = page
        .lines()
        .find_map(|line| line.strip_prefix("    terrine "))
        .unwrap();
    let command = shown(command);
    let mut run = terrine();
    run.args(command.split(' ').take_while(|word| *word != "--"))
        .args(["--trusted-key", &caches.public, "--no-store"])
        .env("NIX_CONF_DIR", caches.settings())
        .args(["--", "/bin/web"]);
    let run = Run::of(&mut run).ok();
    assert!(String::from_utf8_lossy(&run.stdout).contains("@sha256:"));
    let (_, block) = page.split_once("```json\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let spec: Value = serde_json::from_str(&shown(block)).unwrap();
    let mut build = caches.build(&spec, &layout);
    Run::of(build.arg("--no-store")).ok();
}
