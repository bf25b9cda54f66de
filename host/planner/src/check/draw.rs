//! Graphs out of few words, the same on every machine.

use terrine_oci::Digest;

use crate::layering::{Request, StorePath};
use crate::store_path;

/// The directory that the store paths are in.
pub(super) const STORE: &str = "/nix/store";

/// Numbers that look random and are the same each time: a linear congruential generator
/// (Knuth, volume 2, section 3.3.4), of whose numbers the upper halves are good.
#[derive(Debug)]
pub(super) struct Numbers(u64);

impl Numbers {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `limit`, which is not 0.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) % limit
    }
}

/// The hash in a store path's name: 32 characters that say nothing.
pub(super) fn hash(of: &str) -> String {
    let mut hex = Digest::of(of.as_bytes()).hex();
    hex.truncate(32);
    hex
}

/// Store paths with these names, sizes and references.
pub(super) fn paths(nodes: Vec<(String, u64, Vec<u32>)>) -> Vec<StorePath> {
    nodes
        .into_iter()
        .enumerate()
        .map(|(index, (name, size, references))| {
            // Two paths may share a name, never a hash.
            let hash = hash(&format!("{index} {name}"));
            store_path(&format!("{STORE}/{hash}-{name}"), size, references)
        })
        .collect()
}

/// A request for these paths; its roots are those that no other refers to, or the first one
/// where there are none.
pub(super) fn request(paths: Vec<StorePath>, max_layers: Option<u32>) -> Request {
    let mut referred = vec![false; paths.len()];
    for (index, path) in (0..).zip(&paths) {
        for &reference in path
            .references
            .iter()
            .filter(|&&reference| reference != index)
        {
            referred[reference as usize] = true;
        }
    }
    let mut roots: Vec<u32> = (0..)
        .zip(&referred)
        .filter(|(_, referred)| !**referred)
        .map(|(i, _)| i)
        .collect();
    if roots.is_empty() && !paths.is_empty() {
        roots.push(0);
    }
    Request {
        policy: String::new(),
        options: "{}".to_owned(),
        store_dir: STORE.to_owned(),
        paths,
        roots,
        excluded: vec![],
        max_layers,
        history: None,
    }
}

/// `count` paths, the references of each given by its index.
pub(super) fn graph(count: u32, references: impl Fn(u32) -> Vec<u32>) -> Vec<StorePath> {
    let nodes = (0..count)
        .map(|i| (format!("p{i}-1.{i}"), 1000 + u64::from(i), references(i)))
        .collect();
    paths(nodes)
}

/// A closure like those of real programs: most paths need one of few that everything needs, and
/// some that were there shortly before; most are small, few are large.
pub(super) fn closure(count: u32) -> Vec<StorePath> {
    let mut numbers = Numbers::new(u64::from(count));
    let mut node = |i: u32| {
        let mut references: Vec<u32> = (0..numbers.below(5))
            .filter(|_| i > 0)
            .map(|_| {
                let near = numbers.below(u64::from(i.min(40)).max(1));
                let hub = numbers.below(u64::from(i.min(8)).max(1));
                u32::try_from(if numbers.below(3) == 0 {
                    hub
                } else {
                    u64::from(i) - 1 - near
                })
                .unwrap_or(0)
            })
            .collect();
        // Nix's paths often refer to themselves.
        if numbers.below(4) == 0 {
            references.push(i);
        }
        references.sort_unstable();
        references.dedup();
        let scale = numbers.below(18);
        let size = (1 << scale) * (100 + numbers.below(100));
        (
            format!("lib{}-{}.{}", i % 97, i % 7, i / 97),
            size,
            references,
        )
    };
    // From the roots down, as nobody is promised.
    let nodes: Vec<_> = (0..count).map(&mut node).collect();
    let last = count.saturating_sub(1);
    let turned = nodes.into_iter().rev().map(|(name, size, references)| {
        (
            name,
            size,
            references
                .into_iter()
                .map(|reference| last - reference)
                .collect(),
        )
    });
    paths(turned.collect())
}
