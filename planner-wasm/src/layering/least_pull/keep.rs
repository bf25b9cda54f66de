//! Starting from what clients hold.

use std::collections::{BTreeMap, BTreeSet};

use super::group::Group;
use super::merge::{join, join_likeliest, merge_groups, placed};
use super::model::Model;
use super::units::Units;
use crate::bindings::layering::{HeldImage, Request};

/// The layers that clients hold, by what is in them.
#[derive(Debug)]
pub(super) struct Held<'a> {
    image: &'a HeldImage,
    /// The layer of each path.
    layers: BTreeMap<&'a str, usize>,
    /// For each package, the layers of its paths that the closure does not have any more, in
    /// the order of their names.
    vacated: BTreeMap<&'a str, Vec<usize>>,
}

impl<'a> Held<'a> {
    /// Returns the layers that are held of the newest image that the request names, if any.
    pub(super) fn of(request: &'a Request) -> Option<Self> {
        let image = request.history.as_ref()?.held.first()?;
        let alive: BTreeSet<&str> = request
            .paths
            .iter()
            .map(|path| path.path.as_str())
            .collect();
        let mut layers = BTreeMap::new();
        let mut gone: BTreeMap<&str, Vec<(&str, usize)>> = BTreeMap::new();
        for (number, layer) in image.layers.iter().enumerate() {
            for path in &layer.paths {
                if alive.contains(path.path.as_str()) {
                    layers.insert(path.path.as_str(), number);
                } else {
                    gone.entry(&path.package)
                        .or_default()
                        .push((&path.name, number));
                }
            }
        }
        let numbers = |mut paths: Vec<(&str, usize)>| {
            paths.sort_unstable();
            paths.into_iter().map(|(_, number)| number).collect()
        };
        let vacated = gone
            .into_iter()
            .map(|(package, paths)| (package, numbers(paths)))
            .collect();
        Some(Self {
            image,
            layers,
            vacated,
        })
    }

    /// The paths of a layer, in the order of its archive.
    pub(super) fn paths(&self, layer: usize) -> impl Iterator<Item = &'a str> {
        self.image.layers[layer]
            .paths
            .iter()
            .map(|path| path.path.as_str())
    }

    /// The layer that has just the paths of some units, if there is one.
    fn same(&self, members: &[usize], request: &Request, units: &Units) -> Option<usize> {
        let mut paths = members
            .iter()
            .flat_map(|&unit| &units.paths[unit])
            .map(|&path| &request.paths[path as usize]);
        let layer = *self.layers.get(paths.next()?.path.as_str())?;
        let all = paths.all(|path| self.layers.get(path.path.as_str()) == Some(&layer));
        let count: usize = members.iter().map(|&unit| units.paths[unit].len()).sum();
        (all && count == self.image.layers[layer].paths.len()).then_some(layer)
    }

    /// Notes which groups are layers that are held, and what it costs to give them up.
    pub(super) fn mark(
        &self,
        groups: &mut [Group],
        request: &Request,
        units: &Units,
        horizon: f64,
    ) {
        for group in groups {
            group.held = self.same(&group.units, request, units);
            group.loss = group.held.map_or(0.0, |_| group.size / horizon);
        }
    }

    /// The grouping that is held, with as little changed as the closure asks for: what is gone
    /// leaves, what has changed takes the place of what it was, and what is new gets a layer
    /// of its own or joins one.
    pub(super) fn grouped(
        &self,
        request: &Request,
        units: &Units,
        model: &Model<'_>,
        (limit, horizon): (usize, f64),
    ) -> Vec<Group> {
        let (members, fresh) = self.settle(request, units);
        let mut groups: Vec<Group> = members
            .into_iter()
            .map(|members| Group::with(members, units, model))
            .collect();
        self.mark(&mut groups, request, units, horizon);
        let mut groups = merge_groups(groups, model, limit);
        let placed = placed(units, limit);
        let (small, fresh): (Vec<usize>, Vec<usize>) =
            fresh.into_iter().partition(|&unit| unit >= placed);
        for unit in fresh {
            let group = Group::of(unit, units, model);
            if groups.len() < limit {
                groups.push(group);
            } else {
                join(&mut groups, group, model);
            }
        }
        if groups.is_empty() && !small.is_empty() {
            groups.push(Group::with(vec![], units, model));
        }
        join_likeliest(&mut groups, small, units);
        groups
    }

    /// The units of each layer that is held, those without any left out, and the units that
    /// were in none.
    fn settle(&self, request: &Request, units: &Units) -> (Vec<Vec<usize>>, Vec<usize>) {
        let mut members = vec![vec![]; self.image.layers.len()];
        let (mut fresh, mut vacated) = (vec![], self.vacated.clone());
        // By names, so that those of one package take the places of their like.
        let mut order: Vec<usize> = (0..units.len()).collect();
        order.sort_unstable_by_key(|&unit| units.ranks[unit]);
        for unit in order {
            let paths = || {
                units.paths[unit]
                    .iter()
                    .map(|&path| &request.paths[path as usize])
            };
            let same = paths().find_map(|path| self.layers.get(path.path.as_str()).copied());
            let place = same.or_else(|| {
                let mut places =
                    paths().filter_map(|path| vacated.get_mut(path.package.as_str()).cloned());
                let places = places.find(|places| !places.is_empty())?;
                let first = places[0];
                let package =
                    paths().find(|path| vacated.get(path.package.as_str()) == Some(&places))?;
                // The last one is left for all that come after it.
                if let Some(list) = vacated
                    .get_mut(package.package.as_str())
                    .filter(|list| list.len() > 1)
                {
                    list.remove(0);
                }
                Some(first)
            });
            match place {
                Some(place) => members[place].push(unit),
                None => fresh.push(unit),
            }
        }
        fresh.sort_unstable();
        members.retain(|members: &Vec<usize>| !members.is_empty());
        (members, fresh)
    }
}
