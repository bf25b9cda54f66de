//! Messages for programs: each is a JSON object on a line of its own.

use serde::Serialize;

/// A message, as `docs/messages.md` documents it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record<'m> {
    pub(super) level: Level,
    pub(super) message: &'m str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(super) causes: &'m [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<&'m str>,
}

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Progress,
    Info,
    Note,
    Warning,
    Error,
}

impl Record<'_> {
    /// Returns the line.
    pub(super) fn line(&self) -> String {
        // Texts can always be written as JSON.
        serde_json::to_string(self).map_or_else(|_| String::new(), |line| line + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_and_has_no_empty_fields() {
        let plain = Record {
            level: Level::Info,
            message: "a\n\u{1b}[1m`b`",
            causes: &[],
            hint: None,
        };
        let expected = "{\"level\":\"info\",\"message\":\"a\\n\\u001b[1m`b`\"}\n";
        assert_eq!(plain.line(), expected);
        let causes = ["b".to_owned()];
        let full = Record {
            level: Level::Error,
            causes: &causes,
            hint: Some("c"),
            ..plain
        };
        let line = full.line();
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["level"], "error");
        assert_eq!(value["causes"], serde_json::json!(["b"]));
        assert_eq!(value["hint"], "c");
    }
}
