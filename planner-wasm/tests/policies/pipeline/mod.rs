//! `pipeline` checked against docs/dockertools.md, section 3.3.

mod generate;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use terrine_planner::bindings::layering::Request;

use crate::closures::{Shape, request, requests};
use crate::outcome::{Outcome, plan};
use crate::reference::Closure;
use crate::reference::pipeline::{layers, left_out, start, steps};
use generate::Tape;

fn expected(request: &Request, pipeline: &[Json]) -> Outcome {
    let closure = Closure::without_excluded(request);
    let layers = layers(steps(pipeline, start(&closure)));
    Outcome {
        left_out: left_out(&closure, &layers),
        layers,
    }
}

fn planned(request: &Request, pipeline: &[Json]) -> Outcome {
    plan(
        request,
        "pipeline",
        &json!({ "pipeline": pipeline }).to_string(),
    )
}

/// Steps for a graph of names, with names in the place of paths.
fn agree(graph: &[(&str, u64, &str)], pipeline: &Json, names: &str) {
    let request = request(graph);
    let mut text = pipeline.to_string();
    for path in &request.paths {
        text = text.replace(&format!("\"{}\"", path.name), &format!("\"{}\"", path.path));
    }
    let steps: Vec<Json> = serde_json::from_str(&text).unwrap();
    assert_eq!(
        expected(&request, &steps).names(),
        names,
        "the reference, {pipeline}"
    );
    assert_eq!(
        planned(&request, &steps),
        expected(&request, &steps),
        "{pipeline}"
    );
}

#[test]
fn the_vectors_of_the_specification() {
    let graph = [("A", 2, "C"), ("B", 4, "C D"), ("C", 6, ""), ("D", 8, "")];
    agree(&graph, &json!([["split_paths", ["B"]]]), "B D|C|A");
    let nested = json!([
        ["split_paths", ["B"]],
        ["over", "main", ["subcomponent_in", ["B"]]]
    ]);
    agree(&graph, &nested, "B|D|C|A");
}

/// References that lead to a path that was split off are cut, and stay so.
#[test]
fn what_split_paths_cuts_is_gone_for_the_steps_that_follow() {
    let graph = [("top", 1, "a"), ("a", 2, "b x"), ("b", 3, ""), ("x", 4, "")];
    let contest = json!([
        ["split_paths", ["a", "b"]],
        ["over", "main", ["popularity_contest"]]
    ]);
    // Nothing leads to b any more, so it is no more popular than a is.
    agree(&graph, &contest, "x|a|b|top");
    let below = json!([
        ["split_paths", ["a", "b"]],
        ["over", "main", ["subcomponent_out", ["a"]]]
    ]);
    agree(&graph, &below, "a x|b|top");
}

#[test]
fn graphs_that_are_put_together_stay_apart() {
    let graph = [("a", 1, "b"), ("b", 2, "c"), ("c", 3, "")];
    let apart = json!([
        ["split_every", 1],
        ["limit_layers", 1],
        ["map", ["subcomponent_out", ["a"]]]
    ]);
    agree(&graph, &apart, "a|b c");
}

#[test]
fn a_graph_without_paths_can_be_split_too() {
    let nothing = json!([
        ["subcomponent_out", ["nowhere"]],
        [
            "over",
            "main",
            [
                "pipe",
                [["split_paths", ["a"]], ["over", "rest", ["split_every", 1]]]
            ]
        ],
    ]);
    agree(&[("a", 1, "")], &nothing, "a");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn outcomes_are_those_of_the_specification(
        request in requests(Shape::Acyclic, 16),
        numbers in vec(any::<u16>(), 0..120),
    ) {
        let request = Request { max_layers: None, ..request };
        let paths: Vec<String> = request.paths.iter().map(|path| path.path.clone()).collect();
        let start = start(&Closure::without_excluded(&request));
        let pipeline = generate::steps(&mut Tape::new(numbers), &paths, &[start], 0);
        prop_assert_eq!(planned(&request, &pipeline), expected(&request, &pipeline), "{}", json!(pipeline));
    }
}
