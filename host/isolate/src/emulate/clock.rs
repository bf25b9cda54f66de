//! The clock of file systems, which moves in steps: of 1 to 10 ms, or of seconds.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::sys::clock::coarse_now;

/// The longest step of a file system that keeps whole seconds, in seconds: that of FAT.
const SECONDS: i64 = 2;
/// The time between two looks at the clock.
const MOMENT: Duration = Duration::from_micros(500);

/// A time in seconds and nanoseconds since 1970.
pub(crate) type Time = (i64, u32);

/// Returns whether what happens from now on has a later time. Before Linux 6.13 and on some file systems since, it has
/// the same within one step.
pub(crate) fn is_past(time: Time) -> bool {
    is_before(time, coarse_now())
}

/// Waits until what happens has a later time, but no longer than that: clocks can be set back.
pub(crate) fn pass(time: Time, longest: Duration) {
    let end = Instant::now() + longest;
    while !is_past(time) && Instant::now() < end {
        sleep(MOMENT);
    }
}

/// Returns whether a time is before the step of `now`.
fn is_before((seconds, nanoseconds): Time, now: Time) -> bool {
    if nanoseconds == 0 {
        (seconds.saturating_add(SECONDS), 0) <= now
    } else {
        (seconds, nanoseconds) < now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_passed_when_the_next_one_has_come() {
        for (time, now, expected) in [
            ((7, 5), (7, 4), false),
            ((7, 5), (7, 5), false),
            ((7, 5), (7, 6), true),
            ((7, 5), (6, 9), false),
            ((7, 0), (8, 9), false),
            ((7, 0), (9, 0), true),
            ((i64::MAX, 0), (9, 0), false),
        ] {
            assert_eq!(is_before(time, now), expected, "{time:?} {now:?}");
        }
        let time = coarse_now();
        pass(time, Duration::from_secs(60));
        assert!(coarse_now() > time);
    }
}
