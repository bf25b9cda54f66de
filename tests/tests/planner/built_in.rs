//! The planner that is built in.

use std::time::{Duration, Instant};

use terrine::planner::{EMBEDDED, EmptyLayers, Limits, Runtime};
use wasmparser::{Parser, Payload};

use super::request;

#[test]
fn it_imports_nothing() {
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
                exports.extend(
                    section
                        .into_iter()
                        .map(|export| export.unwrap().name.name.to_owned()),
                );
            }
            _ => {}
        }
    }
    assert!(Parser::is_component(EMBEDDED));
    exports.sort();
    assert_eq!(
        exports,
        [
            "terrine:planner/image@0.1.0",
            "terrine:planner/layering@0.1.0"
        ]
    );
}

#[test]
fn it_says_what_it_is() {
    let runtime = Runtime::new(Limits::default(), None).unwrap();
    let planner = runtime.embedded().unwrap();
    let info = planner.describe().unwrap();
    assert_eq!(info.name, "terrine");
    assert_eq!(info.policies[0].name, "auto");
    assert!(planner.is_embedded() && planner.imports().is_empty());
}

#[test]
fn it_plans_a_hundred_thousand_paths_within_the_limits() {
    let mut request = request(100_000);
    let names: Vec<&str> = request
        .paths
        .iter()
        .map(|path| path.path.as_str())
        .collect();
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
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "{:?}",
        start.elapsed()
    );
}
