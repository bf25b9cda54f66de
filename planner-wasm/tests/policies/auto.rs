//! `auto` checked against docs/dockertools.md, section 3.1.

use proptest::prelude::*;
use terrine_planner::bindings::layering::Request;

use crate::closures::{Shape, request, requests, web};
use crate::outcome::{Outcome, plan};
use crate::reference::{Closure, auto, excluded};

fn expected(request: &Request) -> Outcome {
    let limit = request
        .max_layers
        .map_or(usize::MAX, |limit| limit as usize);
    Outcome::of(auto::layers(
        &Closure::new(request),
        &excluded(request),
        limit,
    ))
}

#[test]
fn the_vectors_of_the_specification() {
    let graph = [
        ("app", 5, "py ssl"),
        ("py", 100, "libc ffi"),
        ("ssl", 20, "libc"),
        ("libc", 50, ""),
        ("ffi", 1, "libc"),
    ];
    for (limit, layers) in [
        (1, "app ffi libc py ssl"),
        (2, "ffi libc py|app ssl"),
        (3, "libc|ffi py|app ssl"),
        (4, "libc|ssl|ffi py|app"),
        (5, "libc|ffi|ssl|py|app"),
    ] {
        let request = Request {
            max_layers: Some(limit),
            ..request(&graph)
        };
        assert_eq!(
            plan(&request, "auto", "{}").names(),
            layers,
            "limit {limit}"
        );
        assert_eq!(
            expected(&request).names(),
            layers,
            "the reference, limit {limit}"
        );
    }
}

#[test]
fn excluded_paths_are_counted_in_the_budget_and_in_sizes() {
    let graph = [("z", 9, "a"), ("a", 9, ""), ("b", 9, ""), ("c", 1, "b")];
    let request = Request {
        max_layers: Some(3),
        excluded: vec![1],
        ..request(&graph)
    };
    assert_eq!(plan(&request, "auto", "{}"), expected(&request));
    assert_eq!(plan(&request, "auto", "{}").names(), "b|c|z");
}

#[test]
fn more_layers_than_a_word_has_bits_are_in_order_too() {
    for max_layers in [Some(100), Some(149), Some(150), None] {
        let request = Request {
            max_layers,
            ..web(150)
        };
        assert_eq!(
            plan(&request, "auto", "{}"),
            expected(&request),
            "limit {max_layers:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn layers_are_those_of_the_specification(request in requests(Shape::Acyclic, 30)) {
        prop_assert_eq!(plan(&request, "auto", "{}"), expected(&request));
    }

    #[test]
    fn circles_change_nothing_about_that(request in requests(Shape::Any, 30)) {
        prop_assert_eq!(plan(&request, "auto", "{}"), expected(&request));
    }

    #[test]
    fn without_a_limit_they_are_those_of_a_limit_that_is_never_met(request in requests(Shape::Any, 20)) {
        let request = Request { max_layers: None, ..request };
        prop_assert_eq!(plan(&request, "auto", "{}"), expected(&request));
    }
}
