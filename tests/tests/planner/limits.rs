//! Components that use up more than they may, and how each limit is told.

use terrine::planner::{Imports, Runtime};

use super::component::{LAYERING, data, describing, good, planning, words};
use super::{chain, describe, plan, refused, request, tight};

#[test]
fn endless_loops_use_up_the_fuel() {
    let said = "planner `hostile.wasm` used up its fuel in `describe`, the limit is 1000000 units";
    assert_eq!(
        describe(&describing("(loop (br 0)) (unreachable)").build()).to_string(),
        said
    );
    let planned = plan(
        &planning("(loop (br 0)) (unreachable)").build(),
        &request(1),
    )
    .unwrap_err();
    assert_eq!(planned.to_string(), said.replace("describe", "plan"));
    // Before a function is called.
    let mut start = good();
    start.rest += "(func $start (loop (br 0))) (start $start)";
    assert_eq!(describe(&start.build()).to_string(), said);
    // While the host writes the request into its memory.
    let mut allocating = good();
    allocating.rest += "(func $forever (loop (br 0)))";
    let text = allocating.build_with(|module| {
        module.replace(
            "(local.set $at (call $alloc (local.get $align) (local.get $size)))",
            "(call $forever)",
        )
    });
    assert_eq!(
        plan(&text, &request(1)).unwrap_err().to_string(),
        said.replace("describe", "plan")
    );
}

#[test]
fn work_on_many_bytes_at_once_costs_as_much() {
    // 128 KiB at a time, for ever: a few instructions each.
    for work in [
        "(memory.fill (i32.const 0) (i32.const 7) (i32.const 131072))",
        "(memory.copy (i32.const 0) (i32.const 1) (i32.const 131071))",
    ] {
        let error = describe(&describing(&format!("(loop {work} (br 0)) (unreachable)")).build());
        assert!(
            error.to_string().contains("used up its fuel in `describe`"),
            "{error}"
        );
    }
}

#[test]
fn memory_is_counted_over_all_memories_and_from_the_start() {
    let grown = describe(&describing("(drop (memory.grow (i32.const 600))) (unreachable)").build());
    assert_eq!(
        grown.to_string(),
        "planner `hostile.wasm` asked for 38 MiB of memory, the limit is 1 MiB"
    );
    let mut large = good();
    large.rest += "(memory $large 100)";
    assert_eq!(
        describe(&large.build()).to_string(),
        "planner `hostile.wasm` asked for 7 MiB of memory, the limit is 1 MiB"
    );
    // In small steps, which a component might think to be overlooked.
    let steps = describe(
        &describing("(loop (drop (memory.grow (i32.const 1))) (br 0)) (unreachable)").build(),
    );
    assert_eq!(
        steps.to_string(),
        "planner `hostile.wasm` asked for 2 MiB of memory, the limit is 1 MiB"
    );
}

#[test]
fn tables_are_counted() {
    let mut table =
        describing("(drop (table.grow (ref.null func) (i32.const 1000))) (unreachable)");
    table.rest += "(table 1 funcref)";
    assert_eq!(
        describe(&table.build()).to_string(),
        "planner `hostile.wasm` asked for 1001 table elements, the limit is 100"
    );
    let mut large = good();
    large.rest += "(table 90 funcref) (table 90 funcref)";
    assert_eq!(
        describe(&large.build()).to_string(),
        "planner `hostile.wasm` asked for 180 table elements, the limit is 100"
    );
}

#[test]
fn instances_memories_and_tables_are_counted() {
    let mut memories = good();
    memories.rest += &"(memory 0)".repeat(20);
    assert_eq!(
        describe(&memories.build()).to_string(),
        "planner `hostile.wasm` asked for too much in `describe`: memories, the limit is 8"
    );
    let mut tables = good();
    tables.rest += &"(table 0 funcref)".repeat(20);
    assert_eq!(
        describe(&tables.build()).to_string(),
        "planner `hostile.wasm` asked for too much in `describe`: tables, the limit is 8"
    );
    let instances = format!(
        r#"(component (core module $m) {} (instance $i)
            (export "terrine:planner/layering@0.1.0" (instance $i)))"#,
        "(core instance (instantiate $m))".repeat(20)
    );
    assert_eq!(
        describe(&wat::parse_str(instances).unwrap()).to_string(),
        "planner `hostile.wasm` asked for too much in `describe`: instances, the limit is 8"
    );
}

#[test]
fn handles_are_counted() {
    let hoarding = r#"(component
        (type $thing (resource (rep i32)))
        (core func $new (canon resource.new $thing))
        (core module $m
            (import "" "new" (func $new (param i32) (result i32)))
            (func $start (loop (drop (call $new (i32.const 0))) (br 0)))
            (start $start))
        (core instance (instantiate $m (with "" (instance (export "new" (func $new))))))
        (instance $i)
        (export "terrine:planner/layering@0.1.0" (instance $i)))"#;
    assert_eq!(
        describe(&wat::parse_str(hoarding).unwrap()).to_string(),
        "planner `hostile.wasm` asked for too much in `describe`: handles, the limit is 100"
    );
}

#[test]
fn deep_recursion_overflows_a_stack_of_its_own() {
    let deep =
        describing("(local i64 i64 i64 i64 i64 i64 i64 i64) (call $describe) (drop) (i32.const 0)");
    assert_eq!(
        describe(&deep.build()).to_string(),
        "planner `hostile.wasm` overflowed its stack in `describe`, the limit is 256 KiB"
    );
}

#[test]
fn results_that_are_too_large_are_not_taken() {
    let said = "planner `hostile.wasm` returned more data from `describe` than the limit of 16 KiB";
    // A name of 60,000 bytes.
    let mut long = describing("(i32.const 0)");
    long.rest = words(0, &[0, 60_000]);
    assert_eq!(describe(&long.build()).to_string(), said);
    // A list of a thousand policies, all of them the same 28 bytes of nothing.
    let mut many = describing("(i32.const 0)");
    many.rest = words(0, &[0, 0, 0, 0, 64, 1000]);
    assert_eq!(describe(&many.build()).to_string(), said);
    // A plan with a layer of more indices than there are paths.
    let mut plan_ = planning("(i32.const 0)");
    plan_.rest = words(0, &[0, 32, 1, 0, 0, 0, 0, 0, 64, 20_000, 0, 0, 0, 0, 0, 0]);
    let error = plan(&plan_.build(), &request(1)).unwrap_err();
    assert_eq!(error.to_string(), said.replace("describe", "plan"));
}

#[test]
fn what_is_not_a_value_of_the_contract_is_a_failure_of_the_component() {
    let failed = |rest: String| {
        let mut policy = describing("(i32.const 0)");
        policy.rest = rest;
        let error = describe(&policy.build());
        assert_eq!(
            error.to_string(),
            "planner `hostile.wasm` failed in `describe`"
        );
        chain(&error)
    };
    let utf8 = failed(words(0, &[64, 2]) + &data(64, &[0xff, 0xfe]));
    assert!(utf8.contains("invalid utf-8"), "{utf8}");
    let outside = failed(words(0, &[0xffff_fff0, 0x100]));
    assert!(outside.contains("out of bounds"), "{outside}");
    let outside = failed(words(0, &[0, 0, 0, 0, 0xffff_0000, 0x1000_0000]));
    assert!(outside.contains("out of bounds"), "{outside}");
    let unaligned = failed(words(0, &[0, 0, 0, 0, 65, 1]));
    assert!(unaligned.contains("not aligned"), "{unaligned}");
    for (what, plan_) in [
        // Neither a plan nor an error.
        ("discriminant", words(0, &[2])),
        // An error of no kind that there is.
        ("discriminant", words(0, &[1, 9])),
        // A layer whose cost is neither there nor not.
        (
            "discriminant",
            words(0, &[0, 32, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0]),
        ),
    ] {
        let mut policy = planning("(i32.const 0)");
        policy.rest = plan_;
        let error = plan(&policy.build(), &request(1)).unwrap_err();
        assert_eq!(error.to_string(), "planner `hostile.wasm` failed in `plan`");
        assert!(chain(&error).contains(what), "{}", chain(&error));
    }
}

#[test]
fn traps_are_told_with_where_they_were() {
    for (body, said) in [
        ("(unreachable)", "unreachable"),
        ("(i32.load (i32.const -1))", "out of bounds memory access"),
        ("(i32.div_u (i32.const 1) (i32.const 0))", "divide by zero"),
        ("(i32.const -16)", "out of bounds"),
    ] {
        let error = describe(&describing(body).build());
        assert_eq!(
            error.to_string(),
            "planner `hostile.wasm` failed in `describe`"
        );
        assert!(chain(&error).contains(said), "{}", chain(&error));
    }
    // Names of functions are the component's own words.
    let mut named = describing("(call $evil) (i32.const 0)");
    named.rest += r#"(func $evil (@name "\1b[2Jevil") (unreachable))"#;
    let said = chain(&describe(&named.build()));
    assert!(said.contains("evil") && !said.contains('\u{1b}'), "{said}");
}

/// Returns what is said of a component with these parts, beside those of a policy.
fn unfolded(parts: &str) -> String {
    let text = format!("(component {parts} (instance $i) (export \"{LAYERING}\" (instance $i)))");
    let component = wat::parse_str(text).unwrap();
    assert!(component.len() < 5000, "{}", component.len());
    let runtime = Runtime::new(tight(), None).unwrap();
    match runtime.load("hostile.wasm", &component, Imports::Nothing) {
        Ok(_) => "loaded".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn components_that_unfold_without_end_are_not_compiled() {
    let said = "planner `hostile.wasm` expands to more than 1000000 parts, which is the limit";
    let twice = "(instance (instantiate $c)) (instance (instantiate $c))";
    // Each within the next.
    let within = |levels: usize, body: &str| {
        let inner = "(core module $m) (core instance (instantiate $m))".to_owned();
        (0..levels).fold(inner, |inner, _| format!("(component $c {inner}) {body}"))
    };
    assert_eq!(unfolded(&within(40, twice)), said);
    assert_eq!(unfolded(&within(5, twice)), "loaded");
    assert_eq!(
        unfolded(&within(40, "(instance (instantiate $c))")),
        "loaded"
    );
    // One beside the other, by aliases to what is outside.
    let beside = |levels: usize| {
        let first = "(component $c0 (core module $m) (core instance (instantiate $m)))".to_owned();
        let next = |level: usize| {
            let alias = format!("(alias outer 1 {} (component $c))", level - 1);
            format!("(component $c{level} {alias} {twice})")
        };
        let last = format!("(instance (instantiate {levels}))");
        (1..=levels).map(next).fold(first, |all, next| all + &next) + &last
    };
    assert_eq!(unfolded(&beside(40)), said);
    assert_eq!(unfolded(&beside(5)), "loaded");
    // By another name.
    let named = |levels: usize| {
        let first = "(component $c0 (core module $m) (core instance (instantiate $m)))".to_owned();
        let next = |level: usize| {
            let alias = format!("(alias outer 1 $n{} (component $c))", level - 1);
            format!(
                "(component $c{level} {alias} {twice}) (export $n{level} \"n{level}\" (component $c{level}))"
            )
        };
        let first = first + "(export $n0 \"n0\" (component $c0))";
        let last = format!("(instance (instantiate $n{levels}))");
        (1..=levels).map(next).fold(first, |all, next| all + &next) + &last
    };
    assert_eq!(unfolded(&named(40)), said);
    // One that is handed over: nobody can say how large it is.
    let handed =
        "(component $a) (component $b (import \"x\" (component $x)) (instance (instantiate $x)))
        (instance (instantiate $b (with \"x\" (component $a))))";
    assert_eq!(unfolded(handed), said);
    let exported = "(component $a (component $inner) (export \"x\" (component $inner)))
        (instance $one (instantiate $a)) (alias export $one \"x\" (component $x))
        (instance (instantiate $x))";
    assert_eq!(unfolded(exported), said);
}

#[test]
fn a_component_that_takes_long_to_read_is_refused_by_its_first_bytes() {
    // Nothing of it is compiled.
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    bytes.extend(vec![0xff; 10 << 20]);
    let error = refused(&bytes);
    assert!(
        error
            .to_string()
            .contains("is not a supported WebAssembly component"),
        "{error}"
    );
}
