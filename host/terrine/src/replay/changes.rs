//! Counts of how often layers changed.

use std::collections::HashMap;

use super::fleet::Fleet;

/// A layer of an image at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    /// The layer's number in the run.
    pub(super) layer: u32,
    /// The number of steps so far in which the layer was not what it had been in the step before.
    pub(super) changes: u32,
    /// True if this is one of them.
    pub(super) changed: bool,
}

/// Follows the layers of an image from step to step. A layer comes from the one of the step
/// before that has most bytes of its packages, the lowest of several; it has changed if it
/// holds other paths. One that has no package in common with any is new and begins at zero.
#[derive(Debug, Default)]
pub(super) struct Changes {
    before: Vec<State>,
    /// The layer that has each package, as its place among those.
    packages: HashMap<String, Vec<usize>>,
}

impl Changes {
    /// Follows the layers to the next step; they are given by their numbers and their paths.
    pub(super) fn next(&mut self, fleet: &Fleet, layers: &[(u32, &[u32])]) -> Vec<State> {
        let states: Vec<State> = layers
            .iter()
            .map(|&(layer, paths)| {
                let origin = self
                    .before
                    .iter()
                    .find(|before| before.layer == layer)
                    .or_else(|| self.origin(fleet, paths));
                let changed = origin.is_some_and(|origin| origin.layer != layer);
                let changes = origin.map_or(0, |origin| origin.changes) + u32::from(changed);
                State {
                    layer,
                    changes,
                    changed,
                }
            })
            .collect();
        self.packages.clear();
        for (place, (_, paths)) in layers.iter().enumerate() {
            for &path in *paths {
                let package = &fleet.paths()[path as usize].package;
                self.packages
                    .entry(package.clone())
                    .or_default()
                    .push(place);
            }
        }
        self.before.clone_from(&states);
        states
    }

    fn origin(&self, fleet: &Fleet, paths: &[u32]) -> Option<&State> {
        let mut common: HashMap<usize, u64> = HashMap::new();
        for &path in paths {
            let path = &fleet.paths()[path as usize];
            let mut places = self
                .packages
                .get(&path.package)
                .cloned()
                .unwrap_or_default();
            places.dedup();
            for place in places {
                let bytes = common.entry(place).or_default();
                // A path without a size counts a little.
                *bytes = bytes.saturating_add(path.size.max(1));
            }
        }
        common
            .into_iter()
            .max_by_key(|&(place, bytes)| (bytes, std::cmp::Reverse(place)))
            .map(|(place, _)| &self.before[place])
    }
}
