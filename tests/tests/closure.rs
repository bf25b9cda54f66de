//! Closures are the same in whatever form and order they are written.

use std::fmt::Write;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use terrine::closure::{self, Graph, GraphEntry};

/// Entries in alphabetical order, and the same in another, references as well.
fn entries() -> impl Strategy<Value = (Vec<GraphEntry>, Vec<GraphEntry>)> {
    let nodes = prop::collection::vec((0..=i64::MAX.unsigned_abs(), any::<u64>()), 1..40);
    let sorted = nodes.prop_map(|nodes| {
        let path = |index: usize| format!("/nix/store/{index:032}-{}", index % 7);
        nodes
            .iter()
            .enumerate()
            .map(|(index, &(size, edges))| {
                let to = (0..nodes.len()).filter(|to| edges >> to & 1 == 1);
                GraphEntry {
                    path: path(index),
                    size,
                    references: to.map(path).collect(),
                }
            })
            .collect::<Vec<GraphEntry>>()
    });
    sorted.prop_flat_map(|sorted| {
        let reversed: Vec<GraphEntry> = sorted
            .iter()
            .map(|entry| {
                let references = entry.references.iter().rev().cloned().collect();
                GraphEntry {
                    references,
                    ..entry.clone()
                }
            })
            .collect();
        (Just(sorted), Just(reversed).prop_shuffle())
    })
}

/// All forms of one closure.
fn forms(entries: &[GraphEntry]) -> Vec<String> {
    let name = |path: &str| path.trim_start_matches("/nix/store/").to_owned();
    let mut registration = String::new();
    let (mut paths, mut names) = (Map::new(), Map::new());
    for GraphEntry {
        path,
        size,
        references,
    } in entries
    {
        write!(
            registration,
            "{path}\nsha256:0\n{size}\n\n{}\n",
            references.len()
        )
        .unwrap();
        references
            .iter()
            .for_each(|reference| writeln!(registration, "{reference}").unwrap());
        paths.insert(
            path.clone(),
            json!({"narSize": size, "references": references}),
        );
        let references: Vec<String> = references.iter().map(|reference| name(reference)).collect();
        names.insert(
            name(path),
            json!({"narSize": size, "references": references}),
        );
    }
    let array: Vec<Value> = paths
        .iter()
        .map(|(path, value)| {
            let mut record = value.clone();
            record["path"] = json!(path);
            record
        })
        .collect();
    vec![
        registration,
        json!(array).to_string(),
        json!({"a": {}, "graph": array, "version": "1"}).to_string(),
        Value::Object(paths).to_string(),
        json!({"info": names, "storeDir": "/nix/store", "version": 2}).to_string(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn neither_form_nor_order_matters((sorted, shuffled) in entries()) {
        let graph = Graph::build(sorted.clone()).unwrap();
        prop_assert_eq!(graph.nodes().len(), sorted.len());
        prop_assert_eq!(&Graph::build([&sorted[..], &shuffled].concat()).unwrap(), &graph);
        for form in forms(&shuffled) {
            prop_assert_eq!(&closure::parse(form.as_bytes(), "/nix/store").unwrap(), &graph, "{}", form);
        }
        let all: Vec<usize> = (0..sorted.len()).collect();
        let closed = graph.closure(&all[..1]);
        let part = graph.restrict(&closed);
        prop_assert_eq!(part.nodes().len(), closed.len());
        prop_assert_eq!(&part.merge(graph.clone()).unwrap(), &graph);
        prop_assert_eq!(&graph.restrict(&all), &graph);
    }

    #[test]
    fn no_text_is_a_crash(bytes in prop::collection::vec(any::<u8>(), 0..200), form in 0..5_usize, at: usize,
        (sorted, _) in entries())
    {
        let _ = closure::parse(&bytes, "/nix/store");
        let mut text = forms(&sorted).swap_remove(form).into_bytes();
        let at = at % text.len();
        text.splice(at..(at + 3).min(text.len()), bytes.into_iter().take(3));
        let _ = closure::parse(&text, "/nix/store");
    }
}
