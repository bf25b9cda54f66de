//! The cache that has a path, and what it says of it.

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

impl BinaryCaches {
    /// Finds a store path in the first cache that has a trusted description of it; none if no cache has it.
    ///
    /// # Errors
    ///
    /// Text that is not a store path, a cache that fails or describes another path, and a path that some
    /// caches have, but none with a trusted signature.
    pub fn find(&self, store_path: &str) -> Result<Option<Found>, ClientError> {
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
