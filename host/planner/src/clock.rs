//! The clock that ends what runs for too long though it has fuel left.
//!
//! Fuel is the limit that is the same everywhere. What an instruction takes depends on the machine,
//! though: one that reads memory which is in no cache takes five hundred times as long as one that
//! adds. So there is a limit in time as well, which nothing reaches that is not made to.

use std::thread;
use std::time::Duration;

use wasmtime::Engine;

/// The time between two ticks of the clock. A limit is met within two ticks.
const TICK: Duration = Duration::from_millis(250);

/// Lets an engine's clock tick for as long as the engine is there.
///
/// # Errors
///
/// A system that has no thread left.
pub(super) fn start(engine: &Engine) -> wasmtime::Result<()> {
    let engine = engine.weak();
    thread::Builder::new()
        .name("planner clock".to_owned())
        .spawn(move || {
            loop {
                thread::sleep(TICK);
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        })?;
    Ok(())
}

/// The number of ticks after which so much time has gone by.
pub(super) fn ticks(time: Duration) -> u64 {
    let ticks = time.as_millis().div_ceil(TICK.as_millis());
    // The first one may come at once.
    u64::try_from(ticks)
        .unwrap_or(u64::MAX / 2)
        .saturating_add(1)
        .min(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_never_cut_short() {
        assert_eq!(ticks(Duration::ZERO), 1);
        assert_eq!(ticks(Duration::from_millis(1)), 2);
        assert_eq!(ticks(TICK), 2);
        assert_eq!(ticks(Duration::from_secs(600)), 2401);
        // Added to what the clock shows.
        assert!(ticks(Duration::MAX).checked_add(u64::MAX / 2).is_some());
    }
}
