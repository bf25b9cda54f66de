//! `terrine stream` as its users see it: arguments, messages, exit codes, files.

use std::fs;

use serde_json::{Value, json};
use terrine_tests::{Archive, ConfFile, Run, TestStore, terrine, workspace};

fn store() -> TestStore {
    let store = TestStore::default();
    store.file("a/bin/hello", b"hello");
    store
}

/// Returns what a run said, in a form that is the same everywhere.
fn said(store: &TestStore, run: &Run) -> String {
    run.without_speed(&[(store.root(), "[ROOT]")])
}

#[test]
fn help_of_commands_and_topics_is_found_by_name() {
    let stdout = |arguments: &[&str]| {
        let run = Run::of(terrine().args(arguments)).ok();
        String::from_utf8(run.stdout).unwrap()
    };
    for (by_name, by_flag) in [
        (&["help"][..], &["--help"][..]),
        (&["help", "build"], &["build", "--help"]),
        (&["help", "cache", "info"], &["cache", "info", "--help"]),
        (&["cache", "help", "info"], &["cache", "info", "--help"]),
    ] {
        assert_eq!(stdout(by_name), stdout(by_flag), "{by_name:?}");
    }
    let list = stdout(&["help"]);
    for topic in ["references", "compression", "layers"] {
        assert!(list.contains(&format!("\n  {topic} ")), "{list}");
        let file = workspace().join(format!("host/cli/src/topics/{topic}.txt"));
        let text = fs::read_to_string(file).unwrap();
        let said = stdout(&["help", topic]);
        assert!(said.trim_end().ends_with(text.trim_end()), "{said}");
    }
}

#[test]
fn help_is_what_it_was() {
    let help = |arguments: &[&str]| Run::of(terrine().args(arguments)).snapshot(&[]);
    insta::assert_snapshot!("help", help(&["--help"]));
    insta::assert_snapshot!("help-stream", help(&["stream", "--help"]));
    insta::assert_snapshot!("help-build", help(&["build", "--help"]));
    insta::assert_snapshot!("help-plan", help(&["plan", "--help"]));
    insta::assert_snapshot!("help-layers", help(&["layers", "--help"]));
    insta::assert_snapshot!("help-schema", help(&["schema", "--help"]));
    insta::assert_snapshot!("help-planner", help(&["planner", "--help"]));
    for command in ["list", "describe", "check", "export"] {
        let name = format!("help-planner-{command}");
        insta::assert_snapshot!(name, help(&["planner", command, "--help"]));
    }
}

#[test]
fn wrong_arguments_are_a_usage_error() {
    for arguments in [
        &["strem"][..],
        &[],
        &["stream"],
        &["stream", "a", "b"],
        &["stream", "--store-rot", "/", "a"],
    ] {
        let run = Run::of(terrine().args(arguments));
        assert_eq!(
            (run.code, run.stdout.len()),
            (Some(2), 0),
            "{arguments:?}: {}",
            run.stderr
        );
    }
}

#[test]
fn a_run_says_a_line_for_each_layer() {
    let store = store();
    store.file("b", b"").file("c", b"");
    let run = ConfFile::new(&store, &[&["a"], &["b", "c"]]).run().ok();
    insta::assert_snapshot!(said(
        &store,
        &Run {
            stdout: vec![],
            ..run
        }
    ));
}

#[test]
fn a_quiet_run_says_nothing() {
    let store = store();
    let conf = ConfFile::new(&store, &[&["a"]]).with("config", json!({}));
    let run = Run::of(conf.command().arg("-q")).ok();
    assert_eq!(run.stderr, "");
}

#[test]
fn the_name_can_be_another() {
    let store = store();
    let conf = ConfFile::new(&store, &[&["a"]]);
    let tags = |arguments: &[&str]| {
        let run = Run::of(conf.command().args(arguments)).ok();
        Archive::read(run.stdout).manifest["RepoTags"][0]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(tags(&[]), "test:1");
    assert_eq!(tags(&["-t", "other:2"]), "other:2");
    assert_eq!(
        tags(&["--repo-tag", "localhost:5000/Path/Other:Two"]),
        "localhost:5000/path/other:Two"
    );
    // As the original spells it.
    assert_eq!(tags(&["--repo_tag", "other:2"]), "other:2");
    assert_eq!(tags(&["-t", ""]), "test:1");
}

#[test]
fn a_tag_is_generated_where_there_is_none_and_reported() {
    let store = store();
    let conf = ConfFile::new(&store, &[&["a"]]).with("repo_tag", "test");
    let run = conf.run().ok();
    let tag = Archive::read(run.stdout).manifest["RepoTags"][0]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        run.stderr.contains(&format!("{tag}: image id "))
            && run.stderr.contains(" (tag generated), "),
        "{}",
        run.stderr
    );
    let (_, generated) = tag.split_once(':').unwrap();
    assert_eq!(generated.len(), 32);
    assert!(
        generated
            .chars()
            .all(|c| "0123456789abcdfghijklmnpqrsvwxyz".contains(c)),
        "{generated}"
    );
    let quiet = Run::of(conf.command().arg("-q")).ok();
    assert!(
        quiet.stderr.contains(&format!("{tag}: image id ")),
        "{}",
        quiet.stderr
    );
    // Stable, and another for another image.
    assert_eq!(
        Archive::read(conf.run().ok().stdout).manifest["RepoTags"][0],
        tag
    );
    let a = store.path("a");
    for (key, value) in [
        ("uid", json!("1")),
        ("gid", json!("1")),
        ("uname", json!("0")),
        ("gname", json!("0")),
        ("store_dir", json!("/nix")),
        ("store_layers", json!([[a], []])),
        ("store_layers", json!([[], [a]])),
        ("store_layers", json!([])),
        ("created", json!("1970-01-01T00:00:02+00:00")),
        ("mtime", json!("1970-01-01T00:00:02+00:00")),
        ("config", json!({})),
        ("architecture", json!("arm64")),
    ] {
        let changed = ConfFile::new(&store, &[&["a"]])
            .with("repo_tag", "test")
            .with(key, value)
            .run()
            .ok();
        assert_ne!(
            Archive::read(changed.stdout).manifest["RepoTags"][0],
            tag,
            "{key}"
        );
    }
}

#[test]
fn unknown_keys_are_ignored_and_the_customisation_is_there() {
    let store = store();
    let conf = ConfFile::new(&store, &[&["a"]]).with("from_the_future", json!({"a": [1]}));
    assert_eq!(conf.archive().layers().len(), 2);
}

#[test]
fn links_within_a_chroot_store_are_followed_within_it() {
    let store = store();
    let conf = ConfFile::new(&store, &[&["a"]]);
    let target = conf.json["customisation_layer"]
        .as_str()
        .unwrap()
        .to_owned();
    store.link("link", target);
    let through = conf.with("customisation_layer", store.path("link"));
    assert_eq!(through.archive().layers().len(), 2);
}

#[test]
fn an_empty_layer_stays_as_the_original_has_it() {
    let store = store();
    let archive = terrine_tests::oracle::agree(&ConfFile::new(&store, &[&[], &["a"]]));
    assert_eq!(
        Archive::entries(archive.layers()[0]),
        ["/nix/", "/nix/store/"]
    );
}

#[test]
fn an_output_file_appears_when_it_is_complete() {
    let store = store();
    let out = terrine_tests::temporary();
    let file = out.path().join("image.tar");
    let conf = ConfFile::new(&store, &[&["a"]]);
    let expected = conf.archive();
    let write = || Run::of(conf.command().arg("-o").arg(&file));
    assert!(write().ok().stdout.is_empty());
    assert_eq!(
        Archive::read(fs::read(&file).unwrap()).bytes,
        expected.bytes
    );
    // Over an old one, and through a link.
    fs::write(&file, "old").unwrap();
    let link = out.path().join("link.tar");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    Run::of(conf.command().arg("-o").arg(&link)).ok();
    assert!(link.is_symlink());
    assert_eq!(fs::read(&file).unwrap(), expected.bytes);
    // A link to what is not there yet stays one as well.
    let dangling = out.path().join("dangling.tar");
    std::os::unix::fs::symlink("later.tar", &dangling).unwrap();
    Run::of(conf.command().arg("-o").arg(&dangling)).ok();
    assert!(dangling.is_symlink());
    fs::remove_file(&dangling).unwrap();
    fs::rename(out.path().join("later.tar"), &file).unwrap();
    // A name as long as a name can be.
    let long = out.path().join("x".repeat(255));
    Run::of(conf.command().arg("-o").arg(&long)).ok();
    fs::remove_file(long).unwrap();
    // Permissions are those of any new file.
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
    assert_eq!(mode & 0o600, 0o600);
    assert_eq!(mode & 0o111, 0);
    // A failure leaves the old one, and nothing beside it.
    fs::remove_dir_all(store.host("a")).unwrap();
    assert_eq!(write().code, Some(1));
    assert_eq!(fs::read(&file).unwrap(), expected.bytes);
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 2);
    // Devices are written to and not replaced.
    store.file("a", b"again");
    Run::of(conf.command().args(["-o", "/dev/null"])).ok();
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
    let standard = Run::of(conf.command().args(["-o", "-"])).ok();
    Archive::read(standard.stdout);
}

#[test]
fn an_output_that_cannot_be_made_is_named() {
    let store = store();
    let conf = ConfFile::new(&store, &[&["a"]]);
    for (path, why) in [
        ("/nowhere/x.tar", "No such file"),
        ("/tmp", "is a directory"),
    ] {
        let run = Run::of(conf.command().args(["-o", path]));
        assert_eq!(run.code, Some(1));
        assert!(
            run.stderr.contains(&format!("writing `{path}`")) && run.stderr.contains(why),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn an_archive_is_not_written_to_a_terminal() {
    let store = store();
    let Some(run) = Run::on_a_terminal(&ConfFile::new(&store, &[&["a"]]).command()) else {
        return;
    };
    let said = String::from_utf8_lossy(&run.stdout);
    assert_eq!(run.code, Some(2), "{said}");
    assert!(
        said.contains("refusing to write binary data to a terminal"),
        "{said}"
    );
    assert!(said.len() < 1000, "{} bytes", said.len());
}

#[test]
fn a_terminal_shows_a_bar() {
    let store = store();
    let out = store.root().join("out.tar");
    let mut command = ConfFile::new(&store, &[&["a"]]).command();
    command.arg("-o").arg(&out);
    let Some(run) = Run::on_a_terminal(&command) else {
        return;
    };
    let said = String::from_utf8_lossy(&run.stdout);
    assert_eq!(run.code, Some(0), "{said}");
    assert!(!said.contains("layer 1 of 2: `a`"), "{said}");
    assert!(said.contains("test:1"), "{said}");
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let store = store();
    store.file("b/c", b"x");
    let conf = || ConfFile::new(&store, &[&["a"]]);
    let a = store.path("a");
    let table = [
        ("missing", ConfFile::new(&store, &[&["a"], &["b", "gone"]])),
        (
            "outside",
            conf().with("store_layers", json!([["/etc/passwd"]])),
        ),
        (
            "climbing",
            conf().with("store_layers", json!([["/nix/store/../../etc/passwd"]])),
        ),
        ("twice", conf().with("store_layers", json!([[a], [a]]))),
        ("overlap", ConfFile::new(&store, &[&["b"], &["b/c"]])),
        ("architecture", conf().with("architecture", "vax")),
        ("no architecture", conf().with("architecture", Value::Null)),
        ("name", conf().with("repo_tag", "Not a name:1")),
        ("config", conf().with("config", json!([]))),
        (
            "environment",
            conf().with("config", json!({"Env": {"A": "1"}})),
        ),
        (
            "layers",
            conf().with("store_layers", json!([["/nix/store/a", 7]])),
        ),
        ("time", conf().with("created", "yesterday")),
        (
            "customisation",
            conf().with("customisation_layer", "/nix/store/nothing"),
        ),
        ("store", conf().with("store_dir", "nix/store")),
    ];
    let mut text = String::new();
    for (name, conf) in table {
        let run = conf.run();
        assert_eq!(
            (run.code, run.stdout.len()),
            (Some(1), 0),
            "{name}: {}",
            run.stderr
        );
        text.push_str(&format!(
            "# {name}\n{}",
            said(&store, &run).split("--- stderr\n").nth(1).unwrap()
        ));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_wrong_name_on_the_command_line_is_told_from_one_in_the_file() {
    let store = store();
    let run = Run::of(ConfFile::new(&store, &[]).command().args(["-t", "a:b:c"]));
    assert_eq!(run.code, Some(1));
    assert!(
        run.stderr
            .contains("`--repo-tag`: `a:b:c` is not an image name"),
        "{}",
        run.stderr
    );
}

#[test]
fn the_planner_is_exported_as_it_is_embedded() {
    let out = terrine_tests::temporary();
    let file = out.path().join("planner.wasm");
    Run::of(terrine().args(["planner", "export"]).arg(&file)).ok();
    assert_eq!(fs::read(&file).unwrap(), terrine::planner::EMBEDDED);
    assert_eq!(
        Run::of(terrine().args(["planner", "export", "-"]))
            .ok()
            .stdout,
        terrine::planner::EMBEDDED
    );
}

#[test]
fn many_layers_are_warned_about() {
    let store = TestStore::default();
    let names: Vec<String> = (0..125).map(|i| format!("p{i}")).collect();
    for name in &names {
        store.file(name, b"");
    }
    let layers: Vec<Vec<&str>> = names.iter().map(|name| vec![name.as_str()]).collect();
    let layers: Vec<&[&str]> = layers.iter().map(Vec::as_slice).collect();
    let run = |layers| {
        let conf = ConfFile::new(&store, layers).with("config", json!({}));
        Run::of(conf.command().arg("-q")).ok()
    };
    assert_eq!(
        run(&layers).stderr,
        "warning: the image has 126 layers, but Docker takes at most 125\nhint: lower `maxLayers`\n"
    );
    assert_eq!(run(&layers[1..]).stderr, "");
}
