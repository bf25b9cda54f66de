//! Section 3.1.

use std::collections::{BTreeMap, BTreeSet};

use super::{Closure, Path, reach, reversed};

/// The owners of each path.
type Owners = BTreeMap<Path, BTreeSet<Path>>;

/// The layers of a closure, of which some paths go into none.
pub(crate) fn layers(closure: &Closure, excluded: &BTreeSet<Path>, limit: usize) -> Vec<Vec<Path>> {
    let mut groups: BTreeMap<BTreeSet<Path>, BTreeSet<Path>> = BTreeMap::new();
    for (path, owners) in owners(closure, limit) {
        groups.entry(owners).or_default().insert(path);
    }
    let mut ordered: Vec<(u64, Path, BTreeSet<Path>)> = groups
        .into_values()
        .map(|paths| {
            (
                closure_size(closure, &paths),
                paths.first().unwrap().clone(),
                paths,
            )
        })
        .collect();
    ordered.sort();
    let kept = ordered
        .into_iter()
        .map(|(.., paths)| paths.difference(excluded).cloned().collect());
    kept.filter(|layer: &Vec<Path>| !layer.is_empty()).collect()
}

fn owners(closure: &Closure, limit: usize) -> Owners {
    let referrers = reversed(&closure.references);
    let mut owner: Owners = closure
        .sizes
        .keys()
        .map(|path| (path.clone(), BTreeSet::new()))
        .collect();
    // Stable, and taken from the end: of the same size the last one is first.
    let mut candidates: Vec<&Path> = closure.sizes.keys().collect();
    candidates.sort_by_key(|path| closure.sizes[*path]);
    while let Some(candidate) = candidates.pop() {
        let mut new = owner.clone();
        new.insert(candidate.clone(), BTreeSet::from([candidate.clone()]));
        let mut below = reach(&closure.references, [candidate]);
        below.remove(candidate);
        let mut above = reach(&referrers, [candidate]);
        above.remove(candidate);
        for path in &below {
            let mut set: BTreeSet<Path> = new[path].difference(&above).cloned().collect();
            if set.is_disjoint(&below) {
                set.insert(candidate.clone());
            }
            new.insert(path.clone(), set);
        }
        if new.values().collect::<BTreeSet<_>>().len() > limit {
            break;
        }
        owner = new;
    }
    owner
}

fn closure_size(closure: &Closure, paths: &BTreeSet<Path>) -> u64 {
    reach(&closure.references, paths)
        .iter()
        .map(|path| closure.sizes[path])
        .sum()
}
