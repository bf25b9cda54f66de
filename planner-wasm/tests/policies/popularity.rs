//! `popularity` checked against docs/dockertools.md, section 3.2.

use proptest::prelude::*;
use terrine_planner::bindings::layering::Request;

use crate::closures::{Shape, request, requests, web};
use crate::outcome::{Outcome, plan};
use crate::reference::{Closure, popularity};

fn expected(request: &Request) -> Outcome {
    let limit = request.max_layers.map(|limit| limit as usize);
    Outcome::of(popularity::layers(
        &Closure::without_excluded(request).references,
        limit,
    ))
}

#[test]
fn the_vectors_of_the_specification() {
    let roots = [
        ("Root1", 0, "A"),
        ("Root2", 0, "B"),
        ("Root3", 0, "C"),
        ("A", 0, "B D"),
        ("B", 0, "D F"),
        ("C", 0, ""),
        ("D", 0, "E"),
        ("E", 0, ""),
        ("F", 0, ""),
        ("X", 0, ""),
    ];
    let one = [
        ("A", 0, "B G"),
        ("B", 0, "C E"),
        ("C", 0, "D E"),
        ("D", 0, "F"),
        ("E", 0, "F"),
        ("F", 0, ""),
        ("G", 0, ""),
    ];
    for (graph, layers) in [
        (&roots[..], "E|D|F|B|A|C|Root1|Root2|Root3|X"),
        (&one[..], "F|E|D|C|B|G|A"),
    ] {
        let request = request(graph);
        assert_eq!(plan(&request, "popularity", "{}").names(), layers);
        assert_eq!(expected(&request).names(), layers, "the reference");
    }
}

#[test]
fn more_paths_than_a_word_has_bits_are_counted_too() {
    let request = web(150);
    assert_eq!(plan(&request, "popularity", "{}"), expected(&request));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn layers_are_those_of_the_specification(request in requests(Shape::Acyclic, 30), limited: bool) {
        let request = Request { max_layers: request.max_layers.filter(|_| limited), ..request };
        prop_assert_eq!(plan(&request, "popularity", "{}"), expected(&request));
    }
}
