//! `least-pull` over changes of the closure: how many layers change with it, and what that
//! makes clients pull.

#![allow(clippy::print_stdout, reason = "what is measured is worth seeing")]

use std::collections::{BTreeMap, BTreeSet};

use terrine_planner::bindings::layering::{
    HeldImage, HeldLayer, HeldPath, History, Observation, Request, StorePath,
};

use crate::closures::{store_path, web, with_paths};
use crate::outcome::planned;

/// The layers of a plan, each as the names of its paths.
fn layers(request: &Request, policy: &str, limit: u32) -> BTreeSet<BTreeSet<String>> {
    let request = Request {
        max_layers: Some(limit),
        ..request.clone()
    };
    let planned = planned(&request, policy, "{}");
    let name = |&i: &u32| request.paths[i as usize].name.clone();
    planned
        .layers
        .iter()
        .map(|layer| layer.paths.iter().map(name).collect())
        .collect()
}

/// A closure of 400 paths, each with a name of its own.
fn closure() -> Request {
    let mut request = web(400);
    for (i, path) in (0..).zip(&mut request.paths) {
        path.name = format!("package{i}-1.0");
        path.package = format!("package{i}");
        path.size += 1000;
    }
    request
}

/// Returns the mean number of layers of a plan that are not in the plan of a closure that is nearly
/// the same; and that number where the request says what clients hold.
fn changed(changes: &[Request], limit: impl Fn(u32) -> u32, budget: u32, policy: &str) -> [f64; 2] {
    let first = closure();
    let before = layers(&first, policy, budget);
    let image = {
        let request = Request {
            max_layers: Some(budget),
            ..first.clone()
        };
        let planned = planned(&request, policy, "{}");
        image(
            &request,
            planned.layers.iter().map(|layer| &layer.paths[..]),
        )
    };
    let new = |request: &Request| {
        layers(request, policy, limit(budget))
            .difference(&before)
            .count()
    };
    let kept = |request: &Request| {
        let history = History {
            steps: 0,
            observations: vec![],
            held: vec![image.clone()],
        };
        new(&Request {
            history: Some(history),
            ..request.clone()
        })
    };
    let mean = |count: usize| count as f64 / changes.len() as f64;
    [
        mean(changes.iter().map(new).sum()),
        mean(changes.iter().map(kept).sum()),
    ]
}

/// The image that clients hold after pulling some layers.
fn image<'a>(request: &Request, layers: impl Iterator<Item = &'a [u32]>) -> HeldImage {
    let paths = |layer: &[u32]| {
        layer
            .iter()
            .map(|&i| held_path(&request.paths[i as usize]))
            .collect()
    };
    HeldImage {
        layers: layers
            .map(|layer| HeldLayer {
                paths: paths(layer),
                transfer_size: 0,
            })
            .collect(),
    }
}

/// The closure with one thing changed, in eight ways.
fn variants(change: impl Fn(&mut Request, u32)) -> Vec<Request> {
    (0..8)
        .map(|i| {
            let mut request = closure();
            change(&mut request, i * 47);
            request
        })
        .collect()
}

/// Small changes, each with the most layers that change with it in the mean, for each budget.
#[test]
fn small_changes_change_few_layers() {
    let leaf = |request: &mut Request, i: u32| {
        request
            .paths
            .push(store_path("new", "new-1.0", 50_000, vec![i]));
    };
    let gone = |request: &mut Request, i: u32| {
        // The last ones are referred to by nothing after them.
        let last = request.paths.len() as u32 - 1 - i / 47;
        let path = request.paths.remove(last as usize);
        drop(path);
        for path in &mut request.paths {
            path.references.retain(|&other| other != last);
            path.references
                .iter_mut()
                .filter(|other| **other > last)
                .for_each(|other| *other -= 1);
        }
    };
    let byte = |request: &mut Request, i: u32| request.paths[i as usize].size += 1;
    let same = |_: &mut Request, _: u32| {};
    let (more, equal) = (|budget| budget + 1, |budget| budget);
    for (what, variants, limit, most) in [
        (
            "a leaf is added",
            variants(leaf),
            equal as fn(u32) -> u32,
            [2.0, 2.0, 8.0],
        ),
        (
            "one that nothing needs is removed",
            variants(gone),
            equal,
            [2.0, 2.0, 8.0],
        ),
        (
            "a byte is added to one",
            variants(byte),
            equal,
            [0.0, 0.0, 0.0],
        ),
        (
            "there may be one layer more",
            variants(same),
            more,
            [12.0, 12.0, 12.0],
        ),
    ] {
        for (budget, most) in [20, 40, 100].into_iter().zip(most) {
            let changed = |policy: &str| changed(&variants, limit, budget, policy);
            let ([ours, kept], [auto, _]) = (changed("least-pull"), changed("auto"));
            println!("{what}, {budget} layers: {ours}, held {kept}; with `auto` {auto}");
            assert!(ours <= most, "{what}, {budget} layers: {ours}");
            assert!(kept <= 2.0, "{what}, {budget} layers, held: {kept}");
        }
    }
}

/// The change of a path from one closure to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    None,
    /// Another version.
    Own,
    /// The same version, because of something that it needs.
    Rebuild,
}

/// A sequence of closures: each package has a rate at which it changes, a few of them a high
/// one, and whatever needs it is rebuilt.
struct Updates {
    now: Request,
    state: u64,
    rates: Vec<u32>,
}

impl Updates {
    fn new() -> Self {
        let mut updates = Self {
            now: closure(),
            state: 7,
            rates: vec![],
        };
        updates.rates = (0..400)
            .map(|_| if updates.below(10) == 0 { 100 } else { 2 })
            .collect();
        updates
    }

    fn below(&mut self, limit: u32) -> u32 {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.state >> 33) % u64::from(limit)) as u32
    }

    /// The next closure, and what became of each of its paths.
    fn next(&mut self, step: u32) -> Vec<Change> {
        let mut changed = vec![Change::None; self.now.paths.len()];
        for i in 0..changed.len() {
            let own = self.below(1000) < self.rates[i];
            let references = &self.now.paths[i].references;
            let rebuilt = references
                .iter()
                .any(|&other| (other as usize) < i && changed[other as usize] != Change::None);
            changed[i] = match (own, rebuilt) {
                (true, _) => Change::Own,
                (false, true) => Change::Rebuild,
                (false, false) => Change::None,
            };
            if changed[i] != Change::None {
                let path = &mut self.now.paths[i];
                path.path = format!("/nix/store/{step}-{}", path.name);
            }
        }
        changed
    }
}

/// Returns the bytes that clients pull that follow 40 updates, over the bytes that have changed, from
/// the fifteenth update on.
fn pulled(
    limit: u32,
    plan: &mut dyn FnMut(&Request) -> Vec<Vec<u32>>,
    past: impl Fn(&[Vec<Change>]) -> Option<History>,
    hold: bool,
) -> f64 {
    let mut updates = Updates::new();
    let (mut seen, mut held): (Vec<Vec<Change>>, Option<HeldImage>) = (vec![], None);
    let (mut layers, mut paths) = (BTreeSet::new(), BTreeSet::new());
    let (mut pulled, mut changed) = (0, 0);
    for step in 0..40 {
        if step > 0 {
            let new = updates.next(step);
            seen.push(new);
        }
        if step < 14 {
            continue;
        }
        let mut request = Request {
            max_layers: Some(limit),
            ..updates.now.clone()
        };
        request.history = past(&seen[..seen.len() - 1]);
        if let (true, Some(image)) = (hold, held.take()) {
            let none = History {
                steps: 0,
                observations: vec![],
                held: vec![],
            };
            request.history.get_or_insert(none).held = vec![image];
        }
        let planned = plan(&request);
        let path = |&i: &u32| &request.paths[i as usize];
        held = Some(image(&request, planned.iter().map(Vec::as_slice)));
        let size = |paths: &BTreeMap<String, u64>| paths.values().sum::<u64>();
        let now: BTreeSet<BTreeMap<String, u64>> = planned
            .iter()
            .map(|layer| {
                layer
                    .iter()
                    .map(path)
                    .map(|path| (path.path.clone(), path.size))
                    .collect()
            })
            .collect();
        let all: BTreeSet<(String, u64)> = request
            .paths
            .iter()
            .map(|path| (path.path.clone(), path.size))
            .collect();
        if step > 14 {
            pulled += now.difference(&layers).map(size).sum::<u64>();
            changed += all.difference(&paths).map(|(_, size)| size).sum::<u64>();
        }
        (layers, paths) = (now, all);
    }
    pulled as f64 / changed as f64
}

fn held_path(path: &StorePath) -> HeldPath {
    HeldPath {
        path: path.path.clone(),
        name: path.name.clone(),
        package: path.package.clone(),
        size: path.size,
    }
}

fn by(policy: &str) -> impl FnMut(&Request) -> Vec<Vec<u32>> {
    move |request| {
        planned(request, policy, "{}")
            .layers
            .into_iter()
            .map(|layer| layer.paths)
            .collect()
    }
}

/// The largest paths alone, the rest together.
fn biggest_first(request: &Request) -> Vec<Vec<u32>> {
    let mut order: Vec<u32> = (0..request.paths.len() as u32).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(request.paths[i as usize].size));
    let limit = request.max_layers.unwrap() as usize;
    let rest = order.split_off(limit - 1);
    order.into_iter().map(|i| vec![i]).chain([rest]).collect()
}

fn nothing(_: &[Vec<Change>]) -> Option<History> {
    None
}

/// Returns the changes of each path as a history.
fn observed(seen: &[Vec<Change>]) -> Option<History> {
    let steps = seen.len() as u32 + 1;
    let observation = |i: usize| {
        let steps_with = |wanted: &[Change]| -> Vec<u32> {
            (1..)
                .zip(seen)
                .filter(|(_, new)| wanted.contains(&new[i]))
                .map(|(step, _)| step)
                .collect()
        };
        let changes = steps_with(&[Change::Own, Change::Rebuild]);
        Observation {
            closures: steps,
            version_changes: steps_with(&[Change::Own]),
            changes,
        }
    };
    Some(History {
        steps,
        observations: (0..400).map(observation).collect(),
        held: vec![],
    })
}

#[test]
fn clients_pull_less_than_with_the_others_and_less_still_with_the_past() {
    let (mut without, mut with) = (0.0, 0.0);
    for limit in [10, 20, 40, 100] {
        let ours = pulled(limit, &mut by("least-pull"), nothing, false);
        let others = [
            pulled(limit, &mut by("auto"), nothing, false),
            pulled(limit, &mut by("popularity"), nothing, false),
            pulled(limit, &mut biggest_first, nothing, false),
        ];
        let learnt = pulled(limit, &mut by("least-pull"), observed, true);
        println!("{limit} layers: {ours:.3}, with the past {learnt:.3}; the others {others:.3?}");
        assert!(
            others.iter().all(|other| ours < *other),
            "{limit}: {ours} {others:?}"
        );
        (without, with) = (without + ours, with + learnt);
    }
    assert!(with < without, "{with} {without}");
}

#[test]
fn no_layers_are_left_unused_without_reason() {
    let request = with_paths(
        (0..9)
            .map(|i| store_path("h", &format!("p{i}"), 10, vec![]))
            .collect(),
    );
    assert_eq!(layers(&request, "least-pull", 4).len(), 4);
    assert_eq!(layers(&request, "least-pull", 99).len(), 9);
}
