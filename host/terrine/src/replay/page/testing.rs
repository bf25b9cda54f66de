//! Reports for tests.

use super::super::report::{Planning, SettingFacts, Shared, Total};
use super::super::run::Layers;
use super::super::{ImageFacts, Report, Run, StepFacts, StepLabel};

/// A report about an image: a policy, a budget and how much is pulled for each run. The lower bound is 1000 bytes.
pub(super) fn report(runs: &[(&str, Option<u32>, u64)]) -> Report {
    let run = |&(policy, max_layers, pulled): &(&str, Option<u32>, u64)| Run {
        planner: "terrine".to_owned(),
        component: String::new(),
        policy: policy.to_owned(),
        options: "{}".to_owned(),
        max_layers,
        first: StepFacts {
            number: 1,
            label: "1".to_owned(),
            pulled: 9000,
            lower_bound: 9000,
            paths: 1,
            layers_pulled: 1,
            requests: 3,
            layers: 1,
            shared: Shared::default(),
            planning: Planning::default(),
        },
        total: Total {
            pulled,
            lower_bound: 1000,
            ratio: Some(pulled as f64 / 1000.0),
            layers_pulled: 1,
            requests: 3,
            worst: None,
            shared: Shared::default(),
            planning: Planning::default(),
        },
        steps: vec![],
        layers: Layers::default(),
        states: vec![],
    };
    Report {
        schema_version: 1,
        images: vec![ImageFacts {
            name: "web".to_owned(),
            steps: 2,
            lost_references: 0,
            uncertain: vec![],
        }],
        settings: SettingFacts {
            first_step: 1,
            from_step: 1,
            last_step: 2,
            pull_every: 1,
            keep_all: false,
            with_history: false,
            with_previous: false,
        },
        steps: vec![StepLabel {
            number: 1,
            label: "1".to_owned(),
            paths: 1,
            size: 9000,
        }],
        runs: runs.iter().map(run).collect(),
    }
}
