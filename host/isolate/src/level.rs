//! Levels of what the kernel of a machine grants.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use terrine_support::hint::Hint;

/// A way to isolate commands, the strongest first. It decides what the kernel does by itself
/// and what is recorded for it, never what is in the layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// A user name space of all ids that there are, for which one has to be root. Owners are real.
    Real,
    /// A user name space of a range of subordinate ids, by `newuidmap`. Owners are real as far as
    /// the range goes.
    Range,
    /// A user name space of one id. Owners are recorded.
    Single,
    /// No name space: all is recorded. For places that are isolated already.
    Record,
}

impl Level {
    /// All levels, the strongest first.
    pub const ALL: [Self; 4] = [Self::Real, Self::Range, Self::Single, Self::Record];

    /// Returns the level's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Range => "range",
            Self::Single => "single",
            Self::Record => "record",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A level that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a level; the levels are `real`, `range`, `single` and `record`")]
pub struct UnknownLevel(String);

impl Hint for UnknownLevel {}

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        let found = Self::ALL.into_iter().find(|level| level.name() == text);
        found.ok_or_else(|| UnknownLevel(text.to_owned()))
    }
}
