//! Components that would take hours, the stack or all memory before anything of them runs.

use terrine::hint::Hint;
use terrine::planner::{Imports, Runtime};

use super::component::LAYERING;
use super::tight;

/// Returns what is said of a component with these parts, beside an empty interface of policies.
fn said(parts: &str) -> String {
    let text = format!("(component {parts} (instance $i) (export \"{LAYERING}\" (instance $i)))");
    loaded(&wat::parse_str(text).unwrap())
}

fn loaded(component: &[u8]) -> String {
    let runtime = Runtime::new(tight(), None).unwrap();
    match runtime.load("hostile.wasm", component, Imports::Nothing) {
        Ok(_) => "loaded".to_owned(),
        Err(error) => {
            assert!(error.hint().is_some(), "{error}");
            error.to_string()
        }
    }
}

/// A number as WebAssembly has it.
pub(super) fn number(mut value: usize) -> Vec<u8> {
    let mut bytes = vec![];
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

pub(super) fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &number(content.len()), content].concat()
}

/// A component that begins with this section.
fn with_section(id: u8, content: &[u8]) -> Vec<u8> {
    let rest = format!("(component (instance $i) (export \"{LAYERING}\" (instance $i)))");
    let rest = wat::parse_str(rest).unwrap();
    [&rest[..8], &section(id, content), &rest[8..]].concat()
}

#[test]
fn functions_with_many_branches_are_not_compiled() {
    let said = |body: &str, times: usize| {
        let body = body.repeat(times);
        said(&format!(
            "(core module (memory 1) (func $f (local i32) {body}))"
        ))
    };
    let too_long = "planner `hostile.wasm` has a function that would take too long to compile";
    for body in [
        "(if (local.get 0) (then))",
        "(block (br_if 0 (local.get 0)))",
        "(loop (br_if 0 (local.get 0)))",
    ] {
        assert_eq!(said(body, 100_000), too_long, "{body}");
        assert_eq!(said(body, 500), "loaded", "{body}");
    }
    assert_eq!(said("(call $f)", 500_000), too_long);
    assert_eq!(said("(call $f)", 5000), "loaded");
    // In each other.
    let nested = format!("{}{}", "(block ".repeat(100_000), ")".repeat(100_000));
    assert_eq!(said(&nested, 1), too_long);
}

#[test]
fn code_that_is_large_in_all_is_not_compiled() {
    let too_long = "planner `hostile.wasm` has code that would take too long to compile";
    // Each function is small enough.
    let loops = "(loop (br_if 0 (local.get 0)))".repeat(5000);
    let functions = format!("(func (param i32) {loops})").repeat(30);
    assert_eq!(said(&format!("(core module {functions})")), too_long);
    let elements = format!(
        "(core module (func $f) (elem func {}))",
        "$f ".repeat(1_000_000)
    );
    assert_eq!(said(&elements), too_long);
    let data = format!(
        "(core module (memory 1) {})",
        "(data (i32.const 0) \"x\")".repeat(80_000)
    );
    assert_eq!(said(&data), too_long);
}

#[test]
fn functions_between_types_count_for_many_parts() {
    // Each looks at the whole of its type, as often as the component is instantiated.
    let lifts = |count: usize| {
        let lift = "(func (canon lift (core func $i \"f\")))".repeat(count);
        let inner = format!(
            "(core module $m (func (export \"f\"))) (core instance $i (instantiate $m)) {lift}"
        );
        let twice = "(instance (instantiate $c)) (instance (instantiate $c))";
        said(&(0..4).fold(inner, |inner, _| format!("(component $c {inner}) {twice}")))
    };
    let too_many = "planner `hostile.wasm` expands to more than 1000000 parts, which is the limit";
    assert_eq!(lifts(1000), too_many);
    assert_eq!(lifts(50), "loaded");
}

#[test]
fn components_and_types_are_not_read_without_end() {
    let header = b"\0asm\x0d\0\x01\0";
    let within = |levels: usize| {
        let inner = (0..levels).fold(header.to_vec(), |inner, _| {
            [&header[..], &section(4, &inner)].concat()
        });
        loaded(&with_section(4, &inner))
    };
    assert_eq!(
        within(5000),
        "planner `hostile.wasm` has components nested more than 200 deep"
    );
    assert_eq!(within(50), "loaded");
    // The type of a component that has the type of a component, and so on.
    let types = |levels: usize| {
        let ty = (0..levels).fold(vec![0x41, 0], |ty, _| [&[0x41, 1, 1][..], &ty].concat());
        loaded(&with_section(7, &[&[1][..], &ty].concat()))
    };
    assert_eq!(
        types(100_000),
        "planner `hostile.wasm` has types nested more than 200 deep"
    );
    assert_eq!(types(150), "loaded");
}

#[test]
fn components_do_not_pass_each_other_texts() {
    let parts = |result: &str, options: &str| {
        format!(
            r#"(component $a
                (core module $m
                    (memory (export "m") 1)
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
                    (func (export "f") (param {result})))
                (core instance $i (instantiate $m))
                (func (export "f") (param "x" {options})
                    (canon lift (core func $i "f") (memory (core memory $i "m"))
                        (realloc (core func $i "realloc")))))
            (instance $a (instantiate $a))
            (core module $m (memory (export "m") 1))
            (core instance $m (instantiate $m))
            (alias export $a "f" (func $f))"#
        )
    };
    let text = parts("i32 i32", "string");
    let passing =
        format!("{text} (core func (canon lower (func $f) (memory (core memory $m \"m\"))))");
    assert_eq!(
        said(&passing),
        "planner `hostile.wasm` is made of components that pass texts or lists to each other, which fuel does not measure"
    );
    // Within another, and by another name.
    let inner = format!(
        r#"{text} (component $b (import "f" (func $f (param "x" string)))
            (core module $m (memory (export "m") 1))
            (core instance $m (instantiate $m))
            (core func (canon lower (func $f) (memory (core memory $m "m")))))
        (instance (instantiate $b (with "f" (func $f))))"#
    );
    assert!(
        said(&inner).contains("pass texts or lists to each other"),
        "{}",
        said(&inner)
    );
    let named = format!(
        "{text} (export $g \"g\" (func $f)) (core func (canon lower (func $g) (memory (core memory $m \"m\"))))"
    );
    assert!(
        said(&named).contains("pass texts or lists to each other"),
        "{}",
        said(&named)
    );
    // Numbers they may.
    let numbers = parts("i32", "u32") + "(core func (canon lower (func $f)))";
    assert_eq!(said(&numbers), "loaded");
}
