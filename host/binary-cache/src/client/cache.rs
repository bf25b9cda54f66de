//! One binary cache.

use terrine_registry::Web;

use super::error::ClientError;
use super::place::Place;
use super::traffic::Counters;
use super::{CacheOptions, CacheSource, encoding};
use crate::info::CacheInfo;
use crate::location::Location;
use crate::narinfo::{LARGEST_NARINFO, NarInfo};
use crate::trust::{Trust, TrustedKeys};

/// The largest description of a cache that is read, in bytes.
const LARGEST_INFO: u64 = 64 << 10;

/// The priority of a cache for which nobody says one, as in Nix.
const DEFAULT_PRIORITY: i64 = 0;

/// A binary cache.
#[derive(Debug)]
pub(super) struct Cache {
    pub(super) location: Location,
    pub(super) place: Place,
    keys: TrustedKeys,
    /// True if signatures are checked.
    is_checked: bool,
    priority: Option<i64>,
}

impl Cache {
    pub(super) fn new(source: CacheSource, options: &CacheOptions) -> Result<Self, ClientError> {
        let CacheSource {
            location,
            priority,
            mut keys,
        } = source;
        keys.extend(options.keys.iter().cloned());
        Ok(Self {
            place: Place::new(&location, options)?,
            keys,
            is_checked: options.check_signatures && !location.is_trusted(),
            priority: location.priority().or(priority),
            location,
        })
    }

    /// Reads the cache's own description, checks that it has the right store directory, and returns its
    /// priority. A missing description is allowed: a copy of a cache may not have one.
    pub(super) fn priority(
        &self,
        web: &Web,
        store_dir: &str,
        counters: &Counters,
    ) -> Result<i64, ClientError> {
        let found = self.place.get(web, "nix-cache-info", LARGEST_INFO)?;
        counters.narinfos.add_request(found.as_ref());
        let Some(found) = found else {
            return Ok(self.priority.unwrap_or(DEFAULT_PRIORITY));
        };
        let bytes = encoding::decode(&self.location, "nix-cache-info", found, LARGEST_INFO)?;
        let info = CacheInfo::parse(&bytes).map_err(|source| ClientError::Info {
            cache: self.location.to_string(),
            source,
        })?;
        if let Some(theirs) = info.store_dir.filter(|theirs| theirs != store_dir) {
            return Err(ClientError::StoreDir {
                cache: self.location.to_string(),
                theirs,
                ours: store_dir.to_owned(),
            });
        }
        let own = info.priority.map(i64::from);
        Ok(self.priority.or(own).unwrap_or(DEFAULT_PRIORITY))
    }

    /// Reads the description of a path, and checks that it is about that path; none if the cache
    /// does not have it. Its signatures are not checked yet.
    pub(super) fn describe(
        &self,
        web: &Web,
        (path, hash_part): (&str, &str),
        store_dir: &str,
        counters: &Counters,
    ) -> Result<Option<NarInfo>, ClientError> {
        let name = format!("{hash_part}.narinfo");
        let limit = LARGEST_NARINFO as u64;
        let found = self.place.get(web, &name, limit)?;
        counters.narinfos.add_request(found.as_ref());
        let Some(found) = found else {
            return Ok(None);
        };
        let text = encoding::decode(&self.location, &name, found, limit)?;
        let failed = |source| ClientError::NarInfo {
            path: path.to_owned(),
            cache: self.location.to_string(),
            source: Box::new(source),
        };
        let info = NarInfo::parse(&text, store_dir).map_err(failed)?;
        info.check_path(path)
            .map_err(|source| ClientError::OtherPath {
                cache: self.location.to_string(),
                source,
            })?;
        Ok(Some(info))
    }

    /// Checks that a description can be trusted, and returns the reason; none if signatures are not
    /// checked.
    pub(super) fn trust(&self, info: &NarInfo) -> Result<Option<Trust>, ClientError> {
        match self.keys.check(info) {
            Ok(trust) => Ok(Some(trust)),
            Err(_) if !self.is_checked => Ok(None),
            Err(source) => Err(ClientError::Untrusted {
                cache: self.location.to_string(),
                source: Box::new(source),
            }),
        }
    }
}
