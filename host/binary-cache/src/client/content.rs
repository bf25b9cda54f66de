//! The contents of paths: NARs and listings.

use std::io::Read;
use std::sync::Arc;

use super::error::ClientError;
use super::find::Found;
use super::place::Body;
use super::traffic::{Counted, Counter};
use super::{BinaryCaches, encoding};
use crate::compression::NarCompression;
use crate::listing::LARGEST_LISTING;
use crate::nar::NarStream;
use crate::store_path::BaseName;

impl BinaryCaches {
    /// Reads the listing of a path, decoded; none if its cache has none. Nobody signs listings: they are to be
    /// checked against the NAR.
    ///
    /// # Errors
    ///
    /// A cache that fails, an unknown encoding, and more than 256 MiB.
    pub fn listing(&self, found: &Found) -> Result<Option<Vec<u8>>, ClientError> {
        let Some(cache) = self.caches.get(found.cache) else {
            return Ok(None);
        };
        let path = BaseName::of_path(&found.info.store_path, &self.store_dir)
            .map_err(ClientError::StorePath)?;
        let name = format!("{}.ls", path.hash_part());
        let body = cache.place.open(&self.web, &name, None)?;
        let body = counted(body, &self.counters.listings);
        body.map(|body| encoding::read(&cache.location, &name, body, LARGEST_LISTING as u64))
            .transpose()
    }

    /// Starts to read the entries of a path's NAR. [`NarStream::finish`] compares its hashes and sizes.
    ///
    /// # Errors
    ///
    /// As [`Self::nar_file`], and a compression that terrine cannot decode.
    pub fn nar(&self, found: &Found) -> Result<NarStream, ClientError> {
        let file = self.nar_file(found)?;
        NarStream::new(file, &found.info, found.trust.as_ref()).map_err(ClientError::Nar)
    }

    /// Starts to read the compressed NAR of a path. Neither its size nor its hash is checked.
    ///
    /// # Errors
    ///
    /// A cache that fails or does not have it, and a URL that leads out of the cache. While it is read, a connection
    /// that breaks is continued by another if that is possible, and the inner error of the reader's is a
    /// [`terrine_registry::Error`].
    pub fn nar_file(&self, found: &Found) -> Result<Box<dyn Read + Send>, ClientError> {
        let info = &found.info;
        let size = match info.compression {
            NarCompression::None => info.file_size.or(Some(info.nar_size)),
            _ => info.file_size,
        };
        let cache = self.caches.get(found.cache);
        let body = match cache {
            Some(cache) => cache
                .place
                .open_nar(&self.web, &cache.location, &info.url, size)?,
            None => None,
        };
        let body = counted(body, &self.counters.nars);
        body.map(|body| body.reader)
            .ok_or_else(|| ClientError::NarMissing {
                path: info.store_path.clone(),
                cache: cache
                    .map(|cache| cache.location.to_string())
                    .unwrap_or_default(),
                url: terrine_registry::shown_url(&info.url),
            })
    }
}

/// Counts a request, and its bytes while they come.
fn counted(body: Option<Body>, counter: &Arc<Counter>) -> Option<Body> {
    counter.add_request(None);
    let body = body?;
    let counter = Arc::clone(counter);
    let inner = body.reader;
    Some(Body {
        reader: Box::new(Counted { inner, counter }),
        encoding: body.encoding,
    })
}
