//! The output of commands, whose end is kept for messages.

use std::collections::VecDeque;

/// The number of lines that are kept.
const LINES: usize = 40;
/// The number of bytes that are kept of a line.
const LENGTH: usize = 1000;

/// The last lines that commands printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tail {
    lines: VecDeque<String>,
}

impl Tail {
    /// Adds a line without the break at its end. Of more than 40 lines the first ones go.
    pub fn push(&mut self, line: &[u8]) {
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        let line = &line[..line.len().min(LENGTH)];
        // What would steer a terminal is not passed on.
        let text = String::from_utf8_lossy(line);
        let plain = |c: char| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        };
        self.lines
            .push_back(text.trim_end_matches('\r').chars().map(plain).collect());
    }

    /// Returns the lines, each indented.
    pub fn text(&self) -> String {
        let lines: Vec<String> = self
            .lines
            .iter()
            .map(|line| format!("    {line}"))
            .collect();
        lines.join("\n")
    }

    /// Returns the tool that a shell did not find, if the last lines are about that.
    pub(crate) fn missing(&self) -> Option<&str> {
        let line = |line: &'_ String| -> Option<(usize, usize)> {
            let end = [
                ": command not found",
                ": not found",
                ": No such file or directory",
            ]
            .into_iter()
            .find_map(|end| line.find(end))?;
            let start = line[..end].rfind(": ").map_or(0, |start| start + 2);
            Some((start, end))
        };
        self.lines.iter().rev().take(3).find_map(|text| {
            let (start, end) = line(text)?;
            let name = &text[start..end];
            let is_tool = !name.is_empty() && !name.contains(['/', ' ', '\'', '‘']);
            is_tool.then_some(name)
        })
    }

    /// Returns the line of a script that the last message of its shell is about. Not every shell
    /// knows the line that it is at when it ends, least of all where it cannot read the script.
    pub(crate) fn line(&self, script: &str) -> Option<u32> {
        let last = self.lines.back()?;
        let (before, after) = last.split_once(&format!("/{script}: "))?;
        // Bash and busybox write `script: line 4: `, dash writes `dash: 4: script: `.
        let number = match after.strip_prefix("line ") {
            Some(rest) => rest.split_once(':')?.0,
            None => before.rsplit(": ").nth(1)?,
        };
        number.parse().ok()
    }

    /// Returns whether the last lines tell that the system refused something.
    pub(crate) fn is_refused(&self) -> bool {
        let told = [
            "Operation not permitted",
            "Operation not supported",
            "Invalid argument",
        ];
        let last = self.lines.iter().rev().take(5);
        last.into_iter()
            .any(|line| told.iter().any(|told| line.contains(told)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(lines: &[&str]) -> Tail {
        let mut tail = Tail::default();
        lines.iter().for_each(|line| tail.push(line.as_bytes()));
        tail
    }

    #[test]
    fn the_last_forty_lines_stay() {
        let lines: Vec<String> = (0..50).map(|number| number.to_string()).collect();
        let tail = tail(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let text = tail.text();
        assert_eq!(text.lines().count(), 40);
        assert!(text.starts_with("    10\n") && text.ends_with("    49"));
    }

    #[test]
    fn nothing_steers_a_terminal() {
        let tail = tail(&["a\u{1b}[2Jb\r", &"x".repeat(5000)]);
        assert!(tail.text().starts_with("    a\u{fffd}[2Jb\n"));
        assert_eq!(tail.text().lines().nth(1).unwrap().len(), 1004);
    }

    #[test]
    fn a_line_is_found_in_the_message_of_a_shell() {
        for (text, line) in [
            ("/.terrine/x: line 4: jq: command not found", Some(4)),
            ("/bin/sh: /.terrine/x: line 4: syntax error", Some(4)),
            ("/bin/dash: 4: /.terrine/x: jq: not found", Some(4)),
            ("/.terrine/other: line 4: jq: command not found", None),
            ("cat: /.terrine/x: No such file or directory", None),
            ("/.terrine/x: line of text", None),
        ] {
            assert_eq!(tail(&[text]).line("x"), line, "{text}");
        }
    }

    #[test]
    fn a_tool_that_a_shell_does_not_find_is_named() {
        for (line, tool) in [
            (
                "/.terrine/extraCommands: line 2: jq: command not found",
                Some("jq"),
            ),
            ("/.terrine/extraCommands: 2: jq: not found", Some("jq")),
            ("sh: jq: not found", Some("jq")),
            ("ls: cannot access 'x': No such file or directory", None),
            (
                "/.terrine/x: line 1: /bin/jq: No such file or directory",
                None,
            ),
            ("all is well", None),
        ] {
            assert_eq!(tail(&[line]).missing(), tool, "{line}");
        }
    }
}
