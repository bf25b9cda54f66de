//! Properties that hold for every policy and every closure, with circles or without.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use terrine_planner::bindings::layering::{Planned, Request};
use terrine_planner::layering::describe;

use crate::closures::{Shape, requests, with_unique_names};
use crate::outcome::{plan, planned};
use crate::reference::{Path, path};

/// A policy with its options.
type Asked = (String, Json);

/// Every policy with all kinds of options; and none, which is the first one.
fn asked(request: &Request) -> Vec<Asked> {
    let policies = describe().policies.into_iter().flat_map(|policy| {
        let options = options(&policy.name, request).into_iter();
        options.map(move |options| (policy.name.clone(), options))
    });
    policies.chain([(String::new(), json!({}))]).collect()
}

/// The options that a policy is tried with; nothing goes untried because it was forgotten here.
fn options(policy: &str, request: &Request) -> Vec<Json> {
    match policy {
        "auto" | "popularity" | "path-per-layer" | "single" => vec![json!({})],
        "least-pull" => vec![
            json!({}),
            json!({ "changes": 1, "horizon": 0.5, "memory": 3 }),
        ],
        "pipeline" => pipelines(request),
        "explicit" => groupings(request),
        _ => panic!("there are no options to try the policy `{policy}` with"),
    }
}

/// The paths that are not excluded in one layer, and in as many as there may be.
fn groupings(request: &Request) -> Vec<Json> {
    let included = (0..)
        .zip(&request.paths)
        .filter(|(i, _)| !request.excluded.contains(i));
    let paths: Vec<&str> = included.map(|(_, path)| path.path.as_str()).collect();
    let limit = request
        .max_layers
        .map_or(paths.len(), |limit| limit as usize);
    let sizes = [paths.len(), paths.len().div_ceil(limit.max(1))];
    let layers = sizes.map(|size| paths.chunks(size.max(1)).collect::<Vec<_>>());
    layers
        .map(|layers| json!({ "layers": layers }))
        .into_iter()
        .collect()
}

/// Pipelines that name two of the paths.
fn pipelines(request: &Request) -> Vec<Json> {
    let limit = request.max_layers.unwrap_or(4);
    let path = |i: usize| {
        request
            .paths
            .get(i)
            .map_or("/nix/store/nowhere", |path| path.path.as_str())
    };
    let (one, other) = (path(0), path(1));
    let steps = [
        json!([["popularity_contest"]]),
        json!([["popularity_contest"], ["reverse"]]),
        json!([["split_every", 3], ["map", ["popularity_contest"]]]),
        json!([["split_paths", [one, { "children_of": other }]]]),
        json!([["split_paths", [{ "children_of": [one, other] }]], ["flatten"], ["map", ["split_paths", [other]]]]),
        json!([
            ["subcomponent_in", [one]],
            ["over", "rest", ["subcomponent_out", [other]]]
        ]),
        json!([
            ["subcomponent_out", [one, other]],
            ["over", "main", ["split_every", 2]]
        ]),
        json!([["remove_paths", one], ["split_paths", [other]]]),
        json!([["remove_paths", [one, other]], ["popularity_contest"]]),
    ];
    let pipelines = steps.map(|steps| {
        let mut steps = steps.as_array().unwrap().clone();
        steps.extend([json!(["flatten"]), json!(["limit_layers", limit])]);
        json!({ "pipeline": steps })
    });
    pipelines.into_iter().collect()
}

/// Each path that is not excluded is in exactly one layer, or left out where that was asked
/// for; there are no more layers than there may be, and none is empty.
fn check(request: &Request, policy: &str, options: &str) {
    let planned = planned(request, policy, options);
    let limit = request
        .max_layers
        .map_or(usize::MAX, |limit| limit as usize);
    assert!(
        planned.layers.len() <= limit,
        "{policy} {options}: {} layers",
        planned.layers.len()
    );
    assert!(
        planned.layers.iter().all(|layer| !layer.paths.is_empty()),
        "{policy} {options}"
    );
    assert!(
        planned.left_out.is_empty() || options.contains("remove_paths"),
        "{policy} {options}"
    );
    assert!(
        planned.left_out.is_sorted_by(|a, b| a < b),
        "{policy} {options}"
    );
    let layers = planned.layers.iter().flat_map(|layer| &layer.paths);
    let mut placed: Vec<u32> = layers.chain(&planned.left_out).copied().collect();
    placed.sort_unstable();
    let all = 0..request.paths.len() as u32;
    let expected: Vec<u32> = all.filter(|i| !request.excluded.contains(i)).collect();
    assert_eq!(placed, expected, "{policy} {options}");
}

/// The same request with its paths, and what each refers to, in another order.
fn shuffled(request: &Request, order: &[u32]) -> Request {
    let place = |old: &u32| order.iter().position(|other| other == old).unwrap() as u32;
    let places = |old: &Vec<u32>| {
        old.iter()
            .map(place)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    };
    let paths = order.iter().map(|&old| {
        let mut path = request.paths[old as usize].clone();
        path.references = path.references.iter().rev().map(place).collect();
        path
    });
    Request {
        paths: paths.collect(),
        roots: places(&request.roots),
        excluded: places(&request.excluded),
        ..request.clone()
    }
}

/// All that a plan says, by paths.
type Said = (
    Vec<(Vec<Path>, String, Option<f64>)>,
    BTreeSet<Path>,
    Vec<String>,
);

fn said(request: &Request, planned: Planned) -> Said {
    let paths =
        |indices: &[u32]| -> Vec<Path> { indices.iter().map(|&i| path(request, i)).collect() };
    let layers = planned.layers.iter();
    (
        layers
            .map(|layer| (paths(&layer.paths), layer.reason.clone(), layer.cost))
            .collect(),
        paths(&planned.left_out).into_iter().collect(),
        planned.remarks,
    )
}

/// The request as it is after a rebuild of everything: with other hashes.
fn rebuilt(request: &Request, order: &[u32]) -> Request {
    let mut request = request.clone();
    for (path, hash) in request.paths.iter_mut().zip(order) {
        path.path = format!("/nix/store/rebuilt{hash:04}-{}", path.name);
    }
    request
}

/// Options with the paths of one request in the place of another's.
fn renamed(options: &Json, from: &Request, to: &Request) -> String {
    let mut text = options.to_string();
    for (from, to) in from.paths.iter().zip(&to.paths) {
        text = text.replace(&format!("\"{}\"", from.path), &format!("\"{}\"", to.path));
    }
    text
}

/// A request and an order of its paths.
fn with_order() -> impl Strategy<Value = (Request, Vec<u32>)> {
    (requests(Shape::Any, 24), any::<bool>()).prop_flat_map(|(request, limited)| {
        let order: Vec<u32> = (0..request.paths.len() as u32).collect();
        let request = Request {
            max_layers: request.max_layers.filter(|_| limited),
            ..request
        };
        (Just(request), Just(order).prop_shuffle())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_path_is_placed_once_and_the_budget_is_kept((request, _) in with_order()) {
        for (policy, options) in asked(&request) {
            check(&request, &policy, &options.to_string());
        }
    }

    #[test]
    fn the_order_of_a_request_changes_nothing((request, order) in with_order()) {
        let other = shuffled(&request, &order);
        for (policy, options) in asked(&request) {
            let options = options.to_string();
            prop_assert_eq!(
                said(&request, planned(&request, &policy, &options)),
                said(&other, planned(&other, &policy, &options)),
                "{} {}", policy, options
            );
        }
    }

    #[test]
    fn hashes_change_nothing_where_names_are_unique((request, order) in with_order()) {
        let request = with_unique_names(request);
        let other = rebuilt(&request, &order);
        for (policy, options) in asked(&request) {
            prop_assert_eq!(
                plan(&request, &policy, &options.to_string()).names(),
                plan(&other, &policy, &renamed(&options, &request, &other)).names(),
                "{} {}", policy, options
            );
        }
    }
}
