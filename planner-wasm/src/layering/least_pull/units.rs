//! Units, which are put into layers: paths, and groups of paths that need each other in circles.

use super::super::graph::{Components, Graph, ranks};
use super::model::Model;
use super::past::Past;
use super::row::{Row, Shape};
use crate::bindings::layering::Request;

/// The most units that all have a row. Rows have a bit for each unit, so all of them together would be
/// the square of that.
const ALL: usize = 16_384;
/// The number of units that have one where there are more.
const LARGEST: usize = 4_096;

/// The units of a request, those that matter most first.
#[derive(Debug)]
pub(super) struct Units {
    /// The paths of each, by name and then by path; none that is excluded.
    pub(super) paths: Vec<Vec<u32>>,
    /// The size that each counts for, in bytes, rounded to a power of two. Sizes drift from
    /// release to release, and a plan that followed them would not stay the same.
    pub(super) sizes: Vec<f64>,
    /// The reasons why each is pulled again. There are fewer than units where these are very many; the
    /// rest is small and has none.
    pub(super) rows: Vec<Row>,
    /// The place of each in the order of names, which settles ties.
    pub(super) ranks: Vec<u32>,
    /// The layout of the rows.
    pub(super) shape: Shape,
}

impl Units {
    /// Returns the number of units.
    pub(super) fn len(&self) -> usize {
        self.paths.len()
    }
}

/// The units in the order of the graph: each after all that it needs.
pub(super) struct Found {
    paths: Vec<Vec<u32>>,
    references: Vec<Vec<u32>>,
    sizes: Vec<f64>,
    ranks: Vec<u32>,
}

impl Found {
    /// Finds them.
    pub(super) fn new(request: &Request) -> Self {
        let graph = Graph::new(request);
        let components = Components::new(&graph.references);
        let references = components.references(&graph.references);
        let order = ranks(request);
        let excluded = |path: &u32| request.excluded.binary_search(path).is_ok();
        let mut paths = components.members;
        for members in &mut paths {
            members.retain(|path| !excluded(path));
            members.sort_unstable_by_key(|&path| order[path as usize]);
        }
        let size = |path: &u32| u128::from(request.paths[*path as usize].size);
        let sizes = paths
            .iter()
            .map(|members| rounded(members.iter().map(size).sum()))
            .collect();
        let rank = |members: &Vec<u32>| {
            members
                .first()
                .map_or(u32::MAX, |&path| order[path as usize])
        };
        let ranks = paths.iter().map(rank).collect();
        Self {
            paths,
            references,
            sizes,
            ranks,
        }
    }

    /// The paths of each, none where all are excluded, and the units that each refers to.
    pub(super) fn parts(&self) -> (&[Vec<u32>], &[Vec<u32>]) {
        (&self.paths, &self.references)
    }

    /// Puts those that matter most first: whatever would save most if it were alone instead
    /// of with everything else.
    pub(super) fn ordered(self, past: &Past<'_>, model: &Model<'_>) -> Units {
        let shape = model.shape();
        let mut order: Vec<usize> = (0..self.paths.len())
            .filter(|&i| !self.paths[i].is_empty())
            .collect();
        let by_rank = |a: &usize, b: &usize| self.ranks[*a].cmp(&self.ranks[*b]);
        let rows = if order.len() <= ALL {
            let rows = self.rows(past, model);
            let mut all = shape.empty();
            rows.iter().for_each(|row| all.join(row));
            let most = model.probability(&all, order.len());
            let saved = |i: usize| self.sizes[i] * (most - model.probability(&rows[i], 1)).max(0.0);
            let keys: Vec<f64> = (0..rows.len()).map(|i| rounded_ratio(saved(i))).collect();
            order.sort_by(|a, b| keys[*b].total_cmp(&keys[*a]).then_with(|| by_rank(a, b)));
            order.iter().map(|&i| rows[i].clone()).collect()
        } else {
            order.sort_by(|a, b| {
                self.sizes[*b]
                    .total_cmp(&self.sizes[*a])
                    .then_with(|| by_rank(a, b))
            });
            order
                .iter()
                .take(LARGEST)
                .map(|&i| self.row(past, model, i))
                .collect()
        };
        Units {
            sizes: order.iter().map(|&i| self.sizes[i]).collect(),
            ranks: order.iter().map(|&i| self.ranks[i]).collect(),
            rows,
            paths: order.into_iter().map(|i| self.paths[i].clone()).collect(),
            shape,
        }
    }

    /// The rows of all: each joins those of what it needs, which come before it.
    fn rows(&self, past: &Past<'_>, model: &Model<'_>) -> Vec<Row> {
        let shape = model.shape();
        let mut rows: Vec<Row> = Vec::with_capacity(self.paths.len());
        for (unit, references) in self.references.iter().enumerate() {
            let mut row = shape.empty();
            let known = past.knows(&self.paths[unit]);
            for &other in references {
                if known {
                    row.join_needs(&rows[other as usize], shape);
                } else {
                    // What is new has no history, but would have changed with what it needs.
                    row.join(&rows[other as usize]);
                }
            }
            row.add_need(model.rates().bit(unit));
            past.mark(&self.paths[unit], shape, &mut row);
            rows.push(row);
        }
        rows
    }

    /// The row of one.
    fn row(&self, past: &Past<'_>, model: &Model<'_>, unit: usize) -> Row {
        let (shape, rates) = (model.shape(), model.rates());
        let mut row = shape.empty();
        let mut open = vec![unit];
        while let Some(unit) = open.pop() {
            if !row.has_need(rates.bit(unit)) {
                row.add_need(rates.bit(unit));
                open.extend(self.references[unit].iter().map(|&other| other as usize));
            }
        }
        past.mark(&self.paths[unit], shape, &mut row);
        row
    }
}

/// The nearest power of two, by ratio; 1 for nothing.
pub(super) fn rounded(number: u128) -> f64 {
    const TOP: u32 = 90;
    let number = number.clamp(1, 1 << TOP);
    let below = number.ilog2();
    // The middle between a power and the next is the power times the root of two.
    let shifted = number << (TOP - below);
    let middle = (1_u128 << TOP) / 1_000_000_000 * 1_414_213_562;
    let power = if shifted > middle { below + 1 } else { below };
    (1_u128 << power) as f64
}

/// The nearest power of two of a number of bytes that is not whole.
fn rounded_ratio(number: f64) -> f64 {
    // To 2^-20 of a byte, which is below anything that matters.
    rounded((number * f64::from(1 << 20)) as u128)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::request;
    use super::super::options::Options;
    use super::super::rates::Rates;
    use super::*;

    fn units(request: &Request) -> Units {
        let past = Past::new(None, 0, 1.0);
        let found = Found::new(request);
        let rates = Rates::new(&Options::default(), &past, found.parts());
        let model = Model::new(&past, &rates);
        found.ordered(&past, &model)
    }

    #[test]
    fn sizes_are_rounded_to_powers_of_two() {
        for (number, expected) in [
            (0, 1.0),
            (1, 1.0),
            (2, 2.0),
            (3, 4.0),
            (5, 4.0),
            (6, 8.0),
            (1448, 1024.0),
            (1449, 2048.0),
            (u128::from(u64::MAX), 18_446_744_073_709_551_616.0),
        ] {
            assert_eq!(rounded(number), expected, "{number}");
        }
    }

    #[test]
    fn circles_are_one_unit_and_the_largest_comes_first() {
        let graph = [
            ("a", 1, "b"),
            ("b", 4, "a c"),
            ("c", 64, ""),
            ("d", 4, "c"),
            ("e", 0, "d c"),
            ("x", 9, "a"),
        ];
        let mut request = request(&graph);
        request.excluded = vec![5];
        let units = units(&request);
        assert_eq!(units.paths, [vec![2], vec![0, 1], vec![3], vec![4]]);
        assert_eq!(units.sizes, [64.0, 4.0, 4.0, 1.0]);
        let needs: Vec<u32> = units
            .rows
            .iter()
            .map(|row| row.words().iter().map(|word| word.count_ones()).sum())
            .collect();
        assert_eq!(needs, [1, 2, 2, 3]);
    }

    #[test]
    fn one_row_is_as_good_as_all_of_them() {
        let graph = [
            ("a", 1, "b"),
            ("b", 4, "a c"),
            ("c", 64, ""),
            ("d", 4, "c a"),
            ("e", 0, "d c"),
        ];
        let request = request(&graph);
        let found = Found::new(&request);
        let past = Past::new(None, 0, 1.0);
        let rates = Rates::new(&Options::default(), &past, found.parts());
        let model = Model::new(&past, &rates);
        let rows = found.rows(&past, &model);
        for (unit, row) in rows.iter().enumerate() {
            assert_eq!(&found.row(&past, &model, unit), row, "{unit}");
        }
    }
}
