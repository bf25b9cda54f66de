//! Earlier updates: which of them changed each path, and what that is worth now.

use std::collections::BTreeSet;

use super::row::{BLOCK, Row, Shape};
use crate::bindings::layering::{History, Observation, Request};

/// The number of the latest updates that are looked at. Older ones would count for little.
const LATEST: usize = 512;

/// The earlier updates that count. Those of a plan without history are none.
#[derive(Debug)]
pub(super) struct Past<'a> {
    history: Option<&'a History>,
    /// The first update that counts, as the number of its closure, and the end of them.
    first: usize,
    end: usize,
    /// The weight of the updates in each word of a row; the newest ones' is 1.
    weights: Vec<f64>,
    /// The total weight of the updates that count.
    total: f64,
}

impl<'a> Past<'a> {
    /// The history of a request. What happened `memory` updates ago counts half.
    ///
    /// Every update that is learnt from may move paths to other layers, and what moves is
    /// pulled again. Where the request says what clients hold, that is weighed. Where it does
    /// not, as many updates count as in [`leap`], so that there is something to learn once in a
    /// while and not each time.
    pub(super) fn of(request: &'a Request, memory: f64) -> Self {
        // From one closure there is no update to learn from.
        let Some(history) = request.history.as_ref().filter(|history| history.steps > 1) else {
            return Self::new(None, 0, memory);
        };
        let updates = if history.held.is_empty() {
            leap(history.steps as usize)
        } else {
            history.steps as usize
        };
        Self::new(Some(history), updates, memory)
    }

    pub(super) fn new(history: Option<&'a History>, updates: usize, memory: f64) -> Self {
        // Words start at multiples, so that another update does not move all the others.
        let first = updates.saturating_sub(LATEST).next_multiple_of(BLOCK);
        let words = (updates - first.min(updates)).div_ceil(BLOCK);
        let age = |word: usize| ((words - 1 - word) * BLOCK) as f64;
        let weights: Vec<f64> = (0..words)
            .map(|word| memory / (memory + age(word)))
            .collect();
        let inside = |word: usize| (updates - first - word * BLOCK).min(BLOCK) as f64;
        // The first closure of all is an update of nothing.
        let none = if first == 0 {
            weights.first().copied().unwrap_or(0.0)
        } else {
            0.0
        };
        let total = (0..words)
            .map(|word| weights[word] * inside(word))
            .sum::<f64>()
            - none;
        Self {
            history,
            first,
            end: updates,
            weights,
            total,
        }
    }

    /// Returns the number of words that the updates take in a row.
    pub(super) fn words(&self) -> usize {
        self.weights.len()
    }

    /// The weight of each word's updates.
    pub(super) fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Returns the total weight of the updates.
    pub(super) fn total(&self) -> f64 {
        self.total
    }

    /// Returns true if any of some paths was there before. Without history nothing is known of any.
    pub(super) fn knows(&self, paths: &[u32]) -> bool {
        let observations = self
            .history
            .map_or(&[][..], |history| &history.observations);
        paths
            .iter()
            .filter_map(|&path| observations.get(path as usize))
            .any(|o| o.closures > 0)
    }

    /// Adds the updates that changed any of some paths to a row.
    pub(super) fn mark(&self, paths: &[u32], shape: Shape, row: &mut Row) {
        let Some(history) = self.history else { return };
        for observation in paths
            .iter()
            .filter_map(|&path| history.observations.get(path as usize))
        {
            let changes = observation.changes.iter().map(|&change| change as usize);
            let known = changes.filter(|&change| change < self.end);
            known
                .filter_map(|change| change.checked_sub(self.first))
                .for_each(|update| {
                    row.add_update(shape, update);
                });
        }
    }

    /// Returns the weight of the updates in which any of some paths changed of itself, and of those
    /// before which any was there. `needs` are the paths that they refer to: a change that none of these
    /// shares is no rebuild, even where the name, which may have no version, stays the same.
    pub(super) fn own<'p>(
        &self,
        paths: &[u32],
        needs: impl Iterator<Item = &'p u32>,
    ) -> (f64, f64) {
        let Some(history) = self.history else {
            return (0.0, 0.0);
        };
        let seen = |path: &u32| history.observations.get(*path as usize);
        let all = |changes: fn(&Observation) -> &[u32]| -> BTreeSet<u32> {
            paths
                .iter()
                .filter_map(seen)
                .flat_map(changes)
                .copied()
                .collect()
        };
        let versions = all(|observation| &observation.version_changes);
        let mut same_version = all(|observation| &observation.changes);
        same_version.retain(|change| !versions.contains(change));
        if !same_version.is_empty() {
            for change in needs
                .filter_map(seen)
                .flat_map(|observation| &observation.changes)
            {
                same_version.remove(change);
            }
        }
        let counted = self.first..self.end;
        let own = versions
            .iter()
            .chain(&same_version)
            .map(|&change| change as usize);
        let own = own.filter(|change| counted.contains(change));
        let changed = own
            .map(|change| self.weights[(change - self.first) / BLOCK])
            .sum();
        // Which closures these were is not known; that they are the same share of all is near it.
        let closures = paths
            .iter()
            .filter_map(seen)
            .map(|observation| observation.closures)
            .max();
        let whole = f64::from(history.steps.max(2) - 1);
        let there = f64::from(closures.unwrap_or(0).saturating_sub(1)) / whole;
        (changed, self.total * there.min(1.0))
    }
}

/// The largest of 1, 2, 3, 4, 6, 8, 12, 16, 24 and so on that is not above a number.
pub(super) fn leap(number: usize) -> usize {
    let power = 1 << number.max(1).ilog2();
    if number >= power + power / 2 {
        power + power / 2
    } else {
        power
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::request;
    use super::*;
    use crate::bindings::layering::HeldImage;

    fn history(steps: u32, changes: &[u32]) -> History {
        let observation = Observation {
            closures: steps,
            changes: changes.to_vec(),
            version_changes: vec![],
        };
        History {
            steps,
            observations: vec![observation],
            held: vec![],
        }
    }

    #[test]
    fn what_is_long_ago_counts_less() {
        let history = history(40, &[]);
        let past = Past::new(Some(&history), history.steps as usize, 16.0);
        assert_eq!(past.weights(), [1.0 / 3.0, 0.5, 1.0]);
        assert!((past.total() - (15.0 / 3.0 + 8.0 + 8.0)).abs() < 1e-9);
        assert_eq!(Past::new(None, 0, 16.0).words(), 0);
    }

    #[test]
    fn where_nothing_is_held_the_past_is_learnt_from_in_leaps() {
        let request = |steps, held| {
            let history = History {
                held,
                ..history(steps, &[])
            };
            Request {
                history: Some(history),
                ..request(&[])
            }
        };
        let held = vec![HeldImage { layers: vec![] }];
        for (steps, leap) in [
            (2, 2),
            (3, 3),
            (5, 4),
            (31, 24),
            (33, 32),
            (63, 48),
            (64, 64),
        ] {
            assert_eq!(Past::of(&request(steps, vec![]), 1.0).end, leap);
            assert_eq!(
                Past::of(&request(steps, held.clone()), 1.0).end,
                steps as usize
            );
        }
        assert_eq!(Past::of(&request(1, held), 1.0).words(), 0);
    }

    #[test]
    fn changes_of_its_own_weigh_what_their_updates_do() {
        let seen = |closures, version_changes: &[u32], changes: &[u32]| Observation {
            closures,
            changes: changes.to_vec(),
            version_changes: version_changes.to_vec(),
        };
        let observations = vec![
            seen(40, &[1, 17, 33], &[1, 17, 33]),
            seen(20, &[17, 39, 40], &[17, 39, 40]),
            seen(0, &[], &[]),
            // Without a version: rebuilt with the first, and changed by itself.
            seen(40, &[], &[17, 33, 34]),
        ];
        let history = History {
            steps: 40,
            observations,
            held: vec![],
        };
        let past = Past::new(Some(&history), 40, 16.0);
        let total = past.total();
        let own = |paths: &[u32], needs: &[u32]| past.own(paths, needs.iter());
        assert_eq!(own(&[0], &[]), (1.0 / 3.0 + 0.5 + 1.0, total));
        assert_eq!(own(&[0], &[0, 1]), (1.0 / 3.0 + 0.5 + 1.0, total));
        assert_eq!(own(&[1], &[]), (0.5 + 1.0, total * 19.0 / 39.0));
        assert_eq!(own(&[0, 1], &[]), (1.0 / 3.0 + 0.5 + 1.0 + 1.0, total));
        assert_eq!(own(&[3], &[2, 0]), (1.0, total));
        assert_eq!(own(&[3], &[]), (0.5 + 1.0 + 1.0, total));
        assert_eq!(own(&[2], &[]), (0.0, 0.0));
        assert_eq!(own(&[7], &[7]), (0.0, 0.0));
        assert_eq!(Past::new(None, 0, 16.0).own(&[0], [].iter()), (0.0, 0.0));
    }

    #[test]
    fn only_the_latest_updates_have_bits() {
        let history = history(2000, &[3, 1490, 1504, 1999, 2000]);
        let past = Past::new(Some(&history), history.steps as usize, 16.0);
        assert_eq!((past.first, past.words()), (1488, 32));
        let shape = Shape {
            needs: 0,
            updates: past.words(),
        };
        let mut row = shape.empty();
        past.mark(&[0, 7], shape, &mut row);
        assert_eq!(
            (row.words()[0], row.words()[1], row.words()[31]),
            (4, 1, 1 << 15)
        );
    }
}
