//! Retries: the failures that may pass, and the waits between attempts.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use ureq::http::StatusCode;

use super::error::{Again, Cause, Failure};

/// The longest wait before another attempt. A registry that asks for more gets an error: the
/// limits of pulls are counted by the hour.
pub(super) const LONGEST: Duration = Duration::from_secs(120);
/// The longest wait that grows by itself.
const LONGEST_OF_OURS: Duration = Duration::from_secs(30);

/// The number of retries, and the wait before them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retry {
    /// The number of attempts that may follow the first.
    pub(super) retries: u32,
    /// The wait after the first failure; it doubles with each.
    pub(super) back_off: Duration,
}

impl Retry {
    /// Attempts until one succeeds, fails for good, or there were enough. The closure is told
    /// how many attempts there were before, and may begin to count anew.
    pub(super) fn run<T>(
        &self,
        mut attempt: impl FnMut(&mut u32) -> Result<T, Failure>,
    ) -> Result<T, Cause> {
        let mut failed = 0;
        loop {
            let failure = match attempt(&mut failed) {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            if failure.again == Again::No || failed >= self.retries {
                return Err(failure.cause);
            }
            self.pause(failed, failure.again);
            failed += 1;
        }
    }

    /// Waits after a failure that came after `failed` others.
    pub(super) fn pause(&self, failed: u32, again: Again) {
        let grown = self
            .back_off
            .saturating_mul(2_u32.saturating_pow(failed))
            .min(LONGEST_OF_OURS);
        std::thread::sleep(match again {
            Again::After(wait) => wait.max(grown).min(LONGEST),
            Again::Soon | Again::No => grown,
        });
    }
}

/// Reports whether a status means that the same request may succeed later.
pub(super) fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// Parses a `Retry-After`: seconds, or a date (RFC 9110 section 10.2.3).
pub(super) fn after(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()?;
    // A clock that shows a year which has no date knows nothing of this one either.
    let now = Timestamp::try_from(SystemTime::now()).ok()?;
    let wait = date.duration_since(now);
    Some(wait.try_into().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read() {
        assert_eq!(after(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert!(after("Fri, 31 Dec 2123 23:59:59 GMT").is_some_and(|wait| wait > LONGEST));
        for text in ["", "soon", "-1", "1.5"] {
            assert_eq!(after(text), None, "{text}");
        }
    }

    #[test]
    fn attempts_are_counted() {
        let retry = Retry {
            retries: 2,
            back_off: Duration::ZERO,
        };
        let broken = || Cause::Name("x".to_owned());
        let mut seen = vec![];
        let result: Result<(), _> = retry.run(|failed| {
            seen.push(*failed);
            Err(Failure::passing(broken()))
        });
        assert!(result.is_err());
        assert_eq!(seen, [0, 1, 2]);
        assert_eq!(
            retry
                .run(|failed| if *failed < 2 {
                    Err(Failure::passing(broken()))
                } else {
                    Ok(*failed)
                })
                .ok(),
            Some(2)
        );
        let mut count = 0;
        let result: Result<(), _> = retry.run(|_| {
            count += 1;
            Err(broken().into())
        });
        assert!(result.is_err());
        assert_eq!(count, 1);
        let mut seen = vec![];
        let result: Result<(), _> = retry.run(|failed| {
            if seen.len() == 2 {
                *failed = 0;
            }
            seen.push(*failed);
            Err(Failure::passing(broken()))
        });
        assert!(result.is_err());
        assert_eq!(seen, [0, 1, 0, 1, 2]);
    }
}
