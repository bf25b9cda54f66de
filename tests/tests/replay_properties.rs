//! Properties that hold for replays of every sequence.

use std::num::NonZeroUsize;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use terrine::planner::{Limits, Runtime};
use terrine::replay::{Candidate, Fleet, Keep, Observer, Settings, Task};
use terrine::sequence::Sequence;
use terrine_tests::built_in;

/// A sequence of closures of the same few packages, in versions that change at random.
fn sequences() -> impl Strategy<Value = Vec<Value>> {
    let step = proptest::collection::vec(proptest::option::weighted(0.8, 0_u64..3), 1..8);
    let sequence = (
        proptest::collection::vec(step, 1..6),
        proptest::collection::vec(0_u64..50, 24),
    );
    let make = |(steps, sizes): (Vec<Vec<Option<u64>>>, Vec<u64>)| {
        let name = |package: usize, version: u64| format!("/nix/store/p{package}-{version}");
        let paths =
            (0..24).map(|i| json!({"path": name(i / 3, i as u64 % 3), "narSize": sizes[i]}));
        let steps = steps
            .iter()
            .map(|step| {
                step.iter()
                    .enumerate()
                    .filter_map(|(package, version)| Some(3 * package as u64 + (*version)?))
                    .collect::<Vec<_>>()
            })
            .filter(|paths| !paths.is_empty())
            .map(|paths| json!({"paths": paths}));
        json!({"name": "", "paths": paths.collect::<Value>(), "steps": steps.collect::<Value>()})
    };
    let sequence = sequence.prop_map(make);
    proptest::collection::vec(
        sequence.prop_filter("a step", |sequence: &Value| {
            !sequence["steps"].as_array().unwrap().is_empty()
        }),
        1..3,
    )
}

struct Quiet;

impl Observer for Quiet {
    fn planned(&self) {}
}

#[test]
fn what_holds_for_every_sequence() {
    let runtime = Runtime::new(Limits::default(), None).unwrap();
    let planner = runtime.embedded().unwrap();
    let task = |policy: &str, max_layers| Task {
        candidate: Candidate {
            planner: &planner,
            component: String::new(),
            policy: policy.to_owned(),
            options: "{}".to_owned(),
            uses_history: false,
        },
        max_layers,
    };
    let built_in = built_in();
    // The first one pulls no more than what changed: each path is alone.
    let others = built_in
        .without_options()
        .zip([1, 2, 3].into_iter().cycle());
    let tasks: Vec<Task<'_>> = [task("path-per-layer", None)]
        .into_iter()
        .chain(others.map(|(policy, max)| task(policy, Some(max))))
        .collect();
    let mut runner = TestRunner::new_with_rng(
        Config {
            cases: 60,
            failure_persistence: None,
            ..Config::default()
        },
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    );
    let check = |(sequences, every, from): (Vec<Value>, usize, usize)| {
        let fleet = Fleet::new(
            sequences
                .iter()
                .map(|sequence| Sequence::parse(sequence.to_string().as_bytes()).unwrap())
                .collect(),
        );
        let mut settings = Settings {
            pull_every: NonZeroUsize::new(every).unwrap(),
            from: from.min(fleet.steps()),
            ..Settings::new(&fleet)
        };
        let replay = |settings: &Settings<'_>| {
            terrine::replay::replay(&fleet, &tasks, settings, NonZeroUsize::MIN, &Quiet).unwrap()
        };
        let last = replay(&settings);
        settings.keep = Keep::All;
        let all = replay(&settings);
        for (last, all) in last.runs.iter().zip(&all.runs) {
            // Whoever keeps more pulls no more.
            prop_assert!(all.total.pulled <= last.total.pulled);
            prop_assert!(all.total.lower_bound <= last.total.lower_bound);
            for step in last
                .steps
                .iter()
                .chain(&all.steps)
                .chain([&last.first, &all.first])
            {
                prop_assert!(step.pulled >= step.lower_bound);
                // Nothing is asked for in vain, and nothing comes without being asked for.
                prop_assert!(
                    step.layers_pulled <= step.requests && step.layers_pulled <= step.layers
                );
                prop_assert!(step.pulled == 0 || step.layers_pulled > 0);
            }
            // Two images may have a path in two layers.
            prop_assert!(sequences.len() > 1 || last.first.pulled == last.first.lower_bound);
        }
        for report in [&last, &all] {
            let alone = &report.runs[0];
            prop_assert_eq!(alone.total.pulled, alone.total.lower_bound);
            for run in &report.runs {
                prop_assert_eq!(run.total.lower_bound, alone.total.lower_bound);
            }
        }
        Ok(())
    };
    runner
        .run(&(sequences(), 1_usize..4, 1_usize..4), check)
        .unwrap();
}
