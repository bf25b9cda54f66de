//! Several sequences side by side, with their paths in one table.

use std::collections::{BTreeMap, BTreeSet};

use terrine_planner_host::{is_hashed, layering, store_path};

use crate::sequence::Sequence;

/// Sequences that go side by side, one for each image: the first steps of all are the first
/// step of the fleet, and so on. An image whose sequence ends early stays as it was.
#[derive(Debug, Clone)]
pub struct Fleet {
    images: Vec<FleetImage>,
    paths: Vec<FleetPath>,
}

/// A store path of any of the images.
#[derive(Debug, Clone)]
pub(super) struct FleetPath {
    pub(super) path: String,
    /// A text that tells its content apart from others under the same path; empty where its name does, or nothing.
    pub(super) content: String,
    /// Its package, as the contract has it.
    pub(super) package: String,
    /// In bytes; the largest where sequences do not agree.
    pub(super) size: u64,
}

/// An image.
#[derive(Debug, Clone)]
pub(super) struct FleetImage {
    pub(super) name: String,
    pub(super) updates: Sequence,
    /// The fleet's path for each of the sequence's.
    ids: Vec<u32>,
    /// For each step the fleet's paths, ascending, which is in the order of their texts.
    steps: Vec<Vec<u32>>,
}

impl Fleet {
    /// A fleet of these images. A sequence without a name is called by its number.
    pub fn new(sequences: Vec<Sequence>) -> Self {
        let mut table: BTreeMap<(&str, &str), (u32, u64)> = BTreeMap::new();
        for path in sequences.iter().flat_map(Sequence::paths) {
            let (_, size) = table.entry((&path.path, &path.content)).or_default();
            *size = path.size.max(*size);
        }
        (0..)
            .zip(table.values_mut())
            .for_each(|(id, (place, _))| *place = id);
        let ids: Vec<Vec<u32>> = sequences
            .iter()
            .map(|updates| {
                updates
                    .paths()
                    .iter()
                    .map(|path| table[&(path.path.as_str(), path.content.as_str())].0)
                    .collect()
            })
            .collect();
        let paths = table
            .iter()
            .map(|(&(path, content), &(_, size))| {
                let layering::StorePath { path, package, .. } = store_path(path, 0, vec![]);
                FleetPath {
                    path,
                    content: content.to_owned(),
                    package,
                    size,
                }
            })
            .collect();
        let images = (1..)
            .zip(sequences)
            .zip(ids)
            .map(|((number, updates), ids)| FleetImage::new(number, updates, ids));
        Self {
            images: images.collect(),
            paths,
        }
    }

    /// Returns the number of steps: that of the longest sequence.
    pub fn steps(&self) -> usize {
        self.images
            .iter()
            .map(|image| image.steps.len())
            .max()
            .unwrap_or(0)
    }

    pub(super) fn images(&self) -> &[FleetImage] {
        &self.images
    }

    pub(super) fn paths(&self) -> &[FleetPath] {
        &self.paths
    }

    /// The paths of which nobody can tell whether they changed, each once.
    pub fn uncertain(&self) -> BTreeSet<&str> {
        let images = self.images.iter();
        let mut uncertain: BTreeSet<&str> =
            images.flat_map(|image| image.updates.uncertain()).collect();
        // Nor can anybody tell whether several images have the same.
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for path in self.images.iter().flat_map(|image| image.updates.paths()) {
            if path.content.is_empty() && !is_hashed(&path.path) {
                *seen.entry(&path.path).or_default() += 1;
            }
        }
        uncertain.extend(
            seen.into_iter()
                .filter(|&(_, uses)| uses > 1)
                .map(|(path, _)| path),
        );
        uncertain
    }

    /// The sum of some paths' sizes, in bytes.
    pub(super) fn size(&self, paths: &[u32]) -> u64 {
        paths.iter().fold(0, |sum: u64, &path| {
            sum.saturating_add(self.paths[path as usize].size)
        })
    }

    /// Returns the label of a step, from 1: that of the longest sequence, the first of several.
    pub(super) fn label(&self, step: usize) -> &str {
        self.images
            .iter()
            .find(|image| image.steps.len() >= step)
            .map_or("", |image| &image.updates.steps()[step - 1].label)
    }
}

impl FleetImage {
    fn new(number: usize, updates: Sequence, ids: Vec<u32>) -> Self {
        let name = match updates.name() {
            "" => number.to_string(),
            name => name.to_owned(),
        };
        Self {
            steps: updates
                .steps()
                .iter()
                .map(|step| {
                    let mut paths: Vec<u32> = step.paths.iter().map(|&index| ids[index]).collect();
                    paths.sort_unstable();
                    paths
                })
                .collect(),
            name,
            ids,
            updates,
        }
    }

    /// The closure at a step, from 1: the fleet's paths, ascending.
    pub(super) fn closure(&self, step: usize) -> &[u32] {
        &self.steps[step.min(self.steps.len()) - 1]
    }

    /// The closure at a step as a request has it, in the order of [`FleetImage::closure`], and the
    /// paths that nothing refers to.
    pub(super) fn request_paths(&self, step: usize) -> (Vec<layering::StorePath>, Vec<u32>) {
        let step = step.min(self.steps.len());
        let closure = &self.steps[step - 1];
        let place = |path: usize| {
            // More than a u32 counts are not in a file.
            closure
                .binary_search(&self.ids[path])
                .ok()
                .and_then(|place| u32::try_from(place).ok())
        };
        let mut members: Vec<usize> = self.updates.steps()[step - 1].paths.clone();
        members.sort_unstable_by_key(|&index| self.ids[index]);
        let mut referred = vec![false; members.len()];
        let paths = (0..)
            .zip(&members)
            .map(|(own, &index): (u32, _)| {
                let path = &self.updates.paths()[index];
                let mut references: Vec<u32> = path
                    .references
                    .iter()
                    .filter_map(|&other| place(other))
                    .collect();
                references.sort_unstable();
                references
                    .iter()
                    .filter(|&&other| other != own)
                    .for_each(|&other| referred[other as usize] = true);
                store_path(&path.path, path.size, references)
            })
            .collect();
        let roots = (0..)
            .zip(&referred)
            .filter(|(_, referred)| !**referred)
            .map(|(place, _)| place);
        (paths, roots.collect())
    }
}
