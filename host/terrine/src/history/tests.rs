use terrine_planner_host::layering::{HeldLayer, Observation};
use terrine_planner_host::store_path;

use super::*;

/// A path of the store: `a.lib-1` has the hash `aaa…`.
fn path(text: &str) -> String {
    match text.split_once('.') {
        Some((hash, name)) if hash.len() == 1 => format!("/nix/store/{}-{name}", hash.repeat(32)),
        _ => format!("/nix/store/{text}"),
    }
}

/// Closures, one a line, their paths separated by spaces.
fn count(closures: &[&str]) -> Counter {
    let mut counter = Counter::default();
    for closure in closures {
        let paths: Vec<String> = closure.split_whitespace().map(path).collect();
        counter.add(paths.iter().map(String::as_str));
    }
    counter
}

fn observed(closures: &[&str], wanted: &str) -> (u32, Vec<u32>, Vec<u32>) {
    let history = count(closures).history(&[store_path(&path(wanted), 1, vec![])], vec![]);
    assert_eq!(history.steps as usize, closures.len());
    let Observation {
        closures,
        changes,
        version_changes,
    } = history.observations[0].clone();
    (closures, changes, version_changes)
}

#[test]
fn rebuilds_and_new_versions_are_told_apart() {
    let closures = ["a.lib-1", "a.lib-1", "b.lib-1", "c.lib-2", "c.lib-2"];
    // The request's own path is not among them, is the newest one, or was there long ago.
    assert_eq!(observed(&closures, "d.lib-3"), (5, vec![2, 3], vec![3]));
    assert_eq!(observed(&closures, "c.lib-2"), (5, vec![2, 3], vec![3]));
    assert_eq!(observed(&closures, "a.lib-1"), (5, vec![2, 3], vec![3]));
    assert_eq!(observed(&closures, "x.other-1"), (0, vec![], vec![]));
}

#[test]
fn what_comes_or_goes_has_not_changed() {
    let closures = [
        "x.app-1",
        "x.app-1 a.lib-1",
        "x.app-1",
        "x.app-1 b.lib-2",
        "x.app-1 b.lib-2",
    ];
    assert_eq!(observed(&closures, "b.lib-2"), (3, vec![], vec![]));
    // A second version beside the first, and then alone.
    let closures = ["a.ssl-1", "a.ssl-1 b.ssl-3", "b.ssl-3"];
    assert_eq!(observed(&closures, "b.ssl-3"), (3, vec![], vec![]));
}

#[test]
fn several_paths_of_a_package_change_together_unless_they_stay() {
    // Two outputs of one build.
    let closures = [
        "a.lib-1 b.lib-1-bin",
        "c.lib-1 d.lib-1-bin",
        "e.lib-2 f.lib-2-bin",
    ];
    assert_eq!(observed(&closures, "e.lib-2"), (3, vec![1, 2], vec![2]));
    // Two versions, of which one is rebuilt: the other was there all along.
    let closures = [
        "a.ssl-1 b.ssl-3.0",
        "a.ssl-1 c.ssl-3.0",
        "a.ssl-1 d.ssl-3.1",
    ];
    assert_eq!(observed(&closures, "d.ssl-3.1"), (3, vec![1, 2], vec![2]));
    assert_eq!(observed(&closures, "a.ssl-1"), (3, vec![], vec![]));
}

#[test]
fn the_newest_closure_may_be_the_requests_own() {
    let past = ["a.lib-1", "b.lib-1"];
    let with_own = ["a.lib-1", "b.lib-1", "b.lib-1"];
    assert_eq!(
        observed(&past, "b.lib-1").1,
        observed(&with_own, "b.lib-1").1
    );
}

#[test]
fn without_closures_there_are_no_observations() {
    let history = Counter::default().history(&[store_path("/nix/store/a", 1, vec![])], vec![]);
    assert_eq!((history.steps, history.observations.len()), (0, 0));
    assert_eq!(Past::default().history(&[]), None);
    assert_eq!(Past::default().digest(), None);
}

const PLAN: &str = r#"{"schemaVersion": 1, "name": "web", "layers": [
    {"kind": "base", "paths": []},
    {"kind": "store", "paths": [{"path": "/nix/store/b", "size": 2}, {"path": "/nix/store/a", "size": 0}],
     "blob": {"size": 9}},
    {"kind": "store", "paths": [{"path": "/nix/store/gone"}]},
    {"kind": "root", "paths": []}]}"#;

#[test]
fn a_plan_tells_its_layers() {
    let HeldImage { layers } = of_plan(PLAN.as_bytes()).unwrap();
    let layer = |paths: &[(&str, u64)], transfer_size| HeldLayer {
        paths: paths.iter().map(|(path, size)| held(path, *size)).collect(),
        transfer_size,
    };
    let first = layer(&[("/nix/store/b", 2), ("/nix/store/a", 0)], 9);
    assert_eq!(layers, [first, layer(&[("/nix/store/gone", 0)], 0)]);
    for (text, start) in [
        ("{", "the text ends within an object"),
        (r#"{"layers": []}"#, "the field `schemaVersion` is missing"),
        (
            r#"{"schemaVersion": 2, "layers": []}"#,
            "its `schemaVersion` is 2",
        ),
    ] {
        let why = of_plan(text.as_bytes()).unwrap_err();
        assert!(why.starts_with(start), "{why}");
    }
}

#[test]
fn sizes_of_held_paths_come_from_whoever_knows_them() {
    let updates =
        r#"{"paths": [{"path": "/nix/store/gone", "narSize": 7}], "steps": [{"paths": [0]}]}"#;
    let past = Past {
        updates: Some(Sequence::parse(updates.as_bytes()).unwrap()),
        held: vec![of_plan(PLAN.as_bytes()).unwrap()],
    };
    let history = past
        .history(&[store_path("/nix/store/a", 5, vec![])])
        .unwrap();
    let sizes = history.held[0].layers.iter().flat_map(|layer| &layer.paths);
    assert_eq!(sizes.map(|path| path.size).collect::<Vec<_>>(), [2, 5, 7]);
    assert_eq!((history.steps, history.observations.len()), (1, 1));
    assert_ne!(
        past.digest(),
        Past {
            updates: None,
            ..past.clone()
        }
        .digest()
    );
    assert_ne!(
        past.digest(),
        Past {
            held: vec![],
            ..past.clone()
        }
        .digest()
    );
}

#[test]
fn another_content_under_the_same_path_is_a_change() {
    let mut counter = Counter::default();
    for content in ["one", "two", "two", "three"] {
        counter.add_known([("/nix/store/site", content), ("/nix/store/plain", "")]);
    }
    let paths = ["/nix/store/site", "/nix/store/plain"].map(|path| store_path(path, 1, vec![]));
    let history = counter.history(&paths, vec![]);
    assert_eq!(history.observations[0].changes, [1, 3]);
    assert!(history.observations[0].version_changes.is_empty());
    assert!(history.observations[1].changes.is_empty());
}
