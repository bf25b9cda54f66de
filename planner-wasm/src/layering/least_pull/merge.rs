//! From one layer for each of the units that matter most to as many as there may be.

use super::group::Group;
use super::model::Model;
use super::past::leap;
use super::units::Units;

/// The number of units that are merged for each layer that there may be, or a few less. Units beyond these
/// are too small to found a layer, and join one: so they can come and go without disturbing the
/// others. More make better plans of one closure, and worse ones of a series.
const FOUNDERS: f64 = 2.9;

/// The number of words of rows that are looked at for merging, and for what joins. Where that is not
/// enough, there are fewer founders, and small units go where most is pulled anyway.
const WORK: usize = 400_000_000;

/// Returns the number of units that are worth finding a place for in so many layers, the largest ones.
pub(super) fn placed(units: &Units, limit: usize) -> usize {
    (WORK / (units.shape.words() * limit))
        .max(limit)
        .min(units.rows.len())
}

/// Groups all units into so many layers.
pub(super) fn merge(units: &Units, model: &Model<'_>, limit: usize) -> Vec<Group> {
    // In leaps, so that one layer more does not bring other founders with it.
    let wanted = (FOUNDERS * leap(limit) as f64) as usize;
    let founders = wanted
        .min((WORK / units.shape.words()).isqrt())
        .max(limit)
        .min(units.rows.len());
    let mut first: Vec<usize> = (0..founders).collect();
    // Ties between pairs go by the names of the pairs.
    first.sort_unstable_by_key(|&unit| units.ranks[unit]);
    let groups = first
        .into_iter()
        .map(|unit| Group::of(unit, units, model))
        .collect();
    let mut groups = merge_groups(groups, model, limit);
    let placed = placed(units, limit).max(founders);
    for unit in founders..placed {
        join(&mut groups, Group::of(unit, units, model), model);
    }
    join_likeliest(&mut groups, (placed..units.len()).collect(), units);
    groups
}

/// Merges pairs of groups, the cheapest first, until there are so many.
pub(super) fn merge_groups(groups: Vec<Group>, model: &Model<'_>, limit: usize) -> Vec<Group> {
    if groups.len() <= limit {
        return groups;
    }
    Pairs::new(groups, model).merged(limit)
}

/// Adds a group to the one where that costs least.
pub(super) fn join(groups: &mut [Group], group: Group, model: &Model<'_>) {
    let costs = groups.iter().map(|other| other.cost_with(&group, model));
    if let Some((best, _)) = least(costs) {
        groups[best].take(group, model);
    }
}

/// Adds units that are too small to matter to what is likeliest to be pulled.
pub(super) fn join_likeliest(groups: &mut [Group], rest: Vec<usize>, units: &Units) {
    let likeliest = least(groups.iter().map(|group| -group.probability));
    if let (Some((likeliest, _)), false) = (likeliest, rest.is_empty()) {
        let group = &mut groups[likeliest];
        group.size += rest.iter().map(|&unit| units.sizes[unit]).sum::<f64>();
        group.units.extend(rest);
        group.held = None;
        group.loss = 0.0;
    }
}

/// The first of the least numbers.
pub(super) fn least(numbers: impl Iterator<Item = f64>) -> Option<(usize, f64)> {
    let better = |best: Option<(usize, f64)>, (i, number)| match best {
        Some((_, least)) if number >= least => best,
        _ => Some((i, number)),
    };
    numbers.enumerate().fold(None, better)
}

/// Groups, and for each the later one that costs least to merge it with.
struct Pairs<'m> {
    groups: Vec<Option<Group>>,
    nearest: Vec<Option<(usize, f64)>>,
    model: &'m Model<'m>,
}

impl<'m> Pairs<'m> {
    fn new(groups: Vec<Group>, model: &'m Model<'m>) -> Self {
        let count = groups.len();
        let groups = groups.into_iter().map(Some).collect();
        let mut pairs = Self {
            groups,
            nearest: vec![None; count],
            model,
        };
        (0..count).for_each(|i| pairs.nearest[i] = pairs.find(i));
        pairs
    }

    /// Merges the pair that costs least until there are so many.
    fn merged(mut self, limit: usize) -> Vec<Group> {
        let mut count = self.groups.len();
        while count > limit.max(1) {
            let costs = self
                .nearest
                .iter()
                .map(|nearest| nearest.map_or(f64::INFINITY, |(_, cost)| cost));
            let Some((i, _)) = least(costs) else { break };
            let Some((j, _)) = self.nearest[i] else { break };
            self.unite(i, j);
            count -= 1;
        }
        self.groups.into_iter().flatten().collect()
    }

    fn unite(&mut self, i: usize, j: usize) {
        let (Some(mut group), Some(other)) = (self.groups[i].take(), self.groups[j].take()) else {
            return;
        };
        group.take(other, self.model);
        self.groups[i] = Some(group);
        self.nearest[j] = None;
        for k in 0..self.groups.len() {
            let touched = self.nearest[k].is_some_and(|(other, _)| other == i || other == j);
            if k == i || touched {
                self.nearest[k] = self.find(k);
            } else if k < i {
                self.offer(k, i);
            }
        }
    }

    /// The later group that costs least to merge with one.
    fn find(&self, i: usize) -> Option<(usize, f64)> {
        let group = self.groups[i].as_ref()?;
        let cost = |other: &Option<Group>| {
            other
                .as_ref()
                .map_or(f64::INFINITY, |other| group.cost_with(other, self.model))
        };
        let (best, cost) = least(self.groups[i + 1..].iter().map(cost))?;
        cost.is_finite().then_some((i + 1 + best, cost))
    }

    /// Looks at a group that has changed.
    fn offer(&mut self, k: usize, i: usize) {
        let (Some(group), Some(other)) = (&self.groups[k], &self.groups[i]) else {
            return;
        };
        let cost = group.cost_with(other, self.model);
        if self.nearest[k].is_none_or(|(_, least)| cost < least) {
            self.nearest[k] = Some((i, cost));
        }
    }
}
