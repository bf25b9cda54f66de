//! A client of binary caches: which of them has a path, its closure, its listing and its NAR.
//!
//! Nothing that a cache says is used before its signature was checked (`find`), and what comes afterwards is checked
//! against what was signed: NARs while they are read, listings by their users.
//!
//! | what | module |
//! |---|---|
//! | one cache: its place, its access, its description | `cache`, `place`, `files` |
//! | the order of caches | `order` |
//! | the description of a path | `find` |
//! | all paths that paths refer to | `closure` |
//! | contents | `content`, `encoding` |
//! | the number of bytes that came | `traffic` |

mod cache;
mod closure;
mod content;
mod encoding;
mod error;
mod files;
mod find;
mod order;
mod place;
#[cfg(test)]
mod tests;
mod traffic;

use std::fmt;

use terrine_registry::Web;

pub use error::ClientError;
pub use find::Found;
pub use place::NarTarget;
pub(crate) use place::nar_target;
pub use traffic::{Count, Traffic};

use crate::location::Location;
use crate::netrc::Netrc;
use crate::s3::S3Access;
use crate::trust::TrustedKeys;
use cache::Cache;
use find::Answers;
use order::Order;
use traffic::Counters;

/// A binary cache to read from.
#[derive(Debug, Clone)]
pub struct CacheSource {
    /// Its place.
    pub location: Location,
    /// Its place among others, unless its URL says it: those with lower numbers are asked first. Without both, what
    /// the cache itself says counts.
    pub priority: Option<i64>,
    /// The keys that are trusted for this cache, besides those that are trusted for all.
    pub keys: TrustedKeys,
}

/// Settings for binary caches.
#[derive(Debug, Clone)]
pub struct CacheOptions {
    /// The keys that are trusted for all caches.
    pub keys: TrustedKeys,
    /// True if only paths are used that a trusted key signed, or that follow from their content.
    pub check_signatures: bool,
    /// The credentials of servers.
    pub netrc: Netrc,
    /// The credentials of S3.
    pub s3: S3Access,
    /// The number of requests for descriptions that are made at once, at least 1.
    pub requests: usize,
    /// The number of paths that a closure may have.
    pub max_paths: usize,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            keys: TrustedKeys::default(),
            check_signatures: true,
            netrc: Netrc::default(),
            s3: S3Access::default(),
            requests: 16,
            max_paths: 1_000_000,
        }
    }
}

/// Any number of binary caches of one store directory. The methods block, and may be called by
/// several threads at once.
pub struct BinaryCaches {
    /// In the order in which they were given.
    caches: Vec<Cache>,
    order: Order,
    answers: Answers,
    store_dir: String,
    web: Web,
    requests: usize,
    max_paths: usize,
    counters: Counters,
}

impl BinaryCaches {
    /// Returns a client of caches that has not connected to any yet.
    ///
    /// # Errors
    ///
    /// A URL that names a profile of S3 without credentials.
    pub fn new(
        caches: Vec<CacheSource>,
        store_dir: &str,
        web: Web,
        options: &CacheOptions,
    ) -> Result<Self, ClientError> {
        let caches: Result<_, _> = caches
            .into_iter()
            .map(|source| Cache::new(source, options))
            .collect();
        Ok(Self {
            caches: caches?,
            order: Order::default(),
            answers: Answers::default(),
            store_dir: store_dir.to_owned(),
            web,
            requests: options.requests.max(1),
            max_paths: options.max_paths,
            counters: Counters::default(),
        })
    }

    /// Returns the place of a cache, by its position among those that were given.
    pub fn location(&self, cache: usize) -> Option<&Location> {
        self.caches.get(cache).map(|cache| &cache.location)
    }

    /// Returns the number of requests and bytes up to now.
    pub fn traffic(&self) -> Traffic {
        self.counters.traffic()
    }
}

impl fmt::Debug for BinaryCaches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let locations = self.caches.iter().map(|cache| &cache.location);
        f.write_str("BinaryCaches")?;
        f.debug_list().entries(locations).finish()
    }
}
