//! The lines of a narinfo.

use super::NarInfoError;
use crate::excerpt::excerpt;
use crate::store_path::StorePathError;

/// A line `Key: value`.
#[derive(Debug)]
pub(super) struct Line<'a> {
    /// Its number, from 1.
    pub(super) number: usize,
    pub(super) key: &'a [u8],
    value: &'a [u8],
}

/// Returns the lines of a text. Each must end in a newline, the last one as well.
pub(super) fn of(text: &[u8]) -> impl Iterator<Item = Result<Line<'_>, NarInfoError>> {
    text.split_inclusive(|&byte| byte == b'\n')
        .enumerate()
        .map(|(index, line)| parse(index + 1, line))
}

fn parse(number: usize, line: &[u8]) -> Result<Line<'_>, NarInfoError> {
    let line = line
        .strip_suffix(b"\n")
        .ok_or(NarInfoError::Unfinished { line: number })?;
    let malformed = NarInfoError::NotAField { line: number };
    let colon = line.iter().position(|&byte| byte == b':');
    let (key, rest) = line.split_at(colon.ok_or_else(|| malformed.clone())?);
    let value = match &rest[1..] {
        // Some editors remove the space at the end of an empty `References: `.
        [] => &[],
        [b' ', value @ ..] => value,
        _ => return Err(malformed),
    };
    Ok(Line { number, key, value })
}

impl<'a> Line<'a> {
    /// The value as text.
    ///
    /// # Errors
    ///
    /// A value that is not UTF-8.
    pub(super) fn text(&self) -> Result<&'a str, NarInfoError> {
        std::str::from_utf8(self.value).map_err(|_| self.malformed("UTF-8"))
    }

    /// The error of a value that is not as expected.
    pub(super) fn malformed(&self, expected: &'static str) -> NarInfoError {
        NarInfoError::Value {
            line: self.number,
            key: excerpt(self.key),
            value: excerpt(self.value),
            expected,
        }
    }

    /// The error of a key that may appear once.
    pub(super) fn repeated(&self) -> NarInfoError {
        NarInfoError::Repeated {
            line: self.number,
            key: excerpt(self.key),
        }
    }

    /// The error of a value that is not a store path.
    pub(super) fn store_path(&self, source: StorePathError) -> NarInfoError {
        NarInfoError::StorePath {
            line: self.number,
            key: excerpt(self.key),
            source,
        }
    }
}
