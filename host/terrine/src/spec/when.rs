//! A point in time that may be the present.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::{ParseTimeError, Time};

/// A time that may be that of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The time of the run.
    Now,
    /// This time.
    At(Time),
}

impl When {
    /// Reads a time: `now`, seconds since 1970 after an `@`, or RFC 3339.
    ///
    /// # Errors
    ///
    /// Text that is none of these.
    pub fn parse(text: &str) -> Result<Self, ParseTimeError> {
        match text.strip_prefix('@') {
            _ if text == "now" => Ok(Self::Now),
            Some(seconds) => Time::from_seconds(seconds).map(Self::At),
            None => Time::parse(text).map(Self::At),
        }
    }

    /// The time, where `now` is the present.
    pub fn or_now(self, now: Time) -> Time {
        match self {
            Self::Now => now,
            Self::At(time) => time,
        }
    }
}

impl std::fmt::Display for When {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Now => f.write_str("now"),
            Self::At(time) => time.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "now" {
            return Ok(Self::Now);
        }
        Time::parse(&text).map(Self::At).map_err(D::Error::custom)
    }
}
