//! The same request in another form.

use super::draw::Numbers;
use crate::layering::{Planned, Request, StorePath};

/// The request with its paths in another order, and for each of its places the place that the
/// path has in the original.
pub(super) fn shuffled(request: &Request) -> (Request, Vec<u32>) {
    let count = u32::try_from(request.paths.len()).unwrap_or(u32::MAX);
    let mut places: Vec<u32> = (0..count).collect();
    let mut numbers = Numbers::new(7);
    for i in (1..places.len()).rev() {
        places.swap(i, numbers.below(i as u64 + 1) as usize);
    }
    let mut new = vec![0; places.len()];
    for (at, &place) in (0..).zip(&places) {
        new[place as usize] = at;
    }
    let renamed = |list: &[u32]| {
        list.iter()
            .map(|&index| new[index as usize])
            .collect::<Vec<u32>>()
    };
    let sorted = |list: &[u32]| {
        let mut list = renamed(list);
        list.sort_unstable();
        list
    };
    let mut shuffled = Request {
        paths: places
            .iter()
            .map(|&place| {
                let path = &request.paths[place as usize];
                let mut references = renamed(&path.references);
                references.reverse();
                StorePath {
                    references,
                    ..path.clone()
                }
            })
            .collect(),
        roots: sorted(&request.roots),
        excluded: sorted(&request.excluded),
        ..request.clone()
    };
    if let Some(history) = shuffled
        .history
        .as_mut()
        .filter(|history| !history.observations.is_empty())
    {
        let before = std::mem::take(&mut history.observations);
        history.observations = places
            .iter()
            .map(|&place| before[place as usize].clone())
            .collect();
    }
    (shuffled, places)
}

/// The layers of a plan for a shuffled request, by the places of the original.
pub(super) fn named(planned: &Planned, places: &[u32]) -> Vec<Vec<u32>> {
    planned
        .layers
        .iter()
        .map(|layer| {
            layer
                .paths
                .iter()
                .map(|&index| places[index as usize])
                .collect()
        })
        .collect()
}

/// The request with another hash in each path, as after a rebuild of everything, and with
/// everything else as it was. What came first by its hash comes last.
pub(super) fn rehashed(request: &Request) -> Request {
    let again = |path: &str, name: &str| {
        path.strip_suffix(name)
            .and_then(|rest| rest.strip_suffix('-'))
            .and_then(|rest| rest.rsplit_once('/'))
            .map_or_else(
                || path.to_owned(),
                |(folder, hash)| {
                    let hash: String = hash.chars().map(opposite).collect();
                    format!("{folder}/{hash}-{name}")
                },
            )
    };
    let mut request = request.clone();
    for path in &mut request.paths {
        path.path = again(&path.path, &path.name);
    }
    let held = request
        .history
        .iter_mut()
        .flat_map(|history| &mut history.held);
    for path in held
        .flat_map(|image| &mut image.layers)
        .flat_map(|layer| &mut layer.paths)
    {
        path.path = again(&path.path, &path.name);
    }
    request
}

/// The digit or letter that is as far from the end as this is from the start.
fn opposite(c: char) -> char {
    const ALL: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let place = ALL.iter().position(|&other| char::from(other) == c);
    place.map_or(c, |place| char::from(ALL[ALL.len() - 1 - place]))
}

#[cfg(test)]
mod tests {
    use super::super::corpus;
    use super::*;

    #[test]
    fn a_shuffled_request_is_the_same_graph() {
        for case in corpus() {
            let (shuffled, places) = shuffled(&case.request);
            for (at, path) in shuffled.paths.iter().enumerate() {
                let before = &case.request.paths[places[at] as usize];
                assert_eq!(path.path, before.path, "{}", case.name);
                let mut references: Vec<u32> = path
                    .references
                    .iter()
                    .map(|&index| places[index as usize])
                    .collect();
                let mut expected = before.references.clone();
                references.sort_unstable();
                expected.sort_unstable();
                assert_eq!(references, expected, "{}", case.name);
            }
            assert!(shuffled.roots.is_sorted() && shuffled.excluded.is_sorted());
            assert_eq!(shuffled.roots.len(), case.request.roots.len());
        }
    }

    #[test]
    fn another_hash_leaves_names_as_they_are() {
        for case in corpus() {
            let rehashed = rehashed(&case.request);
            for (after, before) in rehashed.paths.iter().zip(&case.request.paths) {
                assert_ne!(after.path, before.path, "{}", case.name);
                assert_eq!(crate::name(&after.path), before.name);
                assert_eq!(
                    (&after.name, after.path.len()),
                    (&before.name, before.path.len())
                );
            }
        }
    }
}
