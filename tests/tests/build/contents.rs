//! The content of the image, and where it is from.

use std::fs;

use serde_json::{Value, json};
use terrine_tests::{Archive, Run, SpecFile, TestStore, temporary, terrine};

use super::{all, file, link, root, spec, store};

#[test]
fn the_closure_is_there_and_the_contents_are_joined_at_the_root() {
    let store = store();
    let archive = spec(&store).archive();
    let root = root(&archive);
    let names: Vec<&str> = root.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["bin", "bin/app", "share", "share/doc", "share/doc/app"]
    );
    assert_eq!(root["bin/app"], link("/nix/store/app/bin/app"));
    assert_eq!(root["bin"], ('d', 0o755, (0, 0), String::new()));
    let all = all(&archive);
    assert_eq!(
        all["nix/store/app/bin/app"],
        ('f', 0o555, (0, 0), "app".to_owned())
    );
    assert!(all.contains_key("nix/store/libc/lib/libc.so"));
    assert!(!all.keys().any(|path| path.contains("data")));
    // For users other than root.
    assert_eq!((all["nix"].1, all["nix/store"].1), (0o755, 0o755));
}

#[test]
fn an_image_can_do_without_store_paths() {
    let store = store();
    let archive = spec(&store).with("includeStorePaths", false).archive();
    assert_eq!(archive.layers().len(), 1);
    assert!(!all(&archive).keys().any(|path| path.starts_with("nix")));
    assert!(root(&archive).contains_key("bin/app"));
    // Nothing is asked of the closure then.
    let none = spec(&store)
        .with("includeStorePaths", false)
        .with("closure", "missing.json");
    assert_eq!(none.archive().id, archive.id);
}

#[test]
fn what_the_configuration_mentions_is_in_the_image() {
    let store = TestStore::default();
    let app = "1qm4lyyajvvvq1xz7b6swmbm9v3s8c5x-app-1.0";
    let lib = "7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-lib-2";
    store
        .file_with_mode(&format!("{app}/bin/app"), b"", 0o555)
        .file(&format!("{lib}/lib"), b"");
    store.file("0wdpn1fvg7k5p3x4gq2h9rl8z6cbsmjy-other/x", b"");
    let graph = [
        (app, 1, lib),
        (lib, 1, ""),
        ("0wdpn1fvg7k5p3x4gq2h9rl8z6cbsmjy-other", 1, ""),
    ];
    let spec = |config: Value| {
        SpecFile::new(&store, &[])
            .graph(&graph)
            .with("config", config)
    };
    // Without contents, the whole closure that is given belongs to the image.
    assert_eq!(spec(json!({})).layers().split('|').count(), 3);
    store.file("2zzzlyyajvvvq1xz7b6swmbm9v3s8c5x-root/r", b"");
    let graph = [
        &graph[..],
        &[("2zzzlyyajvvvq1xz7b6swmbm9v3s8c5x-root", 1, "")],
    ]
    .concat();
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
        let mut layers: Vec<String> = spec(config)
            .layers()
            .split('|')
            .map(str::to_owned)
            .collect();
        layers.sort();
        assert_eq!(layers, [app, "2zzzlyyajvvvq1xz7b6swmbm9v3s8c5x-root", lib]);
    }
    let linked = spec(json!({})).with(
        "files",
        json!({"/run": {"link": format!("/nix/store/{lib}/lib")}}),
    );
    assert!(linked.layers().contains(lib));
}

#[test]
fn a_link_stays_a_link() {
    let store = store();
    store
        .link("app/bin/daemon", "app")
        .link("alias", "/nix/store/app")
        .link("app/lib", "../lib/lib");
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
    store
        .file("one/etc/both", b"1")
        .file("two/etc/both", b"2")
        .file("two/etc/own", b"2");
    let graph = &[("one", 1, ""), ("two", 1, "")];
    let both = |contents: &[&str]| {
        root(&SpecFile::new(&store, contents).graph(graph).archive())["etc/both"]
            .3
            .clone()
    };
    assert_eq!(both(&["one", "two"]), "/nix/store/one/etc/both");
    assert_eq!(both(&["two", "one"]), "/nix/store/two/etc/both");
}

#[test]
fn copies_are_real_and_the_last_wins() {
    let store = store();
    store
        .file_with_mode("one/etc/both", b"1", 0o600)
        .file("two/etc/both", b"2")
        .link("two/dir", "etc");
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
    assert_eq!(
        root["www/index.html"].3,
        "/nix/store/contents/www/index.html"
    );
    assert_eq!(
        root["www/more.html"].3,
        "/nix/store/contents-2/www/more.html"
    );
    assert_eq!(
        (root["etc/motd"].0, root["etc/motd"].3.as_str()),
        ('f', "hello")
    );
    assert_eq!(all(&archive)["nix/store/contents-2/www/more.html"].3, "<b>");
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
    assert_eq!(
        Archive::read(Run::of(&mut command).ok().stdout).id,
        archive.id
    );
}

#[test]
fn helpers_put_real_files_at_the_root() {
    let store = store();
    store
        .file_with_mode("sh/bin/bash", b"", 0o555)
        .file_with_mode("core/bin/env", b"", 0o555);
    fs::write(store.root().join("source.sh"), "#!").unwrap();
    let spec = SpecFile::new(&store, &[])
        .graph(&[("sh", 1, ""), ("core", 1, "")])
        .with(
            "fakeNss",
            json!({"extraPasswdLines": ["app:x:1000:1000::/home/app:/bin/sh"]}),
        )
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
    for place in [
        "etc/ssl/certs/ca-certificates.crt",
        "etc/pki/tls/certs/ca-bundle.crt",
    ] {
        assert_eq!(root[place].0, 'l', "{place}");
    }
    assert!(
        root["etc/ssl/certs/ca-bundle.crt"]
            .3
            .starts_with("-----BEGIN CERTIFICATE-----")
    );
    let mut layers: Vec<String> = spec.layers().split('|').map(str::to_owned).collect();
    layers.sort();
    assert_eq!(layers, ["core", "sh"]);
}

/// In a layer, a file of such a name takes another away from the layers below: `.wh..wh..opq` at the root
/// would leave nothing of them.
#[test]
fn names_that_take_files_away_are_refused_wherever_they_are_from() {
    let store = store();
    store.file("opaque/share/.wh..wh..opq", b"");
    store.file("libc/lib/.wh.libm.so", b"");
    store.file("copied/etc/.wh.passwd", b"");
    let clean = TestStore::default();
    clean.file_with_mode("app/bin/app", b"app", 0o555);
    let graph: &[(&str, u64, &str)] = &[
        ("app", 1, "libc"),
        ("opaque", 1, ""),
        ("libc", 1, ""),
        ("data", 1, ""),
    ];
    for (spec, expected) in [
        (
            SpecFile::new(&store, &["opaque"]).graph(graph),
            "`/share/.wh..wh..opq` of contents `/nix/store/opaque` has the name of a whiteout",
        ),
        (
            SpecFile::new(&store, &["app"]).graph(graph),
            "/nix/store/libc/lib/.wh.libm.so` has the name of a whiteout",
        ),
        (
            SpecFile::new(&store, &["data"])
                .graph(graph)
                .with("copyToRoot", json!([store.path("copied")])),
            "`/etc/.wh.passwd` of copyToRoot `/nix/store/copied` has the name of a whiteout",
        ),
        (
            SpecFile::new(&clean, &["app"])
                .graph(&[("app", 1, "")])
                .with("files", json!({"/srv/.wh.x": {"text": ""}})),
            "`/srv/.wh.x` of `files` has the name of a whiteout",
        ),
        (
            SpecFile::new(&clean, &["app"])
                .graph(&[("app", 1, "")])
                .with("files", json!({"/.wh.srv/x": {"text": ""}})),
            "`/.wh.srv` of `files` has the name of a whiteout",
        ),
    ] {
        let run = spec.run();
        assert_eq!(run.code, Some(1), "{expected}: {}", run.stderr);
        assert!(run.stderr.contains(expected), "{}", run.stderr);
        let hint = "hint: leave the file out or give it another name";
        assert!(run.stderr.contains(hint), "{}", run.stderr);
    }
    // So are those that a conf.json has in a layer.
    let run = terrine_tests::ConfFile::new(&store, &[&["libc"]]).run();
    assert!(
        run.stderr
            .contains(".wh.libm.so` has the name of a whiteout"),
        "{}",
        run.stderr
    );
}
