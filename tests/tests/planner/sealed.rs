//! The sealed WASI: a world in which nothing can be read or reached, and which is the same in
//! every call.

use terrine::hint::Hint;
use terrine::planner::layering::Planned;
use terrine::planner::{EmptyLayers, Error, Imports, Limits, Runtime};

use super::component::{Policy, data, good};
use super::{chain, request, tight};

/// The interfaces that components of the test import of WASI, in the words of its specification.
const WASI: &[&str] = &[
    "package wasi:io@0.2.3;
     interface error { resource error; }
     interface poll {
        resource pollable { ready: func() -> bool; block: func(); }
        poll: func(in: list<borrow<pollable>>) -> list<u32>;
     }
     interface streams {
        use error.{error}; use poll.{pollable};
        variant stream-error { last-operation-failed(error), closed }
        resource input-stream {
            read: func(len: u64) -> result<list<u8>, stream-error>;
            subscribe: func() -> pollable;
        }
        resource output-stream {
            check-write: func() -> result<u64, stream-error>;
            blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
        }
     }",
    "package wasi:clocks@0.2.3;
     interface monotonic-clock {
        use wasi:io/poll@0.2.3.{pollable};
        now: func() -> u64;
        subscribe-duration: func(when: u64) -> pollable;
     }
     interface wall-clock {
        record datetime { seconds: u64, nanoseconds: u32 }
        now: func() -> datetime;
     }",
    "package wasi:random@0.2.3;
     interface random { get-random-bytes: func(len: u64) -> list<u8>; get-random-u64: func() -> u64; }
     interface insecure-seed { insecure-seed: func() -> tuple<u64, u64>; }",
    "package wasi:cli@0.2.3;
     interface environment {
        get-environment: func() -> list<tuple<string, string>>;
        get-arguments: func() -> list<string>;
        initial-cwd: func() -> option<string>;
     }
     interface exit { exit: func(status: result); }
     interface stdin { use wasi:io/streams@0.2.3.{input-stream}; get-stdin: func() -> input-stream; }
     interface stderr { use wasi:io/streams@0.2.3.{output-stream}; get-stderr: func() -> output-stream; }",
    "package wasi:filesystem@0.2.3;
     interface types {
        use wasi:clocks/wall-clock@0.2.3.{datetime};
        use wasi:io/streams@0.2.3.{error};
        enum error-code { access }
        resource descriptor { sync: func() -> result<_, error-code>; }
        filesystem-error-code: func(err: borrow<error>) -> option<error-code>;
     }
     interface preopens {
        use types.{descriptor};
        get-directories: func() -> list<tuple<descriptor, string>>;
     }",
    "package wasi:sockets@0.2.3;
     interface network { resource network; }",
];

/// A component that imports functions of WASI, each by its interface, its name and its type in
/// the text format, and is called `$0`, `$1` and so on; `plan` runs `body` before it plans.
fn importing(functions: &[(&str, &str, &str)], body: &str) -> Policy {
    let mut policy = good();
    policy.packages = WASI.iter().map(ToString::to_string).collect();
    for (index, (interface, name, ty)) in functions.iter().enumerate() {
        policy.imports +=
            &format!("(import \"wasi:{interface}@0.2.3\" \"{name}\" (func $f{index} {ty}))");
        let import = format!("import wasi:{interface}@0.2.3;");
        if !policy.world.contains(&import) {
            policy.world += &import;
        }
    }
    policy.plan = format!("{body} (call $one_layer (local.get 0))");
    policy
}

fn sealed(policy: &Policy, limits: Limits) -> Result<Planned, Error> {
    let runtime = Runtime::new(limits, None).unwrap();
    let component = policy.build();
    let planner = runtime.load("sealed.wasm", &component, Imports::SealedWasi)?;
    let planned = planner.plan(&request(2), EmptyLayers::Refused)?;
    // Each call begins anew.
    assert_eq!(planner.plan(&request(2), EmptyLayers::Refused)?, planned);
    assert_eq!(sealed_elsewhere(&component), planned);
    Ok(planned)
}

/// The same by a runtime of its own, as another process has it.
fn sealed_elsewhere(component: &[u8]) -> Planned {
    let runtime = Runtime::new(Limits::default(), None).unwrap();
    let planner = runtime
        .load("elsewhere.wasm", component, Imports::SealedWasi)
        .unwrap();
    planner.plan(&request(2), EmptyLayers::Refused).unwrap()
}

/// Puts bytes of memory into the plan's first reason, so that a plan tells what was read.
fn reporting(functions: &[(&str, &str, &str)], body: &str, at: u32, length: u32) -> Policy {
    let mut policy = importing(functions, body);
    policy.plan = format!(
        "(local $answer i32) (local $i i32) {body}
         (local.set $answer (call $one_layer (local.get 0)))
         (i32.store offset=40 (local.get $answer) (i32.const 4096))
         (i32.store offset=44 (local.get $answer) (i32.const {}))
         (loop $next
            (i32.store8 (i32.add (i32.const 4096) (i32.mul (local.get $i) (i32.const 2)))
                (i32.add (i32.const 97) (i32.shr_u (i32.load8_u (i32.add (i32.const {at}) (local.get $i))) (i32.const 4))))
            (i32.store8 (i32.add (i32.const 4097) (i32.mul (local.get $i) (i32.const 2)))
                (i32.add (i32.const 97) (i32.and (i32.load8_u (i32.add (i32.const {at}) (local.get $i))) (i32.const 15))))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $i) (i32.const {length}))))
         (local.get $answer)",
        2 * length
    );
    policy
}

/// The bytes in a reason, two letters from `a` to `p` each.
fn reported(planned: &Planned) -> Vec<u8> {
    let letters: Vec<u8> = planned.layers[0]
        .reason
        .bytes()
        .map(|letter| letter - b'a')
        .collect();
    letters
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

#[test]
fn it_is_given_only_to_those_who_are_to_have_it() {
    let component = importing(&[("clocks/wall-clock", "now", "(param i32)")], "").build();
    let runtime = Runtime::new(tight(), None).unwrap();
    let error = runtime
        .load("sealed.wasm", &component, Imports::Nothing)
        .unwrap_err();
    assert!(error.hint().unwrap().contains("--sealed-wasi"), "{error}");
    let planner = runtime
        .load("sealed.wasm", &component, Imports::SealedWasi)
        .unwrap();
    assert!(
        planner
            .imports()
            .contains(&"wasi:clocks/wall-clock@0.2.3".to_owned())
    );
    planner.plan(&request(1), EmptyLayers::Refused).unwrap();
}

#[test]
fn what_could_reach_something_is_refused_by_name() {
    let mut policy = importing(&[("clocks/wall-clock", "now", "(param i32)")], "");
    policy.imports +=
        r#"(import "wasi:sockets/network@0.2.3" "[resource-drop]network" (func (param i32)))"#;
    policy.world += "import wasi:sockets/network@0.2.3;";
    let error = sealed(&policy, tight()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "planner `sealed.wasm` imports `wasi:sockets/network@0.2.3`; a planner must import nothing \
         beyond the sealed WASI"
    );
    assert_eq!(
        error.hint().as_deref(),
        Some("the sealed WASI gives no access to the outside: build it without these imports")
    );
}

#[test]
fn clocks_stand_still() {
    let functions = [
        ("clocks/wall-clock", "now", "(param i32)"),
        ("clocks/monotonic-clock", "now", "(result i64)"),
    ];
    let body = "(call $f0 (i32.const 512)) (i64.store (i32.const 528) (call $f1))
        (call $f0 (i32.const 544))
        (if (i64.ne (i64.load (i32.const 512)) (i64.load (i32.const 544))) (then (unreachable)))
        (if (i64.ne (i64.load (i32.const 528)) (call $f1)) (then (unreachable)))";
    let bytes =
        reported(&sealed(&reporting(&functions, body, 512, 24), Limits::default()).unwrap());
    let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    // 1980-01-01T00:00:00Z, and a second.
    assert_eq!((number(0), number(16)), (315_532_800, 1_000_000_000));
}

#[test]
fn random_numbers_are_the_same_in_every_call() {
    let functions = [
        ("random/random", "get-random-u64", "(result i64)"),
        ("random/random", "get-random-bytes", "(param i64 i32)"),
        ("random/insecure-seed", "insecure-seed", "(param i32)"),
    ];
    let body = "(i64.store (i32.const 512) (call $f0)) (i64.store (i32.const 520) (call $f0))
        (call $f1 (i64.const 13) (i32.const 600))
        (if (i32.ne (i32.load (i32.const 604)) (i32.const 13)) (then (unreachable)))
        (memory.copy (i32.const 528) (i32.load (i32.const 600)) (i32.const 13))
        (call $f2 (i32.const 544))";
    let bytes =
        reported(&sealed(&reporting(&functions, body, 512, 48), Limits::default()).unwrap());
    let mut numbers: Vec<&[u8]> = bytes.chunks(8).collect();
    numbers.sort_unstable();
    numbers.dedup();
    // And different from each other, or whoever mixes them would have nothing.
    assert_eq!(numbers.len(), 6, "{bytes:?}");
}

#[test]
fn waiting_ends_at_once() {
    let functions = [
        (
            "clocks/monotonic-clock",
            "subscribe-duration",
            "(param i64) (result i32)",
        ),
        ("io/poll", "poll", "(param i32 i32 i32)"),
        ("io/poll", "[method]pollable.block", "(param i32)"),
        (
            "io/poll",
            "[method]pollable.ready",
            "(param i32) (result i32)",
        ),
    ];
    // A million years.
    let body = "(i32.store (i32.const 512) (call $f0 (i64.const 0x7fffffffffffffff)))
        (i32.store (i32.const 516) (call $f0 (i64.const 1)))
        (call $f1 (i32.const 512) (i32.const 2) (i32.const 520))
        (if (i32.ne (i32.load (i32.const 524)) (i32.const 2)) (then (unreachable)))
        (call $f2 (i32.load (i32.const 512)))
        (if (i32.eqz (call $f3 (i32.load (i32.const 516)))) (then (unreachable)))";
    sealed(&importing(&functions, body), Limits::default()).unwrap();
    // For nothing to happen there is no end.
    let nothing = importing(
        &functions,
        "(call $f1 (i32.const 512) (i32.const 0) (i32.const 520))",
    );
    let said = chain(&sealed(&nothing, tight()).unwrap_err());
    assert!(said.contains("it waits for an empty list"), "{said}");
    // Whoever waits for the clock to go on uses up the fuel.
    let clock = [("clocks/monotonic-clock", "now", "(result i64)")];
    let spinning = importing(
        &clock,
        "(loop (br_if 0 (i64.lt_u (call $f0) (i64.const 2000000000))))",
    );
    let said = sealed(&spinning, tight()).unwrap_err().to_string();
    assert!(said.contains("used up its fuel in `plan`"), "{said}");
}

#[test]
fn nothing_can_be_read() {
    let functions = [
        ("cli/environment", "get-environment", "(param i32)"),
        ("cli/environment", "get-arguments", "(param i32)"),
        ("cli/environment", "initial-cwd", "(param i32)"),
        ("filesystem/preopens", "get-directories", "(param i32)"),
        ("cli/stdin", "get-stdin", "(result i32)"),
        (
            "io/streams",
            "[method]input-stream.read",
            "(param i32 i64 i32)",
        ),
        (
            "filesystem/types",
            "[method]descriptor.sync",
            "(param i32 i32)",
        ),
    ];
    let body =
        "(i64.store (i32.const 512) (i64.const -1)) (i32.store (i32.const 560) (i32.const -1))
        (call $f0 (i32.const 512)) (call $f1 (i32.const 520)) (call $f3 (i32.const 528))
        (call $f2 (i32.const 560))
        (if (i32.or (i32.load (i32.const 516)) (i32.load (i32.const 524))) (then (unreachable)))
        (if (i32.or (i32.load (i32.const 532)) (i32.load8_u (i32.const 560))) (then (unreachable)))
        (call $f5 (call $f4) (i64.const 100) (i32.const 576))
        ;; An error, and of the kind `closed`.
        (if (i32.ne (i32.load8_u (i32.const 576)) (i32.const 1)) (then (unreachable)))
        (if (i32.ne (i32.load8_u (i32.const 580)) (i32.const 1)) (then (unreachable)))";
    sealed(&importing(&functions, body), Limits::default()).unwrap();
    // There is no file, so there is no handle to one.
    let guessed = importing(&functions, "(call $f6 (i32.const 3) (i32.const 512))");
    let said = chain(&sealed(&guessed, tight()).unwrap_err());
    assert!(said.contains("unknown handle index 3"), "{said}");
}

const WRITE: [(&str, &str, &str); 3] = [
    ("cli/stderr", "get-stderr", "(result i32)"),
    (
        "io/streams",
        "[method]output-stream.blocking-write-and-flush",
        "(param i32 i32 i32 i32)",
    ),
    ("cli/exit", "exit", "(param i32)"),
];

#[test]
fn the_end_of_stderr_is_said_where_it_fails() {
    let words = "it cannot go on: \u{1b}[2J `x` is missing\nat policy.py:3";
    let write = format!(
        "(call $f1 (call $f0) (i32.const 512) (i32.const {}) (i32.const 700))",
        words.len()
    );
    let mut quiet = importing(&WRITE, &write);
    quiet.rest += &data(512, words.as_bytes());
    // Written and not failed: nobody is told.
    assert_eq!(
        sealed(&quiet, Limits::default()).unwrap().remarks,
        Vec::<String>::new()
    );
    let mut failing = importing(&WRITE, &format!("{write} (unreachable)"));
    failing.rest += &data(512, words.as_bytes());
    let said = chain(&sealed(&failing, tight()).unwrap_err());
    let expected = "planner `sealed.wasm` failed in `plan`: wasm trap: wasm `unreachable` instruction \
        executed; before that it wrote:\n    it cannot go on: \\u{1b}[2J `x` is missing\n    at \
        policy.py:3\n  error while executing at wasm backtrace:";
    assert!(said.starts_with(expected), "{said}");
    let mut leaving = importing(&WRITE, &format!("{write} (call $f2 (i32.const 1))"));
    leaving.rest += &data(512, words.as_bytes());
    let said = chain(&sealed(&leaving, tight()).unwrap_err());
    assert!(
        said.contains("policy.py:3") && said.contains("it exited with code 1"),
        "{said}"
    );
}

#[test]
fn limits_hold_for_what_the_host_does_as_well() {
    let mut limits = tight();
    limits.lifted = 1 << 30;
    // Much is written for few instructions, and asked for.
    let writing =
        "(loop (call $f1 (call $f0) (i32.const 0) (i32.const 65536) (i32.const 700)) (br 0))";
    let said = sealed(&importing(&WRITE, writing), limits)
        .unwrap_err()
        .to_string();
    assert!(said.contains("used up its fuel in `plan`"), "{said}");
    let random = [("random/random", "get-random-bytes", "(param i64 i32)")];
    let asking = |count: u64| {
        let body = format!("(loop (call $f0 (i64.const {count}) (i32.const 700)) (br 0))");
        chain(&sealed(&importing(&random, &body), limits).unwrap_err())
    };
    let some = asking(100_000);
    assert!(some.contains("the limit is"), "{some}");
    let all = asking(u64::MAX >> 1);
    assert!(all.contains("used up its fuel in `plan`"), "{all}");
    limits.fuel = u64::MAX >> 2;
    let many = {
        let body = "(call $f0 (i64.const 10000000) (i32.const 700))";
        chain(&sealed(&importing(&random, body), limits).unwrap_err())
    };
    assert!(
        many.contains("it asked for 10000000 random bytes at once, the limit is 1048576"),
        "{many}"
    );
    // Handles that are never let go.
    let hoarding = importing(&WRITE, "(loop (drop (call $f0)) (br 0))");
    let said = sealed(&hoarding, tight()).unwrap_err().to_string();
    assert_eq!(
        said,
        "planner `sealed.wasm` asked for too much in `plan`: handles, the limit is 100"
    );
}
