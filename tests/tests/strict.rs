//! Warnings about images: where they are told, and what makes errors of them.

use serde_json::{Value, json};
use terrine_tests::{ConfFile, Run, SpecFile, TestStore, hello, temporary};

/// A store whose image may have a command.
fn store() -> TestStore {
    let store = TestStore::default();
    store.file_with_mode("hello/bin/hello", &hello::program(), 0o555);
    store
}

#[test]
fn strict_makes_errors_of_warnings_before_a_byte_is_written() {
    let store = store();
    let spec = SpecFile::new(&store, &["hello"]).graph(&[("hello", 1, "")]);
    let strict = |spec: &SpecFile<'_>| {
        let out = spec.root().join("image.tar");
        let mut build = spec.command("build");
        let run = Run::of(build.arg("--strict").arg("--output").arg(&out));
        (run, out.exists())
    };
    let (fine, written) = strict(&spec);
    assert_eq!((fine.ok().code, written), (Some(0), true));
    std::fs::remove_file(spec.root().join("image.tar")).unwrap();

    let spec = spec.with("diskSize", 1).with("buildVMMemorySize", 1);
    let (refused, written) = strict(&spec);
    assert_eq!((refused.code, written), (Some(1), false));
    let last = "caused by: 2 warnings, and `--strict` treats warnings as errors\n\
                hint: fix the causes of the warnings, or leave out `--strict`\n";
    assert!(refused.stderr.ends_with(last), "{}", refused.stderr);
    assert_eq!(refused.stderr.matches("warning: `").count(), 2);
    // Nothing but the exit code and what is said is another one.
    let run = spec.run().ok();
    assert_eq!(run.stderr.matches("warning: `").count(), 2);
}

#[test]
fn a_plan_lists_warnings_and_is_shown_with_strict_as_well() {
    let store = store();
    let spec = SpecFile::new(&store, &["hello"])
        .graph(&[("hello", 1, "")])
        .with("diskSize", 1);
    let message = "`diskSize` has no effect: no virtual machine is used";
    let plan = spec.plan();
    assert_eq!(plan["remarks"], json!([message]));
    assert_eq!(plan["warnings"], json!([{ "message": message }]));
    let run = Run::of(spec.command("plan").arg("--strict"));
    assert_eq!(run.code, Some(1));
    let shown: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(shown, plan);
    assert!(run.stderr.contains("cannot plan"), "{}", run.stderr);
}

#[test]
fn strict_is_for_streams_and_layers_as_well() {
    let store = TestStore::default();
    store.file_with_mode("hello/bin/hello", &hello::program(), 0o555);
    let many: Vec<String> = (0..130).map(|number| format!("p{number}")).collect();
    let layers: Vec<[&str; 1]> = many.iter().map(|name| [name.as_str()]).collect();
    for name in &many {
        store.file(name, b"x");
    }
    let layers: Vec<&[&str]> = layers.iter().map(<[&str; 1]>::as_slice).collect();
    let conf = ConfFile::new(&store, &layers).with("config", json!({"Cmd": [store.path("p1")]}));
    let folder = temporary();
    let out = folder.path().join("image.tar");
    let run = Run::of(conf.command().arg("--strict").arg("--output").arg(&out));
    assert_eq!((run.code, out.exists()), (Some(1), false));
    assert!(run.stderr.contains("131 layers"), "{}", run.stderr);
    assert!(
        run.stderr.contains("hint: lower `maxLayers`\n"),
        "{}",
        run.stderr
    );

    let graph = folder.path().join("graph.json");
    std::fs::write(
        &graph,
        json!([{"path": store.path("hello"), "narSize": 1, "references": []}]).to_string(),
    )
    .unwrap();
    let mut layers = terrine_tests::terrine();
    layers
        .args(["layers", "--max-layers", "3", "--graph"])
        .arg(&graph);
    layers
        .args(["--previous", "oci:none", "--allow-missing-previous"])
        .current_dir(folder.path());
    let run = Run::of(&mut layers).ok();
    assert!(
        run.stderr.contains("warning: the previous image `"),
        "{}",
        run.stderr
    );
    let run = Run::of(layers.arg("--strict"));
    assert_eq!((run.code, run.stdout.len()), (Some(1), 0));
}

#[test]
fn values_that_no_tool_loads_are_warned_about() {
    let store = TestStore::default();
    store.file("a/bin/hello", b"hello");
    let folder = temporary();
    let image = folder.path().join("image.tar");
    let source = format!("docker-archive:{}", image.display());
    let target = format!("oci:{}:x", folder.path().join("layout").display());
    for (config, field) in [
        (json!({"Cmd": "/bin/hello"}), "Cmd"),
        (json!({"Cmd": ["/bin/hello", 1]}), "Cmd[1]"),
        (json!({"Entrypoint": {}}), "Entrypoint"),
        (json!({"ExposedPorts": ["80/tcp"]}), "ExposedPorts"),
        (
            json!({"ExposedPorts": {"80/tcp": 1}}),
            "ExposedPorts.80/tcp",
        ),
        (json!({"Volumes": "/data"}), "Volumes"),
        (json!({"User": 1000}), "User"),
        (json!({"Labels": {"a": 1}}), "Labels.a"),
        (json!({"StopSignal": 15}), "StopSignal"),
        (json!({"StopTimeout": 1.5}), "StopTimeout"),
        (json!({"Healthcheck": ["CMD"]}), "Healthcheck"),
        (
            json!({"Healthcheck": {"Interval": "30s"}}),
            "Healthcheck.Interval",
        ),
        (
            json!({"Cmd": null, "Labels": {}, "Volumes": {"/data": {}}}),
            "",
        ),
    ] {
        let conf = ConfFile::new(&store, &[&["a"]]).with("config", config);
        let run = Run::of(&mut conf.command()).ok();
        let warning = format!("warning: `{field}` is ");
        let warns =
            run.stderr.contains(&warning) && run.stderr.contains("do not load such an image");
        assert_eq!(warns, !field.is_empty(), "{}", run.stderr);
        let refused = Run::of(conf.command().arg("--strict"));
        assert_eq!(
            refused.code == Some(0),
            field.is_empty(),
            "{}",
            refused.stderr
        );
        std::fs::write(&image, &run.stdout).unwrap();
        // Not all of them are refused before they are converted.
        let taken = terrine_tests::skopeo::try_skopeo(folder.path(), &["copy", &source, &target]);
        if let Some(taken) = taken {
            assert_eq!(
                taken.code == Some(0),
                field.is_empty(),
                "{field}: {}",
                taken.stderr
            );
        }
    }
    for config in [json!({"Env": {"A": "b"}}), json!([]), json!("x")] {
        let conf = ConfFile::new(&store, &[&["a"]]).with("config", config);
        assert_eq!(Run::of(&mut conf.command()).code, Some(1));
    }
}
