//! Messages that GitHub shows beside a job: workflow commands, one on each line.

use std::fmt;

/// A message of a job on GitHub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Annotation {
    Warning,
    Error,
}

impl Annotation {
    /// Returns the line, with the lines of the message within it.
    pub(super) fn line(self, message: &str) -> String {
        format!("::{self} title=terrine::{}\n", escape(message))
    }
}

impl fmt::Display for Annotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// A message as the text of a workflow command, which ends with its line.
fn escape(message: &str) -> String {
    // The sign first, because the others are written with it.
    message
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_end_its_command() {
        for (message, expected) in [
            ("`a`: b", "`a`: b"),
            ("100 %", "100 %25"),
            ("a\r\nb", "a%0D%0Ab"),
            ("%0A", "%250A"),
            ("a\n::set-output name=x::y", "a%0A::set-output name=x::y"),
        ] {
            let line = Annotation::Warning.line(message);
            assert_eq!(line, format!("::warning title=terrine::{expected}\n"));
        }
    }
}
