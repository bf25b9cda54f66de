//! Signals.

use std::fs::{self, File};
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use terrine_tests::{ConfFile, Run, SpecFile, TestStore};

use super::{MUCH, waiting};

/// Waits until a condition holds.
fn until(mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(120), "it never came");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_signal_ends_the_run_and_leaves_only_the_old_file() {
    for (signal, name, code) in [
        (Signal::INT, "int", Some(130)),
        (Signal::TERM, "term", Some(143)),
        (Signal::HUP, "hup", Some(129)),
        (Signal::QUIT, "quit", Some(131)),
        (Signal::KILL, "kill", None),
    ] {
        let store = TestStore::default();
        store.directory("a");
        // A hole that takes many seconds to read, and a device to write it to would not
        // do: the file must be one that is made.
        File::create(store.host("a/huge"))
            .unwrap()
            .set_len(64 << 30)
            .unwrap();
        let out = terrine_tests::temporary();
        let file = out.path().join("image.tar");
        fs::write(&file, "old").unwrap();
        let mut command = ConfFile::new(&store, &[&["a"]]).command();
        let child = command
            .arg("-o")
            .arg(&file)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        until(|| fs::read_dir(out.path()).unwrap().count() == 2);
        kill_process(Pid::from_child(&child), signal).unwrap();
        let run: Run = child.wait_with_output().unwrap().into();
        assert_eq!(run.code, code, "{}", run.stderr);
        assert_eq!(fs::read(&file).unwrap(), b"old");
        if code.is_some() {
            assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1, "{signal:?}");
            let said = format!(
                "error: interrupted by SIG{}\nhint: `{}` was not written\n",
                name.to_uppercase(),
                file.display()
            );
            // A line about the layer that was under way may follow.
            assert!(run.stderr.contains(&said), "{}", run.stderr);
        }
    }
}

#[test]
fn a_signal_removes_the_summary_as_well_as_the_image() {
    for (option, image) in [("-o", "image.tar"), ("--to", "oci-archive:image.tar")] {
        let store = TestStore::default();
        store.directory("a");
        File::create(store.host("a/huge"))
            .unwrap()
            .set_len(64 << 30)
            .unwrap();
        let spec = SpecFile::new(&store, &["a"])
            .graph(&[("a", 64 << 30, "")])
            .write();
        let out = terrine_tests::temporary();
        let mut command = terrine_tests::terrine();
        command
            .current_dir(out.path())
            .arg("build")
            .arg(spec)
            .arg("--store-root")
            .arg(store.root());
        command.args([
            "--no-cache",
            "--jobs",
            "1",
            "--summary",
            "summary.json",
            option,
            image,
        ]);
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        let names = || -> Vec<_> {
            fs::read_dir(out.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect()
        };
        until(|| names().len() == 2);
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let run: Run = child.wait_with_output().unwrap().into();
        assert_eq!(run.code, Some(130), "{option} {image}: {}", run.stderr);
        assert!(names().is_empty(), "{option} {image}: {:?}", names());
        assert!(
            run.stderr.contains("interrupted by SIGINT"),
            "{}",
            run.stderr
        );
        assert!(run.stderr.contains(" were not written"), "{}", run.stderr);
    }
}

#[test]
fn a_signal_ends_a_run_that_nobody_reads_from() {
    let store = TestStore::default();
    store.file("a", &vec![7; MUCH]);
    let (mut child, _) = waiting(&ConfFile::new(&store, &[&["a"]]));
    std::thread::sleep(Duration::from_millis(50));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_signal_ends_a_run_though_the_tests_were_started_with_it_ignored() {
    let mut tests = Command::new("sh");
    tests.args(["-c", "trap '' INT TERM HUP QUIT; exec \"$@\"", "sh"]);
    tests.arg(std::env::current_exe().unwrap());
    tests.args([
        "--exact",
        "faults::signals::a_signal_ends_a_run_that_nobody_reads_from",
    ]);
    let run = Run::of(&mut tests).ok();
    let said = String::from_utf8(run.stdout).unwrap();
    assert!(said.contains("1 passed"), "{said}");
}

#[test]
fn a_signal_that_is_ignored_stays_ignored() {
    let store = TestStore::default();
    store.file("a", &vec![7; MUCH]);
    let conf = ConfFile::new(&store, &[&["a"]]);
    let inner = conf.command();
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' HUP; exec \"$@\"", "sh"])
        .arg(inner.get_program())
        .args(inner.get_args());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut [0; 512])
        .unwrap();
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    let run: Run = child.wait_with_output().unwrap().into();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
}
