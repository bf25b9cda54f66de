//! Pushes to Debian's `docker-registry`, and base images from there: what is asked and sent, by
//! the proxy's record; what skopeo makes of it; who may; and what a cache does that lies.

#![allow(clippy::unwrap_used, reason = "a test that can not be set up has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use terrine_tests::archive::digest;
use terrine_tests::proxy::{Proxy, REFRESH, Request, Tokens};
use terrine_tests::registry::{PASSWORD, Registry, USER};
use terrine_tests::shipment::{Shipment, hashed};
use terrine_tests::{Archive, Run, base, peer, skopeo, terrine};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const PLAIN: &str = "application/vnd.oci.image.layer.v1.tar";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// The manifest that a tag stands for.
fn manifest(registry: &Registry, repository: &str, tag: &str) -> Value {
    json_of(&registry.manifest(repository, tag).unwrap().bytes)
}

/// The layers' digests.
fn layers(manifest: &Value) -> Vec<String> {
    let layers = manifest["layers"].as_array().unwrap().iter();
    layers.map(|layer| layer["digest"].as_str().unwrap().to_owned()).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// How many blobs were sent, as far as the registry took them.
fn uploads(proxy: &Proxy) -> usize {
    proxy.count(|request| request.is("PUT", "/blobs/uploads/") && request.status == Some(201))
}

/// The requests that move or change anything but manifests.
fn moves(request: &Request) -> bool {
    request.of_upload() || request.method == "GET" && request.of_blob()
}

/// What a run said, with names in the place of what is another each time.
fn said(run: &Run, shipment: &Shipment, hosts: &[(&str, &str)]) -> String {
    let roots = [(shipment.store.root(), "[ROOT]"), (shipment.home(), "[HOME]")];
    let mut text = run.snapshot(&roots);
    for (host, name) in hosts {
        text = text.replace(host, name);
    }
    // Without how fast it was.
    let lines = text.lines().map(|line| line.split(" at ").next().unwrap_or(line));
    let text = lines.collect::<Vec<_>>().join("\n");
    // Which layer is the first to fail is another each time.
    let mut parts = text.split("sha256:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "[DIGEST]" + part.get(64..).unwrap_or_default())
}

#[test]
fn a_push_is_what_skopeo_reads_and_the_archive_of_the_same_build() {
    let Some(registry) = Registry::start() else { return };
    let proxy = Proxy::to(&registry);
    let shipment = Shipment::small();
    let to = format!("docker://{}/acme/web:1", proxy.host());
    shipment.build(&to, &["--annotation", "org.example.note=hello"]).ok();
    assert!(shipment.is_valid(&to));
    let manifest = manifest(&registry, "acme/web", "1");
    assert_eq!(manifest["mediaType"], MANIFEST);
    assert!(layers(&manifest).len() == 4 && manifest["layers"][0]["mediaType"] == GZIP);
    // The same image as the archive.
    let run = Run::of(&mut shipment.at_home(shipment.spec().command("build"))).ok();
    let archive = Archive::read(run.stdout);
    assert_eq!(manifest["config"]["digest"], format!("sha256:{}", archive.id));
    let config = json_of(&registry.blob("acme/web", &text(&manifest["config"]["digest"])).unwrap());
    assert_eq!(config, archive.config());
    // What is said of it.
    let annotations = &manifest["annotations"];
    assert_eq!(annotations["org.example.note"], "hello");
    assert_eq!(annotations["dev.terrine.plan.policy"], "least-pull");
    for name in ["dev.terrine.plan.component", "dev.terrine.plan.request", "dev.terrine.compression"] {
        assert!(annotations[name].is_string(), "{name}: {annotations}");
    }
    let named = |layer: &Value| text(&layer["annotations"]["dev.terrine.store-paths"]);
    let named: Vec<String> = manifest["layers"].as_array().unwrap()[..3].iter().map(named).collect();
    for name in ["a", "b", "c"] {
        let path = format!("[\"{}\"]", shipment.store.path(&hashed(name)));
        assert!(named.contains(&path), "{named:?}");
    }
    // What others read.
    let host = proxy.host();
    let inspected = ["inspect", "--tls-verify=false", &format!("docker://{host}/acme/web:1")];
    let Some(run) = skopeo::skopeo(shipment.home(), &inspected) else { return };
    assert_eq!(json_of(&run.stdout)["Layers"], json!(layers(&manifest)));
    let out = shipment.home().join("pulled.tar");
    let pulled = format!("docker-archive:{}:web:1", out.display());
    let source = format!("docker://{host}/acme/web:1");
    skopeo::skopeo(shipment.home(), &["copy", "-q", "--src-tls-verify=false", &source, &pulled]);
    let unpacked = shipment.terrine(&["inspect", "--format", "json", "pulled.tar"]).ok();
    assert!(String::from_utf8_lossy(&unpacked.stdout).contains(&archive.id));
}

#[test]
fn a_manifest_goes_up_after_all_its_blobs() {
    let Some(registry) = Registry::start() else { return };
    let proxy = Proxy::to(&registry);
    let shipment = Shipment::small();
    shipment.build(&format!("docker://{}/acme/web:1", proxy.host()), &[]).ok();
    let requests = proxy.requests();
    let puts: Vec<&Request> = requests.iter().filter(|request| request.method == "PUT").collect();
    let (last, blobs) = puts.split_last().unwrap();
    assert!(last.is("PUT", "/manifests/1"), "{}", proxy.story());
    assert!(blobs.iter().all(|request| request.of_upload() && request.status == Some(201)));
    let manifest = manifest(&registry, "acme/web", "1");
    let mut expected: BTreeSet<String> = layers(&manifest).into_iter().collect();
    expected.insert(text(&manifest["config"]["digest"]));
    let sent: BTreeSet<String> = blobs.iter().map(|put| put.value("digest").unwrap()).collect();
    assert_eq!(sent, expected);
}

#[test]
fn an_unchanged_push_asks_only_and_reads_no_file() {
    let Some(registry) = Registry::start() else { return };
    let proxy = Proxy::to(&registry);
    let shipment = Shipment::small();
    let to = format!("docker://{}/acme/web:1", proxy.host());
    shipment.build(&to, &[]).ok();
    let first = registry.manifest("acme/web", "1");
    proxy.forget();
    // There is nothing left to be read.
    shipment.remove_files();
    let run = shipment.build(&to, &[]).ok();
    assert!(run.stderr.contains("all layers were there"), "{}", run.stderr);
    assert_eq!(registry.manifest("acme/web", "1"), first);
    assert_eq!(proxy.count(moves), 0, "{}", proxy.story());
    assert_eq!(proxy.count(|request| request.is("HEAD", "/blobs/")), 5, "{}", proxy.story());
    // It is not the image of what is there now, which was not looked at.
    shipment.build(&to, &["--no-cache"]).ok();
    assert_ne!(registry.manifest("acme/web", "1"), first);
}

#[test]
fn without_the_cache_the_bytes_are_the_same() {
    let Some(registry) = Registry::start() else { return };
    let shipment = Shipment::small();
    let push = |tag: &str, arguments: &[&str]| {
        let to = format!("docker://{}/acme/web:{tag}", registry.host());
        shipment.build(&to, arguments).ok();
        registry.manifest("acme/web", tag).unwrap().digest
    };
    let first = push("1", &[]);
    assert_eq!(push("2", &[]), first);
    assert_eq!(push("3", &["--no-cache"]), first);
    fs::remove_file(shipment.database()).unwrap();
    assert_eq!(push("4", &[]), first);
    assert_eq!(push("5", &["--jobs", "1"]), first);
}

#[test]
fn one_changed_path_is_one_layer_to_send() {
    let Some(registry) = Registry::start() else { return };
    let proxy = Proxy::to(&registry);
    let mut shipment = Shipment::small();
    let to = format!("docker://{}/acme/web:1", proxy.host());
    shipment.build(&to, &[]).ok();
    let before: BTreeSet<String> = layers(&manifest(&registry, "acme/web", "1")).into_iter().collect();
    shipment.change("b", 250_000);
    proxy.forget();
    shipment.build(&to, &[]).ok();
    assert!(shipment.is_valid(&to));
    let after: BTreeSet<String> = layers(&manifest(&registry, "acme/web", "1")).into_iter().collect();
    let new: Vec<&String> = after.difference(&before).collect();
    let sent = |request: &Request| request.value("digest");
    let requests = proxy.requests();
    let sent: Vec<String> = requests.iter().filter(|put| put.method == "PUT").filter_map(sent).collect();
    // And the configuration.
    assert!(new.len() == 1 && sent.len() == 2, "{new:?} {}", proxy.story());
    assert!(sent.contains(new[0]), "{new:?} {sent:?}");
}

#[test]
fn another_repository_takes_layers_over() {
    let Some(registry) = Registry::start() else { return };
    let proxy = Proxy::to(&registry);
    let shipment = Shipment::small();
    let to = |name: &str| format!("docker://{}/{name}:1", proxy.host());
    shipment.build(&to("acme/web"), &[]).ok();
    proxy.forget();
    shipment.remove_files();
    shipment.build(&to("other/web"), &[]).ok();
    assert!(shipment.is_valid(&to("other/web")));
    let mounts = |request: &Request| request.value("mount").is_some() && request.status == Some(201);
    // The configuration as well.
    assert_eq!(proxy.count(mounts), 5, "{}", proxy.story());
    assert_eq!(uploads(&proxy), 0, "{}", proxy.story());
    // A repository that has it no more is asked once.
    for layer in layers(&manifest(&registry, "acme/web", "1")) {
        registry.delete_blob("acme/web", &layer);
        registry.delete_blob("other/web", &layer);
    }
    proxy.forget();
    shipment.build(&to("third/web"), &[]).ok();
    let asked = |request: &Request| request.value("mount").is_some();
    assert!((1..=8).contains(&proxy.count(asked)), "{}", proxy.story());
}

/// An image to build on, in a repository: its two layers, the second compressed.
fn put_base(
    registry: &Registry,
    repository: &str,
    tag: &str,
    architecture: &str,
) -> (String, Vec<String>) {
    let plain = base::layer("etc/one", architecture.as_bytes());
    let packed = terrine_tests::archive::filter("gzip", &["-nc"], &base::layer("etc/two", b"two"));
    let second = base::layer("etc/two", b"two");
    let config = json!({
        "architecture": architecture, "os": "linux", "config": {"Env": ["BASE=1"]},
        "rootfs": {"type": "layers", "diff_ids":
            [format!("sha256:{}", digest(&plain)), format!("sha256:{}", digest(&second))]},
    });
    let blobs = [config.to_string().into_bytes(), plain, packed];
    let described = blobs.iter().zip([CONFIG, PLAIN, GZIP]).map(|(blob, kind)| {
        let digest = registry.put_blob(repository, blob);
        json!({"mediaType": kind, "digest": digest, "size": blob.len()})
    });
    let described: Vec<Value> = described.collect();
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": described[0], "layers": described[1..]});
    let digest = registry.put_manifest(repository, tag, MANIFEST, manifest.to_string().as_bytes());
    (digest, described[1..].iter().map(|layer| text(&layer["digest"])).collect())
}

#[test]
fn a_base_image_of_the_same_registry_is_mounted_and_not_downloaded() {
    let Some(registry) = Registry::start() else { return };
    let proxy = Proxy::to(&registry);
    let (digest, base_layers) = put_base(&registry, "base/os", "12", "amd64");
    let shipment = Shipment::small();
    let host = proxy.host();
    let spec = |reference: String| {
        shipment.at_home(shipment.spec().with("fromImage", reference).command("build"))
    };
    let mut command = spec(format!("docker://{host}/base/os:12"));
    let run = Run::of(command.args(["--to", &format!("docker://{host}/acme/web:1")])).ok();
    let gets =
        |request: &Request| request.is("GET", "/blobs/") && request.repository() == Some("base/os");
    // The configuration, and no layer but one that has to be compressed.
    let fetched: Vec<Request> = proxy.requests().into_iter().filter(gets).collect();
    assert!(fetched.iter().all(|get| !get.path.contains(&base_layers[1])), "{}", proxy.story());
    let web = manifest(&registry, "acme/web", "1");
    assert_eq!(layers(&web)[1], base_layers[1], "{}", run.stderr);
    assert_eq!(web["annotations"]["org.opencontainers.image.base.digest"], digest);
    assert!(shipment.is_valid(&format!("docker://{host}/acme/web:1")));
    // Pinned, and to a place that has all of it by now.
    proxy.forget();
    shipment.remove_files();
    let mut command = spec(format!("docker://{host}/base/os:12@{digest}"));
    Run::of(command.args(["--to", &format!("docker://{host}/acme/web:2")])).ok();
    assert_eq!(proxy.count(gets), 1, "{}", proxy.story());
    assert_eq!(proxy.count(Request::of_upload), 0, "{}", proxy.story());
    assert_eq!(registry.tags("acme/web"), ["1", "2"]);
    // Pinned to what is not there.
    let wrong = format!("sha256:{}", "0".repeat(64));
    let mut command = spec(format!("docker://{host}/base/os@{wrong}"));
    let run = Run::of(command.args(["--to", &format!("docker://{host}/acme/web:3")]));
    assert_eq!(run.code, Some(1));
    insta::assert_snapshot!("pinned-to-nothing", said(&run, &shipment, &[(host, "[HOST]")]));
    assert_eq!(registry.tags("acme/web"), ["1", "2"]);
}

#[test]
fn a_base_image_is_that_of_the_platform() {
    let Some(registry) = Registry::start() else { return };
    let entry = |architecture: &str| {
        let (digest, _) = put_base(&registry, "base/os", architecture, architecture);
        let size = registry.manifest("base/os", &digest).unwrap().bytes.len();
        json!({"mediaType": MANIFEST, "digest": digest, "size": size,
            "platform": {"os": "linux", "architecture": architecture}})
    };
    let index =
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry("amd64"), entry("arm64")]});
    registry.put_manifest("base/os", "all", INDEX, index.to_string().as_bytes());
    let shipment = Shipment::small();
    let build = |architecture: &str| {
        let spec =
            shipment.spec().with("fromImage", format!("docker://{}/base/os:all", registry.host()));
        let mut command = shipment.at_home(spec.with("architecture", architecture).command("build"));
        Run::of(command.args(["--to", &format!("docker://{}/acme/web:{architecture}", registry.host())]))
    };
    for architecture in ["amd64", "arm64"] {
        build(architecture).ok();
        let web = manifest(&registry, "acme/web", architecture);
        let config = json_of(&registry.blob("acme/web", &text(&web["config"]["digest"])).unwrap());
        assert_eq!(config["architecture"], architecture);
        let (_, expected) = put_base(&registry, "base/os", "again", architecture);
        assert_eq!(layers(&web)[1], expected[1]);
    }
    let run = build("riscv64");
    insta::assert_snapshot!("no-platform", said(&run, &shipment, &[(registry.host(), "[HOST]")]));
    assert_eq!(registry.tags("acme/web"), ["amd64", "arm64"]);
}

#[test]
fn an_index_is_made_of_images_that_are_there() {
    let Some(registry) = Registry::start() else { return };
    let proxy = Proxy::to(&registry);
    let shipment = Shipment::small();
    let host = proxy.host();
    for architecture in ["amd64", "arm64"] {
        let mut command =
            shipment.at_home(shipment.spec().with("architecture", architecture).command("build"));
        Run::of(command.args(["--to", &format!("docker://{host}/acme/web:{architecture}")])).ok();
    }
    proxy.forget();
    let [amd64, arm64] = ["amd64", "arm64"].map(|name| format!("docker://{host}/acme/web:{name}"));
    let to = format!("docker://{host}/acme/web:1");
    shipment.terrine(&["index", "--to", &to, &arm64, &amd64]).ok();
    assert_eq!(proxy.count(Request::of_upload), 0, "{}", proxy.story());
    let index = manifest(&registry, "acme/web", "1");
    assert_eq!(index["mediaType"], INDEX);
    let listed = |n: usize| {
        let entry = &index["manifests"][n];
        (text(&entry["platform"]["architecture"]), text(&entry["digest"]))
    };
    for (number, architecture) in ["amd64", "arm64"].into_iter().enumerate() {
        let digest = registry.manifest("acme/web", architecture).unwrap().digest;
        assert_eq!(listed(number), (architecture.to_owned(), digest));
    }
    assert!(shipment.is_valid(&to));
    let raw = ["inspect", "--raw", "--tls-verify=false", &to];
    let Some(run) = skopeo::skopeo(shipment.home(), &raw) else { return };
    assert_eq!(json_of(&run.stdout), index);
}

#[test]
fn layers_are_compressed_as_is_asked_for() {
    let Some(registry) = Registry::start() else { return };
    let shipment = Shipment::small();
    let mut ids = BTreeSet::new();
    let mut described = BTreeSet::new();
    for (number, (how, kind)) in [
        ("none", PLAIN),
        ("gzip", GZIP),
        ("gzip:1", GZIP),
        ("gzip:9", GZIP),
        ("zstd", ""),
        ("zstd:19", ""),
    ]
    .into_iter()
    .enumerate()
    {
        let to = format!("docker://{}/acme/web:{number}", registry.host());
        shipment.build(&to, &["--compression", how]).ok();
        assert!(shipment.is_valid(&to), "{how}");
        let manifest = manifest(&registry, "acme/web", &number.to_string());
        let kind = if kind.is_empty() { "application/vnd.oci.image.layer.v1.tar+zstd" } else { kind };
        for layer in manifest["layers"].as_array().unwrap() {
            assert_eq!(layer["mediaType"], kind, "{how}");
        }
        ids.insert(text(&manifest["config"]["digest"]));
        described.insert(text(&manifest["annotations"]["dev.terrine.compression"]));
    }
    assert_eq!(ids.len(), 1, "compression is no part of the image");
    assert!(described.len() >= 5, "{described:?}");
    let run = shipment.build("docker://localhost:1/x:1", &["--compression", "zstd:99"]);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
}

/// A file of credentials at home.
fn credentials(shipment: &Shipment, file: &str, content: &Value) {
    let path = shipment.home().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content.to_string()).unwrap();
}

fn auth(host: &str, entry: &Value) -> Value {
    json!({"auths": {host: entry}})
}

/// `terrine:secret`, and with a wrong password.
const LOGIN: &str = "dGVycmluZTpzZWNyZXQ=";
const WRONG: &str = "dGVycmluZTp3cm9uZw==";

#[test]
fn who_may_push_is_told_by_the_files_of_docker_and_podman() {
    let Some(registry) = Registry::with_basic_auth() else { return };
    let host = registry.host();
    let to = format!("docker://{host}/acme/web:1");
    let mut texts = vec![];
    for (file, entry, works) in [
        (None, Value::Null, false),
        (Some(".docker/config.json"), json!({"auth": WRONG}), false),
        (Some(".docker/config.json"), json!({"auth": "$"}), false),
        (Some(".docker/config.json"), json!({"auth": LOGIN}), true),
        (Some(".config/containers/auth.json"), json!({"auth": LOGIN}), true),
        (Some(".docker/config.json"), json!({"username": USER, "password": PASSWORD}), true),
    ] {
        let shipment = Shipment::new(&[("a", 1000)]);
        if let Some(file) = file {
            credentials(&shipment, file, &auth(host, &entry));
        }
        let run = shipment.build(&to, &["-q"]);
        assert_eq!(run.code, Some(i32::from(!works)), "{}", run.stderr);
        assert_eq!(registry.tags_if_any("acme/web").is_empty(), !works);
        if works {
            assert!(shipment.is_valid(&to));
            registry.delete_manifest("acme/web", &registry.manifest("acme/web", "1").unwrap().digest);
        } else {
            texts.push(said(&run, &shipment, &[(host, "[HOST]")]));
        }
    }
    insta::assert_snapshot!("logins", texts.join("\n"));
}

#[test]
fn helpers_are_asked_for_credentials() {
    let Some(registry) = Registry::with_basic_auth() else { return };
    let host = registry.host();
    let to = format!("docker://{host}/acme/web:1");
    let good = format!(
        "read -r server; test \"$server\" = {host} || exit 1\n\
         echo '{{\"ServerURL\":\"\",\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}'"
    );
    let mut texts = vec![];
    for (config, script, works) in [
        (json!({"credHelpers": {host: "test"}}), Some(good.as_str()), true),
        (json!({"credsStore": "test"}), Some(good.as_str()), true),
        (json!({"credHelpers": {host: "test"}}), None, false),
        (
            json!({"credsStore": "test"}),
            Some("echo 'credentials not found in native keychain'; exit 1"),
            false,
        ),
        (json!({"credsStore": "test"}), Some("echo 'the vault is locked' >&2; exit 3"), false),
        (json!({"credsStore": "test"}), Some("echo secret-of-somebody"), false),
        (json!({"credsStore": "../test"}), Some(good.as_str()), false),
    ] {
        let shipment = Shipment::new(&[("a", 1000)]);
        credentials(&shipment, ".docker/config.json", &config);
        let bin = shipment.home().join("bin");
        fs::create_dir(&bin).unwrap();
        if let Some(script) = script {
            let helper = bin.join("docker-credential-test");
            fs::write(&helper, format!("#!/bin/sh\n{script}\n")).unwrap();
            Run::of(Command::new("chmod").arg("+x").arg(&helper)).ok();
        }
        let mut command = shipment.build_command(&to, &["-q"]);
        command.env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
        let run = Run::of(&mut command);
        assert_eq!(run.code, Some(i32::from(!works)), "{config}: {}", run.stderr);
        assert!(!run.stderr.contains(PASSWORD) && !run.stderr.contains("secret-of"), "{}", run.stderr);
        if !works {
            texts.push(said(&run, &shipment, &[(host, "[HOST]")]));
        }
    }
    insta::assert_snapshot!("helpers", texts.join("\n"));
}

#[test]
fn tokens_are_fetched_renewed_and_told_about() {
    let Some(registry) = Registry::start() else { return };
    let shipment = Shipment::small();
    let with = |tokens: Tokens, entry: &Value, repository: &str| {
        let proxy = Proxy::with_tokens(&registry, tokens);
        credentials(&shipment, ".docker/config.json", &auth(proxy.host(), entry));
        let to = format!("docker://{}/{repository}:1", proxy.host());
        let run = shipment.build(&to, &["-q", "--no-cache", "--jobs", "1"]);
        let valid = run.code == Some(0) && shipment.is_valid(&to);
        (proxy, run, valid)
    };
    let login = json!({"auth": LOGIN});
    let (proxy, run, valid) = with(Tokens::default(), &login, "t/one");
    assert!(valid, "{}", run.stderr);
    let asked = |request: &Request| request.path == "/token" && request.method == "GET";
    assert_eq!(
        proxy
            .requests()
            .iter()
            .take_while(|request| !request.is("GET", "/manifests/"))
            .filter(|request| asked(request))
            .count(),
        1,
        "one for all of the push: {}",
        proxy.story()
    );
    let scopes = |request: &Request| request.value("scope").unwrap_or_default();
    assert_eq!(
        scopes(proxy.requests().iter().find(|request| asked(request)).unwrap()),
        "repository:t/one:pull,push"
    );
    // Each is good for a few requests, and ends in the middle of the push.
    let short = Tokens { uses: 3, ..Tokens::default() };
    let (proxy, run, valid) = with(short, &login, "t/two");
    assert!(valid, "{} {}", run.stderr, proxy.story());
    assert!(proxy.count(asked) > 2);
    // An identity token.
    let identity = json!({"auth": LOGIN, "identitytoken": REFRESH});
    let (proxy, run, valid) = with(Tokens::default(), &identity, "t/three");
    assert!(valid, "{} {}", run.stderr, proxy.story());
    assert!(proxy.count(|request| request.is("POST", "/token")) > 0 && proxy.count(asked) == 0);
    // Refused.
    let mut texts = vec![];
    let denied = Tokens { denied: vec!["t/four".to_owned()], ..Tokens::default() };
    for (tokens, entry, repository) in [
        (denied, login, "t/four"),
        (Tokens::default(), json!({"auth": WRONG}), "t/five"),
        (Tokens::default(), json!({"identitytoken": "wrong"}), "t/six"),
        (Tokens { anonymous_pull: true, ..Tokens::default() }, json!({}), "t/seven"),
    ] {
        let (proxy, run, _) = with(tokens, &entry, repository);
        assert_eq!(run.code, Some(1));
        texts.push(said(&run, &shipment, &[(proxy.host(), "[HOST]")]));
    }
    insta::assert_snapshot!("tokens", texts.join("\n"));
    // A mount asks for both repositories by one token.
    let proxy = Proxy::with_tokens(&registry, Tokens::default());
    credentials(&shipment, ".docker/config.json", &auth(proxy.host(), &json!({"auth": LOGIN})));
    for repository in ["t/eight", "t/nine"] {
        shipment.build(&format!("docker://{}/{repository}:1", proxy.host()), &[]).ok();
    }
    let mounts = |request: &Request| request.value("mount").is_some() && request.status == Some(201);
    assert!(proxy.count(mounts) >= 3, "{}", proxy.story());
}

#[test]
fn tls_goes_by_the_authorities_that_are_known() {
    let Some(registry) = Registry::with_tls() else { return };
    let shipment = Shipment::small();
    let host = registry.host();
    let to = format!("docker://{host}/acme/web:1");
    let run = shipment.build(&to, &["-q"]);
    assert_eq!(run.code, Some(1));
    insta::assert_snapshot!("unknown-authority", said(&run, &shipment, &[(host, "[HOST]")]));
    // Nor in plain HTTP, because it is on this machine.
    assert!(registry.tags_if_any("acme/web").is_empty());
    let mut command = shipment.build_command(&to, &[]);
    Run::of(command.env("SSL_CERT_FILE", registry.authority())).ok();
    let mut verify = shipment.at_home(terrine());
    Run::of(verify.env("SSL_CERT_FILE", registry.authority()).args(["verify", &to])).ok();
    // What is not on this machine is not spoken to in the open, unless that is asked for.
    let elsewhere = "docker://registry.invalid/acme/web:1";
    let plain = shipment.build(elsewhere, &["-q", "--plain-http", "--retries", "0"]);
    assert_eq!(plain.code, Some(1));
    insta::assert_snapshot!("no-such-host", said(&plain, &shipment, &[]));
}

/// The rows of a cache: kind, key and value in hexadecimal digits.
fn rows(database: &std::path::Path) -> Option<Vec<(u8, String, String)>> {
    let sqlite = peer::find("sqlite3")?;
    let query = "SELECT kind, hex(key), hex(value) FROM entries";
    let run = Run::of(Command::new(sqlite).arg(database).arg(query)).ok();
    let row = |line: &str| {
        let mut parts = line.split('|').map(str::to_owned);
        (parts.next().unwrap().parse().unwrap(), parts.next().unwrap(), parts.next().unwrap())
    };
    Some(String::from_utf8(run.stdout).unwrap().lines().map(row).collect())
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

/// Gives a row another value, with the seal that belongs to it (`host/src/cache/row.rs`).
fn lie(database: &std::path::Path, kind: u8, key: &str, value: &str) {
    let mut hash = Sha256::new();
    let (name, content) = (bytes(key), bytes(value));
    let parts: [&[u8]; 7] =
        [b"terrine cache row 1", b"kind", &[kind], b"key", &name, b"value", &content];
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let seal: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let change = format!(
        "UPDATE entries SET value = x'{value}', seal = x'{seal}' WHERE kind = {kind} AND key = x'{key}'"
    );
    Run::of(Command::new("sqlite3").arg(database).arg(change)).ok();
}

#[test]
fn a_cache_that_lies_puts_nothing_wrong_into_an_image() {
    let Some(registry) = Registry::start() else { return };
    let shipment = Shipment::small();
    let push = |tag: &str| {
        let to = format!("docker://{}/acme/web:{tag}", registry.host());
        let run = shipment.build(&to, &[]).ok();
        assert!(shipment.is_valid(&to), "{tag}");
        (registry.manifest("acme/web", tag).unwrap().digest, run.stderr)
    };
    let (truth, _) = push("0");
    let Some(honest) = rows(&shipment.database()) else { return };
    let told = fs::read(shipment.database()).unwrap();
    let (mut lies, mut noticed) = (0, 0);
    for kind in [1, 2, 4] {
        let same: Vec<_> = honest.iter().filter(|row| row.0 == kind).collect();
        assert!(same.len() >= 3, "{kind}: {honest:?}");
        for (number, (_, key, value)) in same.iter().enumerate() {
            let other = &same[(number + 1) % same.len()].2;
            // What another row says; and for layers and blobs another size, and a digest of
            // nothing.
            let mut values = vec![other.clone()];
            if kind != 4 {
                values.push(format!("{}{}", &value[..64], "07".repeat(8)));
                values.push(format!("{}{}", "ab".repeat(32), &value[64..]));
                values.push(format!("{}{}", &other[..64], &value[64..]));
            }
            for wrong in values.into_iter().filter(|wrong| wrong != value) {
                fs::write(shipment.database(), &told).unwrap();
                lie(&shipment.database(), kind, key, &wrong);
                lies += 1;
                let (digest, stderr) = push("1");
                assert_eq!(digest, truth, "{kind} {key} {wrong}");
                noticed += usize::from(stderr.contains("contradict"));
            }
        }
    }
    // The others are about what is looked at anyway, or about nothing that is asked.
    assert!(lies >= 20 && noticed * 2 >= lies, "{noticed} of {lies}");
}

#[test]
fn rows_that_were_altered_are_told_of() {
    let Some(registry) = Registry::start() else { return };
    let shipment = Shipment::small();
    let to = format!("docker://{}/acme/web:1", registry.host());
    shipment.build(&to, &[]).ok();
    let first = registry.manifest("acme/web", "1");
    if rows(&shipment.database()).is_none() {
        return;
    }
    let change = "UPDATE entries SET value = zeroblob(40) WHERE kind = 1";
    Run::of(Command::new("sqlite3").arg(shipment.database()).arg(change)).ok();
    let run = shipment.build(&to, &[]).ok();
    assert!(run.stderr.contains("entries that were altered"), "{}", run.stderr);
    assert_eq!(registry.manifest("acme/web", "1"), first);
    // And once only.
    assert!(!shipment.build(&to, &[]).ok().stderr.contains("altered"));
}
