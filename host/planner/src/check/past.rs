//! Histories for requests.

use super::draw::{Numbers, STORE, hash};
use crate::layering::{HeldImage, HeldLayer, HeldPath, History, Observation, StorePath};

/// A history of so many earlier closures, in which some paths were new, some changed often and
/// most never.
pub(super) fn observed(paths: &[StorePath], steps: u32) -> History {
    let mut numbers = Numbers::new(11);
    let observations = paths
        .iter()
        .map(|_| {
            let first = u32::try_from(numbers.below(u64::from(steps) * 4)).unwrap_or(0);
            let first = if first < steps { first } else { 0 };
            let often = numbers.below(6);
            let changes: Vec<u32> = (first.max(1)..steps)
                .filter(|_| often > 0 && numbers.below(6) < often - 1)
                .collect();
            let version_changes = changes
                .iter()
                .copied()
                .filter(|_| numbers.below(2) == 0)
                .collect();
            Observation {
                closures: steps - first,
                changes,
                version_changes,
            }
        })
        .collect();
    History {
        steps,
        observations,
        held: vec![],
    }
}

/// A history of no closures and two images that clients hold: of most of these paths, some of
/// them gone or rebuilt since.
pub(super) fn held(paths: &[StorePath]) -> History {
    let image = |age: usize| {
        let held: Vec<HeldPath> = paths
            .iter()
            .enumerate()
            .skip(age)
            .step_by(1 + age)
            .map(|(index, path)| HeldPath {
                path: match (index + age) % 5 {
                    0 => format!(
                        "{STORE}/{}-{}",
                        hash(&format!("held {age} {index}")),
                        path.name
                    ),
                    _ => path.path.clone(),
                },
                name: path.name.clone(),
                package: path.package.clone(),
                size: path.size,
            })
            .collect();
        HeldImage {
            layers: held
                .chunks(25)
                .enumerate()
                .map(|(number, paths)| HeldLayer {
                    paths: paths.to_vec(),
                    // Not everyone knows what a layer costs to pull.
                    transfer_size: if number % 3 == 0 {
                        0
                    } else {
                        paths.iter().map(|path| path.size / 3).sum()
                    },
                })
                .collect(),
        }
    };
    History {
        steps: 0,
        observations: vec![],
        held: vec![image(0), image(1)],
    }
}
