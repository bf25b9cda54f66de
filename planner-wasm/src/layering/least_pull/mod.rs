//! The policy `least-pull`: layers that make clients pull least when the closure changes.
//!
//! A layer is pulled again when anything in it changes, and a path changes when it or
//! anything that it needs does. So a layer is expected to cost its size times the
//! probability that anything in the closure of its paths changes ([`model`]). Two paths
//! sit well together where their closures overlap: then they change together anyway.
//!
//! | step | module |
//! |---|---|
//! | paths, and circles of them, with what they need | [`units`], as bits: [`row`] |
//! | which earlier updates changed each, and how often each changed of itself | [`past`], [`rates`] |
//! | the largest ones become layers, the cheapest pairs merge, the rest joins them | [`merge`] |
//! | units move to where they cost less | [`improve`] |
//! | the same from the layers that clients hold, which have to be worth giving up | [`keep`] |
//! | the layers in their order, with reasons | [`layers`] |
//!
//! Everything that settles a tie is a name, never a hash, and sizes count as powers of two:
//! a rebuild changes no plan, and slow growth seldom does. docs/least-pull.md says what was
//! tried and how it was measured.

mod group;
mod improve;
mod keep;
mod layers;
mod merge;
mod model;
mod options;
mod past;
mod rates;
mod row;
#[cfg(test)]
mod tests;
mod units;

use super::Policy;
use super::options::Given;
use crate::bindings::layering::{Error, Planned, Request};
use group::Group;
use keep::Held;
use model::Model;
use options::Options;
use past::Past;
use rates::Rates;
use units::Found;

pub(super) const POLICY: Policy = Policy {
    name: "least-pull",
    summary: "makes clients pull least when the closure changes, by how likely each path is to change",
    options: options::OPTIONS,
    uses_history: true,
    plan,
};

fn plan(request: &Request, given: &Given) -> Result<Planned, Error> {
    let options = Options::of(given);
    let past = Past::of(request, options.memory);
    let found = Found::new(request);
    let rates = Rates::new(&options, &past, found.parts());
    let model = Model::new(&past, &rates);
    let units = found.ordered(&past, &model);
    if units.len() == 0 {
        return Ok(Planned {
            layers: vec![],
            left_out: vec![],
            remarks: vec![],
        });
    }
    let limit = request
        .max_layers
        .map_or(units.len(), |limit| units.len().min(limit as usize));
    let held = Held::of(request);
    let anew = |margin| {
        improve::improve(
            merge::merge(&units, &model, limit),
            &units,
            &model,
            (limit, margin),
        )
    };
    let groups = match &held {
        None => anew(improve::MARGIN),
        Some(held) => {
            let kept = held.grouped(request, &units, &model, (limit, options.horizon));
            let mut kept = improve::improve(kept, &units, &model, (limit, 0.0));
            let mut anew = anew(0.0);
            for groups in [&mut kept, &mut anew] {
                held.mark(groups, request, &units, options.horizon);
            }
            let better = total(&anew, options.horizon) < total(&kept, options.horizon);
            if better { anew } else { kept }
        }
    };
    let layers = layers::layers(request, &units, groups, held.as_ref());
    Ok(Planned {
        layers,
        left_out: vec![],
        remarks: vec![],
    })
}

/// Returns the cost of a grouping until a better one has to have paid off: now, for what clients
/// do not hold, and with every update.
fn total(groups: &[Group], horizon: f64) -> f64 {
    let now = |group: &Group| {
        if group.held.is_some() {
            0.0
        } else {
            group.size
        }
    };
    groups
        .iter()
        .map(|group| now(group) + group.cost() * horizon)
        .sum()
}
