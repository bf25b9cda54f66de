//! The probability that something is pulled again at the next update.

use super::past::Past;
use super::rates::Rates;
use super::row::{Row, Shape};

/// The weight of a member of a layer beside what it needs, in packages: it may leave the
/// closure, or another may join it.
const MEMBER: f64 = 0.06;
/// The number of changes of a package that have to be expected before what was seen of it counts
/// as much as what is expected of all.
const DOUBT: f64 = 0.75;

/// The expectation of pulls.
///
/// A row is pulled again if anything in it changes of itself, of which [`Rates`] says how likely
/// it is. How much does, from one image to the next, varies widely; with a gamma distribution of
/// shape 2 around the mean, the probability that a share `x` of the mean hits nothing is
/// `1 / (1 + x / 2)^2`, which takes no more than arithmetic: the same bits on every machine.
///
/// With history, the probability is the share of the earlier updates that would have pulled
/// the row, the later ones weighing more: what moves together is seen to do so. Such shares of
/// few updates are taken with a grain of salt: the expectation is mixed in, as so many updates as
/// it takes for a package to change [`DOUBT`] times.
#[derive(Debug)]
pub(super) struct Model<'a> {
    shape: Shape,
    rates: &'a Rates,
    /// The weights of the updates in each word.
    weights: &'a [f64],
    /// The weight of all updates.
    total: f64,
    /// The weight of the expectation beside them.
    prior: f64,
}

impl<'a> Model<'a> {
    /// The model of units with these rates and this history.
    pub(super) fn new(past: &'a Past<'a>, rates: &'a Rates) -> Self {
        Self {
            shape: Shape {
                needs: rates.words(),
                updates: past.words(),
            },
            rates,
            weights: past.weights(),
            total: past.total(),
            prior: DOUBT / rates.share,
        }
    }

    /// Returns the rates at which units change of themselves.
    pub(super) fn rates(&self) -> &Rates {
        self.rates
    }

    /// The layout of rows.
    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    /// Returns the probability that a row of so many members is pulled again.
    pub(super) fn probability(&self, row: &Row, members: usize) -> f64 {
        self.joint(row, row, members)
    }

    /// The same of two rows together.
    pub(super) fn joint(&self, a: &Row, b: &Row, members: usize) -> f64 {
        let (a, b) = (
            a.words().split_at(self.shape.needs),
            b.words().split_at(self.shape.needs),
        );
        let needs = self.rates.joint(a.0, b.0);
        let share = self.rates.share * (needs + MEMBER * members as f64);
        let spared = 1.0 + share / 2.0;
        let expected = 1.0 - 1.0 / (spared * spared);
        if self.total == 0.0 {
            return expected;
        }
        let words = a.1.iter().zip(b.1).map(|(a, b)| a | b);
        let seen: f64 = words
            .zip(self.weights)
            .map(|(word, weight)| f64::from(word.count_ones()) * weight)
            .sum();
        (seen + self.prior * expected) / (self.total + self.prior)
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::Options;
    use super::*;
    use crate::bindings::layering::{History, Observation};

    fn rates(options: &Options, past: &Past<'_>, units: u32) -> Rates {
        let units: Vec<Vec<u32>> = (0..units).map(|path| vec![path]).collect();
        Rates::new(options, past, (&units, &vec![vec![]; units.len()]))
    }

    #[test]
    fn what_needs_more_is_likelier_and_the_same_needs_count_once() {
        let past = Past::new(None, 0, 80.0);
        let rates_of_all = rates(&Options::default(), &past, 100);
        let model = Model::new(&past, &rates_of_all);
        let row = |needs: std::ops::Range<usize>| {
            let mut row = model.shape().empty();
            needs.for_each(|need| row.add_need(need));
            row
        };
        let probability = |row: &Row| model.probability(row, 1);
        assert!(probability(&row(0..1)) > 0.05 && probability(&row(0..1)) < 0.08);
        assert!(probability(&row(0..100)) > 0.9 && probability(&row(0..100)) < 1.0);
        assert!(probability(&row(0..9)) < probability(&row(0..10)));
        assert!(model.joint(&row(0..9), &row(0..9), 2) < model.joint(&row(0..5), &row(5..10), 2));
        // One change in a hundred packages, of which one is looked at.
        let rare = Options {
            changes: 1.0,
            ..Options::default()
        };
        let rare = rates(&rare, &past, 128);
        assert!(Model::new(&past, &rare).probability(&row(0..1), 1) < 0.01);
    }

    #[test]
    fn what_was_seen_counts_more_the_more_was_seen() {
        let probability = |steps: u32| {
            let observation = Observation {
                closures: steps,
                changes: (1..steps).collect(),
                version_changes: vec![],
            };
            let history = History {
                steps,
                observations: vec![observation],
                held: vec![],
            };
            let past = Past::new(Some(&history), steps as usize, 1e6);
            let rates = rates(&Options::default(), &past, 64);
            let model = Model::new(&past, &rates);
            let mut row = model.shape().empty();
            row.add_need(rates.bit(0));
            past.mark(&[0], model.shape(), &mut row);
            model.probability(&row, 1)
        };
        assert!(probability(3) > 0.2 && probability(3) < probability(6));
        assert!(probability(100) > 0.93 && probability(100) < 1.0);
    }
}
