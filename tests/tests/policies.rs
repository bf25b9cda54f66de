//! The example policies, and what terrine has for authors of policies.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use terrine::planner::layering::{Planned, Request};
use terrine::planner::{EmptyLayers, Error, Imports, Limits, Planner, Runtime, WIT, store_path};
use terrine_tests::{Run, policy, temporary, terrine, workspace};

/// A request about so many paths, each of which refers to the one before; the last is the root.
fn request(count: u32, options: &str) -> Request {
    let name = |i: u32| format!("/nix/store/{i:032}-package{i}-1.{i}");
    Request {
        policy: String::new(),
        options: options.to_owned(),
        store_dir: "/nix/store".to_owned(),
        paths: (0..count)
            .map(|i| {
                store_path(
                    &name(i),
                    u64::from(i),
                    i.checked_sub(1).into_iter().collect(),
                )
            })
            .collect(),
        roots: count.checked_sub(1).into_iter().collect(),
        excluded: vec![],
        max_layers: Some(100),
        history: None,
    }
}

/// The runtime, with the cache that the commands under test have: a component of another
/// language takes a while to compile.
fn runtime() -> Runtime {
    let cache = terrine_tests::binary()
        .parent()
        .unwrap()
        .join("test-cache/terrine/planner");
    Runtime::new(Limits::default(), Some(&cache)).unwrap()
}

fn plan(planner: &Planner<'_>, request: &Request) -> Result<Planned, String> {
    planner
        .plan(request, EmptyLayers::Refused)
        .map_err(|error| match error {
            Error::Refused { message, field, .. } => format!("{}: {message}", field.unwrap()),
            other => other.to_string(),
        })
}

fn groups(planned: Planned) -> Vec<Vec<u32>> {
    planned
        .layers
        .into_iter()
        .map(|layer| layer.paths)
        .collect()
}

/// Checks what every policy is held to. The host checks each plan, so that success is much already.
fn keeps_the_contract(planner: &Planner<'_>, name: &str) {
    let info = planner.describe().unwrap();
    assert_eq!(info.policies[0].name, name);
    serde_json::from_str::<serde_json::Value>(&info.policies[0].options_schema).unwrap();
    for count in [0, 1, 2, 50] {
        for max_layers in [Some(1), Some(2), Some(3), None] {
            let mut request = Request {
                max_layers,
                ..request(count, "{}")
            };
            let planned = plan(planner, &request).unwrap();
            assert_eq!(plan(planner, &request).unwrap(), planned);
            request.policy = name.to_owned();
            assert_eq!(plan(planner, &request).unwrap(), planned);
            // The order of the request is no part of it.
            let names = |planned: &Planned, request: &Request| {
                planned
                    .layers
                    .iter()
                    .map(|layer| {
                        layer
                            .paths
                            .iter()
                            .map(|&i| request.paths[i as usize].name.clone())
                            .collect::<Vec<_>>()
                    })
                    .collect::<Vec<_>>()
            };
            let mut turned = request.clone();
            turned.paths.reverse();
            let other = |i: &mut u32| *i = count - 1 - *i;
            turned
                .paths
                .iter_mut()
                .for_each(|path| path.references.iter_mut().for_each(other));
            turned.roots.iter_mut().for_each(other);
            let turned_plan = plan(planner, &turned).unwrap();
            assert_eq!(names(&turned_plan, &turned), names(&planned, &request));
            request.excluded = request.roots.clone();
            plan(planner, &request).unwrap();
        }
    }
    let unknown = Request {
        policy: "best".to_owned(),
        ..request(1, "{}")
    };
    assert_eq!(
        plan(planner, &unknown),
        Err("policy: no policy is called `best`".to_owned())
    );
    for wrong in ["", "[]", r#"{"x": 1}"#] {
        let error = plan(planner, &request(1, wrong)).unwrap_err();
        assert!(error.starts_with("options"), "{error}");
    }
    // Far from the limits for the largest of closures.
    let large = request(100_000, "{}");
    let (_, usage) = planner.plan_measured(&large, EmptyLayers::Refused).unwrap();
    let limits = Limits::default();
    assert!(
        usage.fuel < limits.fuel / 5 && usage.memory < limits.memory / 2,
        "{usage:?}"
    );
}

#[test]
fn the_example_in_rust_keeps_a_package_where_it_is() {
    let component = fs::read(policy::steady()).unwrap();
    let runtime = runtime();
    let planner = runtime
        .load("steady.wasm", &component, Imports::Nothing)
        .unwrap();
    keeps_the_contract(&planner, "steady");
    let place = |request: &Request| -> BTreeMap<String, String> {
        let planned = plan(&planner, request).unwrap();
        let layers = groups(planned);
        let name = |i: u32| request.paths[i as usize].package.clone();
        // A layer is known by the packages of the first closure in it.
        let first = |layer: &[u32]| layer.iter().map(|&i| name(i)).find(|name| name.len() == 8);
        layers
            .iter()
            .flat_map(|layer| {
                let first = first(layer).unwrap();
                layer
                    .iter()
                    .map(|&i| (name(i), first.clone()))
                    .collect::<Vec<_>>()
            })
            .collect()
    };
    let small = place(&request(10, r#"{"layers": 3}"#));
    let large = place(&request(30, r#"{"layers": 3}"#));
    assert!(
        small
            .iter()
            .all(|(package, layer)| large[package] == *layer)
    );
    assert_eq!(
        groups(plan(&planner, &request(50, r#"{"layers": 5}"#)).unwrap()).len(),
        5
    );
    let error = plan(&planner, &request(1, r#"{"layers": 0}"#)).unwrap_err();
    assert!(error.contains("nonzero"), "{error}");
}

#[test]
fn the_example_in_python_puts_the_application_on_top() {
    let Some(component) = policy::app_on_top() else {
        return;
    };
    let component = fs::read(component).unwrap();
    let runtime = runtime();
    let planner = runtime
        .load("app_on_top.wasm", &component, Imports::Nothing)
        .unwrap();
    keeps_the_contract(&planner, "app-on-top");
    let on = |request: &Request| groups(plan(&planner, request).unwrap());
    let also = r#"{"also": ["package0"]}"#;
    assert_eq!(on(&request(4, "{}")), [vec![0, 1, 2], vec![3]]);
    assert_eq!(on(&request(4, also)), [vec![1, 2], vec![0], vec![3]]);
    let limited = |max| Request {
        max_layers: Some(max),
        ..request(4, also)
    };
    assert_eq!(on(&limited(2)), [vec![1, 2], vec![0, 3]]);
    assert_eq!(on(&limited(1)), [vec![1, 2, 0, 3]]);
    let error = plan(&planner, &request(1, r#"{"also": [1]}"#)).unwrap_err();
    assert_eq!(error, "options.also: must be a list of packages");
}

/// Returns what the examples make of a closure on the command line.
fn on_the_command_line(component: &Path, name: &str, runs: &[&str]) -> String {
    let folder = temporary();
    fs::copy(component, folder.path().join(name)).unwrap();
    let graph: Vec<_> = (0..6)
        .map(|i| {
            let path = |i: u32| format!("/nix/store/{i:032}-package{i}-1.{i}");
            let references: Vec<String> = (0..i).map(path).collect();
            serde_json::json!({ "path": path(i), "narSize": 1000, "references": references })
        })
        .collect();
    fs::write(
        folder.path().join("graph.json"),
        serde_json::json!(graph).to_string(),
    )
    .unwrap();
    runs.iter()
        .map(|arguments| {
            let line =
                format!("layers --graph graph.json --max-layers 10 --planner ./{name} {arguments}");
            let words = line.trim_end().split(' ');
            let run = Run::of(terrine().current_dir(folder.path()).args(words.clone()));
            let text = run.snapshot(&[(folder.path(), "[FOLDER]")]);
            format!(
                "$ terrine {}\n{text}\n",
                words.collect::<Vec<_>>().join(" ")
            )
        })
        .collect()
}

#[test]
fn the_example_in_rust_on_the_command_line() {
    let told = on_the_command_line(
        &policy::steady(),
        "steady.wasm",
        &[
            "",
            "--option layers=2",
            "--option layers=0",
            "--option layer=2",
            "--policy auto",
        ],
    );
    insta::assert_snapshot!("steady", told);
}

#[test]
fn the_example_in_python_on_the_command_line() {
    let Some(component) = policy::app_on_top() else {
        return;
    };
    let runs = [
        "",
        r#"--option also=["package0"]"#,
        "--option also=package0",
        "--option x=1",
    ];
    insta::assert_snapshot!(
        "app-on-top",
        on_the_command_line(&component, "app_on_top.wasm", &runs)
    );
}

#[test]
fn the_example_in_rust_needs_nothing_that_the_workspace_has_not() {
    let packages = |lock: &Path| -> Vec<String> {
        let text = fs::read_to_string(lock).unwrap();
        text.split("[[package]]")
            .skip(1)
            .map(|package| {
                package
                    .lines()
                    .skip(1)
                    .take(2)
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect()
    };
    let ours = packages(&workspace().join("Cargo.lock"));
    let example = packages(&workspace().join("tests/policies/steady/Cargo.lock"));
    let others: Vec<_> = example
        .iter()
        .filter(|package| !ours.contains(package))
        .collect();
    // Or it could not be built without the network.
    assert_eq!(others, [r#"name = "steady" version = "1.0.0""#]);
}

#[test]
fn the_contract_that_is_written_is_the_one_in_use() {
    let folder = temporary();
    let write = || {
        Run::of(
            terrine()
                .current_dir(folder.path())
                .args(["planner", "wit", "a/wit"]),
        )
        .ok()
    };
    write();
    // A second time it is written again.
    write();
    let written: Vec<_> = fs::read_dir(folder.path().join("a/wit")).unwrap().collect();
    let frozen = workspace().join("wit/0.1.0");
    assert_eq!(
        (written.len(), fs::read_dir(&frozen).unwrap().count()),
        (WIT.len(), WIT.len())
    );
    for (name, _) in WIT {
        let written = fs::read_to_string(folder.path().join("a/wit").join(name)).unwrap();
        assert_eq!(written, fs::read_to_string(frozen.join(name)).unwrap());
    }
}

#[test]
fn a_module_makes_the_same_component_every_time() {
    let module = policy::steady_module();
    let component = fs::read(policy::steady()).unwrap();
    let mut command = terrine();
    command
        .args(["planner", "componentize"])
        .arg(module)
        .args(["-o", "-"]);
    assert_eq!(Run::of(&mut command).ok().stdout, component);
    let module = fs::read(module).unwrap();
    assert_eq!(
        terrine::planner::componentize("steady", &module).unwrap(),
        component
    );
}

#[test]
fn help() {
    for command in ["wit", "componentize"] {
        let run = Run::of(terrine().args(["planner", command, "--help"]));
        insta::assert_snapshot!(format!("help-{command}"), run.snapshot(&[]));
    }
}

#[test]
fn what_is_no_module_of_a_policy_is_told_apart() {
    let folder = temporary();
    let module = |text: &str| wat::parse_str(text).unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("text.wasm", b"hello");
    write("component.wasm", terrine::planner::EMBEDDED);
    write("unrelated.wasm", &module("(module)"));
    write("broken.wasm", b"\0asm\x01\0\0\0\x7f");
    write(
        "imports.wasm",
        &of_the_world("policy", r#"(import "env" "now" (func))"#),
    );
    write("unfinished.wasm", &of_the_world("policy", ""));
    write("stuck.wasm", &stuck());
    fs::create_dir(folder.path().join("directory")).unwrap();
    let componentize = |module: &str, output: &str| {
        let mut command = terrine();
        command
            .current_dir(folder.path())
            .args(["planner", "componentize", module, "-o", output]);
        let run = Run::of(&mut command);
        assert!(!folder.path().join("out.wasm").exists());
        format!(
            "$ terrine planner componentize {module} -o {output}\n{}",
            run.snapshot(&[(folder.path(), "[FOLDER]")])
        )
    };
    let names = [
        "text",
        "component",
        "unrelated",
        "broken",
        "imports",
        "unfinished",
        "stuck",
        "missing",
    ];
    let mut told: String = names
        .iter()
        .map(|name| componentize(&format!("{name}.wasm"), "out.wasm"))
        .collect();
    told += &componentize("directory", "out.wasm");
    // Not read to its end.
    told += &componentize("/dev/zero", "out.wasm");
    insta::assert_snapshot!("componentize", told);
    let wit = Run::of(
        terrine()
            .current_dir(folder.path())
            .args(["planner", "wit", "text.wasm"]),
    );
    insta::assert_snapshot!("wit-into-a-file", wit.snapshot(&[]));
}

/// A module that says it is of a world of the contract.
fn of_the_world(world: &str, body: &str) -> Vec<u8> {
    let mut module = wat::parse_str(format!("(module {body})")).unwrap();
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve
        .push_dir(Path::new(&workspace().join("wit/0.1.0")))
        .unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding).unwrap();
    module
}

/// One that fits the contract, and fails when it is asked what it is.
fn stuck() -> Vec<u8> {
    let interface = "terrine:planner/layering@0.1.0";
    let body = format!(
        r#"(memory (export "memory") 1)
           (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (unreachable))
           (func (export "{interface}#describe") (result i32) (unreachable))
           (func (export "{interface}#plan") (param i32) (result i32) (unreachable))"#
    );
    of_the_world("policy", &body)
}
