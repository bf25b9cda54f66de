//! The time that terrine takes when there is nothing to do.

use std::time::Duration;

use super::caches::Caches;
use super::image::Image;
use super::measure::{self, Startups};
use super::table::{self, Budget, Row};
use super::{Result, pipes};

/// The time until the archive of an image with nothing in it may begin, and until it may end.
const WARM: Duration = Duration::from_millis(60);
/// The time until it may begin if there is no cache, so that the planner is not compiled there either.
const FIRST: Duration = Duration::from_millis(50);

/// Streams an image with nothing in it, with and without a cache, by turns.
pub(super) fn startup(runs: usize) -> Result<()> {
    let image = Image::empty()?;
    let caches = Caches::new()?;
    table::section(&format!("an image with no store layers, {runs} runs"));
    let [mut warm, mut first] = [Startups::default(), Startups::default()];
    for _ in 0..runs {
        let cache = caches.missing("none")?;
        first.push(measure::startup(
            image.terrine().env("XDG_CACHE_HOME", cache),
        )?);
        warm.push(measure::startup(&mut image.terrine())?);
    }
    for (what, samples, most) in [
        ("to the first byte", &warm.first, WARM),
        ("to the end", &warm.end, WARM),
        ("nothing cached, to the first byte", &first.first, FIRST),
    ] {
        Row::of(what, samples)
            .budget(Budget::time(samples.median(), most))
            .budget(Budget::memory(samples.peak(), pipes::MEMORY))
            .print();
    }
    Row::of("nothing cached, to the end", &first.end).print();
    Ok(())
}
