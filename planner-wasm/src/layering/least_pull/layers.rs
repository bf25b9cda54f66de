//! Groups as layers of a plan.

use std::collections::BTreeMap;

use super::super::reason;
use super::group::Group;
use super::keep::Held;
use super::units::Units;
use crate::bindings::layering::{Layer, Request};

/// The layers, those least likely to be pulled again at the bottom: a client that unpacks an image
/// can use again what lies below the first layer that is new.
pub(super) fn layers(
    request: &Request,
    units: &Units,
    groups: Vec<Group>,
    held: Option<&Held<'_>>,
) -> Vec<Layer> {
    let mut groups = groups;
    groups
        .iter_mut()
        .for_each(|group| group.units.sort_unstable_by_key(|&unit| units.ranks[unit]));
    // In steps, so that layers do not change places for next to nothing.
    let step = |group: &Group| (group.probability * 64.0) as u32;
    groups.sort_by_key(|group| {
        (
            step(group),
            group.units.first().map(|&unit| units.ranks[unit]),
        )
    });
    let places: BTreeMap<&str, u32> = match held {
        Some(_) => (0..)
            .zip(&request.paths)
            .map(|(i, path)| (path.path.as_str(), i))
            .collect(),
        None => BTreeMap::new(),
    };
    let layer = |group: Group| {
        let mut paths: Vec<u32> = group
            .units
            .iter()
            .flat_map(|&unit| units.paths[unit].iter().copied())
            .collect();
        let kept = held.zip(group.held);
        if let Some((held, number)) = kept {
            // The same bytes, so the same order.
            paths = held
                .paths(number)
                .filter_map(|path| places.get(path).copied())
                .collect();
        }
        let size: f64 = paths
            .iter()
            .map(|&path| request.paths[path as usize].size as f64)
            .sum();
        Layer {
            reason: why(request, &paths, group.probability, kept.is_some()),
            cost: Some(size * group.probability),
            paths,
        }
    };
    groups.into_iter().map(layer).collect()
}

/// Says why paths are together: how likely they change, and the largest of them.
fn why(request: &Request, paths: &[u32], probability: f64, kept: bool) -> String {
    let mut largest = paths.to_vec();
    largest.sort_by_key(|&path| std::cmp::Reverse(request.paths[path as usize].size));
    let names = reason::names(request, &largest);
    let percent = (probability * 100.0).round();
    let percent = if percent < 1.0 {
        "less than 1".to_owned()
    } else {
        format!("{percent}")
    };
    let held = if kept { ", as clients hold it" } else { "" };
    // The names last: they are what may be cut off where there is little room.
    format!("{percent} % likely to change{held}: {names}")
}
