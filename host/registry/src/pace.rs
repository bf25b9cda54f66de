//! Limits of time and of speed.

use std::time::Duration;

/// The longest time of any kind: a clock cannot count much further than that.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// The factor by which the answer to an upload may take longer than anything else: registries
/// hash and move what they got before they answer.
const COMMIT: u32 = 5;

/// Limits of time, and the least rate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeouts {
    /// For a name to be resolved, and for a connection.
    pub(super) connect: Duration,
    /// For the next byte.
    pub(super) stall: Duration,
    /// For all of an answer that is no blob. Of a blob, the rate is looked at after so long.
    pub(super) answer: Duration,
    /// The number of bytes of a blob that there must be in a second.
    pub(super) least: u64,
}

impl Timeouts {
    pub(super) fn new(connect: Duration, stall: Duration, answer: Duration, least: u64) -> Self {
        Self {
            connect: connect.min(LONGEST),
            stall: stall.min(LONGEST),
            answer: answer.min(LONGEST),
            least,
        }
    }

    /// Returns those for the answer to an upload.
    pub(super) fn commit(self) -> Self {
        let stall = self.stall.saturating_mul(COMMIT);
        Self {
            stall,
            answer: self.answer.saturating_add(stall),
            ..self
        }
    }

    /// Returns the longest time for a blob of that size.
    pub(super) fn blob(&self, size: u64) -> Duration {
        let seconds = size.checked_div(self.least).unwrap_or(u64::MAX);
        self.answer
            .saturating_add(Duration::from_secs(seconds))
            .min(LONGEST)
    }
}

/// The speed that a transfer must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// All of it must be there in time.
    Whole,
    /// Bytes must come at the least rate.
    Rate,
}

/// A transfer that is too slow: so many bytes in that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slow {
    pub(super) bytes: u64,
    pub(super) time: Duration,
}

/// A look at how fast a transfer is. Time counts in which the other side is waited for, and no
/// other: whoever reads or writes on our side may take as long as they like.
#[derive(Debug)]
pub(super) struct Meter {
    pace: Pace,
    /// The time that is looked at before there is a verdict.
    window: Duration,
    least: u64,
    bytes: u64,
    waited: Duration,
}

impl Meter {
    pub(super) fn new(timeouts: &Timeouts, pace: Pace) -> Self {
        Self {
            pace,
            window: timeouts.answer,
            least: timeouts.least,
            bytes: 0,
            waited: Duration::ZERO,
        }
    }

    /// Counts bytes, and the time that they were waited for.
    pub(super) fn count(&mut self, bytes: u64, waited: Duration) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.waited = self.waited.saturating_add(waited);
    }

    /// Returns the verdict if it is too slow. If it is not, the rate is looked at anew.
    pub(super) fn slow(&mut self) -> Option<Slow> {
        if self.waited < self.window {
            return None;
        }
        let (bytes, time) = (self.bytes, self.waited);
        let enough = u128::from(self.least).saturating_mul(time.as_millis()) / 1000;
        if self.pace == Pace::Whole || u128::from(bytes) < enough {
            return Some(Slow { bytes, time });
        }
        (self.bytes, self.waited) = (0, Duration::ZERO);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn timeouts() -> Timeouts {
        Timeouts::new(SECOND, SECOND, 10 * SECOND, 100)
    }

    #[test]
    fn a_rate_is_looked_at_again_and_again() {
        let mut meter = Meter::new(&timeouts(), Pace::Rate);
        for _ in 0..3 {
            // A pause is made good by what comes after it.
            meter.count(0, 9 * SECOND);
            assert_eq!(meter.slow(), None);
            meter.count(1000, SECOND);
            assert_eq!(meter.slow(), None);
        }
        meter.count(999, 9 * SECOND);
        assert_eq!(meter.slow(), None);
        meter.count(0, SECOND);
        let (bytes, time) = (999, 10 * SECOND);
        assert_eq!(meter.slow(), Some(Slow { bytes, time }));
    }

    #[test]
    fn what_must_be_whole_is_not_helped_by_a_rate() {
        let mut meter = Meter::new(&timeouts(), Pace::Whole);
        meter.count(1 << 40, 9 * SECOND);
        assert_eq!(meter.slow(), None);
        meter.count(1, SECOND);
        assert!(meter.slow().is_some());
    }

    #[test]
    fn no_time_is_more_than_a_clock_counts() {
        let longest = Timeouts::new(Duration::MAX, Duration::MAX, Duration::MAX, 0);
        let start = std::time::Instant::now();
        for time in [
            longest.connect,
            longest.commit().stall,
            longest.commit().answer,
            longest.blob(0),
            longest.blob(u64::MAX),
            timeouts().blob(u64::MAX),
        ] {
            assert!(start.checked_add(time).is_some(), "{time:?}");
        }
        assert_eq!(timeouts().blob(1000), 20 * SECOND);
        let mut meter = Meter::new(&longest, Pace::Rate);
        meter.count(u64::MAX, Duration::MAX);
        meter.count(u64::MAX, Duration::MAX);
        // No rate is too low.
        assert_eq!(meter.slow(), None);
    }
}
