//! The cache that has a path, and what it says of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::BinaryCaches;
use super::error::ClientError;
use crate::narinfo::NarInfo;
use crate::store_path::BaseName;
use crate::trust::Trust;

/// A path that a cache has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The description of the path.
    pub info: NarInfo,
    /// The position of the cache among those that were given.
    pub cache: usize,
    /// The reason to trust the description; none if that was not required.
    pub trust: Option<Trust>,
}

/// The answer for a path, once there is one: none if no cache has the path.
type Answer = Arc<Mutex<Option<Option<Found>>>>;

/// The answers for all paths that were asked for. Failures are not among them.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<BTreeMap<String, Answer>>);

impl Answers {
    /// Returns the place of the answer for a path.
    fn of(&self, store_path: &str) -> Answer {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(answers.entry(store_path.to_owned()).or_default())
    }
}

impl BinaryCaches {
    /// Finds a store path in the first cache that has a trusted description of it; none if no cache has it. Caches are
    /// asked for a path once, even by several threads at a time.
    ///
    /// # Errors
    ///
    /// Text that is not a store path, a cache that fails or describes another path, and a path that some
    /// caches have, but none with a trusted signature.
    pub fn find(&self, store_path: &str) -> Result<Option<Found>, ClientError> {
        let answer = self.answers.of(store_path);
        let mut answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = &*answer {
            return Ok(found.clone());
        }
        let found = self.ask(store_path)?;
        *answer = Some(found.clone());
        Ok(found)
    }

    /// Asks the caches for a store path, one after the other.
    fn ask(&self, store_path: &str) -> Result<Option<Found>, ClientError> {
        let name =
            BaseName::of_path(store_path, &self.store_dir).map_err(ClientError::StorePath)?;
        let asked = (store_path, name.hash_part());
        let mut refused = None;
        for &position in self.order()?.iter() {
            let cache = &self.caches[position];
            let described = cache.describe(&self.web, asked, &self.store_dir, &self.counters)?;
            let Some(info) = described else {
                continue;
            };
            match cache.trust(&info) {
                Ok(trust) => {
                    return Ok(Some(Found {
                        info,
                        cache: position,
                        trust,
                    }));
                }
                // That of the first cache is reported.
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        refused.map_or(Ok(None), Err)
    }
}
