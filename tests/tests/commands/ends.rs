//! However a build ends, nothing of it is left.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use terrine_tests::Run;

use super::place::{self, At, Bench, SINGLE};
use super::{With, spec, top};

/// Files that a user cannot remove as they are, and processes that outlive their shell.
const BUSY: &str = "mkdir -p a/b/c; i=0; while [ $i -lt 30 ]; do echo $i > a/b/c/$i; chown $i:$i a/b/c/$i; i=$((i+1)); done
chmod 000 a/b; (trap '' TERM INT HUP; setsid sleep 5432 &); (sleep 5432 | sleep 5432) &
i=0; while [ $i -lt 300 ]; do touch x$i; chown 5:5 x$i; i=$((i+1)); done; sleep 5432";

/// The time that may pass until the helper has noticed and cleaned up.
const NOTICED: Duration = Duration::from_secs(60);

fn start(bench: &Bench, spec: &Value, at: At, cache: &Path) -> Child {
    let mut command = bench.command("build", spec, at, cache);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().unwrap()
}

/// The processes whose command or environment names a folder, and the mounts below it.
fn left(cache: &Path) -> Vec<String> {
    let cache = cache.to_str().unwrap();
    let mut left = vec![];
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let read = |file| fs::read(process.path().join(file)).unwrap_or_default();
        // The helper has no words of its own, but the mounts of all that it started are its own.
        let text = [read("cmdline"), read("mountinfo")].concat();
        let text = String::from_utf8_lossy(&text);
        let is_own = process.file_name().to_str() == Some(&std::process::id().to_string());
        if !is_own && text.contains(cache) {
            left.push(format!(
                "process {:?}: {}",
                process.file_name(),
                text.split('\0').next().unwrap()
            ));
        }
    }
    let trees = fs::read_dir(Path::new(cache).join("terrine/trees"));
    let names = trees
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name());
    left.extend(
        names
            .map(|name| format!("folder {name:?}"))
            .filter(|name| name.contains(".work")),
    );
    left
}

/// Waits until nothing is left of a build.
pub(crate) fn nothing_is_left(cache: &Path, at: At) {
    let started = Instant::now();
    loop {
        let left = left(cache);
        if left.is_empty() {
            return;
        }
        assert!(started.elapsed() < NOTICED, "{at:?}: {left:#?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until nothing is left of a build that was killed. Before it has told its helper what to
/// do, only the next build can remove its folder.
fn nothing_stays(bench: &Bench, cache: &Path, at: At) {
    let started = Instant::now();
    while !left(cache).is_empty() && started.elapsed() < NOTICED {
        let is_running = left(cache).iter().any(|what| what.starts_with("process"));
        if !is_running && started.elapsed() > Duration::from_secs(2) {
            let next = spec(bench, "extraCommands", "true");
            Run::of(&mut bench.command("build", &next, at, cache)).ok();
        }
        thread::sleep(Duration::from_millis(20));
    }
    nothing_is_left(cache, at);
}

/// Waits until [`BUSY`] has started its processes and goes on writing.
fn until_busy(cache: &Path, at: At) {
    let started = Instant::now();
    while !has(&cache.join("terrine/trees"), ".work-", "x9") {
        assert!(started.elapsed() < NOTICED, "{at:?} does not begin");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Returns true if a folder whose name begins so has a file of this name, at any depth.
fn has(folder: &Path, start: &str, name: &str) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut matching = entries.filter(|entry| {
        let called = entry.file_name();
        called.to_string_lossy().starts_with(start)
    });
    matching.any(|entry| entry.path().join(name).exists() || has(&entry.path(), "", name))
}

#[test]
fn a_signal_ends_everything() {
    let Some(bench) = Bench::new() else { return };
    for at in place::all() {
        let cache = bench.cache();
        let spec = spec(&bench, "fakeRootCommands", BUSY);
        let mut child = start(&bench, &spec, at, &cache);
        until_busy(&cache, at);
        // `setpriv` and the like become the program that they start.
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let started = Instant::now();
        while child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < NOTICED, "{at:?} hangs");
            thread::sleep(Duration::from_millis(20));
        }
        nothing_is_left(&cache, at);
    }
}

#[test]
fn a_kill_at_any_moment_leaves_nothing() {
    let Some(bench) = Bench::new() else { return };
    let levels = place::all();
    for number in 0..20 {
        let at = levels[number % levels.len()];
        let cache = bench.cache();
        let spec = spec(&bench, "fakeRootCommands", BUSY);
        let mut child = start(&bench, &spec, at, &cache);
        // From before the first process is made to long after the commands have begun.
        thread::sleep(Duration::from_millis(20 + 37 * number as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        nothing_stays(&bench, &cache, at);
    }
}

#[test]
fn a_kill_while_a_base_image_is_unpacked_leaves_nothing() {
    let Some(bench) = Bench::new() else { return };
    let fill = "mkdir d; i=0; while [ $i -lt 3000 ]; do echo $i > d/$i; i=$((i+1)); done; head -c 60000000 /dev/zero > z";
    let base = bench
        .build(&spec(&bench, "extraCommands", fill), SINGLE)
        .ok()
        .stdout;
    fs::write(bench.path().join("base.tar"), base).unwrap();
    for number in 0..6 {
        let cache = bench.cache();
        let spec = spec(&bench, "runAsRoot", "sleep 5432")
            .with("fromImage", bench.path().join("base.tar").to_str().unwrap());
        let mut child = start(&bench, &spec, SINGLE, &cache);
        thread::sleep(Duration::from_millis(100 + 150 * number));
        child.kill().unwrap();
        child.wait().unwrap();
        nothing_stays(&bench, &cache, SINGLE);
    }
}

#[test]
fn builds_of_one_image_do_not_disturb_each_other() {
    let Some(bench) = Bench::new() else { return };
    let script =
        "sleep 1; i=0; while [ $i -lt 100 ]; do echo $i > f$i; chown $i f$i; i=$((i+1)); done";
    let spec = spec(&bench, "fakeRootCommands", script);
    let cache = bench.cache();
    let runs: Vec<Vec<u8>> = thread::scope(|scope| {
        let build = || {
            // Written beforehand, so that no build reads half of it.
            let mut command = bench.command("build", &spec, SINGLE, &cache);
            scope.spawn(move || top(&Run::of(&mut command).ok()))
        };
        let builds = [build(), build(), build()];
        builds.map(|build| build.join().unwrap()).to_vec()
    });
    assert!(runs.iter().all(|layer| *layer == runs[0]));
    let trees = fs::read_dir(cache.join("terrine/trees")).unwrap();
    assert_eq!(trees.count(), 1);
}

#[test]
fn many_processes_at_once_are_answered() {
    let Some(bench) = Bench::new() else { return };
    let script = "i=0; while [ $i -lt 100 ]; do
          (mkdir d$i; j=0; while [ $j -lt 10 ]; do echo $j > d$i/$j; chown $i:$j d$i/$j; [ $(stat -c %u:%g d$i/$j) = $i:$j ] || echo $i >> wrong; j=$((j+1)); done) &
          i=$((i+1)); done; wait; [ ! -e wrong ]";
    let mut first: Option<Vec<u8>> = None;
    for at in place::all() {
        let layer = top(&bench
            .build(&spec(&bench, "fakeRootCommands", script), at)
            .ok());
        let first = first.get_or_insert_with(|| layer.clone());
        super::same_layers(first, &layer, &format!("{at:?}"));
    }
}
