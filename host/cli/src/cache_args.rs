//! The caches: what is known of layers, what commands left, and compiled planners.

use std::path::PathBuf;

use terrine::cache::{Cache, CacheOptions};
use terrine::chain;
use terrine::hint::Hint;

use super::printer::Printer;
use super::{environment, headings};

/// The use of caches.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(super) struct CacheArgs {
    /// Do not use the caches of layers and of compiled planners
    ///
    /// The caches only save time: they never change an image. See `terrine cache`.
    #[arg(long, help_heading = headings::CACHE)]
    no_cache: bool,
}

impl CacheArgs {
    /// Returns whether anything is kept for later runs.
    pub(super) fn keeps(self) -> bool {
        !self.no_cache
    }

    /// Opens the cache of layers, unless it is not wanted. One that cannot be had is told of, and done without.
    pub(super) fn layers(self, printer: &Printer) -> Cache {
        self.checked_layers(false, printer)
    }

    /// Does the same; with `check_all`, everything that the cache says of layers is checked.
    pub(super) fn checked_layers(self, check_all: bool, printer: &Printer) -> Cache {
        if self.no_cache {
            return Cache::none();
        }
        let Some(directory) = environment::cache() else {
            return Cache::none();
        };
        let options = CacheOptions {
            check_all,
            ..CacheOptions::on(environment::today())
        };
        Cache::open(&directory, options).unwrap_or_else(|error| {
            printer.warning_with_hint(
                &format!("the cache of layers cannot be used: {}", chain(&error)),
                error.hint().as_deref(),
            );
            Cache::none()
        })
    }

    /// Returns the folder of compiled planners, unless it is not wanted.
    pub(super) fn planners(self, printer: &Printer) -> Option<PathBuf> {
        self.keeps()
            .then(|| environment::planner_cache(printer))
            .flatten()
    }
}

/// Keeps what the cache has learnt, and tells of it if that could not be done.
pub(super) fn close_cache(cache: &Cache, printer: &Printer) {
    cache.flush();
    if let Some(complaint) = cache.complaint() {
        printer.warning(&format!("the cache of layers: {complaint}"));
    }
}
