//! Components that take hours or all memory to compile, whatever is counted before: the process that compiles
//! them has limits of its own.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use terrine_tests::{Run, SpecFile, TestStore, binary, terrine};

use super::compiling::{number, section};
use super::component::{describing, good, planning};

/// A component that is a module of functions of one type with these bodies.
fn functions(kind: &[u8], bodies: &[Vec<u8>]) -> Vec<u8> {
    let empty: &[u8] = &[0x60, 0, 0];
    let types = [&[2], empty, kind].concat();
    let kinds = [number(bodies.len()), vec![0; bodies.len()]].concat();
    let mut code = number(bodies.len());
    for body in bodies {
        code.extend(number(body.len()));
        code.extend(body);
    }
    let module = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &types),
        section(3, &kinds),
        section(10, &code),
    ];
    [b"\0asm\x0d\0\x01\0".to_vec(), section(1, &module.concat())].concat()
}

/// So many empty functions.
fn empty(count: usize) -> Vec<u8> {
    functions(&[0x60, 0, 0], &vec![vec![0, 0x0b]; count])
}

/// One function with so many loops of 1,000 parameters and results.
fn loops(count: usize) -> Vec<u8> {
    let values = [number(1000), vec![0x7f; 1000]].concat();
    let kind = [&[0x60][..], &values, &values].concat();
    let body = [
        vec![0],
        [0x41, 0].repeat(1000),
        [0x03, 0x01, 0x0b].repeat(count),
        vec![0x1a; 1000],
        vec![0x0b],
    ];
    functions(&kind, &[body.concat()])
}

/// Functions with so many locals each.
fn locals(count: usize, each: usize) -> Vec<u8> {
    let body = [vec![1], number(each), vec![0x7f, 0x0b]].concat();
    functions(&[0x60, 0, 0], &vec![body; count])
}

/// One function that calls through a table so often, each time with the result of the call before.
fn indirect(count: usize) -> Vec<u8> {
    let body = [
        vec![0, 0x20, 0],
        [0x20, 0, 0x11, 0, 0].repeat(count),
        vec![0x0b],
    ]
    .concat();
    let module = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[1, 0x60, 1, 0x7f, 1, 0x7f]),
        section(3, &[1, 0]),
        section(4, &[1, 0x70, 0, 1]),
        section(10, &[vec![1], number(body.len()), body].concat()),
    ];
    [b"\0asm\x0d\0\x01\0".to_vec(), section(1, &module.concat())].concat()
}

/// A section that says that it has as many instances as a number can.
fn declared() -> Vec<u8> {
    [
        &b"\0asm\x0d\0\x01\0"[..],
        &section(5, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
    ]
    .concat()
}

/// A folder with a component, and a cache of its own.
struct Place {
    store: TestStore,
}

impl Place {
    fn with(component: &[u8]) -> Self {
        let store = TestStore::default();
        store.file("app/bin/app", b"app");
        fs::write(store.root().join("planner.wasm"), component).unwrap();
        Self { store }
    }

    fn cache(&self) -> PathBuf {
        self.store.root().join("cache")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = terrine();
        command
            .current_dir(self.store.root())
            .env("XDG_CACHE_HOME", self.cache())
            .args(words);
        command
    }

    fn describe(&self, more: &[&str]) -> Run {
        Run::of(
            self.command(&["planner", "describe", "planner.wasm"])
                .args(more),
        )
    }

    /// The files of compiled components.
    fn kept(&self) -> Vec<PathBuf> {
        let folder = self.cache().join("terrine/planner/components");
        let entries = fs::read_dir(folder).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

#[test]
fn what_takes_too_much_is_ended() {
    let memory = "planner `planner.wasm` takes more than 64 MiB of memory to compile";
    let time = "planner `planner.wasm` takes more than 1 s of processor time to compile";
    for (what, component, limits, expected) in [
        ("loops", loops(400), ["--compile-memory", "64"], memory),
        (
            "more loops",
            loops(2000),
            ["--compile-memory", "64"],
            memory,
        ),
        (
            "calls",
            indirect(60_000),
            ["--compile-memory", "64"],
            memory,
        ),
        (
            "functions",
            empty(390_000),
            ["--compile-memory", "64"],
            memory,
        ),
        ("functions", empty(390_000), ["--compile-time", "1"], time),
        (
            "locals",
            locals(20_000, 50_000),
            ["--compile-time", "1"],
            time,
        ),
    ] {
        let place = Place::with(&component);
        let start = Instant::now();
        let run = place.describe(&limits);
        assert_eq!(run.code, Some(1), "{what}: {}", run.stderr);
        assert!(run.stderr.contains(expected), "{what}: {}", run.stderr);
        let hint = format!("`{}` allows more", limits[0]);
        assert!(run.stderr.contains(&hint), "{what}: {}", run.stderr);
        // A processor may be shared by all tests.
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        assert_eq!(place.kept(), Vec::<PathBuf>::new(), "{what}");
    }
}

#[test]
fn what_is_only_declared_takes_nothing() {
    let place = Place::with(&declared());
    let mut command = Command::new("sh");
    // Far less than a number for each that is declared.
    let script = r#"ulimit -v 1000000; exec "$0" planner describe planner.wasm"#;
    command.current_dir(place.store.root());
    command.env("XDG_CACHE_HOME", place.cache());
    let run = Run::of(command.args(["-euc", script]).arg(binary()));
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(
        run.stderr
            .contains("is not a supported WebAssembly component"),
        "{}",
        run.stderr
    );
}

#[test]
fn every_command_that_takes_a_planner_ends_it() {
    let place = Place::with(&loops(400));
    let spec = SpecFile::new(&place.store, &["app"]).graph(&[("app", 1, "")]);
    spec.write();
    let limit = ["--planner", "planner.wasm", "--compile-memory", "64"];
    for command in [
        &["build", "image.json", "--no-cache"][..],
        &["plan", "image.json"],
        &["layers", "--graph", "graph.json", "--max-layers", "5"],
    ] {
        let run = Run::of(place.command(command).args(limit));
        let expected = "planner `planner.wasm` takes more than 64 MiB of memory to compile";
        let planner = run
            .stderr
            .replace(&format!("{}/", place.store.root().display()), "");
        assert!(planner.contains(expected), "{command:?}: {}", run.stderr);
        assert!(run.stdout.is_empty(), "{command:?}");
    }
    let run = Run::of(&mut place.command(&[
        "planner",
        "check",
        "planner.wasm",
        "--compile-memory",
        "64",
    ]));
    assert!(
        run.stderr.contains("takes more than 64 MiB"),
        "{}",
        run.stderr
    );
}

#[test]
fn what_was_compiled_is_kept_and_looked_at_before_it_is_run() {
    let place = Place::with(&good().build());
    place.describe(&[]).ok();
    let [file] = &place.kept()[..] else {
        panic!("{:?}", place.kept());
    };
    let code = fs::read(file).unwrap();
    // What is there is taken: nothing could be compiled in so little memory.
    place.describe(&["--compile-memory", "64"]).ok();
    // What is no such code is made again.
    fs::write(file, &code[..code.len() / 2]).unwrap();
    place.describe(&[]).ok();
    assert!(fs::read(file).unwrap() == code);
}

#[test]
fn code_from_a_folder_of_others_is_not_run() {
    let place = Place::with(&good().build());
    place.describe(&[]).ok();
    let folder = place.cache().join("terrine/planner");
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
    for file in place.kept() {
        fs::remove_file(file).unwrap();
    }
    let run = place.describe(&[]).ok();
    let expected = format!(
        "compiled planners in `{0}` are not used, and planners from files are compiled again: others may write to `{0}`",
        folder.display()
    );
    assert!(run.stderr.contains(&expected), "{}", run.stderr);
    assert_eq!(place.kept(), Vec::<PathBuf>::new());
}

/// Checks that the process that compiles may do next to nothing of all that a system has.
#[test]
fn the_process_that_compiles_is_confined() {
    let mut child = Command::new(binary())
        .args(["__compile-planner", "30", "1073741824", "1048576"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&empty(60_000)).unwrap();
    drop(stdin);
    let status = format!("/proc/{}/status", child.id());
    let limits = format!("/proc/{}/limits", child.id());
    let start = Instant::now();
    let mut seen = String::new();
    while start.elapsed() < Duration::from_secs(30) {
        let text = fs::read_to_string(&status).unwrap_or_default();
        if text.contains("Seccomp:\t2") {
            seen = text;
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(seen.contains("NoNewPrivs:\t1"), "{seen}");
    let limits = fs::read_to_string(limits).unwrap();
    for (limit, value) in [
        ("Max address space", "1073741824"),
        ("Max cpu time", "30"),
        ("Max file size", "0"),
        ("Max core file size", "0"),
    ] {
        let line = limits.lines().find(|line| line.starts_with(limit)).unwrap();
        assert!(line.contains(&format!(" {value} ")), "{line}");
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout.starts_with(b"\x7fELF"));
}

/// Every command that runs a planner, with arguments.
const COMMANDS: [&[&str]; 5] = [
    &[
        "build",
        "image.json",
        "--store-root",
        ".",
        "--planner",
        "planner.wasm",
    ],
    &[
        "plan",
        "image.json",
        "--store-root",
        ".",
        "--planner",
        "planner.wasm",
    ],
    &[
        "layers",
        "--graph",
        "graph.json",
        "--max-layers",
        "5",
        "--planner",
        "planner.wasm",
    ],
    &[
        "planner",
        "check",
        "planner.wasm",
        "--closure",
        "graph.json",
    ],
    &["replay", "updates.json", "--planner", "planner.wasm"],
];

#[test]
fn a_planner_that_never_ends_is_ended_in_every_command() {
    for (component, function) in [
        (planning("(loop (br 0)) (unreachable)"), "plan"),
        (describing("(loop (br 0)) (unreachable)"), "describe"),
    ] {
        let place = Place::with(&component.build());
        let spec = SpecFile::new(&place.store, &["app"]).graph(&[("app", 1, "")]);
        spec.write();
        let recorded = Run::of(
            place
                .command(&["replay", "record", "graph.json"])
                .arg("graph.json"),
        );
        fs::write(
            place.store.root().join("updates.json"),
            recorded.ok().stdout,
        )
        .unwrap();
        for command in COMMANDS {
            let run = |limits: [&str; 4]| {
                let run = Run::of(place.command(command).args(limits));
                assert_eq!(run.code, Some(1), "{command:?}: {}", run.stderr);
                run.stderr + &String::from_utf8_lossy(&run.stdout)
            };
            let fuel = run(["--planner-fuel", "1000000", "--planner-time", "1000"]);
            let expected = format!("used up its fuel in `{function}`, the limit is 1000000 units");
            assert!(fuel.contains(&expected), "{command:?}: {fuel}");
            let time = run(["--planner-fuel", "4000000000", "--planner-time", "1"]);
            assert!(
                time.contains(&format!("took longer than 1 s in `{function}`"))
                    || time.contains("used up its fuel"),
                "{command:?}: {time}"
            );
        }
    }
}

#[test]
fn a_planner_that_is_at_work_is_told_of() {
    let place = Place::with(&planning("(loop (br 0)) (unreachable)").build());
    let spec = SpecFile::new(&place.store, &["app"]).graph(&[("app", 1, "")]);
    spec.write();
    let start = Instant::now();
    let more = ["--planner-time", "7", "--planner-fuel", "1000000000000"];
    let run = Run::of(place.command(COMMANDS[0]).args(more));
    assert!(start.elapsed() < Duration::from_secs(60));
    // A busy machine may come to it a second later.
    let still = |seconds| {
        let text = "planner.wasm` is still running in `plan`, after";
        format!("{text} {seconds} s; the limit is 7 s")
    };
    let is_told = [5, 6]
        .iter()
        .any(|seconds| run.stderr.contains(&still(seconds)));
    assert!(is_told, "{}", run.stderr);
    for expected in [
        "took longer than 7 s in `plan`, with fuel left",
        "`--planner-time` allows more",
    ] {
        assert!(run.stderr.contains(expected), "{expected}: {}", run.stderr);
    }
    let quiet = Run::of(
        place
            .command(COMMANDS[1])
            .args(["-q", "--planner-time", "6"])
            .args(&more[2..]),
    );
    assert!(!quiet.stderr.contains("still running"), "{}", quiet.stderr);
    // By default it is some seconds.
    let start = Instant::now();
    let run = Run::of(&mut place.command(COMMANDS[1]));
    let expected = [
        "used up its fuel in `plan`, the limit is 20000000000 units",
        "took longer than 30 s",
    ];
    assert!(
        expected.iter().any(|text| run.stderr.contains(text)),
        "{}",
        run.stderr
    );
    assert!(start.elapsed() < Duration::from_secs(60));
}

/// The components of `docs/sandbox.md`, by the names of their files.
fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    // Each read waits for the one before it, and finds nothing in any cache.
    let slow = "(local $at i32)
        (drop (memory.grow (i32.const 4200)))
        (loop $more
            (local.set $at (i32.and (i32.add (i32.mul (local.get $at) (i32.const 1103515245)) (i32.const 12345)) (i32.const 0x0fffffff)))
            (local.set $at (i32.add (local.get $at) (i32.load (local.get $at))))
            (local.set $at (i32.and (local.get $at) (i32.const 0x0fffffff)))
            (br $more))
        (unreachable)";
    vec![
        ("declared", declared()),
        ("loops-400", loops(400)),
        ("loops-2000", loops(2000)),
        ("functions-390000", empty(390_000)),
        ("locals-2000", locals(2000, 50_000)),
        ("locals-20000", locals(20_000, 50_000)),
        ("indirect-60000", indirect(60_000)),
        (
            "endless-describe",
            describing("(loop (br 0)) (unreachable)").build(),
        ),
        (
            "endless-plan",
            planning("(loop (br 0)) (unreachable)").build(),
        ),
        ("slow-plan", planning(slow).build()),
    ]
}

#[test]
#[ignore = "writes files for the measurements of `docs/sandbox.md`"]
fn hostile_components_are_written() {
    let folder = PathBuf::from(std::env::var_os("TERRINE_COMPONENTS").unwrap());
    fs::create_dir_all(&folder).unwrap();
    for (name, component) in hostile() {
        fs::write(folder.join(format!("{name}.wasm")), component).unwrap();
    }
}
