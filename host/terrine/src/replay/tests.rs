//! Small sequences whose numbers can be counted by hand, replayed with the built-in planner.

use std::num::NonZeroUsize;
use std::sync::OnceLock;

use terrine_planner_host::{Limits, Runtime};

use super::*;
use crate::sequence::Sequence;

struct Quiet;

impl Observer for Quiet {
    fn planned(&self) {}
}

/// A sequence: for each step its paths, `name` or `name=size`, separated by spaces. Sizes are 1
/// if they are not given.
fn sequence(name: &str, steps: &[&str]) -> Sequence {
    let mut paths: Vec<(String, u64)> = vec![];
    let mut lists: Vec<String> = vec![];
    for step in steps {
        let indices: Vec<String> = step
            .split_whitespace()
            .map(|word| {
                let (name, size) = word
                    .split_once('=')
                    .map_or((word, 1), |(name, size)| (name, size.parse().unwrap()));
                paths
                    .iter()
                    .position(|(path, _)| path == name)
                    .unwrap_or_else(|| {
                        paths.push((name.to_owned(), size));
                        paths.len() - 1
                    })
            })
            .map(|i| i.to_string())
            .collect();
        lists.push(format!("{{\"paths\":[{}]}}", indices.join(",")));
    }
    let paths: Vec<String> = paths
        .iter()
        .map(|(name, size)| format!("{{\"path\":\"/nix/store/{name}\",\"narSize\":{size}}}"))
        .collect();
    let text = format!(
        "{{\"name\":\"{name}\",\"paths\":[{}],\"steps\":[{}]}}",
        paths.join(","),
        lists.join(",")
    );
    Sequence::parse(text.as_bytes()).unwrap()
}

fn fleet(steps: &[&str]) -> Fleet {
    Fleet::new(vec![sequence("web", steps)])
}

/// The built-in planner, compiled once for all tests.
fn planner() -> &'static Planner<'static> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    static PLANNER: OnceLock<Planner<'static>> = OnceLock::new();
    PLANNER.get_or_init(|| {
        RUNTIME
            .get_or_init(|| Runtime::new(Limits::default(), None).unwrap())
            .embedded()
            .unwrap()
    })
}

/// Replays with one policy.
fn run_with(fleet: &Fleet, policy: &str, max_layers: Option<u32>, settings: &Settings<'_>) -> Run {
    let planner = planner();
    let candidate = candidate(planner, policy);
    let tasks = [Task {
        candidate,
        max_layers,
    }];
    let report = replay(fleet, &tasks, settings, NonZeroUsize::MIN, &Quiet).unwrap();
    report.runs.into_iter().next().unwrap()
}

fn candidate<'p>(planner: &'p Planner<'p>, policy: &str) -> Candidate<'p> {
    Candidate {
        planner,
        component: "terrine".to_owned(),
        policy: policy.to_owned(),
        options: "{}".to_owned(),
        uses_history: false,
    }
}

/// Returns the outcome of each step, the first included: bytes pulled, lower bound, requests.
fn steps(run: &Run) -> Vec<(u64, u64, usize)> {
    std::iter::once(&run.first)
        .chain(&run.steps)
        .map(|step| (step.pulled, step.lower_bound, step.requests))
        .collect()
}

#[test]
fn what_changed_is_pulled_with_what_is_in_its_layer() {
    let fleet = fleet(&[
        "libc=100 a-1=10 b-1=5",
        "libc=100 a-2=11 b-1=5",
        "libc=100 a-2=11 b-1=5",
    ]);
    let settings = Settings::new(&fleet);
    // One layer: all of it for any change, and nothing for none.
    let single = run_with(&fleet, "single", Some(5), &settings);
    assert_eq!(steps(&single), [(115, 115, 3), (116, 11, 3), (0, 0, 0)]);
    // Each path alone: what changed, as one layer, with manifest and configuration.
    let alone = run_with(&fleet, "path-per-layer", None, &settings);
    assert_eq!(steps(&alone), [(115, 115, 5), (11, 11, 3), (0, 0, 0)]);
    // The largest alone, the others together.
    let two = run_with(&fleet, "path-per-layer", Some(2), &settings);
    assert_eq!(steps(&two), [(115, 115, 4), (16, 11, 3), (0, 0, 0)]);
    let Total {
        pulled,
        lower_bound,
        ratio,
        requests,
        worst,
        planning,
        ..
    } = two.total;
    assert_eq!(
        (pulled, lower_bound, ratio, requests),
        (16, 11, Some(16.0 / 11.0), 3)
    );
    let worst = worst.unwrap();
    assert_eq!(
        (worst.number, worst.label.as_str(), worst.pulled),
        (2, "2", 16)
    );
    // What has not changed is not planned again.
    assert_eq!((planning.plans, planning.seconds), (2, None));
    assert!(planning.fuel > 0 && planning.max_fuel < planning.fuel && planning.memory > 0);
}

#[test]
fn a_client_may_keep_what_it_no_longer_needs() {
    let fleet = fleet(&["a-1=10 b=1", "a-2=20 b=1", "a-1=10 b=1"]);
    let mut settings = Settings::new(&fleet);
    let last = run_with(&fleet, "path-per-layer", None, &settings);
    assert_eq!(steps(&last), [(11, 11, 4), (20, 20, 3), (10, 10, 3)]);
    settings.keep = Keep::All;
    let all = run_with(&fleet, "path-per-layer", None, &settings);
    // Back at the first image: only manifest and configuration are asked for.
    assert_eq!(steps(&all), [(11, 11, 4), (20, 20, 3), (0, 0, 2)]);
    assert_eq!(all.total.ratio, Some(1.0));
}

#[test]
fn a_client_may_leave_steps_out() {
    let fleet = fleet(&["a-1=10", "a-2=20", "a-3=30", "a-4=40"]);
    let mut settings = Settings {
        pull_every: NonZeroUsize::new(2).unwrap(),
        ..Settings::new(&fleet)
    };
    let run = run_with(&fleet, "path-per-layer", None, &settings);
    assert_eq!(
        steps(&run),
        [(10, 10, 3), (0, 0, 0), (30, 30, 3), (0, 0, 0)]
    );
    // A later first pull, and an earlier end.
    settings = Settings {
        steps: 1..=3,
        from: 2,
        ..Settings::new(&fleet)
    };
    let run = run_with(&fleet, "path-per-layer", None, &settings);
    assert_eq!(steps(&run), [(20, 20, 3), (30, 30, 3)]);
    assert_eq!(run.first.number, 2);
}

#[test]
fn images_of_a_fleet_share_layers() {
    let web = sequence("web", &["libc=100 web-1=10", "libc=100 web-2=11"]);
    let data = sequence(
        "data",
        &[
            "libc=100 data-1=20",
            "libc=100 data-1=20",
            "libc-2=101 data-2=21",
        ],
    );
    let fleet = Fleet::new(vec![web, data]);
    let run = run_with(&fleet, "path-per-layer", None, &Settings::new(&fleet));
    // `web` has no third step and stays as it is, with the old libc.
    assert_eq!(
        steps(&run),
        [(130, 130, 3 + 4), (11, 11, 1 + 2), (122, 122, 2 + 2)]
    );
    let all: Vec<_> = std::iter::once(&run.first)
        .chain(&run.steps)
        .map(|step| (step.shared.layers, step.shared.bytes))
        .collect();
    assert_eq!(all, [(1, 100), (1, 100), (0, 0)]);
    assert_eq!(run.total.shared, Shared::default());
    let report = report::report(&fleet, &Settings::new(&fleet), vec![run]);
    assert_eq!((report.steps[0].paths, report.steps[0].size), (3, 130));
}

#[test]
fn layers_are_followed_from_step_to_step() {
    let fleet = fleet(&[
        "libc=100 a-1=10",
        "libc=100 a-2=10",
        "libc=100 a-3=10 c-1=1",
        "libc=100 a-3=10 c-1=1",
    ]);
    let run = run_with(&fleet, "path-per-layer", None, &Settings::new(&fleet));
    let states: Vec<_> = run
        .states
        .iter()
        .map(|images| {
            images[0]
                .iter()
                .map(|state| (state.changes, state.changed))
                .collect::<Vec<_>>()
        })
        .collect();
    // libc, a, c: the largest first.
    assert_eq!(states[0], [(0, false), (0, false)]);
    assert_eq!(states[1], [(0, false), (1, true)]);
    assert_eq!(states[2], [(0, false), (2, true), (0, false)]);
    assert_eq!(states[3], [(0, false), (2, false), (0, false)]);
}

#[test]
fn what_plans_are_told_of_the_past_is_what_was_asked_for() {
    let fleet = fleet(&["libc=100 a-1=10", "libc=100 a-2=10", "libc=100 a-3=10"]);
    let planner = planner();
    let task = Task {
        candidate: candidate(planner, "path-per-layer"),
        max_layers: None,
    };
    let told = |settings: &Settings<'_>| {
        let mut plans = plans::Plans::new(&fleet, &fleet.images()[0], &task, settings);
        let mut told = vec![];
        for step in settings.from..=3 {
            told.push(plans.request(step).history);
            plans.next(step).unwrap();
        }
        told
    };
    let plain = Settings::new(&fleet);
    assert!(told(&plain).iter().all(Option::is_none));
    let history = told(&Settings {
        with_history: true,
        from: 2,
        ..plain.clone()
    });
    let counts = history.iter().flatten().map(|history| {
        (
            history.steps,
            history
                .observations
                .iter()
                .map(|o| o.changes.clone())
                .collect::<Vec<_>>(),
        )
    });
    // The paths are in the order of their texts: a, libc. Steps before the first pull count.
    assert_eq!(
        counts.collect::<Vec<_>>(),
        [(1, vec![vec![], vec![]]), (2, vec![vec![1], vec![]])]
    );
    assert!(
        history
            .iter()
            .flatten()
            .all(|history| history.held.is_empty())
    );
    let previous = told(&Settings {
        with_previous: true,
        ..plain
    });
    let held = previous.iter().flatten().map(|history| {
        assert_eq!(history.steps, 0);
        history
            .held
            .iter()
            .flat_map(|image| &image.layers)
            .map(|layer| layer.paths[0].path.clone())
            .collect::<Vec<_>>()
    });
    let names = ["/nix/store/libc", "/nix/store/a-1"]
        .map(str::to_owned)
        .to_vec();
    let later = ["/nix/store/libc", "/nix/store/a-2"]
        .map(str::to_owned)
        .to_vec();
    assert_eq!(held.collect::<Vec<_>>(), [vec![], names, later]);
}

#[test]
fn held_layers_have_the_order_of_their_archives() {
    // By name `a` comes first, by path `b`.
    let hashed = |hash: &str, name: &str| format!("{}-{name}", hash.repeat(32));
    let (a, b) = (hashed("y", "a"), hashed("x", "b"));
    let step = format!("{a} {b}");
    let fleet = fleet(&[&step, &format!("{step} c")]);
    let planner = planner();
    let task = Task {
        candidate: candidate(planner, "single"),
        max_layers: None,
    };
    let settings = Settings {
        with_previous: true,
        ..Settings::new(&fleet)
    };
    let mut plans = plans::Plans::new(&fleet, &fleet.images()[0], &task, &settings);
    plans.next(1).unwrap();
    let held = &plans.request(2).history.unwrap().held[0].layers[0];
    let names: Vec<&str> = held.paths.iter().map(|path| path.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn references_make_roots_as_in_a_request() {
    let text = r#"{"name": "", "paths": [
        {"path": "/nix/store/z", "narSize": 1, "references": [1, 0, 2]}, {"path": "/nix/store/b", "references": []},
        {"path": "/nix/store/a", "references": [1]}], "steps": [{"paths": [0, 1]}]}"#;
    let fleet = Fleet::new(vec![Sequence::parse(text.as_bytes()).unwrap()]);
    let image = &fleet.images()[0];
    assert_eq!(image.name, "1");
    let (paths, roots) = image.request_paths(1);
    let paths: Vec<_> = paths
        .iter()
        .map(|path| (path.path.as_str(), &path.references[..]))
        .collect();
    // `a` is not in the closure; references are places in the request.
    assert_eq!(
        paths,
        [("/nix/store/b", &[][..]), ("/nix/store/z", &[0, 1])]
    );
    assert_eq!(roots, [1]);
}

#[test]
fn a_clock_is_read_if_there_is_one() {
    let fleet = fleet(&["a-1", "a-2"]);
    let ticks = AtomicUsize::new(0);
    let clock = move || Duration::from_secs(ticks.fetch_add(1, Ordering::Relaxed) as u64);
    let settings = Settings {
        clock: Some(&clock),
        ..Settings::new(&fleet)
    };
    let planning = run_with(&fleet, "single", None, &settings).total.planning;
    assert_eq!(
        (planning.plans, planning.seconds, planning.mean_seconds()),
        (2, Some(2.0), Some(1.0))
    );
}

#[test]
fn what_cannot_be_replayed_is_told() {
    let fleet = fleet(&["a", "b"]);
    let planner = planner();
    let said = |policy: &str, settings: Settings<'_>| {
        let tasks = ["single", policy].map(|policy| Task {
            candidate: candidate(planner, policy),
            max_layers: Some(1),
        });
        let error = replay(&fleet, &tasks, &settings, NonZeroUsize::MIN, &Quiet).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        (error.to_string(), source.unwrap_or_default())
    };
    let plain = Settings::new(&fleet);
    for (steps, expected) in [
        (
            0..=2,
            "there are no steps 0 to 2: there are 2, counted from 1",
        ),
        (
            1..=3,
            "there are no steps 1 to 3: there are 2, counted from 1",
        ),
        (
            RangeInclusive::new(2, 1),
            "there are no steps 2 to 1: there are 2, counted from 1",
        ),
    ] {
        assert_eq!(
            said(
                "single",
                Settings {
                    steps,
                    ..plain.clone()
                }
            )
            .0,
            expected
        );
    }
    let from = said(
        "single",
        Settings {
            from: 3,
            ..plain.clone()
        },
    );
    assert_eq!(
        from.0,
        "the first pull cannot be at step 3: the steps are 1 to 2"
    );
    let (error, source) = said("nonsense", plain);
    assert_eq!(error, "planning step 1 of `web` by `nonsense` with 1 layer");
    assert!(source.contains("nonsense"), "{source}");
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let steps = [
        "a-1=1 b-1=2 c-1=3 d-1=4",
        "a-2=1 b-1=2 c-1=3 d-1=4",
        "a-2=1 b-2=2 c-1=3 d-2=4",
    ];
    let fleet = Fleet::new(vec![sequence("web", &steps), sequence("data", &steps[1..])]);
    let planner = planner();
    let mut policies = planner.describe().unwrap().policies;
    policies.retain(|policy| !policy.options_schema.contains("\"required\""));
    assert!(policies.len() >= 2, "{policies:?}");
    let tasks: Vec<Task> = policies
        .iter()
        .flat_map(|policy| {
            [2, 3].map(|max| Task {
                candidate: candidate(planner, &policy.name),
                max_layers: Some(max),
            })
        })
        .collect();
    let text = |threads| {
        let threads = NonZeroUsize::new(threads).unwrap();
        let report = replay(&fleet, &tasks, &Settings::new(&fleet), threads, &Quiet).unwrap();
        (report.to_json(), page(&fleet, &report))
    };
    assert_eq!(text(1), text(3));
}

#[test]
fn nothing_in_a_page_can_leave_its_place() {
    let evil = "</script><script>alert(1)</script>&<!--";
    let mut updates = sequence("web", &["a-1", "a-2"]).to_json();
    updates = updates.replace("\"web\"", &serde_json::to_string(evil).unwrap());
    updates = updates
        .replace("a-2", "<img>&amp;-1")
        .replace("\"2\"", "\"<b>\\u2028\"");
    let fleet = Fleet::new(vec![Sequence::parse(updates.as_bytes()).unwrap()]);
    let planner = planner();
    let tasks = [Task {
        candidate: candidate(planner, "single"),
        max_layers: None,
    }];
    let report = replay(
        &fleet,
        &tasks,
        &Settings::new(&fleet),
        NonZeroUsize::MIN,
        &Quiet,
    )
    .unwrap();
    let page = page(&fleet, &report);
    assert_eq!(page.matches("</script>").count(), 2);
    assert_eq!(page.matches("<script").count(), 2);
    for markup in ["<img", "<b>", "<!--", "alert(1)</"] {
        assert!(!page.contains(markup), "{markup}");
    }
    assert!(page.contains("<title>Updates of &lt;/script&gt;"));
    let (_, rest) = page.split_once("id=\"data\">").unwrap();
    let data: serde_json::Value =
        serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap();
    assert_eq!(data["images"][0], evil);
    assert_eq!(data["paths"]["prefix"], "/nix/store/");
    assert_eq!(
        data["paths"]["ends"],
        serde_json::json!(["<img>&amp;-1", "a-1"])
    );
    assert_eq!(data["runs"][0]["pulled"], serde_json::json!([1, 1]));
    assert_eq!(data["runs"][0]["states"], serde_json::json!(["BBA", "BBC"]));
}
