//! The known history of an image, as the contract carries it: how often packages
//! changed ([`Counter`]), and which layers clients hold ([`open`]).
//!
//! All of it is given by the user, by name; it is part of the request for a plan and of the
//! request's digest.

mod closures;
mod contents;
mod count;
mod error;
mod held;
mod previous;

use std::collections::HashMap;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use terrine_oci::Digest;
use terrine_planner_host::layering::{HeldImage, History, StorePath};
use terrine_planner_host::{self as planner, Planner};

use crate::sequence::{self, Sequence};
pub use closures::{Closures, complete, entries};
pub use contents::of_store;
pub use count::Counter;
pub use error::Error;
pub(crate) use held::held;
pub use held::{of_image, of_plan};
pub use previous::{Previous, open};

/// The history of an image, as the user gives it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Past {
    /// Earlier closures.
    pub updates: Option<Sequence>,
    /// Images that clients hold, the newest first.
    pub held: Vec<HeldImage>,
}

impl Past {
    /// Reads earlier closures from a file.
    ///
    /// # Errors
    ///
    /// A file that cannot be used, or is about another store than `store_dir`.
    pub fn read_updates(&mut self, file: &Path, store_dir: &str) -> Result<(), Error> {
        let updates = sequence::read(file)?;
        let store_dir = store_dir.trim_end_matches('/');
        if updates.store_dir() != store_dir {
            return Err(Error::StoreDir {
                path: file.to_owned(),
                theirs: updates.store_dir().to_owned(),
                ours: store_dir.to_owned(),
            });
        }
        self.updates = Some(updates);
        Ok(())
    }

    /// Returns true if anything was said.
    pub fn is_given(&self) -> bool {
        self.updates.is_some() || !self.held.is_empty()
    }

    /// The history that goes with a request for these paths; none where nothing was said.
    pub fn history(&self, paths: &[StorePath]) -> Option<History> {
        self.is_given().then(|| {
            let mut counter = Counter::default();
            if let Some(updates) = &self.updates {
                updates
                    .steps()
                    .iter()
                    .for_each(|step| counter.add_step(updates.paths(), step));
            }
            counter.history(paths, self.sized(paths))
        })
    }

    /// The held images, with the sizes of paths that the request or the earlier closures know.
    fn sized(&self, paths: &[StorePath]) -> Vec<HeldImage> {
        let mut sizes: HashMap<&str, u64> = self
            .updates
            .iter()
            .flat_map(Sequence::paths)
            .map(|path| (path.path.as_str(), path.size))
            .collect();
        sizes.extend(paths.iter().map(|path| (path.path.as_str(), path.size)));
        let mut held = self.held.clone();
        let layers = held.iter_mut().flat_map(|image| &mut image.layers);
        for path in layers
            .flat_map(|layer| &mut layer.paths)
            .filter(|path| path.size == 0)
        {
            path.size = sizes.get(path.path.as_str()).copied().unwrap_or(0);
        }
        held
    }

    /// A digest of all that was said; none where nothing was.
    pub fn digest(&self) -> Option<Digest> {
        if !self.is_given() {
            return None;
        }
        let mut hash = Sha256::new();
        if let Some(updates) = &self.updates {
            hash.update(updates.to_json());
        }
        for (image, held) in self.held.iter().enumerate() {
            for (number, layer) in held.layers.iter().enumerate() {
                hash.update(format!("layer {image} {number} {}\n", layer.transfer_size));
                layer
                    .paths
                    .iter()
                    .map(|path| format!("{} {}\n", path.path.as_bytes().escape_ascii(), path.size))
                    .for_each(|line| hash.update(line));
            }
        }
        Some(hash.into())
    }

    /// Returns a remark for the user on a policy that does not look at history; nothing where
    /// it does, or nothing was said. The policy is the default one if its name is empty.
    ///
    /// # Errors
    ///
    /// A component that cannot say what it is.
    pub fn remark(
        &self,
        planner: &Planner<'_>,
        policy: &str,
    ) -> Result<Option<String>, planner::Error> {
        if !self.is_given() {
            return Ok(None);
        }
        let policies = planner.describe()?.policies;
        let deaf = policies
            .iter()
            .find(|info| policy.is_empty() || info.name == policy)
            .filter(|info| !info.uses_history);
        Ok(deaf.map(|info| {
            format!(
                "the policy `{}` does not use history: the given history is ignored",
                info.name
            )
        }))
    }
}

#[cfg(test)]
mod tests;
