//! Sums over everything that is reached, or that reaches: 64 ends of the ways in one pass
//! over the graph.
//!
//! In a closure of n paths there are up to n² / 2 such pairs, which cannot be looked at
//! one by one where n is 100,000. Here a pass carries a mask of 64 along all edges, and a
//! table tells the sum of the weights in a mask's bytes.

use std::ops::AddAssign;

use super::graph::Components;

/// The number of ends that fit into a mask.
const BATCH: usize = 64;

/// A number that can be added up.
pub(super) trait Weight: Clone + Default + for<'a> AddAssign<&'a Self> {}

impl<N: Clone + Default + for<'a> AddAssign<&'a N>> Weight for N {}

/// For each group the sum of its own weight and of those of all groups that reach it.
/// `references` holds what each group refers to, always of lower numbers.
pub(super) fn above<N: Weight>(references: &[Vec<u32>], weights: &[N]) -> Vec<N> {
    sums(weights, |masks, batch| {
        // What refers to a group has a higher number, so it comes first.
        for group in (0..batch.end).rev() {
            let mask = masks[group];
            if mask != 0 {
                references[group]
                    .iter()
                    .for_each(|&other| masks[other as usize] |= mask);
            }
        }
    })
}

/// For each group the sum of its own weight and of those of all groups that it reaches.
pub(super) fn below<N: Weight>(references: &[Vec<u32>], weights: &[N]) -> Vec<N> {
    sums(weights, |masks, batch| {
        for group in batch.start..references.len() {
            let all = references[group]
                .iter()
                .fold(0, |all, &other| all | masks[other as usize]);
            masks[group] |= all;
        }
    })
}

/// Adds up weights, 64 groups at a time: `carry` takes the masks along the edges.
fn sums<N: Weight>(weights: &[N], carry: impl Fn(&mut [u64], std::ops::Range<usize>)) -> Vec<N> {
    let mut totals = vec![N::default(); weights.len()];
    let mut masks = vec![0_u64; weights.len()];
    for (batch, weights) in weights.chunks(BATCH).enumerate() {
        let start = batch * BATCH;
        masks.fill(0);
        for bit in 0..weights.len() {
            masks[start + bit] = 1 << bit;
        }
        carry(&mut masks, start..start + weights.len());
        let table = Table::new(weights);
        for (total, &mask) in totals.iter_mut().zip(&masks) {
            table.add(mask, total);
        }
    }
    totals
}

/// The sum of the weights in each byte that a mask can have, at each of its places.
struct Table<N>(Vec<N>);

impl<N: Weight> Table<N> {
    fn new(weights: &[N]) -> Self {
        let mut table = vec![N::default(); BATCH / 8 * 256];
        for (place, weights) in weights.chunks(8).enumerate() {
            for byte in 1..256_usize {
                let lowest = byte.trailing_zeros() as usize;
                let mut sum = table[place * 256 + (byte & (byte - 1))].clone();
                if let Some(weight) = weights.get(lowest) {
                    sum += weight;
                }
                table[place * 256 + byte] = sum;
            }
        }
        Self(table)
    }

    fn add(&self, mask: u64, total: &mut N) {
        if mask == 0 {
            return;
        }
        for (place, byte) in mask.to_le_bytes().into_iter().enumerate() {
            if byte != 0 {
                *total += &self.0[place * 256 + usize::from(byte)];
            }
        }
    }
}

/// The size of everything that each set of paths reaches, in bytes.
pub(super) fn closure_sizes(
    references: &[Vec<u32>],
    sizes: &[u64],
    sets: &[Vec<u32>],
) -> Vec<u128> {
    let components = Components::new(references);
    let edges = components.references(references);
    let size = |members: &Vec<u32>| members.iter().map(|&i| u128::from(sizes[i as usize])).sum();
    let weights: Vec<u128> = components.members.iter().map(size).collect();
    let groups = |paths: &Vec<u32>| {
        let mut groups: Vec<u32> = paths
            .iter()
            .map(|&path| components.of[path as usize])
            .collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    };
    let sets: Vec<Vec<u32>> = sets.iter().map(groups).collect();
    if sets.len() > BATCH && sets.iter().all(|groups| groups.len() == 1) {
        // As many sets as groups, or nearly.
        let totals = below(&edges, &weights);
        return sets
            .iter()
            .map(|groups| totals[groups[0] as usize])
            .collect();
    }
    reached(&edges, &weights, &sets)
}

/// The sum of the weights of all groups that each set reaches.
fn reached(edges: &[Vec<u32>], weights: &[u128], sets: &[Vec<u32>]) -> Vec<u128> {
    let mut totals = vec![0; sets.len()];
    let mut masks = vec![0_u64; edges.len()];
    for (sets, totals) in sets.chunks(BATCH).zip(totals.chunks_mut(BATCH)) {
        masks.fill(0);
        for (bit, groups) in sets.iter().enumerate() {
            groups
                .iter()
                .for_each(|&group| masks[group as usize] |= 1 << bit);
        }
        for group in (0..edges.len()).rev() {
            let mask = masks[group];
            edges[group]
                .iter()
                .for_each(|&other| masks[other as usize] |= mask);
            let mut rest = mask;
            while rest != 0 {
                totals[rest.trailing_zeros() as usize] += weights[group];
                rest &= rest - 1;
            }
        }
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_count_what_is_reached_once() {
        // 0 -> 1 -> 2 <-> 3, 0 -> 2.
        let references = vec![vec![1, 2], vec![2], vec![3], vec![2]];
        let starts = [vec![0], vec![1], vec![2], vec![3], vec![0, 3], vec![]];
        assert_eq!(
            closure_sizes(&references, &[1, 10, 100, 1000], &starts),
            [1111, 1110, 1100, 1100, 1111, 0]
        );
    }

    #[test]
    fn more_than_fit_into_a_mask_are_all_counted() {
        let count = 200_u32;
        let chain: Vec<Vec<u32>> = (1..=count)
            .map(|next| if next < count { vec![next] } else { vec![] })
            .collect();
        let expected: Vec<u128> = (1..=u128::from(count)).rev().collect();
        let sets: Vec<Vec<u32>> = (0..count).map(|start| vec![start]).collect();
        assert_eq!(closure_sizes(&chain, &[1; 200], &sets), expected);
        // The same by way of sets of several paths.
        let pairs: Vec<Vec<u32>> = (0..count)
            .map(|start| vec![start, (start + 1).min(count - 1)])
            .collect();
        assert_eq!(closure_sizes(&chain, &[1; 200], &pairs), expected);
    }

    #[test]
    fn sums_above_and_below_mirror_each_other() {
        // References are of lower numbers: 3 -> 2, 3 -> 1, 2 -> 0, 1 -> 0.
        let edges = vec![vec![], vec![0], vec![0], vec![1, 2]];
        let weights = [1_u128, 10, 100, 1000];
        assert_eq!(above(&edges, &weights), [1111, 1010, 1100, 1000]);
        assert_eq!(below(&edges, &weights), [1, 11, 101, 1111]);
    }
}
