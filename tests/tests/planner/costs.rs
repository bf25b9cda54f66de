//! Instructions that take long: what they cost in fuel, and what ends them.

use std::time::{Duration, Instant};

use terrine::planner::{EmptyLayers, Error, Imports, Limits, Runtime};

use super::component::{Policy, describing, planning};
use super::request;

/// Tables, a second memory and segments for the instructions.
const PARTS: &str = r#"
    (memory $second 1)
    (table $table 1000 funcref)
    (elem $elements func $describe)
    (elem declare func $describe)
    (data $bytes "0123456789")"#;

/// The instructions that the engine does by a call of its own, on as little as can be; and what each
/// has to cost at least, its operands included.
const CALLS: &[(u64, &str)] = &[
    (100, "(drop (memory.grow (i32.const 0)))"),
    (100, "(drop (memory.grow $second (i32.const 0)))"),
    (
        100,
        "(drop (table.grow $table (ref.null func) (i32.const 0)))",
    ),
    (100, "(drop (ref.func $describe))"),
    (100, "(table.set $table (i32.const 0) (ref.func $describe))"),
    (
        100,
        "(memory.fill (i32.const 15000) (i32.const 0) (i32.const 0))",
    ),
    (
        10,
        "(memory.copy (i32.const 15000) (i32.const 15001) (i32.const 0))",
    ),
    (
        10,
        "(memory.copy $second 0 (i32.const 0) (i32.const 15001) (i32.const 0))",
    ),
    (
        10,
        "(memory.init $bytes (i32.const 15000) (i32.const 0) (i32.const 0))",
    ),
    (10, "(data.drop $bytes)"),
    (
        10,
        "(table.fill $table (i32.const 0) (ref.null func) (i32.const 0))",
    ),
    (10, "(table.copy (i32.const 0) (i32.const 1) (i32.const 0))"),
    (
        10,
        "(table.init $table $elements (i32.const 0) (i32.const 0) (i32.const 0))",
    ),
    (10, "(elem.drop $elements)"),
];

/// The instructions that take as long as they are given to do, and how much that is.
const BULK: &[(u64, &str)] = &[
    (
        40_000,
        "(memory.fill (i32.const 15000) (i32.const 0) (i32.const 40000))",
    ),
    (
        40_000,
        "(memory.copy (i32.const 15000) (i32.const 15001) (i32.const 40000))",
    ),
    (
        1000,
        "(table.fill $table (i32.const 0) (ref.null func) (i32.const 1000))",
    ),
    (
        999,
        "(table.copy (i32.const 0) (i32.const 1) (i32.const 999))",
    ),
];

fn with_parts(mut policy: Policy) -> Vec<u8> {
    policy.rest += PARTS;
    policy.build()
}

#[test]
fn what_an_instruction_takes_is_what_it_costs() {
    const TIMES: u64 = 1000;
    let runtime = Runtime::new(Limits::default(), None).unwrap();
    let fuel = |instruction: &str| {
        let component = with_parts(planning(&format!(
            "(local $i i64)
             (loop $again
                {instruction}
                (local.set $i (i64.add (local.get $i) (i64.const 1)))
                (br_if $again (i64.lt_u (local.get $i) (i64.const {TIMES}))))
             (call $one_layer (local.get 0))"
        )));
        let planner = runtime
            .load("hostile.wasm", &component, Imports::Nothing)
            .unwrap();
        planner
            .plan_measured(&request(1), EmptyLayers::Refused)
            .unwrap()
            .1
            .fuel
    };
    let nothing = fuel("");
    for (cost, instruction) in CALLS.iter().chain(BULK) {
        let each = (fuel(instruction) - nothing) / TIMES;
        // Three operands at most, and a hundredth for the call.
        assert!(
            (*cost..=cost + 103).contains(&each),
            "{each} for {instruction}"
        );
    }
    // Pages that are asked for, whether they are given or not.
    let grown = fuel("(if (i64.eqz (local.get $i)) (then (drop (memory.grow (i32.const 1000)))))");
    assert!(grown - nothing > 1000, "{grown}");
}

#[test]
fn instructions_that_take_long_use_up_the_fuel_soon() {
    let mut limits = Limits::default();
    // A twentieth of what a call may use.
    limits.fuel = 1_000_000_000;
    let runtime = Runtime::new(limits, None).unwrap();
    for (_, instruction) in CALLS.iter().chain(BULK) {
        let instructions = instruction.repeat(16);
        let component = with_parts(describing(&format!(
            "(loop {instructions} (br 0)) (unreachable)"
        )));
        let planner = runtime
            .load("hostile.wasm", &component, Imports::Nothing)
            .unwrap();
        let start = Instant::now();
        let error = planner.describe().unwrap_err();
        assert!(
            matches!(error, Error::Fuel { .. }),
            "{instruction}: {error}"
        );
        // A second or so; at a unit each, what is slowest would take a minute.
        let took = start.elapsed();
        assert!(took < Duration::from_secs(30), "{took:?} for {instruction}");
    }
}

#[test]
fn a_clock_ends_what_fuel_does_not() {
    let mut limits = Limits::default();
    limits.time = Duration::from_secs(1);
    // Of which `describe` has a part.
    limits.fuel = 1_000_000_000_000;
    let runtime = Runtime::new(limits, None).unwrap();
    // All of the fuel takes half a minute.
    let component = describing("(loop (br 0)) (unreachable)").build();
    let planner = runtime
        .load("hostile.wasm", &component, Imports::Nothing)
        .unwrap();
    let start = Instant::now();
    let error = planner.describe().unwrap_err();
    assert_eq!(
        error.to_string(),
        "planner `hostile.wasm` took longer than 1 s in `describe`, with fuel left"
    );
    assert!(
        (1..15).contains(&start.elapsed().as_secs()),
        "{:?}",
        start.elapsed()
    );
    // A call that comes later has all of the time.
    let error = planner.describe().unwrap_err();
    assert!(matches!(error, Error::Time { .. }), "{error}");
    assert!(
        start.elapsed() >= Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
}
