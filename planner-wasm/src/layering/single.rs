//! The policies `single` and `path-per-layer`: the two ends of what can be done.

use super::graph::ranks;
use super::options::Given;
use super::{Policy, reason};
use crate::bindings::layering::{Error, Layer, Planned, Request};

pub(super) const SINGLE: Policy = Policy {
    name: "single",
    summary: "puts all paths into one layer",
    options: &[],
    uses_history: false,
    plan: single,
};

pub(super) const PATH_PER_LAYER: Policy = Policy {
    name: "path-per-layer",
    summary: "gives each of the largest paths a layer, and the rest the last one",
    options: &[],
    uses_history: false,
    plan: path_per_layer,
};

fn single(request: &Request, _: &Given) -> Result<Planned, Error> {
    let ranks = ranks(request);
    let mut paths = included(request);
    paths.sort_unstable_by_key(|&i| ranks[i as usize]);
    Ok(planned(vec![Layer {
        paths,
        reason: "all there is".to_owned(),
        cost: None,
    }]))
}

fn path_per_layer(request: &Request, _: &Given) -> Result<Planned, Error> {
    let ranks = ranks(request);
    let mut paths = included(request);
    paths.sort_unstable_by_key(|&i| {
        (
            std::cmp::Reverse(request.paths[i as usize].size),
            ranks[i as usize],
        )
    });
    let limit = request
        .max_layers
        .map_or(paths.len(), |limit| limit as usize);
    let mut rest = if paths.len() > limit {
        paths.split_off(limit - 1)
    } else {
        vec![]
    };
    rest.sort_unstable_by_key(|&i| ranks[i as usize]);
    let own = |path| Layer {
        paths: vec![path],
        reason: format!("{} alone", reason::name(request, path)),
        cost: None,
    };
    let reason = format!(
        "the {} smallest paths",
        reason::grouped(&rest.len().to_string())
    );
    let rest = Layer {
        paths: rest,
        reason,
        cost: None,
    };
    Ok(planned(paths.into_iter().map(own).chain([rest]).collect()))
}

/// The paths that go into layers.
fn included(request: &Request) -> Vec<u32> {
    let all = (0..).take(request.paths.len());
    all.filter(|path| request.excluded.binary_search(path).is_err())
        .collect()
}

fn planned(mut layers: Vec<Layer>) -> Planned {
    layers.retain(|layer| !layer.paths.is_empty());
    Planned {
        layers,
        left_out: vec![],
        remarks: vec![],
    }
}
