//! Points in time, as `conf.json` gives them and image configurations write them.

use std::borrow::Cow;
use std::time::SystemTime;

use jiff::civil::{Time as ClockTime, date};
use jiff::fmt::temporal::Pieces;
use jiff::{Timestamp, tz::Offset};
use terrine_oci::without_login;
use terrine_support::hint::Hint;

/// A point in time with the offset it was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    civil: jiff::civil::DateTime,
    offset: Option<Offset>,
}

/// Text that is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a time{why}")]
pub struct ParseTimeError {
    text: String,
    why: String,
}

impl Hint for ParseTimeError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Some(
            "write a time as `2026-01-31T12:00:00Z`, a date, `@` and seconds since 1970, or `now`"
                .into(),
        )
    }
}

impl Time {
    /// Reads ISO 8601, as Python's `datetime.fromisoformat` does: a date, or a date and
    /// a time with or without an offset. What has no offset is taken as UTC.
    ///
    /// # Errors
    ///
    /// Anything else, `now` included, which the caller has to know.
    pub fn parse(text: &str) -> Result<Self, ParseTimeError> {
        let error = |why: &str| ParseTimeError {
            text: without_login(text).into_owned(),
            why: format!(": {why}"),
        };
        // The parser explains the characters of its own notation.
        let no_time = ParseTimeError {
            text: without_login(text).into_owned(),
            why: String::new(),
        };
        // Which the parser would take for the second before it.
        if text.contains(":60") {
            return Err(error("a minute has 60 seconds, from 00 to 59"));
        }
        let pieces = Pieces::parse(text).map_err(|_| no_time.clone())?;
        if pieces.time_zone_annotation().is_some() {
            return Err(error("a time zone in brackets is not allowed"));
        }
        if pieces.date().year() < 1 {
            return Err(error("years are counted from 1 to 9999"));
        }
        if pieces
            .to_numeric_offset()
            .is_some_and(|offset| offset.seconds().abs() >= 24 * 3600)
        {
            return Err(error("an offset has less than 24 hours"));
        }
        let clock = pieces.time().unwrap_or(ClockTime::midnight());
        let time = Self {
            civil: pieces.date().to_datetime(clock),
            offset: pieces.to_numeric_offset(),
        };
        time.timestamp().map_err(|_| no_time)?;
        Ok(time)
    }

    /// Reads seconds since 1970, as decimal digits.
    ///
    /// # Errors
    ///
    /// Anything else, and seconds outside of the years 1 to 9999.
    pub fn from_seconds(text: &str) -> Result<Self, ParseTimeError> {
        let error = |why: &str| ParseTimeError {
            text: format!("@{text}"),
            why: format!(": {why}"),
        };
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(error("an `@` must be followed by whole seconds since 1970"));
        }
        let seconds = text
            .parse()
            .ok()
            .and_then(|seconds| Timestamp::from_second(seconds).ok());
        let civil = seconds.map(|seconds| Offset::UTC.to_datetime(seconds));
        match civil.filter(|civil| civil.year() >= 1) {
            Some(civil) => Ok(Self {
                civil,
                offset: Some(Offset::UTC),
            }),
            None => Err(error("years are counted from 1 to 9999")),
        }
    }

    /// The present, with microseconds. A clock that shows a year before 1 or after 9999 is taken for one that
    /// shows the first or the last moment of these.
    pub fn now() -> Self {
        Self::of_clock(SystemTime::now())
    }

    fn of_clock(clock: SystemTime) -> Self {
        let offset = Offset::UTC;
        let first = date(1, 1, 1).at(0, 0, 0, 0);
        let civil = match Timestamp::try_from(clock) {
            Ok(now) => offset.to_datetime(now).max(first),
            Err(_) if clock < SystemTime::UNIX_EPOCH => first,
            Err(_) => date(9999, 12, 30).at(22, 0, 0, 0),
        };
        Self {
            civil,
            offset: Some(offset),
        }
    }

    /// Whole seconds since 1970, what is left cut off toward zero.
    pub fn seconds(&self) -> i64 {
        self.timestamp().map_or(0, Timestamp::as_second)
    }

    fn timestamp(&self) -> Result<Timestamp, jiff::Error> {
        self.offset.unwrap_or(Offset::UTC).to_timestamp(self.civil)
    }
}

/// As Python's `datetime.isoformat`: microseconds only where there are any, the offset
/// only where there is one, with seconds only where it has some.
impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { civil, offset } = self;
        let (year, month, day) = (civil.year(), civil.month(), civil.day());
        let (hour, minute, second) = (civil.hour(), civil.minute(), civil.second());
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        let microseconds = civil.subsec_nanosecond() / 1000;
        if microseconds != 0 {
            write!(f, ".{microseconds:06}")?;
        }
        let Some(offset) = offset else { return Ok(()) };
        let seconds = offset.seconds();
        let sign = if seconds < 0 { '-' } else { '+' };
        let seconds = seconds.abs();
        write!(f, "{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60)?;
        if seconds % 60 != 0 {
            write!(f, ":{:02}", seconds % 60)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written_as_python_does() {
        // From `datetime.fromisoformat(text)` of CPython 3.11: `isoformat()` and
        // `int(timestamp())`, the latter in UTC where there is no offset.
        let table = [
            ("1970-01-01T00:00:01+00:00", "1970-01-01T00:00:01+00:00", 1),
            ("1970-01-01T00:00:01Z", "1970-01-01T00:00:01+00:00", 1),
            (
                "2024-02-29T23:59:59+05:30",
                "2024-02-29T23:59:59+05:30",
                1_709_231_399,
            ),
            (
                "2024-02-29 23:59:59-08:00",
                "2024-02-29T23:59:59-08:00",
                1_709_279_999,
            ),
            (
                "2024-01-01T00:00:00.5+00:00",
                "2024-01-01T00:00:00.500000+00:00",
                1_704_067_200,
            ),
            (
                "2024-01-01T00:00:00.123456789Z",
                "2024-01-01T00:00:00.123456+00:00",
                1_704_067_200,
            ),
            ("2024-01-01T00:00:00", "2024-01-01T00:00:00", 1_704_067_200),
            ("2024-01-01", "2024-01-01T00:00:00", 1_704_067_200),
            (
                "1969-12-31T23:59:59.5+00:00",
                "1969-12-31T23:59:59.500000+00:00",
                0,
            ),
            ("1969-12-31T23:59:58+00:00", "1969-12-31T23:59:58+00:00", -2),
            (
                "0001-01-01T00:00:00+00:00",
                "0001-01-01T00:00:00+00:00",
                -62_135_596_800,
            ),
        ];
        for (text, iso, seconds) in table {
            let time = Time::parse(text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(
                (time.to_string().as_str(), time.seconds()),
                (iso, seconds),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "now",
            "yesterday",
            "2024-13-01",
            "2024-02-30T00:00:00Z",
            "2024-01-01T25:00:00Z",
            "@1",
            "2024-01-01T00:00:60Z",
            "-000001-01-01T00:00:00Z",
            "2024-01-01T00:00:00+25:00",
        ] {
            assert!(Time::parse(text).is_err(), "{text}");
        }
        assert!(Time::parse("2024-01-01T00:00:00+00:00[Europe/Berlin]").is_err());
    }

    #[test]
    fn seconds_are_read_after_an_at_sign() {
        let iso = |text| Time::from_seconds(text).map(|time| (time.to_string(), time.seconds()));
        assert_eq!(
            iso("1").unwrap(),
            ("1970-01-01T00:00:01+00:00".to_owned(), 1)
        );
        assert_eq!(
            iso("315532800").unwrap(),
            ("1980-01-01T00:00:00+00:00".to_owned(), 315_532_800)
        );
        assert_eq!(iso("-1").unwrap().1, -1);
        for text in [
            "",
            "-",
            "1.5",
            "+1",
            "1e3",
            "99999999999999999999",
            "999999999999",
        ] {
            assert!(Time::from_seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn any_clock_has_a_time() {
        let at = |seconds: i64| {
            let far = std::time::Duration::from_secs(seconds.unsigned_abs());
            let clock = if seconds < 0 {
                SystemTime::UNIX_EPOCH.checked_sub(far)
            } else {
                SystemTime::UNIX_EPOCH.checked_add(far)
            };
            let now = Time::of_clock(clock.unwrap());
            assert_eq!(Time::parse(&now.to_string()).unwrap(), now);
            now.to_string()
        };
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00+00:00"),
            (-1, "1969-12-31T23:59:59+00:00"),
            (-62_135_596_801, "0001-01-01T00:00:00+00:00"),
            (-1 << 40, "0001-01-01T00:00:00+00:00"),
            (1 << 40, "9999-12-30T22:00:00+00:00"),
        ] {
            assert_eq!(at(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn now_has_an_offset() {
        assert!(Time::now().to_string().ends_with("+00:00"));
    }
}
