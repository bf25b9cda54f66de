//! Closures of a size at which recursion would run out of stack, and wasted work out of
//! time.

use std::collections::BTreeSet;

use terrine_planner::bindings::layering::Request;

use crate::closures::{store_path, web, with_paths};
use crate::outcome::planned;

/// Each path refers to the next one.
fn chain(count: u32) -> Request {
    let next = |i: u32| if i + 1 < count { vec![i + 1] } else { vec![] };
    let path = |i: u32| {
        store_path(
            &format!("{i:06}"),
            "link",
            u64::from(i * 7919 % 1000),
            next(i),
        )
    };
    with_paths((0..count).map(path).collect())
}

/// Returns the number of layers that a policy makes, and checks that each path is in one of them.
fn layers(request: Request, policy: &str, limit: u32) -> usize {
    let request = Request {
        max_layers: Some(limit),
        ..request
    };
    let planned = planned(&request, policy, "{}");
    let placed: BTreeSet<u32> = planned
        .layers
        .iter()
        .flat_map(|layer| layer.paths.iter().copied())
        .collect();
    assert_eq!(placed.len(), request.paths.len(), "{policy}");
    planned.layers.len()
}

#[test]
fn auto_takes_a_long_chain() {
    assert_eq!(layers(chain(100_000), "auto", 100), 100);
}

// What is above each path adds to its popularity, so the time is that of all pairs.
#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes when it is not optimised")]
fn popularity_takes_a_long_chain() {
    assert_eq!(layers(chain(100_000), "popularity", 100), 100);
}

#[test]
fn auto_takes_a_large_web() {
    // It stops at the first owner that would make for too many layers.
    assert!((2..=100).contains(&layers(web(10_000), "auto", 100)));
}

#[test]
fn popularity_takes_a_large_web() {
    assert_eq!(layers(web(10_000), "popularity", 100), 100);
}
