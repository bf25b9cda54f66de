//! Components: what is counted and refused before anything compiles them, and their descriptions.

use terrine::planner::EMBEDDED;
use terrine::planner::fuzz::{check, has_options, is_description, shown};
use terrine::planner::layering::{Info, PolicyInfo};

use crate::format::Format;
use crate::{Limit, Target};

pub(super) const TARGET: Target = Target {
    name: "components",
    format: Format::Wasm,
    seeds,
    run,
    short: 8_000,
    longest: 64 << 10,
    limit: Limit::USUAL,
};

/// Components and modules in the text format.
const TEXTS: [&str; 4] = [
    r#"(module (type (func (param i32) (result i32))) (import "a" "b" (func (type 0))) (memory 1) (table 4 funcref)
        (func (type 0) (block (loop (br_if 1 (local.get 0)) (br 0))) (i32.const 7)) (export "f" (func 1))
        (elem (i32.const 0) func 0 1) (data (i32.const 0) "text"))"#,
    r#"(component
        (core module $m (memory (export "memory") 1) (func (export "f") (param i32 i32) (result i32) (i32.const 0))
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0)))
        (core instance $i (instantiate $m))
        (type $t (record (field "a" string) (field "b" (list u32))))
        (func (export "run") (param "x" string) (result u32)
            (canon lift (core func $i "f") (memory $i "memory") (realloc (func $i "realloc")))))"#,
    r#"(component (component $a) (component $b (instance (instantiate 0)) (component))
        (component $c (import "x" (func)) (export "y" (func 0))) (instance $i (instantiate $a)) (instance (instantiate $a)))"#,
    r#"(component (import "terrine:planner/layering@0.1.0" (instance $l (type (enum "a" "b")) (export "plan" (func (param "x" string)))))
        (core module $libc (memory (export "m") 1) (func (export "r") (param i32 i32 i32 i32) (result i32) (i32.const 0)))
        (core instance $c (instantiate $libc))
        (core func (canon lower (func $l "plan") (memory $c "m") (realloc (func $c "r")))))"#,
];

fn seeds() -> Vec<Vec<u8>> {
    let texts = TEXTS
        .iter()
        .map(|text| wat::parse_str(text).expect("a seed in the text format"));
    // The start of a real one; all of it would take its time.
    let real = EMBEDDED[..EMBEDDED.len().min(16 << 10)].to_vec();
    texts
        .chain([real, b"(component)".to_vec(), b"\0asm\x0d\0\x01\0".to_vec()])
        .collect()
}

fn run(data: &[u8]) -> bool {
    let checked = check(data);
    assert_eq!(check(data).is_ok(), checked.is_ok(), "the same twice");
    said(data);
    checked.is_ok()
}

/// Checks the texts and the description of a component, which may be anything.
fn said(data: &[u8]) {
    let text = String::from_utf8_lossy(&data[..data.len().min(4000)]);
    let visible = shown(&text);
    assert!(
        visible.chars().count() <= 2001 && !visible.contains(char::is_control),
        "{visible:?}"
    );
    let half = text.len() / 2;
    let (one, other) = text.split_at(text.floor_char_boundary(half));
    let policy = PolicyInfo {
        name: one.chars().take(70).collect(),
        summary: String::new(),
        options_schema: other.to_owned(),
        uses_history: false,
    };
    let is_accepted = has_options(&policy, one);
    assert!(
        !is_accepted || one.trim_start().starts_with('{'),
        "options are an object"
    );
    let info = Info {
        name: policy.name.clone(),
        version: other.chars().take(20).collect(),
        policies: vec![policy],
    };
    if is_description(&info) {
        assert!(!info.name.is_empty() && info.name.len() <= 64 && info.name.is_ascii());
    }
}
