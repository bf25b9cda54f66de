//! Many builds at once, of which some are killed.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use terrine_tests::Run;

use super::{Bench, forget, json};

/// The number of builds at once.
const BUILDS: usize = 100;
/// The time that what is left may take to go.
const PATIENCE: Duration = Duration::from_secs(60);

/// Numbers that look random, the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Processes whose command line or root mentions a folder, but for those that are dead.
fn processes(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let mut found = vec![];
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        let line = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
        let link = |name: &str| fs::read_link(entry.path().join(name)).unwrap_or_default();
        let place = [link("cwd"), link("root")]
            .iter()
            .any(|link| link.to_string_lossy().contains(folder));
        let is_helper = line.contains("terrine __root") && {
            // Those of other tests work elsewhere.
            let files = fs::read_dir(entry.path().join("fd")).into_iter().flatten();
            let files = files
                .flatten()
                .filter_map(|file| fs::read_link(file.path()).ok());
            files
                .into_iter()
                .any(|file| file.to_string_lossy().contains(folder))
        };
        if place || is_helper || line.contains(folder) {
            found.push(format!("{} {line}", entry.file_name().display()));
        }
    }
    found
}

/// A process that a build started.
fn started_by(build: &Child) -> Option<Pid> {
    // Each thread has its own.
    let threads = fs::read_dir(format!("/proc/{}/task", build.id())).ok()?;
    let children = threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let children: String = children.collect();
    Pid::from_raw(children.split_whitespace().next()?.parse().ok()?)
}

/// Waits until nothing is left to see.
fn none_left(what: &str, left: impl Fn() -> Vec<String>) {
    let start = Instant::now();
    loop {
        let found = left();
        if found.is_empty() {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{what} are left: {found:#?}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn nothing_is_left_of_builds_that_are_killed() {
    let bench = Bench::new();
    if bench.tools(&[]).is_none() || bench.tree().is_none() {
        return;
    }
    // Each with another text, so that none takes what another left. Some processes are left
    // behind, some do not end.
    let specs: Vec<_> = (0..BUILDS)
        .map(|number| {
            let script = format!(
                "echo {number} > number
                 for i in 1 2 3 4 5 6 7 8 9 10; do mkdir -p a/$i; chown $i:$i a/$i; done
                 (sleep 1000 & sleep 1000 & sleep 1000) &
                 trap '' TERM INT HUP
                 sleep 0.{:02}",
                number % 50
            );
            let mut fields = json!({"fakeRootCommands": script});
            fields["enableFakechroot"] = json!(number % 2 == 0);
            if fields["enableFakechroot"] == json!(true) {
                fields["extraCommands"] = json!("mkdir before");
            }
            bench.write(&format!("build-{number}"), &fields)
        })
        .collect();
    let start = |spec: &Path, level: &str| -> Child {
        let mut command = bench.command(spec, level);
        let out = fs::File::create(spec.with_extension("tar")).unwrap();
        command.stdout(out).stderr(Stdio::piped()).spawn().unwrap()
    };
    // One build at leisure.
    bench.build(&specs[0], "").ok();
    let expected = fs::read_dir(bench.cache().join("terrine")).unwrap().count();
    forget(&bench.cache());
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let levels = ["", "single"];
    let mut running: Vec<Child> = specs
        .iter()
        .enumerate()
        .map(|(number, spec)| start(spec, levels[number % levels.len()]))
        .collect();
    // Half of them at some moment, or the process that each of them started.
    let mut killed = vec![false; BUILDS];
    for _ in 0..BUILDS / 2 {
        let one = numbers.below(BUILDS as u64) as usize;
        thread::sleep(Duration::from_millis(numbers.below(80)));
        if !killed[one] && running[one].try_wait().unwrap().is_none() {
            let helper = Some(&running[one]).filter(|_| numbers.below(3) == 0);
            let pid = helper.and_then(started_by);
            let pid = pid.unwrap_or_else(|| Pid::from_child(&running[one]));
            killed[one] = kill_process(pid, Signal::KILL).is_ok();
        }
    }
    let mut done = 0;
    for (child, killed) in running.into_iter().zip(killed) {
        let run = Run::from(child.wait_with_output().unwrap());
        // One that had ended in that moment is no failure.
        assert!(run.code == Some(0) || killed, "{}", run.stderr);
        done += usize::from(run.code == Some(0));
    }
    assert!(done >= BUILDS / 2, "only {done} builds came to an end");
    none_left("processes", || processes(bench.path()));
    none_left("mounts", || {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let here = bench.path().to_str().unwrap();
        mounts
            .lines()
            .filter(|line| line.contains(here))
            .map(str::to_owned)
            .collect()
    });
    // What was not given to a helper yet goes with the next build.
    bench.build(&specs[0], "").ok();
    let trees = bench.cache().join("terrine/trees");
    let work = fs::read_dir(trees)
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name());
    let work: Vec<_> = work
        .filter(|name| name.to_string_lossy().starts_with('.'))
        .collect();
    assert!(work.is_empty(), "{work:?}");
    let now = fs::read_dir(bench.cache().join("terrine")).unwrap().count();
    assert_eq!(now, expected);
}
