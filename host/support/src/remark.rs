//! Remarks: what a person should know of something that is made all the same.

use std::fmt;

/// The importance of a remark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something that is done as it is meant to be, and that not everybody expects.
    Note,
    /// Something that may not be meant. A user can ask for an error in its place.
    Warning,
}

/// Something that a person should know, and what to do about it.
///
/// ```
/// use terrine_support::remark::{Level, Remark};
///
/// let remark = Remark::warning("`/bin/web` is not in the image").hint("add it to `contents`");
/// assert_eq!(remark.level, Level::Warning);
/// assert_eq!(remark.to_string(), "`/bin/web` is not in the image");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The importance.
    pub level: Level,
    /// The text: what the person should know.
    pub message: String,
    /// The remedy, where there is one.
    pub hint: Option<String>,
}

impl Remark {
    /// Returns a warning without a remedy.
    pub fn warning(message: impl Into<String>) -> Self {
        Self {
            level: Level::Warning,
            message: message.into(),
            hint: None,
        }
    }

    /// Returns a note without a remedy.
    pub fn note(message: impl Into<String>) -> Self {
        Self {
            level: Level::Note,
            ..Self::warning(message)
        }
    }

    /// Returns the same with a remedy.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Tells whether it is a warning.
    pub fn is_warning(&self) -> bool {
        self.level == Level::Warning
    }
}

/// A remark that is nothing but a text is a warning.
impl From<String> for Remark {
    fn from(message: String) -> Self {
        Self::warning(message)
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
