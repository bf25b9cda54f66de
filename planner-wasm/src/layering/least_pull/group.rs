//! Units that share a layer.

use super::model::Model;
use super::row::{Cover, Row};
use super::units::Units;

/// A group of units that is going to be a layer.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// The units in it, by their numbers.
    pub(super) units: Vec<usize>,
    /// The reasons why it is pulled again.
    pub(super) row: Row,
    /// The size that it counts for, in bytes.
    pub(super) size: f64,
    /// The probability that it is pulled again.
    pub(super) probability: f64,
    /// The layer that clients hold which is just this, by its number.
    pub(super) held: Option<usize>,
    /// The cost of giving that layer up, in bytes for each of the updates in which it has to
    /// pay off; 0 where there is none.
    pub(super) loss: f64,
}

impl Group {
    /// A group of one unit that has a row.
    pub(super) fn of(unit: usize, units: &Units, model: &Model<'_>) -> Self {
        let row = units.rows[unit].clone();
        let probability = model.probability(&row, 1);
        Self {
            units: vec![unit],
            row,
            size: units.sizes[unit],
            probability,
            held: None,
            loss: 0.0,
        }
    }

    /// A group of some units. Those without a row change nothing but its size.
    pub(super) fn with(members: Vec<usize>, units: &Units, model: &Model<'_>) -> Self {
        let mut row = units.shape.empty();
        members
            .iter()
            .filter_map(|&unit| units.rows.get(unit))
            .for_each(|other| row.join(other));
        let size = members.iter().map(|&unit| units.sizes[unit]).sum();
        let probability = model.probability(&row, members.len());
        Self {
            units: members,
            row,
            size,
            probability,
            held: None,
            loss: 0.0,
        }
    }

    /// Returns the cost that is expected at the next update, in bytes.
    pub(super) fn cost(&self) -> f64 {
        self.size * self.probability
    }

    /// Returns the additional cost if these two were one, and none of them were held any more.
    pub(super) fn cost_with(&self, other: &Self, model: &Model<'_>) -> f64 {
        let members = self.units.len() + other.units.len();
        let together = (self.size + other.size) * model.joint(&self.row, &other.row, members);
        together - self.cost() - other.cost() + self.loss + other.loss
    }

    /// Takes in another. What clients hold is neither any more.
    pub(super) fn take(&mut self, other: Self, model: &Model<'_>) {
        self.units.extend(other.units);
        self.row.join(&other.row);
        self.size += other.size;
        self.probability = model.probability(&self.row, self.units.len());
        self.held = None;
        self.loss = 0.0;
    }

    /// Returns the reasons that its members have in common.
    pub(super) fn cover(&self, units: &Units) -> Cover {
        let mut cover = Cover::new(units.shape);
        self.units
            .iter()
            .filter_map(|&unit| units.rows.get(unit))
            .for_each(|row| cover.add(row));
        cover
    }
}
