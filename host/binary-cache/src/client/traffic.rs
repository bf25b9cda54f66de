//! The number of requests and bytes, for a summary.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use terrine_registry::Resource;

/// The traffic with all caches. Bytes are counted as they came, that is compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Descriptions of paths, and of the caches themselves.
    pub narinfos: Count,
    /// Listings.
    pub listings: Count,
    /// NARs.
    pub nars: Count,
}

/// The traffic for one kind of file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// The number of files that were asked for, missing ones included.
    pub requests: u64,
    /// The number of bytes that came.
    pub bytes: u64,
}

/// Counters that several threads share.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) narinfos: Arc<Counter>,
    pub(super) listings: Arc<Counter>,
    pub(super) nars: Arc<Counter>,
}

/// The counter of one kind.
#[derive(Debug, Default)]
pub(super) struct Counter {
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl Counters {
    pub(super) fn traffic(&self) -> Traffic {
        Traffic {
            narinfos: self.narinfos.count(),
            listings: self.listings.count(),
            nars: self.nars.count(),
        }
    }
}

impl Counter {
    /// Counts a request and the bytes of its answer.
    pub(super) fn add_request(&self, found: Option<&Resource>) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let bytes = found.map_or(0, |found| found.bytes.len() as u64);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn count(&self) -> Count {
        Count {
            requests: self.requests.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

/// A reader whose bytes are counted.
pub(super) struct Counted<R> {
    pub(super) inner: R,
    pub(super) counter: Arc<Counter>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.counter
            .bytes
            .fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
