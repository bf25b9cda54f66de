//! `terrine build`: what NixOS tests of its dockerTools, and what comes on top.

#![allow(clippy::unwrap_used, reason = "a test that can not be set up has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;

use serde_json::{Value, json};
use terrine_tests::base::{self, BaseImage};
use terrine_tests::{Archive, ConfFile, Run, SpecFile, TestStore, oracle, temporary, terrine};

/// A program `app`, which needs `lib`, which needs `libc`; and `data`, which nothing needs.
fn store() -> TestStore {
    let store = TestStore::default();
    store.file_with_mode("app/bin/app", b"app", 0o555).file("app/share/doc/app", b"doc");
    store
        .file("lib/lib/lib.so", &[1; 600])
        .file("libc/lib/libc.so", &[2; 5000])
        .file("data/data", b"data");
    store
}

const GRAPH: &[(&str, u64, &str)] =
    &[("app", 900, "lib libc app"), ("lib", 600, "libc"), ("libc", 5000, ""), ("data", 10, "")];

fn spec(store: &TestStore) -> SpecFile<'_> {
    SpecFile::new(store, &["app"]).graph(GRAPH)
}

/// An entry as a container would see it: its kind, mode, owner, and content or target.
type Entries = BTreeMap<String, (char, u32, (u64, u64), String)>;

fn entries(layer: &[u8]) -> Entries {
    let mut archive = tar::Archive::new(layer);
    let entry = |mut entry: tar::Entry<'_, _>| {
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = path.trim_start_matches("./").trim_matches('/').to_owned();
        let header = entry.header().clone();
        let mut content = String::new();
        let kind = match header.entry_type() {
            tar::EntryType::Directory => 'd',
            tar::EntryType::Symlink => {
                content = String::from_utf8_lossy(&entry.link_name_bytes().unwrap()).into_owned();
                'l'
            }
            _ => {
                let mut bytes = vec![];
                entry.read_to_end(&mut bytes).unwrap();
                content = String::from_utf8_lossy(&bytes).into_owned();
                'f'
            }
        };
        let owner = (header.uid().unwrap(), header.gid().unwrap());
        (path, (kind, header.mode().unwrap(), owner, content))
    };
    archive.entries().unwrap().map(|e| entry(e.unwrap())).collect()
}

/// The entries of the uppermost layer, but for the root itself.
fn root(archive: &Archive) -> Entries {
    let mut entries = entries(archive.layers().last().unwrap());
    let (kind, mode, owner, _) = entries.remove("").unwrap();
    assert_eq!((kind, mode, owner), ('d', 0o755, (0, 0)));
    entries
}

/// All entries of all layers, upper ones over lower ones.
fn all(archive: &Archive) -> Entries {
    archive.layers().into_iter().flat_map(entries).collect()
}

fn link(target: &str) -> (char, u32, (u64, u64), String) {
    ('l', 0o777, (0, 0), target.to_owned())
}

fn file(content: &str) -> (char, u32, (u64, u64), String) {
    ('f', 0o644, (0, 0), content.to_owned())
}

fn diff_ids(archive: &Archive) -> Vec<Value> {
    archive.config()["rootfs"]["diff_ids"].as_array().unwrap().clone()
}

#[test]
fn the_closure_is_there_and_the_contents_are_joined_at_the_root() {
    let store = store();
    let archive = spec(&store).archive();
    let root = root(&archive);
    let names: Vec<&str> = root.keys().map(String::as_str).collect();
    assert_eq!(names, ["bin", "bin/app", "share", "share/doc", "share/doc/app"]);
    assert_eq!(root["bin/app"], link("/nix/store/app/bin/app"));
    assert_eq!(root["bin"], ('d', 0o755, (0, 0), String::new()));
    let all = all(&archive);
    assert_eq!(all["nix/store/app/bin/app"], ('f', 0o555, (0, 0), "app".to_owned()));
    assert!(all.contains_key("nix/store/libc/lib/libc.so"));
    assert!(!all.keys().any(|path| path.contains("data")));
    // For users other than root.
    assert_eq!((all["nix"].1, all["nix/store"].1), (0o755, 0o755));
}

#[test]
fn layers_are_those_of_the_oracle() {
    let store = store();
    store.link("lib/link", "lib/lib.so").directory("lib/empty").file("lib/é", b"x");
    let archive = spec(&store).with("uid", 1000).with("gid", 100).with("uname", "user").archive();
    let plan = spec(&store).layers();
    let layers: Vec<Vec<&str>> = plan.split('|').map(|layer| layer.split(' ').collect()).collect();
    let layers: Vec<&[&str]> = layers.iter().map(Vec::as_slice).collect();
    let conf =
        ConfFile::new(&store, &layers).with("uid", "1000").with("gid", "100").with("uname", "user");
    let Some(theirs) = oracle::image(&conf) else { return };
    assert_eq!(archive.layers().len(), theirs.layers().len());
    let stores = layers.len();
    assert_eq!(archive.layers()[..stores], theirs.layers()[..stores]);
}

#[test]
fn metadata_is_what_was_asked_for() {
    let store = store();
    let config = spec(&store).archive().config();
    assert_eq!(config["created"], "1970-01-01T00:00:01+00:00");
    assert_eq!((&config["os"], &config["architecture"]), (&json!("linux"), &json!("amd64")));
    let created =
        |value: &str| spec(&store).with("created", value).archive().config()["created"].clone();
    assert_eq!(created("@86400"), "1970-01-02T00:00:00+00:00");
    assert_eq!(created("2024-01-01T00:00:00Z"), "2024-01-01T00:00:00+00:00");
    assert!(created("now").as_str().unwrap() > "2024");
    let arm = spec(&store).with("architecture", "armv7l").archive().config();
    assert_eq!((&arm["architecture"], &arm["variant"]), (&json!("arm"), &json!("v7")));
    let system = spec(&store).with("architecture", Value::Null).with("system", "aarch64-linux");
    assert_eq!(system.archive().config()["architecture"], "arm64");
    // Layers are the same whenever the image says that it was made.
    let now = spec(&store).with("created", "now").archive();
    assert_eq!(diff_ids(&now), diff_ids(&spec(&store).archive()));
}

#[test]
fn names_may_have_registries_and_tags_are_generated() {
    let store = store();
    let tag = |name: &str| {
        let archive = spec(&store).with("name", name).archive();
        archive.manifest["RepoTags"][0].as_str().unwrap().to_owned()
    };
    assert_eq!(tag("registry-1.docker.io/Acme/Web:1.2"), "registry-1.docker.io/acme/web:1.2");
    let generated = tag("web");
    assert_eq!(generated.len(), "web:".len() + 32);
    assert_eq!(spec(&store).with("name", "web").plan()["tag"], generated["web:".len()..]);
    assert_eq!(generated, tag("web"));
    // It depends on what is in the image.
    store.file("app/more", b"");
    fs::write(store.root().join("x"), "x").unwrap();
    let other = spec(&store).with("name", "web").with("tmp", true).plan()["tag"].clone();
    assert_ne!(other, generated["web:".len()..]);
}

#[test]
fn an_image_can_do_without_store_paths() {
    let store = store();
    let archive = spec(&store).with("includeStorePaths", false).archive();
    assert_eq!(archive.layers().len(), 1);
    assert!(!all(&archive).keys().any(|path| path.starts_with("nix")));
    assert!(root(&archive).contains_key("bin/app"));
    // Nothing is asked of the closure then.
    let none = spec(&store).with("includeStorePaths", false).with("closure", "missing.json");
    assert_eq!(none.archive().id, archive.id);
}

#[test]
fn what_the_configuration_mentions_is_in_the_image() {
    let store = TestStore::default();
    let app = "1qm4lyyajvvvq1xz7b6swmbm9v3s8c5x-app-1.0";
    let lib = "7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-lib-2";
    store.file_with_mode(&format!("{app}/bin/app"), b"", 0o555).file(&format!("{lib}/lib"), b"");
    store.file("0wdpn1fvg7k5p3x4gq2h9rl8z6cbsmjy-other/x", b"");
    let graph = [(app, 1, lib), (lib, 1, ""), ("0wdpn1fvg7k5p3x4gq2h9rl8z6cbsmjy-other", 1, "")];
    let spec = |config: Value| SpecFile::new(&store, &[]).graph(&graph).with("config", config);
    // Without contents, the whole closure that is given belongs to the image.
    assert_eq!(spec(json!({})).layers().split('|').count(), 3);
    store.file("2zzzlyyajvvvq1xz7b6swmbm9v3s8c5x-root/r", b"");
    let graph = [&graph[..], &[("2zzzlyyajvvvq1xz7b6swmbm9v3s8c5x-root", 1, "")]].concat();
    let spec = |config: Value| {
        SpecFile::new(&store, &["2zzzlyyajvvvq1xz7b6swmbm9v3s8c5x-root"])
            .graph(&graph)
            .with("config", config)
    };
    for config in [
        json!({"Cmd": [format!("/nix/store/{app}/bin/app")]}),
        json!({"Env": [format!("PATH=/bin:/nix/store/{app}/bin:/nix/store/{lib}")]}),
        json!({"Labels": {"note": format!("made of file:///nix/store/{app}.")}}),
        json!({"Volumes": {format!("/nix/store/{app}"): {}}}),
    ] {
        let mut layers: Vec<String> = spec(config).layers().split('|').map(str::to_owned).collect();
        layers.sort();
        assert_eq!(layers, [app, "2zzzlyyajvvvq1xz7b6swmbm9v3s8c5x-root", lib]);
    }
    let linked =
        spec(json!({})).with("files", json!({"/run": {"link": format!("/nix/store/{lib}/lib")}}));
    assert!(linked.layers().contains(lib));
}

#[test]
fn a_link_stays_a_link() {
    let store = store();
    store.link("app/bin/daemon", "app").link("alias", "/nix/store/app").link("app/lib", "../lib/lib");
    let spec = SpecFile::new(&store, &["app", "alias"]).graph(&[
        ("app", 900, "lib libc"),
        ("lib", 600, "libc"),
        ("libc", 5000, ""),
        ("alias", 1, "app"),
    ]);
    let archive = spec.archive();
    let all = all(&archive);
    assert_eq!(all["nix/store/app/bin/daemon"], link("app"));
    assert_eq!(all["nix/store/alias"], link("/nix/store/app"));
    // Relative links are recreated as they are, also where that leads nowhere.
    assert_eq!(
        (&root(&archive)["bin/daemon"], &root(&archive)["lib"]),
        (&link("app"), &link("../lib/lib"))
    );
}

#[test]
fn of_two_contents_the_first_wins() {
    let store = store();
    store.file("one/etc/both", b"1").file("two/etc/both", b"2").file("two/etc/own", b"2");
    let graph = &[("one", 1, ""), ("two", 1, "")];
    let both = |contents: &[&str]| {
        root(&SpecFile::new(&store, contents).graph(graph).archive())["etc/both"].3.clone()
    };
    assert_eq!(both(&["one", "two"]), "/nix/store/one/etc/both");
    assert_eq!(both(&["two", "one"]), "/nix/store/two/etc/both");
}

#[test]
fn copies_are_real_and_the_last_wins() {
    let store = store();
    store.file_with_mode("one/etc/both", b"1", 0o600).file("two/etc/both", b"2").link("two/dir", "etc");
    let spec = SpecFile::new(&store, &[])
        .graph(&[("one", 1, "lib"), ("two", 1, ""), ("lib", 1, "")])
        .with("copyToRoot", json!(["/nix/store/two", "/nix/store/one"]));
    let archive = spec.archive();
    let root = root(&archive);
    assert_eq!(root["etc/both"], ('f', 0o600, (0, 0), "1".to_owned()));
    assert_eq!(root["dir/both"].0, 'f');
    // What a copy refers to is in the image, the original of the copy is not.
    assert_eq!(spec.layers(), "lib");
}

#[test]
fn directories_of_this_machine_are_contents_too() {
    let folder = temporary();
    let put = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    put("site/www/index.html", "<p>");
    put("other/site/www/more.html", "<b>");
    put("copied/etc/motd", "hello");
    let spec = json!({
        "name": "web:1", "architecture": "amd64", "contents": ["site", "./other/site/"],
        "copyToRoot": "copied", "config": {"Cmd": ["/www/index.html"]},
    });
    fs::write(folder.path().join("image.json"), spec.to_string()).unwrap();
    // Relative paths start at the specification, wherever the command is run.
    let run = Run::of(terrine().arg("build").arg(folder.path().join("image.json"))).ok();
    let archive = Archive::read(run.stdout);
    let root = root(&archive);
    assert_eq!(root["www/index.html"].3, "/nix/store/site/www/index.html");
    assert_eq!(root["www/more.html"].3, "/nix/store/site-2/www/more.html");
    assert_eq!((root["etc/motd"].0, root["etc/motd"].3.as_str()), ('f', "hello"));
    assert_eq!(all(&archive)["nix/store/site-2/www/more.html"].3, "<b>");
    assert_eq!(archive.layers().len(), 3);
    // The same by flags alone, from where the directories are.
    let mut command = terrine();
    command.current_dir(folder.path()).args([
        "build",
        "--name",
        "web:1",
        "--architecture",
        "amd64",
        "--contents",
        "site",
        "--contents",
        "other/site",
        "--copy-to-root",
        "copied",
        "--cmd",
        "/www/index.html",
    ]);
    assert_eq!(Archive::read(Run::of(&mut command).ok().stdout).id, archive.id);
}

#[test]
fn flags_say_what_fields_say() {
    let store = store();
    let by_flags = |arguments: &[&str]| {
        let spec = SpecFile::new(&store, &["app"]).graph(GRAPH).with("config", Value::Null);
        let run = Run::of(spec.command("build").args(arguments)).ok();
        Archive::read(run.stdout).config()["config"].clone()
    };
    assert_eq!(
        by_flags(&["--cmd", "/bin/app", "--cmd", "--port=80"]),
        json!({"Cmd": ["/bin/app", "--port=80"]})
    );
    assert_eq!(by_flags(&["--", "/bin/app", "-x"]), json!({"Cmd": ["/bin/app", "-x"]}));
    assert_eq!(
        by_flags(&[
            "--env",
            "A=1",
            "--env",
            "B=",
            "--user",
            "1000",
            "--workdir",
            "/w",
            "--label",
            "a=b=c",
            "--expose",
            "80",
            "--expose",
            "53/udp",
            "--volume",
            "/data",
            "--entrypoint",
            "/bin/sh",
        ]),
        json!({
            "Entrypoint": ["/bin/sh"], "Env": ["A=1", "B="], "ExposedPorts": {"53/udp": {}, "80/tcp": {}},
            "Labels": {"a": "b=c"}, "User": "1000", "Volumes": {"/data": {}}, "WorkingDir": "/w",
        })
    );
}

#[test]
fn two_images_of_one_closure_share_layers() {
    let store = store();
    store.file("tool/bin/tool", b"tool");
    let graph = [GRAPH, &[("tool", 5, "libc")]].concat();
    let one = SpecFile::new(&store, &["app"]).graph(&graph).archive();
    let other = SpecFile::new(&store, &["tool"]).graph(&graph).archive();
    let shared = diff_ids(&one).into_iter().filter(|id| diff_ids(&other).contains(id)).count();
    assert_eq!(shared, 1);
}

#[test]
fn layers_keep_to_the_budget_and_lose_nothing() {
    let store = store();
    for (max, expected) in [(2, "lib|app"), (100, "")] {
        let archive = spec(&store).with("maxLayers", max).archive();
        assert_eq!(archive.layers().len(), max.min(4), "{expected}");
        let files: Vec<String> =
            all(&archive).into_keys().filter(|path| path.starts_with("nix/store/")).collect();
        assert_eq!(files.iter().filter(|path| path.ends_with(".so")).count(), 2);
    }
    // One of them the base's, one the root's.
    let base =
        BaseImage::old(&[&base::layer("base/a", b"a"), &base::layer("base/b", b"b")], &[]).write(&store);
    let stacked = spec(&store).with("fromImage", base.to_str().unwrap()).with("maxLayers", 4);
    assert_eq!(stacked.archive().layers().len(), 4);
    let tight = stacked.with("maxLayers", 3).run();
    assert_eq!(tight.code, Some(1));
    assert!(tight.stderr.contains("allow at least 4 layers"), "{}", tight.stderr);
}

#[test]
fn policies_are_chosen_by_name_or_by_a_pipeline() {
    let store = store();
    let layers = |field: &str, value: Value| spec(&store).with(field, value).layers();
    assert_eq!(spec(&store).layers(), "libc|lib|app");
    assert_eq!(layers("planner", json!("popularity")), "libc|lib|app");
    assert_eq!(layers("planner", json!("single")), "app lib libc");
    assert_eq!(layers("planner", json!({"policy": "path-per-layer"})), "libc|app|lib");
    let explicit = json!({"policy": "explicit", "options": {"layers": [["/nix/store/app"], ["/nix/store/libc", "/nix/store/lib"]]}});
    assert_eq!(layers("planner", explicit), "app|libc lib");
    let pipeline = json!([["split_paths", ["/nix/store/lib"]]]);
    assert_eq!(layers("layeringPipeline", pipeline.clone()), "lib|libc|app");
    fs::write(store.root().join("pipeline.json"), pipeline.to_string()).unwrap();
    assert_eq!(layers("layeringPipeline", json!("pipeline.json")), "lib|libc|app");
}

#[test]
fn paths_that_a_pipeline_removes_are_said_to_be() {
    let store = store();
    let spec = spec(&store).with("layeringPipeline", json!([["remove_paths", "/nix/store/libc"]]));
    assert_eq!(spec.layers(), "lib app");
    let run = spec.run().ok();
    assert!(
        run.stderr.contains("warning: 1 of the store paths is in no layer, as the options of `pipeline` ask for: `/nix/store/libc`"),
        "{}",
        run.stderr
    );
}

#[test]
fn helpers_put_real_files_at_the_root() {
    let store = store();
    store.file_with_mode("sh/bin/bash", b"", 0o555).file_with_mode("core/bin/env", b"", 0o555);
    fs::write(store.root().join("source.sh"), "#!").unwrap();
    let spec = SpecFile::new(&store, &[])
        .graph(&[("sh", 1, ""), ("core", 1, "")])
        .with("fakeNss", json!({"extraPasswdLines": ["app:x:1000:1000::/home/app:/bin/sh"]}))
        .with("binSh", "/nix/store/sh")
        .with("usrBinEnv", true)
        .with("tmp", true)
        .with("caCertificates", true)
        .with("contents", json!(["/nix/store/core"]))
        .with(
            "files",
            json!({
                "/etc/motd": {"text": "hi\n"},
                "/opt/run": {"source": "source.sh", "mode": "0755", "uid": 7, "gid": 8},
                "/var/log/app": {"directory": true, "mode": "0750", "uid": 1000},
                "/var/run": {"link": "/run"},
            }),
        );
    let root = root(&spec.archive());
    assert_eq!(
        root["etc/passwd"],
        file(
            "root:x:0:0:root user:/var/empty:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\nnobody:x:65534:65534:nobody:/var/empty:/bin/sh\n"
        )
    );
    assert_eq!(root["bin/sh"], link("/nix/store/sh/bin/bash"));
    assert_eq!(root["usr/bin/env"], link("/nix/store/core/bin/env"));
    assert_eq!(root["tmp"], ('d', 0o1777, (0, 0), String::new()));
    assert_eq!(root["etc/motd"], file("hi\n"));
    assert_eq!(root["opt/run"], ('f', 0o755, (7, 8), "#!".to_owned()));
    assert_eq!(root["var/log/app"], ('d', 0o750, (1000, 0), String::new()));
    assert_eq!(root["var/run"], link("/run"));
    for place in ["etc/ssl/certs/ca-certificates.crt", "etc/pki/tls/certs/ca-bundle.crt"] {
        assert_eq!(root[place].0, 'l', "{place}");
    }
    assert!(root["etc/ssl/certs/ca-bundle.crt"].3.starts_with("-----BEGIN CERTIFICATE-----"));
    let mut layers: Vec<String> = spec.layers().split('|').map(str::to_owned).collect();
    layers.sort();
    assert_eq!(layers, ["core", "sh"]);
}

#[test]
fn owners_and_permissions_go_by_path_in_every_layer() {
    let store = store();
    let archive = spec(&store)
        .with("uid", 5)
        .with("gid", 6)
        .with("tmp", true)
        .with(
            "permissions",
            json!([
                {"path": "/nix/store/app/bin/*", "mode": "4755", "uid": 0, "uname": "root"},
                {"regex": "^/(nix/store/lib/|tmp$)", "gid": 12345},
                {"path": "/nix/store/app/**", "mode": "0000"},
            ]),
        )
        .archive();
    let all = all(&archive);
    assert_eq!((all["nix/store/app/bin/app"].1, all["nix/store/app/bin/app"].2), (0o4755, (0, 6)));
    assert_eq!(all["nix/store/app/share/doc/app"].1, 0);
    assert_eq!(all["nix/store/lib/lib/lib.so"].2, (5, 12345));
    assert_eq!((all["tmp"].1, all["tmp"].2), (0o1777, (0, 12345)));
    assert_eq!(all["nix/store/libc/lib/libc.so"].2, (5, 6));
}

#[test]
fn the_environment_of_the_base_is_inherited_and_overridden() {
    let store = store();
    let base = BaseImage::old(&[&base::layer("base/a", b"a")], &["PATH=/base", "A=base"]).write(&store);
    let config = |inherit: Value| {
        let spec = spec(&store)
            .with("fromImage", base.to_str().unwrap())
            .with("baseConfig", inherit)
            .with("config", json!({"Env": ["A=own", "B=own"]}));
        spec.archive().config()["config"].clone()
    };
    assert_eq!(config(Value::Null), json!({"Env": ["PATH=/base", "A=own", "B=own"]}));
    assert_eq!(
        config(json!("all")),
        json!({"Cmd": ["/bin/base"], "Env": ["PATH=/base", "A=own", "B=own"], "User": "base"})
    );
}

#[test]
fn a_base_that_holds_store_paths_is_not_given_them_again() {
    let store = TestStore::default();
    let [app, lib, libc] = [
        "1qm4lyyajvvvq1xz7b6swmbm9v3s8c5x-app",
        "7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-lib",
        "0wdpn1fvg7k5p3x4gq2h9rl8z6cbsmjy-libc",
    ];
    store
        .file(&format!("{app}/app"), b"app")
        .file(&format!("{lib}/lib"), b"lib")
        .link(&format!("{lib}/l"), "lib");
    store.file(&format!("{libc}/libc"), b"libc");
    let graph = [(app, 10, lib), (lib, 20, libc), (libc, 30, "")];
    let base = SpecFile::new(&store, &[lib]).graph(&graph).archive();
    fs::write(store.root().join("base.tar"), &base.bytes).unwrap();
    let derived = SpecFile::new(&store, &[app]).graph(&graph).with("fromImage", "base.tar");
    assert_eq!(derived.layers(), app);
    let archive = derived.archive();
    assert_eq!(diff_ids(&archive)[..base.layers().len()], diff_ids(&base));
    assert_eq!(archive.layers().len(), base.layers().len() + 2);
    // A path that is not the same any more is not taken for the one in the base.
    store.file(&format!("{libc}/more"), b"x");
    assert_eq!(derived.layers(), format!("{libc}|{app}"));
    // Images on images on images.
    fs::write(store.root().join("base.tar"), &archive.bytes).unwrap();
    let again = SpecFile::new(&store, &[app]).graph(&graph).with("fromImage", "base.tar");
    assert_eq!(again.layers(), libc);
}

#[test]
fn a_base_with_a_layer_twice_is_built_upon() {
    let store = store();
    let layer = base::layer("base/a", b"a");
    let base = BaseImage::old(&[&layer, &layer], &[]).write(&store);
    let archive = spec(&store).with("fromImage", base.to_str().unwrap()).archive();
    assert_eq!(archive.layers().len(), 6);
}

#[test]
fn the_same_input_gives_the_same_bytes_in_any_order() {
    let store = store();
    let reference = spec(&store).archive();
    let reversed: Vec<(&str, u64, &str)> = GRAPH.iter().copied().rev().collect();
    assert_eq!(SpecFile::new(&store, &["app"]).graph(&reversed).archive().bytes, reference.bytes);
    // Keys in another order, and spelled in another way.
    let spec = spec(&store);
    let text = r#"{"config": {"Cmd": ["\/bin\/hello"]}, "storeDir": "/nix/store", "closure": ["graph.json"],
        "architecture": "amd64", "contents": "/nix/store/app/", "name": "test", "tag": "1"}"#;
    let mut command = spec.command("build");
    fs::write(store.root().join("image.json"), text).unwrap();
    assert_eq!(Archive::read(Run::of(&mut command).ok().stdout).id, reference.id);
}

#[test]
fn every_form_of_a_closure_makes_the_same_image() {
    let store = store();
    let spec = spec(&store);
    let reference = spec.archive();
    let info = |size: u64, references: &str| {
        let references: Vec<String> =
            references.split_whitespace().map(|name| store.path(name)).collect();
        json!({"narSize": size, "references": references, "narHash": "sha256:x"})
    };
    let object: Value = GRAPH
        .iter()
        .map(|(n, s, r)| (store.path(n), info(*s, r)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let attrs = json!({"outputs": {"out": "x"}, "closure": serde_json::from_slice::<Value>(&fs::read(store.root().join("graph.json")).unwrap()).unwrap()});
    fs::write(store.root().join("object.json"), object.to_string()).unwrap();
    fs::write(store.root().join("attrs.json"), attrs.to_string()).unwrap();
    let folder = store.root().join("closure-info");
    fs::create_dir(&folder).unwrap();
    let mut registration = String::new();
    for (name, size, references) in GRAPH {
        let references: Vec<String> =
            references.split_whitespace().map(|name| store.path(name)).collect();
        registration += &format!("{}\nsha256:x\n{size}\n\n{}\n", store.path(name), references.len());
        references.iter().for_each(|path| registration += &format!("{path}\n"));
    }
    fs::write(folder.join("registration"), registration).unwrap();
    let mut spec = spec;
    for form in ["object.json", "attrs.json", "closure-info"] {
        spec = spec.with("closure", form);
        assert_eq!(spec.archive().id, reference.id, "{form}");
    }
}

#[test]
fn the_summary_says_what_was_made() {
    let store = store();
    let spec = spec(&store);
    let summary = store.root().join("summary.json");
    let run = Run::of(spec.command("build").arg("--summary").arg(&summary)).ok();
    let archive = Archive::read(run.stdout);
    let summary: Value = serde_json::from_slice(&fs::read(summary).unwrap()).unwrap();
    assert_eq!(summary["schemaVersion"], 1);
    assert_eq!(summary["imageId"], format!("sha256:{}", archive.id));
    let layers = summary["layers"].as_array().unwrap();
    let ids: Vec<Value> = layers.iter().map(|layer| layer["diffId"].clone()).collect();
    assert_eq!(ids, diff_ids(&archive));
    for (layer, bytes) in layers.iter().zip(archive.layers()) {
        assert_eq!(layer["size"], bytes.len());
    }
    // The plan knew everything but the digests.
    let mut plan = spec.plan();
    plan["imageId"] = summary["imageId"].clone();
    for (layer, made) in plan["layers"].as_array_mut().unwrap().iter_mut().zip(layers) {
        layer["diffId"] = made["diffId"].clone();
    }
    assert_eq!(plan, summary);
}
