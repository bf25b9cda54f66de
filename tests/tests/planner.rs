//! The component boundary: what a component may not do, and how that is told.

#![allow(clippy::unwrap_used, reason = "a test that can not be set up has failed")]

use std::time::{Duration, Instant};

use terrine::planner::layering::{Request, StorePath};
use terrine::planner::{EMBEDDED, EmptyLayers, Error, Limits, Runtime};
use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

/// A component of the world `policy` whose functions are written in the text format:
/// `describe` and `plan` return the address of what they return.
fn policy(describe: &str, plan: &str, rest: &str) -> Vec<u8> {
    let interface = "terrine:planner/layering@0.1.0";
    let text = format!(
        r#"(module
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 32768))
            (func $describe (export "{interface}#describe") (result i32) {describe})
            (func (export "{interface}#plan") (param i32) (result i32) {plan})
            {rest})"#
    );
    let mut module = wat::parse_str(text).unwrap();
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_dir(terrine_tests::workspace().join("wit/0.1.0")).unwrap();
    let world = resolve.select_world(&[package], Some("policy")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// Limits that are reached at once.
fn tight() -> Limits {
    let mut limits = Limits::default();
    limits.memory = 1 << 20;
    limits.table_elements = 100;
    limits.fuel = 1_000_000;
    limits.stack = 256 << 10;
    limits.lifted = 16 << 10;
    limits
}

fn describe(component: &[u8]) -> Error {
    let runtime = Runtime::new(tight(), None).unwrap();
    let planner = match runtime.load("hostile.wasm", component) {
        Ok(planner) => planner,
        Err(error) => return error,
    };
    planner.describe().expect_err("it should have failed")
}

fn request(paths: usize) -> Request {
    let path = |i: usize| StorePath {
        path: format!("/nix/store/{i}"),
        name: i.to_string(),
        package: i.to_string(),
        size: 1,
        references: vec![],
    };
    Request {
        policy: String::new(),
        options: "{}".to_owned(),
        store_dir: "/nix/store".to_owned(),
        paths: (0..paths).map(path).collect(),
        roots: vec![],
        excluded: vec![],
        max_layers: Some(2),
        history: None,
    }
}

#[test]
fn the_built_in_planner_imports_nothing() {
    let (mut depth, mut exports) = (0, vec![]);
    for payload in Parser::new(0).parse_all(EMBEDDED) {
        match payload.unwrap() {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(imports) if depth == 1 => {
                assert_eq!(imports.into_iter().count(), 0);
            }
            // What is inside may import only from its neighbours, and has none.
            Payload::ImportSection(imports) => assert_eq!(imports.into_iter().count(), 0),
            Payload::ComponentExportSection(section) if depth == 1 => {
                exports.extend(section.into_iter().map(|export| export.unwrap().name.name.to_owned()));
            }
            _ => {}
        }
    }
    assert!(Parser::is_component(EMBEDDED));
    exports.sort();
    assert_eq!(exports, ["terrine:planner/image@0.1.0", "terrine:planner/layering@0.1.0"]);
}

#[test]
fn the_built_in_planner_says_what_it_is() {
    let runtime = Runtime::new(Limits::default(), None).unwrap();
    let info = runtime.embedded().unwrap().describe().unwrap();
    assert_eq!(info.name, "terrine");
    assert_eq!(info.policies[0].name, "auto");
}

#[test]
fn every_limit_is_told_as_what_it_is() {
    let fuel = describe(&policy("(loop (br 0)) (unreachable)", "(unreachable)", ""));
    assert_eq!(
        fuel.to_string(),
        "planner `hostile.wasm` used up its fuel in `describe`, the limit is 1000000 units"
    );
    let memory =
        describe(&policy("(drop (memory.grow (i32.const 600))) (unreachable)", "(unreachable)", ""));
    assert_eq!(
        memory.to_string(),
        "planner `hostile.wasm` asked for 38 MiB of memory, the limit is 1 MiB"
    );
    let table = describe(&policy(
        "(drop (table.grow (ref.null func) (i32.const 1000))) (unreachable)",
        "(unreachable)",
        "(table 1 funcref)",
    ));
    assert_eq!(
        table.to_string(),
        "planner `hostile.wasm` asked for 1001 table elements, the limit is 100"
    );
    let stack = describe(&policy(
        "(local i64 i64 i64 i64 i64 i64 i64 i64) (call $describe) (drop) (i32.const 0)",
        "(unreachable)",
        "",
    ));
    assert_eq!(
        stack.to_string(),
        "planner `hostile.wasm` overflowed its stack in `describe`, the limit is 256 KiB"
    );
    // A name of 60,000 bytes.
    let lifted =
        describe(&policy("(i32.const 0)", "(unreachable)", r#"(data (i32.const 4) "\60\ea\00\00")"#));
    assert_eq!(
        lifted.to_string(),
        "planner `hostile.wasm` returned more data from `describe` than the limit of 16 KiB"
    );
    let trap = describe(&policy("(unreachable)", "(unreachable)", ""));
    assert_eq!(trap.to_string(), "planner `hostile.wasm` failed in `describe`");
    assert!(std::error::Error::source(&trap).unwrap().to_string().contains("unreachable"), "{trap:?}");
}

#[test]
fn memory_counts_from_the_start() {
    let component =
        wat::parse_str("(component (core module (memory 100)) (core instance (instantiate 0)))")
            .unwrap();
    let error = describe(&component);
    assert!(error.to_string().contains("asked for 7 MiB of memory, the limit is 1 MiB"), "{error}");
}

#[test]
fn what_is_not_a_planner_is_told_apart() {
    let message = |bytes: &[u8]| describe(bytes).to_string();
    assert_eq!(
        message(b"garbage"),
        "`hostile.wasm` is not a WebAssembly component that can be run here"
    );
    assert_eq!(message(b""), "`hostile.wasm` is not a WebAssembly component that can be run here");
    let module = wat::parse_str("(module)").unwrap();
    assert_eq!(message(&module), "`hostile.wasm` is not a WebAssembly component that can be run here");
    assert_eq!(
        message(&EMBEDDED[..EMBEDDED.len() / 2]),
        "`hostile.wasm` is not a WebAssembly component that can be run here"
    );
    let importing =
        wat::parse_str(r#"(component (import "wasi:clocks/wall-clock@0.2.0" (instance)))"#).unwrap();
    assert_eq!(
        message(&importing),
        "planner `hostile.wasm` imports `wasi:clocks/wall-clock@0.2.0`; a planner must import nothing"
    );
    let empty = wat::parse_str("(component)").unwrap();
    assert_eq!(
        message(&empty),
        "planner `hostile.wasm` does not fit the contract terrine:planner@0.1.0"
    );
}

#[test]
fn a_plan_that_breaks_a_rule_is_refused_by_the_host() {
    // At 0: success, then the lists of layers, of what is left out and of remarks. At 32: layers, each the
    // list of its paths, its reason and no cost. At 160: indices.
    let plan = |layers: u32, paths: u32, indices: &[u32]| {
        let words = |words: &[u32]| {
            words
                .iter()
                .flat_map(|word| word.to_le_bytes())
                .map(|byte| format!("\\{byte:02x}"))
                .collect::<String>()
        };
        let data = format!(
            r#"(data (i32.const 4) "{}") (data (i32.const 32) "{}") (data (i32.const 160) "{}")"#,
            words(&[32, layers, 0, 0, 0, 0]),
            words(&[160, paths, 0, 0, 0, 0, 0, 0].repeat(3)),
            words(indices)
        );
        let component = policy("(unreachable)", "(i32.const 0)", &data);
        let runtime = Runtime::new(tight(), None).unwrap();
        let planner = runtime.load("wrong.wasm", &component).unwrap();
        let outcome = planner.plan(&request(2), EmptyLayers::Refused);
        outcome.map(|planned| planned.layers.len()).map_err(|error| {
            assert_eq!(error.to_string(), "planner `wrong.wasm` made a plan that can not be used");
            std::error::Error::source(&error).unwrap().to_string()
        })
    };
    assert_eq!(plan(1, 2, &[1, 0]), Ok(1));
    assert_eq!(
        plan(1, 1, &[1]),
        Err("it leaves out 1 of 2 paths, `/nix/store/0` among them".to_owned())
    );
    assert_eq!(
        plan(1, 2, &[1, 7]),
        Err("its layer 1 holds the index 7, and there are 2 paths".to_owned())
    );
    assert_eq!(plan(2, 2, &[1, 0]), Err("it holds `/nix/store/1` twice, in layers 1 and 2".to_owned()));
    assert_eq!(plan(1, 0, &[]), Err("its layer 1 is empty".to_owned()));
    assert_eq!(plan(3, 2, &[1, 0]), Err("it has 3 layers, and 2 are allowed".to_owned()));
}

#[test]
fn calls_do_not_see_each_other() {
    // Counts its calls in memory and fails at the second.
    let component = policy(
        "(if (i32.load (i32.const 100)) (then (unreachable))) (i32.store (i32.const 100) (i32.const 1)) (i32.const 0)",
        "(unreachable)",
        "",
    );
    let runtime = Runtime::new(tight(), None).unwrap();
    let planner = runtime.load("counting.wasm", &component).unwrap();
    for _ in 0..3 {
        assert_eq!(planner.describe().unwrap().name, "");
    }
}

#[test]
fn a_hundred_thousand_paths_fit_into_the_limits() {
    let paths = 100_000;
    let mut request = request(paths);
    let names: Vec<&str> = request.paths.iter().map(|path| path.path.as_str()).collect();
    request.options =
        serde_json::json!({ "layers": names.chunks(1000).collect::<Vec<_>>() }).to_string();
    request.policy = "explicit".to_owned();
    request.max_layers = Some(100);
    let runtime = Runtime::new(Limits::default(), None).unwrap();
    let planner = runtime.embedded().unwrap();
    let start = Instant::now();
    let planned = planner.plan(&request, EmptyLayers::Refused).unwrap();
    assert_eq!(planned.layers.len(), 100);
    // Far from what it takes, and far from what nobody would wait for.
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}
