//! The probability of each unit to change of itself.
//!
//! A change of its own is one of its version, or one that nothing it refers to shares; other
//! changes are rebuilds. Most packages have few of their own and some have many, and what was seen
//! of a package is the best guess of what it will do. Without history all are alike.

use super::options::Options;
use super::past::Past;
use super::units::rounded;

/// The largest share of all packages that is expected to change: of a few, not as many as of many.
const MOST: f64 = 1.0 / 8.0;
/// The least share, so that what is divided by it is a number.
const LEAST: f64 = 1e-9;
/// The number of changes of a package that have to be expected before what was seen of it counts
/// as much as what is expected of all.
const DOUBT: f64 = 1.5;
/// The levels of units: each is as likely to change as so many quarters of what is expected. A unit
/// seldom moves from one level to another. What never changed yet may do so tomorrow, so there is a
/// least one.
const LEVELS: [u32; 6] = [1, 2, 4, 8, 16, 32];
/// As many quarters as are expected.
const EXPECTED: u32 = 4;
/// The bounds between levels, in times of what is expected: the middles between
/// them, by ratio.
const BETWEEN: [f64; 5] = [
    0.25 * std::f64::consts::SQRT_2,
    0.5 * std::f64::consts::SQRT_2,
    std::f64::consts::SQRT_2,
    2.0 * std::f64::consts::SQRT_2,
    4.0 * std::f64::consts::SQRT_2,
];

/// The levels of all units, and a bit for each unit. Bits in one word are of one level.
#[derive(Debug)]
pub(super) struct Rates {
    /// The number of changes of its own that an update is expected to bring to a package.
    pub(super) share: f64,
    bits: Vec<usize>,
    /// The number of quarters that each bit of a word counts for.
    quarters: Vec<u32>,
    /// True if all are as likely as expected: the usual case, without history.
    alike: bool,
}

impl Rates {
    /// The rates of units, which are given by their paths and by the units that each refers to.
    pub(super) fn new(
        options: &Options,
        past: &Past<'_>,
        (units, references): (&[Vec<u32>], &[Vec<u32>]),
    ) -> Self {
        // Rounded, so that a path more or less does not move every probability.
        let share = (options.changes / rounded(units.len() as u128)).clamp(LEAST, MOST);
        let level = |unit: usize| {
            let needs = references[unit]
                .iter()
                .flat_map(|&other| &units[other as usize]);
            level(past.own(&units[unit], needs), share)
        };
        let level_of: Vec<usize> = (0..units.len()).map(level).collect();
        let (mut bits, mut quarters) = (vec![0; units.len()], vec![]);
        for (level, count_for) in LEVELS.into_iter().enumerate() {
            let units = (0..units.len()).filter(|&unit| level_of[unit] == level);
            let first = 64 * quarters.len();
            let count = units
                .zip(first..)
                .map(|(unit, bit)| bits[unit] = bit)
                .count();
            quarters.resize(quarters.len() + count.div_ceil(64), count_for);
        }
        let alike = quarters.iter().all(|&quarters| quarters == EXPECTED);
        Self {
            share,
            bits,
            quarters,
            alike,
        }
    }

    /// The bit of a unit.
    pub(super) fn bit(&self, unit: usize) -> usize {
        self.bits[unit]
    }

    /// Returns the number of words that the bits take.
    pub(super) fn words(&self) -> usize {
        self.quarters.len()
    }

    /// Returns the number of packages that the bits in two rows count for, those in both once. Both
    /// have as many words as there are.
    #[inline]
    pub(super) fn joint(&self, a: &[u64], b: &[u64]) -> f64 {
        // Nearly all of a plan's time is spent in this line or in the next function.
        if self.alike {
            let bits: u32 = a.iter().zip(b).map(|(a, b)| (a | b).count_ones()).sum();
            return f64::from(bits);
        }
        self.joint_by_levels(a, b)
    }

    /// The same where they are not alike. Together with the other case it is slower than both.
    #[inline(never)]
    fn joint_by_levels(&self, a: &[u64], b: &[u64]) -> f64 {
        let words = a.iter().zip(b).zip(&self.quarters);
        let sum: u32 = words
            .map(|((a, b), quarters)| (a | b).count_ones() * quarters)
            .sum();
        f64::from(sum) / f64::from(EXPECTED)
    }
}

/// The level of what changed of itself so often in so many updates, as its place in [`LEVELS`].
fn level((changes, updates): (f64, f64), share: f64) -> usize {
    let times = (changes + DOUBT) / (updates * share + DOUBT);
    BETWEEN.iter().take_while(|&&end| times >= end).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::layering::{History, Observation};

    fn seen(closures: u32, version_changes: Vec<u32>) -> Observation {
        Observation {
            closures,
            changes: version_changes.clone(),
            version_changes,
        }
    }

    #[test]
    fn without_history_all_are_alike() {
        let past = Past::new(None, 0, 20.0);
        let units: Vec<Vec<u32>> = (0..70).map(|path| vec![path]).collect();
        let rates = Rates::new(
            &Options::default(),
            &past,
            (&units, &vec![vec![]; units.len()]),
        );
        assert_eq!((rates.words(), rates.share), (2, 1.0 / 8.0));
        assert_eq!(
            (0..70).map(|unit| rates.bit(unit)).collect::<Vec<_>>(),
            (0..70).collect::<Vec<_>>()
        );
        assert_eq!(rates.joint(&[0b11, 1], &[0b110, 0]), 4.0);
    }

    #[test]
    fn what_changes_more_often_than_expected_counts_more() {
        let every = |step: usize| (1..32).step_by(step).collect::<Vec<u32>>();
        let observations = vec![
            seen(32, vec![]),
            seen(32, every(1)),
            seen(32, every(8)),
            // New, and there for two closures only.
            seen(0, vec![]),
            seen(2, vec![31]),
            seen(32, every(3)),
        ];
        let history = History {
            steps: 32,
            observations,
            held: vec![],
        };
        let past = Past::new(Some(&history), 32, 1e9);
        let units: Vec<Vec<u32>> = [
            vec![0],
            vec![1],
            vec![2],
            vec![3],
            vec![4],
            vec![5],
            vec![],
            vec![0, 1],
        ]
        .into();
        let level = |unit: usize| LEVELS[level(past.own(&units[unit], [].iter()), 1.0 / 8.0)];
        let levels: Vec<u32> = (0..units.len()).map(level).collect();
        assert_eq!(levels, [1, 32, 4, 4, 8, 8, 4, 32]);
        // A word for each level, the likeliest last.
        let rates = Rates::new(
            &Options::default(),
            &past,
            (&units, &vec![vec![]; units.len()]),
        );
        assert_eq!(
            (0..8).map(|unit| rates.bit(unit)).collect::<Vec<_>>(),
            [0, 192, 64, 65, 128, 129, 66, 193]
        );
        assert_eq!(
            rates.joint(&[1, 0b11, 0, 0], &[1, 0b100, 0, 1]),
            0.25 + 3.0 + 8.0
        );
    }

    #[test]
    fn a_few_packages_are_not_expected_to_change_all_at_once() {
        let past = Past::new(None, 0, 20.0);
        let none = |count: usize| vec![vec![]; count];
        let options = Options::default();
        let share = |count: usize| Rates::new(&options, &past, (&none(count), &none(count))).share;
        assert_eq!(
            (share(0), share(3), share(64), share(128)),
            (MOST, MOST, MOST, MOST / 2.0)
        );
        let none_at_all = Options {
            changes: 1e-310,
            ..options
        };
        assert_eq!(
            Rates::new(&none_at_all, &past, (&none(9), &none(9))).share,
            LEAST
        );
    }
}
