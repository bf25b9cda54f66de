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
    #[serde(flatten)]
    pub(super) figures: Option<Figures>,
}

/// The progress of an operation, in numbers. Numbers that are not known are left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Figures {
    /// The number of bytes that are read or written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) bytes: Option<u64>,
    /// The number of bytes to read or write in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) bytes_total: Option<u64>,
    /// The average number of bytes that are read or written in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) bytes_per_second: Option<u64>,
    /// The number of bytes of layers that came from a registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) bytes_received: Option<u64>,
    /// The number of bytes that went to a registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) bytes_sent: Option<u64>,
    /// The number of bytes to send to a registry, of the layers that are made so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) bytes_to_send: Option<u64>,
    /// The time that is left, about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) seconds_left: Option<u64>,
    /// The number of layers that are where they should be, or of other steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) done: Option<u64>,
    /// The number of layers, or of other steps, in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) total: Option<u64>,
}

/// The importance of a message.
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
            figures: None,
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
        let figures = Figures {
            bytes: Some(1),
            done: Some(0),
            ..Figures::default()
        };
        let with_figures = Record {
            level: Level::Progress,
            message: "a",
            causes: &[],
            hint: None,
            figures: Some(figures),
        };
        let expected = "{\"level\":\"progress\",\"message\":\"a\",\"bytes\":1,\"done\":0}\n";
        assert_eq!(with_figures.line(), expected);
    }
}
