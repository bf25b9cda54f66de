//! Machines that are odd: clocks that show anything, little address space, closed streams, files that may not grow,
//! layouts that stay locked.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use terrine_tests::{Archive, Run, Shipment, SpecFile, TestStore, binary, peer, temporary};

/// A small store, and an image of it.
fn image(store: &TestStore) -> SpecFile<'_> {
    store.file("app/bin/app", b"app");
    SpecFile::new(store, &["app"]).graph(&[("app", 100, "")])
}

/// `sh -c SCRIPT terrine build …`: `"$@"` in the script is the command.
fn by_shell(script: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-euc", script, "sh"])
        .arg(command.get_program());
    shell.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

#[test]
fn two_gigabytes_of_address_space_are_enough() {
    let store = TestStore::default();
    let spec = image(&store);
    let expected = spec.archive();
    let home = temporary();
    let mut command = spec.command("build");
    command.env("XDG_CACHE_HOME", home.path());
    // Twice, so that the second takes the compiled planner from the cache.
    for _ in 0..2 {
        let run = Run::of(&mut by_shell(r#"ulimit -v 2000000; exec "$@""#, &command)).ok();
        assert_eq!(Archive::read(run.stdout).manifest, expected.manifest);
    }
}

#[test]
fn a_closed_stdout_is_an_error() {
    let store = TestStore::default();
    let build = image(&store).command("build");
    let mut list = terrine_tests::terrine();
    list.args(["planner", "list"]);
    let mut help = terrine_tests::terrine();
    help.args(["build", "--help"]);
    let mut named = image(&store).command("build");
    named.args(["-o", "/dev/stdout"]);
    let run = Run::of(&mut by_shell(r#"exec "$@" >&-"#, &named));
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("Bad file descriptor"), "{}", run.stderr);
    for command in [&build, &list, &help] {
        let run = Run::of(&mut by_shell(r#"exec "$@" >&-"#, command));
        assert_eq!(run.code, Some(1), "{}", run.stderr);
        let expected = "error: writing to stdout\n  caused by: Bad file descriptor\n";
        assert!(run.stderr.contains(expected), "{}", run.stderr);
        // Nobody who wants nothing of it is told that it fails.
        Run::of(&mut by_shell(r#"exec "$@" > /dev/null"#, command)).ok();
    }
    // What needs none does not care.
    let out = store.root().join("out.tar");
    let mut to_file = image(&store).command("build");
    to_file.arg("-o").arg(&out);
    Run::of(&mut by_shell(r#"exec "$@" >&-"#, &to_file)).ok();
    Archive::read(fs::read(out).unwrap());
}

/// Lists what is in a directory.
fn names(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_file_that_may_not_grow_is_an_error_and_leaves_nothing() {
    let store = TestStore::default();
    store.file("app/data", &vec![7; 4 << 20]);
    let spec = SpecFile::new(&store, &["app"]).graph(&[("app", 100, "")]);
    let out = temporary();
    let mut to_file = spec.command("build");
    to_file.arg("-o").arg(out.path().join("out.tar"));
    let mut to_layout = spec.command("build");
    let layout = out.path().join("layout");
    to_layout
        .arg("--to")
        .arg(format!("oci:{}:x", layout.display()));
    // Blocks of 512 bytes.
    let script = r#"ulimit -f 4096; exec "$@""#;
    for command in [&to_file, &to_layout] {
        let run = Run::of(&mut by_shell(script, command));
        assert_eq!(run.code, Some(1), "{}", run.stderr);
        assert!(run.stderr.contains("File too large"), "{}", run.stderr);
    }
    assert_eq!(names(out.path()), std::slice::from_ref(&layout));
    let parts = names(&layout);
    let parts: Vec<_> = parts
        .iter()
        .filter(|path| path.to_string_lossy().contains(".terrine-"))
        .collect();
    assert!(parts.is_empty(), "{parts:?}");
}

#[test]
fn a_clock_may_show_anything() {
    let Some(faketime) = peer::find("faketime") else {
        return;
    };
    let store = TestStore::default();
    let home = temporary();
    let mut commands = vec![image(&store).with("created", "now").command("build")];
    for words in [
        &["planner", "list"][..],
        &["cache", "info"],
        &["replay", "--help"],
    ] {
        let mut command = terrine_tests::terrine();
        command.args(words);
        commands.push(command);
    }
    for clock in [
        "1901-12-14 00:00:00",
        "1969-12-31 00:00:00",
        "2038-01-20 00:00:00",
        "2261-01-01 00:00:00",
    ] {
        for command in &mut commands {
            command.env("XDG_CACHE_HOME", home.path().join("cache"));
            let mut faked = Command::new(&faketime);
            faked.args(["-f", clock]).arg(command.get_program());
            faked.args(command.get_args());
            for (name, value) in command.get_envs() {
                match value {
                    Some(value) => faked.env(name, value),
                    None => faked.env_remove(name),
                };
            }
            faked.current_dir(store.root());
            let run = Run::of(&mut faked);
            assert_eq!(run.code, Some(0), "{clock}: {}", run.stderr);
        }
    }
}

#[test]
fn a_locked_layout_is_waited_for_and_told() {
    let shipment = Shipment::new(&[("a", 10_000)]);
    let place = temporary();
    let layout = place.path().join("l");
    let to = format!("oci:{}:x", layout.display());
    shipment.build(&to, &[]).ok();
    let held = File::open(layout.join("oci-layout")).unwrap();
    flock(&held, FlockOperation::LockExclusive).unwrap();
    let start = Instant::now();
    let run = shipment.build(&to, &["--lock-timeout", "3"]);
    assert!(start.elapsed() >= Duration::from_secs(3));
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let holder = format!("process {} (`", std::process::id());
    for expected in [
        "waiting for the lock of the layout, held by ",
        "oci-layout` is locked by ",
        ": waited for 3 s",
        "`--lock-timeout`",
        &holder,
    ] {
        assert!(run.stderr.contains(expected), "{expected}: {}", run.stderr);
    }
    let run = shipment.build(&to, &["--lock-timeout", "0"]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    // One that is let go meanwhile is no error.
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| shipment.build(&to, &[]));
        std::thread::sleep(Duration::from_millis(500));
        flock(&held, FlockOperation::Unlock).unwrap();
        waiting.join().unwrap()
    });
    waiting.ok();
    assert!(shipment.is_valid(&to));
}

#[test]
fn messages_repeat_little_of_what_they_were_given() {
    let store = TestStore::default();
    let long = "x".repeat(60_000);
    let mut name = image(&store);
    name.json["name"] = format!("{long}:{long}").into();
    let mut field = image(&store);
    field.json[&long] = 1.into();
    let mut cmd = image(&store);
    cmd.json["config"]["Cmd"] = serde_json::json!({ &long: 1 });
    let mut missing = image(&store);
    missing.json["contents"] = format!("/nix/store/{long}").into();
    let mut argument = Command::new(binary());
    argument.arg("build").arg(format!("--{long}"));
    let mut value = Command::new(binary());
    value.args(["build", "--created"]).arg(&long);
    let mut reference = Command::new(binary());
    reference.args(["verify"]).arg(format!("docker://{long}"));
    let mut file = Command::new(binary());
    file.args(["inspect"])
        .arg(format!("/{}", "y/".repeat(30_000)));
    let lines = "a\n".repeat(20_000);
    let mut many = Command::new(binary());
    many.args(["inspect", &lines]);
    let mut flags = Command::new(binary());
    flags.args(["build", &format!("--{lines}")]);
    let mut broken = image(&store);
    broken.json[&lines] = 1.into();
    for command in [
        &mut many,
        &mut flags,
        &mut broken.command("plan"),
        &mut name.command("build"),
        &mut field.command("build"),
        &mut cmd.command("build"),
        &mut missing.command("plan"),
        &mut argument,
        &mut value,
        &mut reference,
        &mut file,
    ] {
        let run = Run::of(command);
        assert!(matches!(run.code, Some(1 | 2)), "{}", run.stderr.len());
        assert!(run.stderr.len() < 5000, "{}", run.stderr.len());
    }
}
