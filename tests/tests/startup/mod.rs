//! Images that cannot start are warned of; docker and podman say which those are.

mod libraries;
mod remote;

use std::ffi::OsStr;
use std::fs;

use serde_json::{Value, json};
use terrine_tests::base::{BaseImage, layer, merged};
use terrine_tests::conf::customise;
use terrine_tests::consumer::{self, Consumed};
use terrine_tests::{ConfFile, Run, SpecFile, TestStore, fixture};

const HELLO: &str = "7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-hello-1.0";

/// The program of the example, which needs nothing.
fn hello() -> Vec<u8> {
    fs::read(fixture("hello/nix/store").join(HELLO).join("bin/hello")).unwrap()
}

/// A store of a program, and of files that are none.
fn store() -> TestStore {
    let store = TestStore::default();
    store.file_with_mode("hello/bin/hello", &hello(), 0o555);
    store.file("hello/bin/plain", &hello());
    store.file_with_mode("hello/bin/text", b"echo hi\n", 0o555);
    store.file_with_mode("hello/bin/jar", b"PK\x03\x04\x14\0\0\0", 0o555);
    store.file_with_mode("hello/bin/header", &hello()[..20], 0o555);
    store.file_with_mode("hello/bin/cut", &hello()[..100], 0o555);
    store.file_with_mode("hello/bin/own", &hello(), 0o700);
    store.file("hello/etc/file", b"x");
    store.link("hello/bin/absolute", "/bin/hello");
    store.link("hello/bin/gone", "/nix/store/gone/bin/hello");
    for (name, line) in [
        ("loop", "/bin/loop"),
        ("script", "/bin/script-2"),
        ("script-2", "/bin/hello"),
        ("relative", "hello"),
        ("none", ""),
    ] {
        let text = format!("#!{line}\n");
        store.file_with_mode(&format!("hello/bin/{name}"), text.as_bytes(), 0o555);
    }
    store
}

/// An image with that at its root, and a configuration.
fn spec<'s>(store: &'s TestStore, config: Value) -> SpecFile<'s> {
    SpecFile::new(store, &["hello"])
        .graph(&[("hello", 1, "")])
        .with("fakeNss", true)
        .with("config", config)
}

/// The messages of a plan's warnings. Each has a remedy.
fn warnings(spec: &SpecFile<'_>) -> Vec<String> {
    let plan = spec.plan();
    let warnings = plan["warnings"].as_array().unwrap();
    assert!(
        warnings.iter().all(|warning| warning["hint"].is_string()),
        "{warnings:?}"
    );
    let messages = warnings
        .iter()
        .map(|warning| warning["message"].as_str().unwrap().to_owned());
    messages.collect()
}

/// Configurations, whether containers of them start, and what is said where they do not.
fn cases() -> Vec<(Value, Option<&'static str>)> {
    let command = |command: &str| json!({"Cmd": [command]});
    vec![
        (command("/bin/hello"), None),
        (command("hello"), None),
        (command("bin/hello"), None),
        (command("/bin/absolute"), None),
        (command("/nix/store/hello/bin/hello"), None),
        (json!({"Entrypoint": [""], "Cmd": ["hello"]}), None),
        (json!({"Cmd": ["./hello"], "WorkingDir": "/bin"}), None),
        (json!({"Cmd": ["hello"], "WorkingDir": "/new/folder"}), None),
        (json!({"Cmd": ["hello"], "User": "nobody"}), None),
        (json!({"Cmd": ["hello"], "User": "4242:nobody"}), None),
        (json!({"Cmd": ["hello"], "Volumes": {"/etc": {}}}), None),
        (
            command("/bin/no"),
            Some("the command `/bin/no` is not in the image"),
        ),
        (
            command("/bin/gone"),
            Some("leads to `/nix/store/gone/bin/hello`, which is not in the image"),
        ),
        (command("/bin"), Some("the command `/bin` is a directory")),
        (
            command("/bin/plain"),
            Some("the command `/bin/plain` is not executable"),
        ),
        (command("/bin/text"), Some("names no interpreter")),
        (command("/bin/jar"), Some("is a ZIP archive")),
        (
            command("/bin/header"),
            Some("is an ELF file with an incomplete header"),
        ),
        (
            command("/bin/cut"),
            Some("is an ELF file that names nothing to load"),
        ),
        (json!({"Cmd": ["/bin/own"]}), None),
        (
            json!({"Cmd": ["/bin/own"], "User": "4242"}),
            Some("is not executable for the user `4242`"),
        ),
        (command("/bin/script"), None),
        (
            command("/bin/loop"),
            Some("is a script whose interpreter is a script, and so on"),
        ),
        (
            json!({"Cmd": ["/bin/relative"], "WorkingDir": "/bin"}),
            None,
        ),
        (
            command("/bin/relative"),
            Some("the interpreter `hello` of the command `/bin/relative` is not in the image"),
        ),
        (
            command("/bin/none"),
            Some("is a script whose first line names no interpreter"),
        ),
        (
            json!({"Cmd": ["", "hello"]}),
            Some("the first word of `Cmd` is empty"),
        ),
        (
            command("/bin/hello --port 80"),
            Some("the first word of `Cmd` is `/bin/hello --port 80`"),
        ),
        (
            json!({"Entrypoint": ["/bin/sh -c foo"]}),
            Some("the first word of `Entrypoint` is"),
        ),
        (
            json!({"Cmd": ["hello"], "Env": ["PATH=/sbin"]}),
            Some("it is in no directory of PATH (`/sbin`)"),
        ),
        (
            json!({"Cmd": ["hello"], "User": "app"}),
            Some("the user `app`"),
        ),
        (
            json!({"Cmd": ["hello"], "User": "nobody:app"}),
            Some("the group `app`"),
        ),
        (
            json!({"Cmd": ["hello"], "User": "3000000000"}),
            Some("which no container engine accepts"),
        ),
        (
            json!({"Cmd": ["hello"], "WorkingDir": "srv"}),
            Some("must be an absolute path"),
        ),
        (
            json!({"Cmd": ["hello"], "WorkingDir": "/bin/hello"}),
            Some("which is a file"),
        ),
        (
            json!({"Cmd": ["hello"], "Volumes": {"/bin/hello": {}}}),
            Some("a volume is a directory"),
        ),
    ]
}

#[test]
fn each_reason_is_told_with_a_remedy() {
    let store = store();
    for (config, message) in cases() {
        let warnings = warnings(&spec(&store, config.clone()));
        match message {
            None => assert_eq!(warnings, Vec::<String>::new(), "{config}"),
            Some(message) => {
                assert_eq!(warnings.len(), 1, "{config}: {warnings:?}");
                assert!(warnings[0].contains(message), "{config}: {warnings:?}");
            }
        }
    }
    let spec = spec(&store, json!({"Cmd": ["/bin/no"]}));
    let run = spec.run().ok();
    assert_eq!(
        run.stderr.lines().take(2).collect::<Vec<_>>(),
        [
            "warning: the command `/bin/no` is not in the image",
            "hint: add it to the image by `contents`, or correct `Cmd`"
        ]
    );
    assert_eq!(Run::of(spec.command("build").arg("--strict")).code, Some(1));
}

/// Every case is run by docker or by podman, which were seen to agree on all of them.
#[test]
fn docker_and_podman_start_what_is_not_warned_of() {
    let engines = [
        ("docker-start", &["dockerd", "docker"][..]),
        ("podman-start", &["podman", "runc"]),
    ];
    for (first, (script, tools)) in engines.into_iter().enumerate() {
        if !consumer::available(tools) {
            continue;
        }
        let store = store();
        let images = terrine_tests::temporary();
        let (mut arguments, mut expected) = (vec![], vec![]);
        for (config, message) in cases().into_iter().skip(first).step_by(2) {
            let number = arguments.len();
            let spec = spec(&store, config.clone()).with("name", format!("case:{number}"));
            let image = images.path().join(format!("{number}.tar"));
            fs::write(&image, spec.archive().bytes).unwrap();
            arguments.push(image.into_os_string());
            expected.push((config, message.is_none()));
        }
        // Where `/bin` is a link in the base image, its programs are still there, and so are the image's own.
        let links = [("bin", "usr/bin"), ("lib64", "usr/lib64")];
        let base = BaseImage::new(&[&merged(&links, "usr/bin/based", &hello())], &[]);
        let base = base.write(&store).display().to_string();
        let command = ["/bin/based", "/usr/bin/hello"][first];
        let config = json!({"Cmd": [command]});
        let spec = spec(&store, config.clone())
            .with("fromImage", base)
            .with("name", format!("case:{}", arguments.len()));
        let image = images.path().join("base.tar");
        fs::write(&image, spec.archive().bytes).unwrap();
        arguments.push(image.into_os_string());
        expected.push((config, true));
        let arguments: Vec<&OsStr> = arguments.iter().map(|argument| &**argument).collect();
        let said = Consumed::with(script, &arguments).text("codes");
        let said: Vec<&str> = said.lines().collect();
        assert_eq!(said.len(), expected.len(), "{said:?}");
        for ((config, starts), said) in expected.into_iter().zip(said) {
            assert_eq!(said == "started", starts, "{script}: {config}: {said}");
        }
    }
}

#[test]
fn interpreters_of_programs_are_looked_for() {
    let store = store();
    let mut dynamic = hello();
    // Its second program header becomes the name of a loader, at the end of the file.
    let headers = usize::try_from(u64::from_le_bytes(dynamic[32..40].try_into().unwrap())).unwrap();
    let name = b"/lib64/ld-linux-x86-64.so.2\0";
    let end = dynamic.len();
    dynamic.extend_from_slice(name);
    let at = headers + 56;
    dynamic[at..at + 4].copy_from_slice(&3_u32.to_le_bytes());
    dynamic[at + 8..at + 16].copy_from_slice(&(end as u64).to_le_bytes());
    dynamic[at + 32..at + 40].copy_from_slice(&(name.len() as u64).to_le_bytes());
    store.file_with_mode("dynamic/bin/web", &dynamic, 0o555);
    store.file_with_mode("script/bin/run", b"#!/bin/sh\r\n", 0o555);
    let of = |contents: &[&str]| {
        let graph: Vec<(&str, u64, &str)> = contents.iter().map(|name| (*name, 1, "")).collect();
        SpecFile::new(&store, contents)
            .graph(&graph)
            .with("config", json!({"Cmd": ["hello"]}))
    };
    let missing = "the dynamic loader `/lib64/ld-linux-x86-64.so.2` of `/nix/store/dynamic/bin/web` is not in the image";
    assert_eq!(warnings(&of(&["hello", "dynamic"])), [missing]);
    let with_loader = of(&["hello", "dynamic"]).with(
        "files",
        json!({"/lib64/ld-linux-x86-64.so.2": {"text": "x", "mode": "0755"}}),
    );
    assert_eq!(warnings(&with_loader), Vec::<String>::new());
    let not_executable = of(&["hello", "dynamic"]).with(
        "files",
        json!({"/lib64/ld-linux-x86-64.so.2": {"text": "x"}}),
    );
    assert_eq!(
        warnings(&not_executable),
        [missing.replace("is not in the image", "is not executable")]
    );
    assert_eq!(
        warnings(&of(&["hello", "script"])),
        [r"the interpreter `/bin/sh\r` of `/nix/store/script/bin/run` is not in the image"]
    );
    let inline = of(&["hello"]).with(
        "files",
        json!({"/run": {"text": "#!/bin/bash\n", "mode": "0755"}}),
    );
    assert_eq!(
        warnings(&inline),
        ["the interpreter `/bin/bash` of `/run` is not in the image"]
    );
}

#[test]
fn variables_that_take_the_place_of_others_are_told() {
    let store = store();
    let twice = spec(&store, json!({"Cmd": ["hello"], "Env": ["A=1", "A=2"]}));
    assert_eq!(
        warnings(&twice),
        ["`Env` sets `A` to several values, and the last one counts"]
    );
    // A flag is there to do that.
    let once = spec(&store, json!({"Cmd": ["hello"], "Env": ["A=1"]}));
    let run = Run::of(once.command("plan").args(["--env", "A=2"])).ok();
    assert_eq!(run.stderr, "");
}

#[test]
fn an_image_without_files_is_told() {
    let store = TestStore::default();
    let empty = SpecFile::new(&store, &[])
        .with("closure", Value::Null)
        .with("config", json!({}));
    assert_eq!(warnings(&empty), ["there are no files in the image"]);
    fs::create_dir_all(store.root().join("site/empty")).unwrap();
    let directories = empty.with("contents", json!(["./site"])).with("tmp", true);
    assert_eq!(warnings(&directories), ["there are no files in the image"]);
    fs::write(store.root().join("site/empty/file"), "").unwrap();
    assert_eq!(warnings(&directories), Vec::<String>::new());
}

#[test]
fn what_may_be_there_when_the_image_runs_is_not_told() {
    let store = store();
    let absent = "/nix/store/1qm4lyyajvvvq1xz7b6swmbm9v3s8c5x-later";
    let plans = [
        spec(&store, json!({"Cmd": [format!("{absent}/bin/web")]}))
            .with("absentPaths", json!([absent])),
        spec(&store, json!({"Cmd": [format!("{absent}/bin/web")]}))
            .with("includeStorePaths", false),
        spec(&store, json!({"Cmd": ["/bin/hello"]})).with("includeStorePaths", false),
        spec(
            &store,
            json!({"Cmd": ["/data/bin/web"], "Volumes": {"/data": {}}}),
        ),
        spec(&store, json!({"Cmd": ["/proc/self/exe"]})),
    ];
    for plan in plans {
        assert_eq!(warnings(&plan), Vec::<String>::new(), "{}", plan.json);
    }
}

#[test]
fn files_of_a_base_image_count() {
    let store = store();
    let passwd = layer("etc/passwd", b"app:x:1000:1000::/:/bin/sh\n");
    let base =
        BaseImage::old(&[&layer("usr/bin/tool", b"#!/usr/bin/tool"), &passwd], &[]).write(&store);
    let on_base = |config: Value| {
        spec(&store, config)
            .with("fakeNss", false)
            .with("fromImage", base.to_str().unwrap())
    };
    for config in [json!({"Cmd": ["hello"], "User": "app"}), json!({})] {
        assert_eq!(warnings(&on_base(config)), Vec::<String>::new());
    }
    assert_eq!(
        warnings(&on_base(json!({"Cmd": ["/usr/bin/no"]}))),
        ["the command `/usr/bin/no` is not in the image"]
    );
    // The helper makes files that anybody may read, and nobody run.
    assert_eq!(
        warnings(&on_base(json!({"Cmd": ["tool"]}))),
        ["the command `tool` is not executable"]
    );
    assert!(warnings(&on_base(json!({"Cmd": ["hello"], "User": "other"})))[0].contains("`other`"));
}

#[test]
fn streams_are_checked_as_well() {
    let store = store();
    let said = |config: Value, change: &dyn Fn(ConfFile<'_>) -> Value| {
        let conf = ConfFile::new(&store, &[&["hello"]]).with("config", config);
        let json = change(conf);
        let mut conf = ConfFile::new(&store, &[&["hello"]]);
        conf.json = json;
        let run = conf.run().ok();
        let lines = run
            .stderr
            .lines()
            .filter_map(|line| line.strip_prefix("warning: "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let same = |conf: ConfFile<'_>| conf.json;
    let none = Vec::<String>::new();
    let own = "/nix/store/hello/bin/hello";
    assert_eq!(said(json!({"Cmd": [own]}), &same), none);
    assert_eq!(
        said(json!({"Cmd": ["/bin/no"]}), &same),
        ["the command `/bin/no` is not in the image"]
    );
    assert_eq!(
        said(json!({"Cmd": [own], "Env": ["FOO"]}), &same),
        ["`FOO` in `Env` has no `=`"]
    );
    assert_eq!(said(json!({"Cmd": [own], "User": "app"}), &same).len(), 1);
    // What is in the customisation layer counts, and what is in a plain base image.
    let name = "1wdpn1fvg7k5p3x4gq2h9rl8z6cbsmjy-top";
    customise(
        &store,
        name,
        &layer("etc/passwd", b"app:x:1:1::/:/bin/sh\n"),
    );
    let with_top = |conf: ConfFile<'_>| conf.with("customisation_layer", store.path(name)).json;
    assert_eq!(said(json!({"Cmd": [own], "User": "app"}), &with_top), none);
    let base =
        BaseImage::old(&[&layer("etc/passwd", b"app:x:1:1::/:/bin/sh\n")], &[]).write(&store);
    let on_base = |conf: ConfFile<'_>| conf.with("from_image", base.to_str().unwrap()).json;
    assert_eq!(said(json!({"Cmd": [own], "User": "app"}), &on_base), none);
    assert_eq!(
        said(json!({"Cmd": [own], "User": "other"}), &on_base).len(),
        1
    );
    // A ready-made directory hides a link of the base.
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_mode(0o755);
    header.set_size(0);
    let mut builder = tar::Builder::new(vec![]);
    builder.append_data(&mut header, "bin", &[][..]).unwrap();
    let name = "2wdpn1fvg7k5p3x4gq2h9rl8z6cbsmjy-top";
    customise(&store, name, &builder.into_inner().unwrap());
    let base = merged(&[("bin", "usr/bin")], "usr/bin/based", b"");
    let base = BaseImage::old(&[&base], &[]).write(&store);
    let hides = |conf: ConfFile<'_>| {
        let conf = conf.with("customisation_layer", store.path(name));
        conf.with("from_image", base.to_str().unwrap()).json
    };
    assert_eq!(
        said(json!({"Cmd": [own]}), &hides),
        [
            "`/bin` is a link to `usr/bin` in the base image, and a directory in the root layer: the files of the base image there become unreachable"
        ]
    );
    // Interpreters of other programs than the command are not looked for.
    store.file_with_mode("hello/bin/run", b"#!/bin/sh\n", 0o555);
    let run = json!({"Cmd": ["/nix/store/hello/bin/run"]});
    assert_eq!(
        said(run, &same),
        ["the interpreter `/bin/sh` of the command `/nix/store/hello/bin/run` is not in the image"]
    );
    // The store may be mounted where the image has none of it.
    let mounted = |conf: ConfFile<'_>| conf.with("store_layers", json!([])).json;
    assert_eq!(
        said(json!({"Cmd": ["/nix/store/other/bin/web"]}), &mounted),
        none
    );
}
