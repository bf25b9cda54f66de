//! Sets of what can happen to a layer, as bits.
//!
//! A row is the set of reasons why something is pulled again: one bit for each path whose
//! change would do it, and one for each earlier update that did it. Rows of things that
//! share a layer are joined by `|`, so whatever two of them have in common counts once.

/// The layout of the bits of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// Words of bits for units: what is needed.
    pub(super) needs: usize,
    /// Words of bits for earlier updates, [`BLOCK`] in each.
    pub(super) updates: usize,
}

/// Earlier updates in a word. Each word has a weight of its own, so few are in one.
pub(super) const BLOCK: usize = 16;

impl Shape {
    /// Returns the number of words of a row; at least 1.
    pub(super) fn words(self) -> usize {
        (self.needs + self.updates).max(1)
    }

    /// An empty row.
    pub(super) fn empty(self) -> Row {
        Row(vec![0; self.needs + self.updates])
    }
}

/// A set of reasons to be pulled again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row(Vec<u64>);

impl Row {
    pub(super) fn add_need(&mut self, unit: usize) {
        self.0[unit / 64] |= 1 << (unit % 64);
    }

    pub(super) fn has_need(&self, unit: usize) -> bool {
        self.0[unit / 64] >> (unit % 64) & 1 == 1
    }

    pub(super) fn add_update(&mut self, shape: Shape, update: usize) {
        self.0[shape.needs + update / BLOCK] |= 1 << (update % BLOCK);
    }

    pub(super) fn join(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }

    /// Joins what another needs, and not the updates that changed it.
    pub(super) fn join_needs(&mut self, other: &Self, shape: Shape) {
        let needs = self.0.iter_mut().zip(&other.0).take(shape.needs);
        needs.for_each(|(a, b)| *a |= b);
    }

    pub(super) fn words(&self) -> &[u64] {
        &self.0
    }
}

/// The bits in the rows of several members, and those in more than one of them: enough to
/// take one member away.
#[derive(Debug, Clone)]
pub(super) struct Cover {
    once: Row,
    twice: Row,
}

impl Cover {
    pub(super) fn new(shape: Shape) -> Self {
        Self {
            once: shape.empty(),
            twice: shape.empty(),
        }
    }

    pub(super) fn add(&mut self, row: &Row) {
        let words = self.once.0.iter_mut().zip(&mut self.twice.0).zip(&row.0);
        for ((once, twice), word) in words {
            *twice |= *once & word;
            *once |= word;
        }
    }

    /// The row of the members without the one that has this row.
    pub(super) fn without(&self, row: &Row, into: &mut Row) {
        let words = self
            .once
            .0
            .iter()
            .zip(&self.twice.0)
            .zip(&row.0)
            .zip(&mut into.0);
        for (((once, twice), word), into) in words {
            *into = once & !(word & !twice);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_taken_away() {
        let shape = Shape {
            needs: 2,
            updates: 1,
        };
        let row = |needs: &[usize], updates: &[usize]| {
            let mut row = shape.empty();
            needs.iter().for_each(|&need| row.add_need(need));
            updates
                .iter()
                .for_each(|&update| row.add_update(shape, update));
            row
        };
        let members = [row(&[1, 70], &[3]), row(&[1, 2], &[3, 4]), row(&[2], &[])];
        let mut cover = Cover::new(shape);
        members.iter().for_each(|member| cover.add(member));
        let mut left = shape.empty();
        cover.without(&members[0], &mut left);
        assert_eq!(left, row(&[1, 2], &[3, 4]));
        cover.without(&members[1], &mut left);
        assert_eq!(left, row(&[1, 2, 70], &[3]));
        assert!(left.has_need(70) && !left.has_need(69));
    }
}
