//! The same component with the same request gives the same plan: there is nothing that it could
//! remember, and nothing else that it could know.

use terrine::planner::{EmptyLayers, Imports, Limits, Runtime};

use super::component::{describing, good, planning};
use super::{request, tight};

#[test]
fn calls_do_not_see_each_other() {
    // Counts its calls in memory, in a global and in a table, and fails at the second.
    let mut counting = describing(
        "(if (i32.load (i32.const 100)) (then (unreachable)))
         (if (global.get $calls) (then (unreachable)))
         (if (i32.eqz (ref.is_null (table.get $seen (i32.const 0)))) (then (unreachable)))
         (i32.store (i32.const 100) (i32.const 1))
         (global.set $calls (i32.const 1))
         (table.set $seen (i32.const 0) (ref.func $describe))
         (i32.const 1024)",
    );
    counting.rest += "(global $calls (mut i32) (i32.const 0)) (table $seen 1 funcref)
        (elem declare func $describe)";
    let component = counting.build();
    let runtime = Runtime::new(tight(), None).unwrap();
    let planner = runtime
        .load("counting.wasm", &component, Imports::Nothing)
        .unwrap();
    for _ in 0..3 {
        assert_eq!(planner.describe().unwrap().name, "good");
    }
}

/// A component that would place one path fewer in its first layer at every call, and one that
/// would do so after it has described itself.
#[test]
fn a_plan_that_would_change_from_call_to_call_does_not() {
    let mut policy = planning(
        "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
         (i32.store offset=28 (local.get 0)
            (i32.sub (i32.add (i32.load offset=28 (local.get 0)) (i32.const 1)) (global.get $calls)))
         (call $one_layer (local.get 0))",
    );
    policy.describe = "(global.set $calls (i32.const 5)) (i32.const 1024)".to_owned();
    policy.rest += "(global $calls (mut i32) (i32.const 0))";
    let component = policy.build();
    let runtime = Runtime::new(tight(), None).unwrap();
    let planner = runtime
        .load("moody.wasm", &component, Imports::Nothing)
        .unwrap();
    let plan = || {
        planner
            .plan_measured(&request(20), EmptyLayers::Refused)
            .unwrap()
    };
    let first = plan();
    assert_eq!(first.0.layers[0].paths.len(), 20);
    planner.describe().unwrap();
    for _ in 0..3 {
        // Fuel and memory, too.
        assert_eq!(plan(), first);
    }
    // Nor does another runtime, as another process has it.
    let runtime = Runtime::new(tight(), None).unwrap();
    let planner = runtime
        .load("moody.wasm", &component, Imports::Nothing)
        .unwrap();
    assert_eq!(
        planner
            .plan_measured(&request(20), EmptyLayers::Refused)
            .unwrap(),
        first
    );
}

#[test]
fn a_number_that_is_none_is_spelt_in_one_way() {
    // Fails if the sign or the payload of a NaN is any but the canonical one.
    let nan = "(if (i64.ne
            (i64.reinterpret_f64 (f64.div (f64.const -0) (f64.const 0)))
            (i64.const 0x7ff8000000000000)) (then (unreachable)))
         (i32.const 1024)";
    let component = describing(nan).build();
    let runtime = Runtime::new(Limits::default(), None).unwrap();
    runtime
        .load("nan.wasm", &component, Imports::Nothing)
        .unwrap()
        .describe()
        .unwrap();
}

#[test]
fn what_the_hardware_could_choose_is_not_there() {
    let mut relaxed = good();
    relaxed.rest += "(func (drop (f32x4.relaxed_madd
        (v128.const f32x4 0 0 0 0) (v128.const f32x4 0 0 0 0) (v128.const f32x4 0 0 0 0))))";
    let mut shared = good();
    shared.rest += "(memory 1 1 shared)";
    for policy in [relaxed, shared] {
        let component = policy.build();
        let runtime = Runtime::new(Limits::default(), None).unwrap();
        let error = runtime
            .load("relaxed.wasm", &component, Imports::Nothing)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "`relaxed.wasm` is not a supported WebAssembly component"
        );
    }
}
