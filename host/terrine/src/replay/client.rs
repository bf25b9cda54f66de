//! A client that pulls images.

use std::collections::BTreeSet;

use super::Keep;

/// A client, and what it holds.
#[derive(Debug, Default)]
pub(super) struct Client {
    /// Layers, by their numbers.
    layers: BTreeSet<u32>,
    /// The paths in them.
    paths: BTreeSet<u32>,
    /// The images as it pulled them last.
    images: Vec<PulledImage>,
}

/// An image as a client pulls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PulledImage {
    /// The closure. It is part of the configuration, even if the layers are the same.
    pub(super) closure: Vec<u32>,
    /// The numbers of its layers, bottom to top.
    pub(super) layers: Vec<u32>,
}

/// The outcome of a pull.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pull {
    /// The layers that came.
    pub(super) layers: BTreeSet<u32>,
    /// The paths that the client did not hold before.
    pub(super) paths: Vec<u32>,
    /// The number of images that have changed since the last pull.
    pub(super) images: usize,
}

impl Client {
    /// Pulls images; `content` tells the paths in a layer.
    pub(super) fn pull<'a>(
        &mut self,
        images: Vec<PulledImage>,
        content: impl Fn(u32) -> &'a [u32],
        keep: Keep,
    ) -> Pull {
        let wanted: BTreeSet<u32> = images
            .iter()
            .flat_map(|image| &image.layers)
            .copied()
            .collect();
        let paths: BTreeSet<u32> = wanted
            .iter()
            .flat_map(|&layer| content(layer))
            .copied()
            .collect();
        let changed = images
            .iter()
            .enumerate()
            .filter(|&(index, image)| self.images.get(index) != Some(image));
        let pull = Pull {
            layers: wanted.difference(&self.layers).copied().collect(),
            paths: paths.difference(&self.paths).copied().collect(),
            images: changed.count(),
        };
        if keep == Keep::Last {
            self.layers.clear();
            self.paths.clear();
        }
        self.layers.extend(wanted);
        self.paths.extend(paths);
        self.images = images;
        pull
    }
}
