//! What is reached from many places at once: 64 of them in one pass over the graph.

use super::graph::Components;

/// How many starting points fit into a mask.
const BATCH: usize = 64;

/// Calls `visit` with each starting point and each group that it reaches, the starting
/// groups themselves included. `starts` holds the groups of each starting point, and
/// `references` what each group refers to, always of lower numbers.
pub(super) fn reached(
    references: &[Vec<u32>],
    starts: &[Vec<u32>],
    mut visit: impl FnMut(usize, usize),
) {
    let mut masks = vec![0_u64; references.len()];
    for (batch, starts) in starts.chunks(BATCH).enumerate() {
        masks.fill(0);
        for (bit, groups) in starts.iter().enumerate() {
            groups.iter().for_each(|&group| masks[group as usize] |= 1 << bit);
        }
        // What refers to a group has a higher number, so it comes first.
        let top = starts.iter().flatten().max().map_or(0, |&top| top as usize + 1);
        for group in (0..top).rev() {
            let mask = masks[group];
            if mask == 0 {
                continue;
            }
            references[group].iter().for_each(|&other| masks[other as usize] |= mask);
            let mut rest = mask;
            while rest != 0 {
                visit(batch * BATCH + rest.trailing_zeros() as usize, group);
                rest &= rest - 1;
            }
        }
    }
}

/// The size of everything that each starting point reaches, in bytes; `starts` holds
/// paths.
pub(super) fn closure_sizes(references: &[Vec<u32>], sizes: &[u64], starts: &[Vec<u32>]) -> Vec<u128> {
    let components = Components::new(references);
    let edges = components.references(references);
    let size = |members: &Vec<u32>| members.iter().map(|&i| u128::from(sizes[i as usize])).sum();
    let weights: Vec<u128> = components.members.iter().map(size).collect();
    let group = |path: &u32| components.of[*path as usize];
    let starts: Vec<Vec<u32>> = starts.iter().map(|paths| paths.iter().map(group).collect()).collect();
    let mut totals = vec![0; starts.len()];
    reached(&edges, &starts, |start, group| totals[start] += weights[group]);
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
    fn more_starts_than_fit_into_a_mask_are_all_served() {
        let chain: Vec<Vec<u32>> =
            (1..=200).map(|next| if next < 200 { vec![next] } else { vec![] }).collect();
        let starts: Vec<Vec<u32>> = (0..200).map(|start| vec![start]).collect();
        let expected: Vec<u128> = (1..=200).rev().collect();
        assert_eq!(closure_sizes(&chain, &[1; 200], &starts), expected);
    }
}
