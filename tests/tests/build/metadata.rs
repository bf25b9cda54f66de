//! Names, owners, flags, and what is said of the image.

use std::fs;

use serde_json::{Value, json};
use terrine_tests::base::{BaseImage, merged};
use terrine_tests::{Archive, ConfFile, Run, SpecFile, terrine};

use super::{GRAPH, all, diff_ids, spec, store};

#[test]
fn metadata_is_what_was_asked_for() {
    let store = store();
    let config = spec(&store).archive().config();
    assert_eq!(config["created"], "1970-01-01T00:00:01+00:00");
    assert_eq!(
        (&config["os"], &config["architecture"]),
        (&json!("linux"), &json!("amd64"))
    );
    let created =
        |value: &str| spec(&store).with("created", value).archive().config()["created"].clone();
    assert_eq!(created("@86400"), "1970-01-02T00:00:00+00:00");
    assert_eq!(created("2024-01-01T00:00:00Z"), "2024-01-01T00:00:00+00:00");
    assert!(created("now").as_str().unwrap() > "2024");
    let arm = spec(&store)
        .with("architecture", "armv7l")
        .archive()
        .config();
    assert_eq!(
        (&arm["architecture"], &arm["variant"]),
        (&json!("arm"), &json!("v7"))
    );
    let system = spec(&store)
        .with("architecture", Value::Null)
        .with("system", "aarch64-linux");
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
    assert_eq!(
        tag("registry-1.docker.io/Acme/Web:1.2"),
        "registry-1.docker.io/acme/web:1.2"
    );
    let generated = tag("web");
    assert_eq!(generated.len(), "web:".len() + 32);
    assert_eq!(generated, tag("web"));
    // It depends on what is in the image.
    store.file("app/more", b"");
    fs::write(store.root().join("x"), "x").unwrap();
    let other = spec(&store).with("name", "web").with("tmp", true).tag();
    assert_ne!(other, generated["web:".len()..]);
}

#[test]
fn flags_say_what_fields_say() {
    let store = store();
    let by_flags = |arguments: &[&str]| {
        let spec = SpecFile::new(&store, &["app"])
            .graph(GRAPH)
            .with("config", Value::Null);
        let run = Run::of(spec.command("build").args(arguments)).ok();
        Archive::read(run.stdout).config()["config"].clone()
    };
    assert_eq!(
        by_flags(&["--cmd", "/bin/app", "--cmd", "--port=80"]),
        json!({"Cmd": ["/bin/app", "--port=80"]})
    );
    assert_eq!(
        by_flags(&["--", "/bin/app", "-x"]),
        json!({"Cmd": ["/bin/app", "-x"]})
    );
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
    assert_eq!(
        (
            all["nix/store/app/bin/app"].1,
            all["nix/store/app/bin/app"].2
        ),
        (0o4755, (0, 6))
    );
    assert_eq!(all["nix/store/app/share/doc/app"].1, 0);
    assert_eq!(all["nix/store/lib/lib/lib.so"].2, (5, 12345));
    assert_eq!((all["tmp"].1, all["tmp"].2), (0o1777, (0, 12345)));
    assert_eq!(all["nix/store/libc/lib/libc.so"].2, (5, 6));
}

#[test]
fn rules_for_permissions_that_change_nothing_are_told() {
    let store = store();
    store.link("app/bin/alias", "app");
    let layer = merged(&[("sbin", "usr/sbin")], "etc/base", b"");
    let base = BaseImage::old(&[&layer], &[]).write(&store);
    let warnings = |rules: Value| {
        let spec = spec(&store)
            .with("fromImage", base.to_str().unwrap())
            .with("config", json!({"Cmd": ["/bin/app"]}))
            .with(
                "files",
                json!({"/sbin/x": {"text": ""}, "/data": {"directory": true}}),
            )
            .with("permissions", rules);
        let run = Run::of(&mut spec.command("build")).ok();
        let lines = run
            .stderr
            .lines()
            .skip_while(|line| !line.contains("permissions["));
        lines.take(2).collect::<Vec<_>>().join("\n")
    };
    let mode = |path: &str| json!([{"path": path, "mode": "0700"}]);
    for rules in [
        mode("/nix/store/app/bin/app"),
        mode("/nix/store"),
        mode("/usr/sbin/x"),
        mode("**/app"),
        json!([{"path": "/bin/app", "uid": 7}]),
        json!([{"regex": "so$", "mode": "0700"}]),
        json!([{"path": "/data", "uid": 1}, {"regex": "^(/data|/usr/sbin/x)$", "uid": 2}]),
    ] {
        assert_eq!(warnings(rules), "");
    }
    let both =
        json!([{"path": "/bin/app", "mode": "0700", "capabilities": "cap_net_bind_service=ep"}]);
    for (rules, said) in [
        (
            both,
            "`/bin/app` has no effect: `mode` and `capabilities` do not apply to `/bin/app`, which is a symbolic link\nhint: write the target of the link: `/nix/store/app/bin/app`",
        ),
        (
            mode("/bin/appp"),
            "`/bin/appp` has no effect: nothing in the image has such a path\nhint: write the path of a file or directory of this image, without links",
        ),
        (
            mode("/sbin/x"),
            "`/sbin/x` has no effect: nothing in the image has such a path\nhint: write the target of the link: `/usr/sbin/x`",
        ),
        (
            mode("/nix/store/app/bin/alias"),
            "`/nix/store/app/bin/alias` has no effect: `mode` does not apply to `/nix/store/app/bin/alias`, which is a symbolic link\nhint: write the target of the link: `/nix/store/app/bin/app`",
        ),
        (
            mode("/etc/base"),
            "`/etc/base` has no effect: it is in the base image, whose layers stay as they are\nhint: put a file of its own there with `files`, or leave the rule out",
        ),
        (
            json!([{"path": "/data", "capabilities": "cap_chown=p"}]),
            "`/data` has no effect: `capabilities` does not apply to `/data`, which is not a file\nhint: write the path of a program",
        ),
    ] {
        assert_eq!(
            warnings(rules),
            format!("warning: `permissions[0]` for {said}")
        );
    }
    let twice = json!([{"path": "/data", "uid": 1}, {"path": "/data", "mode": "0700"}]);
    assert!(
        warnings(twice).starts_with(
            "warning: `permissions[1]` for `/data` has no effect: `permissions[0]` comes before it and has the same path"
        )
    );
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
    for (layer, made) in plan["layers"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .zip(layers)
    {
        layer["diffId"] = made["diffId"].clone();
    }
    let mut summary = summary;
    let destinations = summary.as_object_mut().unwrap().remove("destinations");
    let expected = json!([{"destination": "-", "tags": ["test:1"]}]);
    assert_eq!(destinations, Some(expected));
    let transferred = summary.as_object_mut().unwrap().remove("transferred");
    assert_eq!(transferred, Some(json!({"sent": 0, "received": 0})));
    assert_eq!(plan, summary);
}

#[test]
fn the_platform_is_written_as_other_tools_write_it() {
    let store = store();
    let conf = ConfFile::new(&store, &[&["data"]]).write();
    let conf = conf.to_str().unwrap();
    let root = ["--store-root", store.root().to_str().unwrap()];
    let own = [
        "--name",
        "x:1",
        "--copy-to-root",
        store.root().to_str().unwrap(),
    ];
    let platform = |made: &Value| {
        let text = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
        (text("os"), text("architecture"), text("variant"))
    };
    for (asked, architecture, variant) in [
        ("linux/arm64", "arm64", ""),
        ("linux/arm64/v8", "arm64", "v8"),
        ("linux/arm64/8", "arm64", "v8"),
        ("linux/aarch64", "arm64", ""),
        ("linux/arm", "arm", ""),
        ("linux/arm/v6", "arm", "v6"),
        ("linux/arm/7", "arm", "v7"),
        ("linux/armhf", "arm", "v7"),
        ("linux/amd64/v2", "amd64", "v2"),
        ("Linux/x86_64", "amd64", ""),
        ("linux/i686", "386", ""),
    ] {
        let expected = (
            "linux".to_owned(),
            architecture.to_owned(),
            variant.to_owned(),
        );
        let run = |command: &str, arguments: &[&str]| {
            let platform = [command, "--platform", asked];
            Run::of(terrine().args(platform).args(arguments))
                .ok()
                .stdout
        };
        let streamed = run("stream", &[conf, root[0], root[1]]);
        let built = run("build", &own);
        for archive in [streamed, built] {
            let archive = Archive::read(archive);
            assert_eq!(platform(&archive.config()), expected, "{asked}");
        }
        let planned = run("plan", &[&own[..], &["--format", "json"]].concat());
        let planned: Value = serde_json::from_slice(&planned).unwrap();
        assert_eq!(platform(&planned), expected, "{asked}");
    }
    for (asked, message) in [
        ("linux", "is not a platform such as `linux/amd64`"),
        ("windows/amd64", "images can only be built for Linux"),
        ("linux/arm/v9", "`arm` has no variant `v9`"),
        ("linux/pdp11", "`pdp11` is not a known cpu"),
    ] {
        for command in [
            &["stream", conf, root[0], root[1]][..],
            &[&["build"][..], &own].concat(),
        ] {
            let run = Run::of(terrine().args(command).args(["--platform", asked]));
            assert_ne!(run.code, Some(0));
            assert!(run.stderr.contains(message), "{}", run.stderr);
        }
    }
}
