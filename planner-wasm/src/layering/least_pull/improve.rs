//! Moving units from layer to layer as long as that makes the plan cheaper.

use super::group::Group;
use super::merge::least;
use super::model::Model;
use super::row::{Cover, Row};
use super::units::Units;

/// The most times that all units are looked at.
const ROUNDS: usize = 10;
/// The part of a gain that has to be left of it where nothing is known of what clients hold. Small
/// gains are not worth that plans of closures that are nearly the same differ.
pub(super) const MARGIN: f64 = 0.1;
/// The number of words of rows that are looked at, about. Where units are so many that this is not
/// enough, small ones stay where they are.
const WORK: usize = 200_000_000;
/// The number of rounds that it should be enough for.
const ENOUGH: usize = 4;

/// Improves a grouping into at most `limit` layers. A move has to save more than `margin` of
/// what it gains.
pub(super) fn improve(
    groups: Vec<Group>,
    units: &Units,
    model: &Model<'_>,
    (limit, margin): (usize, f64),
) -> Vec<Group> {
    let count = groups.len().max(1);
    // For one unit against all groups, and for all groups against each other.
    let (one, all) = (
        units.shape.words() * count,
        units.shape.words() * count * count / 2,
    );
    let movable = (WORK / ENOUGH / one).min(units.rows.len());
    let rounds = ROUNDS.min(WORK / (one * movable.max(1)));
    let rooms = WORK / all.max(1);
    let covers = groups.iter().map(|group| group.cover(units)).collect();
    let left = units.shape.empty();
    let cheapest = None;
    let mut search = Search {
        groups,
        covers,
        units,
        model,
        limit,
        margin,
        movable,
        rooms,
        left,
        cheapest,
    };
    for _ in 0..rounds {
        if !search.round() {
            break;
        }
    }
    search.groups
}

struct Search<'a> {
    groups: Vec<Group>,
    /// For each group, what its members have in common.
    covers: Vec<Cover>,
    units: &'a Units,
    model: &'a Model<'a>,
    limit: usize,
    margin: f64,
    /// Units from this number on stay where they are.
    movable: usize,
    /// The number of times that room may still be looked for.
    rooms: usize,
    /// The row of what is left of a group without a unit.
    left: Row,
    /// The pairs of groups that cost least to merge, as long as none of them changes.
    cheapest: Option<Vec<(usize, usize, f64)>>,
}

/// A better place for a unit.
#[derive(Debug, Clone, Copy)]
enum Place {
    Group(usize),
    /// A layer of its own, for which two groups may have to be merged.
    Alone(Option<(usize, usize)>),
}

impl Search<'_> {
    /// Looks at all units once. Says whether any was moved.
    fn round(&mut self) -> bool {
        // No unit is worth moving twice in a round; and where sizes are so different that
        // rounding makes both of two places look better, this is the end of it.
        let mut moves = self.units.len();
        let mut moved = false;
        let mut from = 0;
        while from < self.groups.len() {
            let mut position = 0;
            while self.groups[from].units.len() > 1 && position < self.groups[from].units.len() {
                match self.better_place(from, position) {
                    // Whatever was merged, the group that the unit left keeps its number.
                    Some(place) if moves > 0 => {
                        self.move_unit(from, position, place);
                        moved = true;
                        moves -= 1;
                    }
                    _ => position += 1,
                }
            }
            from += 1;
        }
        moved
    }

    /// The best place for a unit, if it is enough better than where it is.
    fn better_place(&mut self, from: usize, position: usize) -> Option<Place> {
        let unit = self.groups[from].units[position];
        if unit >= self.movable {
            return None;
        }
        let (row, size) = (&self.units.rows[unit], self.units.sizes[unit]);
        let group = &self.groups[from];
        self.covers[from].without(row, &mut self.left);
        let left = (group.size - size) * self.model.probability(&self.left, group.units.len() - 1);
        let gain = (group.cost() - left - group.loss) * (1.0 - self.margin);
        if gain <= 0.0 {
            return None;
        }
        let joined = |(number, other): (usize, &Group)| {
            if number == from {
                return f64::INFINITY;
            }
            let joint = self.model.joint(&other.row, row, other.units.len() + 1);
            (other.size + size) * joint - other.cost() + other.loss
        };
        let best = least(self.groups.iter().enumerate().map(joined));
        let alone = size * self.model.probability(row, 1);
        // Merging others costs something as well, so most are ruled out by this alone.
        if alone < gain.min(best.map_or(f64::INFINITY, |(_, cost)| cost)) {
            let (room, pair) = self.room(from);
            if alone + room < gain.min(best.map_or(f64::INFINITY, |(_, cost)| cost)) {
                return Some(Place::Alone(pair));
            }
        }
        best.filter(|(_, cost)| *cost < gain)
            .map(|(number, _)| Place::Group(number))
    }

    /// Returns the cost of room for another layer, and the groups that have to be merged for it; not
    /// the one that the unit comes from.
    fn room(&mut self, from: usize) -> (f64, Option<(usize, usize)>) {
        if self.groups.len() < self.limit {
            return (0.0, None);
        }
        if self.cheapest.is_none() {
            if self.rooms == 0 {
                return (f64::INFINITY, None);
            }
            self.rooms -= 1;
        }
        let (groups, model) = (&self.groups, self.model);
        let cheapest = self
            .cheapest
            .get_or_insert_with(|| cheapest_pairs(groups, model));
        let pair = cheapest.iter().find(|(a, b, _)| *a != from && *b != from);
        pair.map_or((f64::INFINITY, None), |&(a, b, cost)| (cost, Some((a, b))))
    }

    fn move_unit(&mut self, from: usize, position: usize, place: Place) {
        self.cheapest = None;
        let unit = self.groups[from].units.remove(position);
        self.rebuild(from);
        match place {
            Place::Group(number) => {
                self.groups[number].units.push(unit);
                self.rebuild(number);
            }
            Place::Alone(None) => {
                self.groups.push(Group::of(unit, self.units, self.model));
                self.covers.push(Cover::new(self.units.shape));
                self.rebuild(self.groups.len() - 1);
            }
            Place::Alone(Some((a, b))) => {
                let other = std::mem::replace(&mut self.groups[b].units, vec![unit]);
                self.groups[a].units.extend(other);
                self.rebuild(a);
                self.rebuild(b);
            }
        }
    }

    /// Computes a group again whose members have changed.
    fn rebuild(&mut self, number: usize) {
        let members = std::mem::take(&mut self.groups[number].units);
        self.groups[number] = Group::with(members, self.units, self.model);
        self.covers[number] = self.groups[number].cover(self.units);
    }
}

/// For each group, the pair that costs least to merge, the cheapest first. For whatever group
/// may not be merged, there is a pair without it, but for the pairs that all have it.
fn cheapest_pairs(groups: &[Group], model: &Model<'_>) -> Vec<(usize, usize, f64)> {
    let mut pairs = Vec::with_capacity(2 * groups.len());
    for (a, group) in groups.iter().enumerate() {
        let mut found: Vec<(usize, usize, f64)> = vec![];
        for (b, other) in groups.iter().enumerate().skip(a + 1) {
            let cost = group.cost_with(other, model);
            found.push((a, b, cost));
        }
        // Two, as the other one of the first may be the one that is not to be merged.
        found.sort_by(|x, y| x.2.total_cmp(&y.2));
        pairs.extend(found.into_iter().take(2));
    }
    pairs.sort_by(|x, y| x.2.total_cmp(&y.2).then((x.0, x.1).cmp(&(y.0, y.1))));
    pairs
}
