use super::super::testing::{names, request};
use super::super::{describe, plan};
use crate::bindings::layering::{
    HeldImage, HeldLayer, HeldPath, History, Layer, Observation, Planned, Request,
};

fn asked(graph: &[(&str, u64, &str)], limit: u32) -> Request {
    Request {
        policy: "least-pull".to_owned(),
        max_layers: Some(limit),
        ..request(graph)
    }
}

/// The layers, each with its paths by name, in the order of names.
fn layers(request: &Request) -> Vec<String> {
    let planned = plan(request).unwrap();
    let text = names(request, &planned);
    let mut layers: Vec<String> = text.split('|').map(str::to_owned).collect();
    layers.sort();
    layers
}

/// A history in which each path changed with the given updates.
fn history(request: &Request, steps: u32, changes: &[(&str, &[u32])]) -> History {
    let observation = |name: &String| {
        let changes = changes
            .iter()
            .find(|(other, _)| other == name)
            .map_or(&[][..], |(_, c)| c);
        Observation {
            closures: steps,
            changes: changes.to_vec(),
            version_changes: changes.to_vec(),
        }
    };
    let observations = request
        .paths
        .iter()
        .map(|path| observation(&path.name))
        .collect();
    History {
        steps,
        observations,
        held: vec![],
    }
}

/// The image that clients hold after pulling a plan.
fn pulled(request: &Request, planned: &Planned) -> HeldImage {
    let path = |&index: &u32| {
        let path = &request.paths[index as usize];
        HeldPath {
            path: path.path.clone(),
            name: path.name.clone(),
            package: path.package.clone(),
            size: path.size,
        }
    };
    let layer = |layer: &Layer| HeldLayer {
        paths: layer.paths.iter().map(path).collect(),
        transfer_size: 0,
    };
    HeldImage {
        layers: planned.layers.iter().map(layer).collect(),
    }
}

/// Layers of paths that clients hold, as `a b|c`.
fn held(request: &Request, layers: &str) -> HeldImage {
    let index = |name: &str| {
        request
            .paths
            .iter()
            .position(|path| path.name == name)
            .unwrap() as u32
    };
    let layer = |text: &str| Layer {
        paths: text.split_whitespace().map(index).collect(),
        reason: String::new(),
        cost: None,
    };
    let layers = layers.split('|').map(layer).collect();
    pulled(
        request,
        &Planned {
            layers,
            left_out: vec![],
            remarks: vec![],
        },
    )
}

fn with(request: &Request, steps: u32, held: HeldImage) -> Request {
    let history = History {
        held: vec![held],
        ..history(request, steps, &[])
    };
    Request {
        history: Some(history),
        ..request.clone()
    }
}

/// Two programs, each with libraries of its own, and something that both need.
const PROGRAMS: &[(&str, u64, &str)] = &[
    ("base", 64 << 20, ""),
    ("left", 4 << 20, "leftlib base"),
    ("leftlib", 4 << 20, "base"),
    ("right", 4 << 20, "rightlib base"),
    ("rightlib", 4 << 20, "base"),
];

#[test]
fn what_changes_together_is_together() {
    assert_eq!(
        layers(&asked(PROGRAMS, 9)),
        ["base", "left", "leftlib", "right", "rightlib"]
    );
    assert_eq!(
        layers(&asked(PROGRAMS, 3)),
        ["base", "left leftlib", "right rightlib"]
    );
    assert_eq!(layers(&asked(PROGRAMS, 1)).len(), 1);
    assert_eq!(plan(&asked(&[], 3)).unwrap().layers, []);
}

#[test]
fn what_is_unlikely_to_change_is_at_the_bottom() {
    let request = asked(PROGRAMS, 3);
    assert_eq!(
        names(&request, &plan(&request).unwrap()),
        "base|left leftlib|right rightlib"
    );
}

#[test]
fn layers_say_what_they_cost_and_why() {
    let planned = plan(&asked(PROGRAMS, 3)).unwrap();
    let reasons: Vec<&str> = planned
        .layers
        .iter()
        .map(|layer| layer.reason.as_str())
        .collect();
    assert_eq!(
        reasons,
        [
            "12 % likely to change: `base`",
            "30 % likely to change: `left` and `leftlib`",
            "30 % likely to change: `right` and `rightlib`",
        ]
    );
    assert!(
        planned
            .layers
            .iter()
            .all(|layer| layer.cost.is_some_and(|cost| cost > 0.0))
    );
}

#[test]
fn paths_that_need_each_other_share_a_layer_and_excluded_ones_have_none() {
    let graph = [
        ("a", 10, "b"),
        ("b", 10, "a"),
        ("c", 10, "a"),
        ("d", 10, ""),
    ];
    let request = Request {
        excluded: vec![3],
        ..asked(&graph, 9)
    };
    assert_eq!(layers(&request), ["a b", "c"]);
}

/// Packages that have nothing to do with each other.
const STAR: &[(&str, u64, &str)] = &[
    ("app", 1 << 20, "a b c d"),
    ("a", 8 << 20, ""),
    ("b", 64 << 20, ""),
    ("c", 8 << 20, ""),
    ("d", 64 << 20, ""),
];

#[test]
fn what_was_seen_to_change_together_is_together() {
    let request = asked(STAR, 3);
    let every: Vec<u32> = (1..400).collect();
    let seen: &[(&str, &[u32])] = &[("app", &every), ("a", &every), ("c", &every)];
    let history = history(&request, 400, seen);
    let request = Request {
        history: Some(history),
        ..request
    };
    assert_eq!(layers(&request), ["a app c", "b", "d"]);
}

#[test]
fn what_is_new_is_as_likely_to_change_as_what_it_needs() {
    let mut graph = STAR.to_vec();
    graph.push(("new", 8 << 20, "c"));
    let request = asked(&graph, 4);
    let every: Vec<u32> = (1..400).collect();
    let mut past = history(&request, 400, &[("app", &every), ("c", &every)]);
    past.observations[5].closures = 0;
    let request = Request {
        history: Some(past),
        ..request
    };
    assert_eq!(layers(&request), ["a b", "app", "c new", "d"]);
}

#[test]
fn the_same_closure_keeps_its_layers() {
    for limit in 1..=5 {
        let request = asked(PROGRAMS, limit);
        let first = plan(&request).unwrap();
        let again = plan(&with(&request, 0, pulled(&request, &first))).unwrap();
        let paths = |planned: &Planned| -> Vec<Vec<u32>> {
            planned
                .layers
                .iter()
                .map(|layer| layer.paths.clone())
                .collect()
        };
        assert_eq!(paths(&first), paths(&again), "{limit}");
        assert!(
            again
                .layers
                .iter()
                .all(|layer| layer.reason.contains(", as clients hold it: "))
        );
    }
}

#[test]
fn a_layer_that_is_held_keeps_the_order_of_its_archive() {
    let request = asked(PROGRAMS, 3);
    let request = with(
        &request,
        0,
        held(&request, "base|leftlib left|right rightlib"),
    );
    assert_eq!(
        names(&request, &plan(&request).unwrap()),
        "base|leftlib left|right rightlib"
    );
}

#[test]
fn a_poor_grouping_is_kept_only_as_long_as_that_is_cheaper() {
    let request = asked(PROGRAMS, 3);
    let poor = with(
        &request,
        0,
        held(&request, "base left|leftlib rightlib|right"),
    );
    // The base alone is 64 MiB, of which a client would pull more than half each time.
    assert_eq!(layers(&poor), ["base", "left leftlib", "right rightlib"]);
    let patient = Request {
        options: r#"{"horizon": 0.5}"#.to_owned(),
        ..poor
    };
    assert_eq!(layers(&patient), ["base left", "leftlib rightlib", "right"]);
}

#[test]
fn what_has_changed_takes_the_place_of_what_it_was() {
    let request = asked(PROGRAMS, 3);
    let image = pulled(&request, &plan(&request).unwrap());
    let mut changed = with(&request, 0, image);
    changed.paths[1].path = "rebuilt-left".to_owned();
    assert_eq!(layers(&changed), ["base", "left leftlib", "right rightlib"]);
}

#[test]
fn what_is_new_gets_the_room_that_there_is() {
    let request = asked(PROGRAMS, 4);
    let image = held(&request, "base|left leftlib|right rightlib");
    let mut graph = PROGRAMS.to_vec();
    graph.push(("other", 16 << 20, ""));
    assert_eq!(
        layers(&with(&asked(&graph, 4), 0, image.clone())),
        ["base", "left leftlib", "other", "right rightlib"]
    );
    assert_eq!(layers(&with(&asked(&graph, 2), 0, image)).len(), 2);
}

#[test]
fn nothing_of_what_was_held_may_be_left() {
    let request = asked(PROGRAMS, 3);
    let mut image = pulled(&request, &plan(&request).unwrap());
    for path in image.layers.iter_mut().flat_map(|layer| &mut layer.paths) {
        *path = HeldPath {
            path: "x".to_owned(),
            package: "x".to_owned(),
            ..path.clone()
        };
    }
    assert_eq!(
        layers(&with(&request, 0, image)),
        ["base", "left leftlib", "right rightlib"]
    );
    let nothing = HeldImage { layers: vec![] };
    assert_eq!(
        layers(&with(&request, 0, nothing)),
        ["base", "left leftlib", "right rightlib"]
    );
}

#[test]
fn it_says_that_it_looks_at_the_past() {
    let policies = describe().policies;
    let looking: Vec<&str> = policies
        .iter()
        .filter(|policy| policy.uses_history)
        .map(|policy| policy.name.as_str())
        .collect();
    assert_eq!(looking, ["least-pull"]);
}
