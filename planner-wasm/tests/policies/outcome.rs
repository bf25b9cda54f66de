//! Plans by paths instead of indices.

use std::collections::BTreeSet;

use terrine_planner::bindings::layering::{Planned, Request};
use terrine_planner::layering;

use crate::reference::{Path, path};

/// The outcome of a plan, as far as an image depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The paths of each layer, bottom to top, in the order of its archive.
    pub(crate) layers: Vec<Vec<Path>>,
    /// The paths that are left out.
    pub(crate) left_out: BTreeSet<Path>,
}

impl Outcome {
    /// A plan in which nothing is left out.
    pub(crate) fn of(layers: Vec<Vec<Path>>) -> Self {
        Self {
            layers,
            left_out: BTreeSet::new(),
        }
    }

    /// The layers by their names: `a b|c`.
    pub(crate) fn names(&self) -> String {
        let names = |layer: &Vec<Path>| {
            layer
                .iter()
                .map(|(name, _)| name.as_str())
                .collect::<Vec<_>>()
                .join(" ")
        };
        self.layers.iter().map(names).collect::<Vec<_>>().join("|")
    }
}

/// The plan of a policy for a request, which it has to have.
pub(crate) fn plan(request: &Request, policy: &str, options: &str) -> Outcome {
    let planned = planned(request, policy, options);
    let paths =
        |indices: &[u32]| -> Vec<Path> { indices.iter().map(|&i| path(request, i)).collect() };
    Outcome {
        layers: planned
            .layers
            .iter()
            .map(|layer| paths(&layer.paths))
            .collect(),
        left_out: paths(&planned.left_out).into_iter().collect(),
    }
}

/// The same as it was given.
pub(crate) fn planned(request: &Request, policy: &str, options: &str) -> Planned {
    let request = Request {
        policy: policy.to_owned(),
        options: options.to_owned(),
        ..request.clone()
    };
    layering::plan(&request).unwrap()
}
