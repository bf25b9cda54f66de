//! The same input makes the same image.

use std::fs;

use serde_json::{Value, json};
use terrine_tests::{Archive, Run, SpecFile};

use super::{GRAPH, spec, store};

#[test]
fn the_same_input_gives_the_same_bytes_in_any_order() {
    let store = store();
    let reference = spec(&store).archive();
    let reversed: Vec<(&str, u64, &str)> = GRAPH.iter().copied().rev().collect();
    assert_eq!(
        SpecFile::new(&store, &["app"])
            .graph(&reversed)
            .archive()
            .bytes,
        reference.bytes
    );
    // Keys in another order, and spelled in another way.
    let spec = spec(&store);
    let text = r#"{"config": {"Cmd": ["\/bin\/hello"]}, "storeDir": "/nix/store", "closure": ["graph.json"],
        "architecture": "amd64", "contents": "/nix/store/app/", "name": "test", "tag": "1"}"#;
    let mut command = spec.command("build");
    fs::write(store.root().join("image.json"), text).unwrap();
    assert_eq!(
        Archive::read(Run::of(&mut command).ok().stdout).id,
        reference.id
    );
}

#[test]
fn every_form_of_a_closure_makes_the_same_image() {
    let store = store();
    let spec = spec(&store);
    let reference = spec.archive();
    let info = |size: u64, references: &str| {
        let references: Vec<String> = references
            .split_whitespace()
            .map(|name| store.path(name))
            .collect();
        json!({"narSize": size, "references": references, "narHash": "sha256:x"})
    };
    let object: Value = GRAPH
        .iter()
        .map(|(n, s, r)| (store.path(n), info(*s, r)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let attrs = json!({"outputs": {"out": "x"}, "closure": serde_json::from_slice::<Value>(&fs::read(store.root().join("graph.json")).unwrap()).unwrap()});
    fs::write(store.root().join("object.json"), object.to_string()).unwrap();
    fs::write(store.root().join("attrs.json"), attrs.to_string()).unwrap();
    let folder = store.root().join("closure-info");
    fs::create_dir(&folder).unwrap();
    let mut registration = String::new();
    for (name, size, references) in GRAPH {
        let references: Vec<String> = references
            .split_whitespace()
            .map(|name| store.path(name))
            .collect();
        registration += &format!(
            "{}\nsha256:x\n{size}\n\n{}\n",
            store.path(name),
            references.len()
        );
        references
            .iter()
            .for_each(|path| registration += &format!("{path}\n"));
    }
    fs::write(folder.join("registration"), registration).unwrap();
    let mut spec = spec;
    for form in ["object.json", "attrs.json", "closure-info"] {
        spec = spec.with("closure", form);
        assert_eq!(spec.archive().id, reference.id, "{form}");
    }
}
