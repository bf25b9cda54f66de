//! The user's choice: a compression and its level.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use terrine_support::hint::Hint;

use super::Compression;
use super::codec::{GZIP_BLOCK, LIBDEFLATE};
use super::frame::{Jobs, PARAMETERS, WINDOW};

/// The levels of libdeflate, but for 0, which stores: that is what `none` is for.
const GZIP_LEVELS: RangeInclusive<i32> = 1..=12;
/// The levels of zstd that its own tool numbers.
const ZSTD_LEVELS: RangeInclusive<i32> = 1..=22;
/// Smaller than what the other container tools write by default, at nearly twice the
/// speed. Measured: docs/design/shipping.md has the table.
const GZIP_DEFAULT: i32 = 4;
/// A sixth smaller than our gzip, and a third of its work: a user who takes zstd without
/// a level wants it fast. Level 2 makes it 5 % smaller and takes a quarter longer.
const ZSTD_DEFAULT: i32 = 1;

/// A compression that is written, with its level: `none`, `gzip`, `gzip:6`, `zstd`,
/// `zstd:19`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    compression: Compression,
    /// 0 where there are none.
    level: i32,
}

/// A text that is no [`Setting`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseSettingError {
    /// A compression that does not exist, or is only read.
    #[error("unsupported layer compression `{0}`: expected `none`, `gzip` or `zstd`")]
    Compression(String),
    /// A level where there are none.
    #[error("`none` has no levels: `{0}`")]
    NoLevels(String),
    /// A level that does not exist.
    #[error("`{level}` is not a level of {compression}: levels are {} to {}", .levels.start(), .levels.end())]
    Level {
        /// The level that was given.
        level: String,
        /// The compression that it was given for.
        compression: Compression,
        /// The levels that exist.
        levels: RangeInclusive<i32>,
    },
}

impl Hint for ParseSettingError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Compression(_) => {
                "write `none`, `gzip` or `zstd`, with a level if needed: `gzip:6`".into()
            }
            Self::NoLevels(_) => "write `none` alone".into(),
            Self::Level { compression, .. } => {
                format!("`{compression}` without a level uses the default").into()
            }
        })
    }
}

impl Setting {
    /// Bytes as they are.
    pub const NONE: Self = Self {
        compression: Compression::None,
        level: 0,
    };
    /// gzip at its default level.
    pub const GZIP: Self = Self {
        compression: Compression::Gzip,
        level: GZIP_DEFAULT,
    };
    /// zstd at its default level.
    pub const ZSTD: Self = Self {
        compression: Compression::Zstd,
        level: ZSTD_DEFAULT,
    };

    /// The default level of a compression; nothing for those that are only read.
    pub fn default_of(compression: Compression) -> Option<Self> {
        match compression {
            Compression::None => Some(Self::NONE),
            Compression::Gzip => Some(Self::GZIP),
            Compression::Zstd => Some(Self::ZSTD),
            Compression::Bzip2 | Compression::Xz => None,
        }
    }

    /// Returns the compression.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// The level, if there are any: 1 to 12 for gzip, 1 to 22 for zstd.
    pub fn level(&self) -> Option<i32> {
        (self.compression != Compression::None).then_some(self.level)
    }

    /// Everything that the compressed bytes depend on but for the input: what is recorded
    /// with an image, and what a layer that was compressed before is known by. Another
    /// library or another way of cutting makes another text.
    pub fn describe(&self) -> String {
        let level = self.level;
        match self.compression {
            Compression::Gzip => {
                let block = GZIP_BLOCK >> 20;
                format!("gzip level {level} by libdeflate {LIBDEFLATE} in blocks of {block} MiB")
            }
            Compression::Zstd => {
                let (version, jobs) = (zstd::zstd_safe::version_string(), Jobs::of(level));
                let (window, job) = (1 << (WINDOW - 20), jobs.size >> 10);
                let overlap = if jobs.overlap { "overlapping " } else { "" };
                format!(
                    "zstd level {level} by zstd {version} (parameters {PARAMETERS}) with a window of {window} MiB in {overlap}jobs of {job} KiB"
                )
            }
            _ => self.to_string(),
        }
    }
}

#[cfg(test)]
impl Setting {
    /// A setting that makes a compressing thread panic.
    pub(super) const PANICKING: Self = Self {
        compression: Compression::Bzip2,
        level: 0,
    };
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.compression {
            Compression::None => f.write_str("none"),
            compression => write!(f, "{compression}:{}", self.level),
        }
    }
}

impl FromStr for Setting {
    type Err = ParseSettingError;

    fn from_str(text: &str) -> Result<Self, ParseSettingError> {
        let (name, level) = match text.split_once(':') {
            Some((name, level)) => (name, Some(level)),
            None => (text, None),
        };
        let (default, levels) = match name {
            "none" => (Self::NONE, None),
            "gzip" => (Self::GZIP, Some(GZIP_LEVELS)),
            "zstd" => (Self::ZSTD, Some(ZSTD_LEVELS)),
            _ => return Err(ParseSettingError::Compression(name.to_owned())),
        };
        let Some(level) = level else {
            return Ok(default);
        };
        let Some(levels) = levels else {
            return Err(ParseSettingError::NoLevels(text.to_owned()));
        };
        let compression = default.compression;
        match level.parse() {
            Ok(level) if levels.contains(&level) => Ok(Self { compression, level }),
            _ => Err(ParseSettingError::Level {
                level: level.to_owned(),
                compression,
                levels,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_written() {
        for (text, written) in [
            ("none", "none"),
            ("gzip", "gzip:4"),
            ("gzip:1", "gzip:1"),
            ("gzip:12", "gzip:12"),
            ("zstd", "zstd:1"),
            ("zstd:22", "zstd:22"),
        ] {
            let setting: Setting = text.parse().unwrap();
            assert_eq!(setting.to_string(), written);
            assert_eq!(written.parse(), Ok(setting));
            assert_eq!(
                setting.level().is_none(),
                setting.compression() == Compression::None
            );
        }
    }

    #[test]
    fn wrong_settings_are_refused_with_what_there_is() {
        for (text, error) in [
            (
                "",
                "unsupported layer compression ``: expected `none`, `gzip` or `zstd`",
            ),
            (
                "xz",
                "unsupported layer compression `xz`: expected `none`, `gzip` or `zstd`",
            ),
            (
                "GZIP",
                "unsupported layer compression `GZIP`: expected `none`, `gzip` or `zstd`",
            ),
            ("none:1", "`none` has no levels: `none:1`"),
            ("gzip:", "`` is not a level of gzip: levels are 1 to 12"),
            ("gzip:0", "`0` is not a level of gzip: levels are 1 to 12"),
            ("gzip:13", "`13` is not a level of gzip: levels are 1 to 12"),
            ("zstd:-1", "`-1` is not a level of zstd: levels are 1 to 22"),
            (
                "zstd:3:4",
                "`3:4` is not a level of zstd: levels are 1 to 22",
            ),
            (
                "zstd:99999999999",
                "`99999999999` is not a level of zstd: levels are 1 to 22",
            ),
        ] {
            let refused = text.parse::<Setting>().unwrap_err();
            assert_eq!(refused.to_string(), error);
            assert!(refused.hint().is_some());
        }
    }

    #[test]
    fn a_description_names_all_that_the_bytes_depend_on() {
        for (text, described) in [
            ("none", "none"),
            (
                "gzip:6",
                "gzip level 6 by libdeflate 1.26.1 in blocks of 1 MiB",
            ),
            (
                "zstd:19",
                "zstd level 19 by zstd 1.5.7 (parameters 2) with a window of 32 MiB in jobs of 2048 KiB",
            ),
            (
                "zstd:8",
                "zstd level 8 by zstd 1.5.7 (parameters 2) with a window of 32 MiB in overlapping jobs of 512 KiB",
            ),
        ] {
            assert_eq!(text.parse::<Setting>().unwrap().describe(), described);
        }
    }

    #[test]
    fn the_version_of_libdeflate_is_the_one_that_is_built_in() {
        let lock = include_str!("../../../Cargo.lock");
        let package = format!("name = \"libdeflate-sys\"\nversion = \"{LIBDEFLATE}\"\n");
        assert_eq!(
            lock.matches(&package).count(),
            1,
            "Cargo.lock has another libdeflate"
        );
        assert_eq!(lock.matches("name = \"libdeflate-sys\"").count(), 1);
    }
}
