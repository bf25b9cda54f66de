//! `single` and `path-per-layer`, which have no more to them than their names.

use std::cmp::Reverse;

use proptest::prelude::*;

use crate::closures::{Shape, requests};
use crate::outcome::{Outcome, plan};
use crate::reference::{Closure, Path};

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn single_has_all_paths_by_name(request in requests(Shape::Any, 20)) {
        let all: Vec<Path> = Closure::without_excluded(&request).sizes.into_keys().collect();
        let layers = if all.is_empty() { vec![] } else { vec![all] };
        prop_assert_eq!(plan(&request, "single", "{}"), Outcome::of(layers));
    }

    #[test]
    fn path_per_layer_has_the_largest_first_and_the_rest_by_name(request in requests(Shape::Any, 20)) {
        let closure = Closure::without_excluded(&request);
        let mut paths: Vec<Path> = closure.sizes.keys().cloned().collect();
        paths.sort_by_key(|path| Reverse(closure.sizes[path]));
        let limit = request.max_layers.unwrap() as usize;
        let mut rest = paths.split_off(paths.len().min(limit - 1));
        rest.sort();
        let mut layers: Vec<Vec<Path>> = paths.into_iter().map(|path| vec![path]).collect();
        layers.push(rest);
        layers.retain(|layer| !layer.is_empty());
        prop_assert_eq!(plan(&request, "path-per-layer", "{}"), Outcome::of(layers));
    }
}
