//! What people read. It goes to stderr: stdout carries nothing but data.

use std::io::Write;

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use terrine::remark::{Level, Remark};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const NOTE: Style = AnsiColor::Green.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// The most characters of a value in a message.
const VALUE: usize = 300;
/// The most characters of a line of a message.
const LINE: usize = 1000;
/// The most lines of a message.
const LINES: usize = 50;
/// The most characters of a message.
const MESSAGE: usize = 4000;

/// Writes to stderr, in colour where that is a terminal that wants it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Printer {
    quiet: bool,
}

impl Printer {
    pub(super) fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    /// Whether only warnings and errors are wanted.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Something that is going on, for those who do not want quiet.
    pub(super) fn status(&self, text: &str) {
        if !self.quiet {
            print(&format!("{}\n", short(text)));
        }
    }

    /// Something that was asked for, if only by leaving it open.
    pub(super) fn result(&self, text: &str) {
        print(&format!("{text}\n"));
    }

    /// Something about an image, with its remedy. Notes are for those who do not want quiet.
    pub(super) fn remark(&self, remark: &Remark) {
        match remark.level {
            Level::Warning => self.warning_with_hint(&remark.message, remark.hint.as_deref()),
            Level::Note if self.quiet => {}
            Level::Note => {
                print(&format!("{NOTE}note{NOTE:#}: {}\n", short(&remark.message)));
                self.hint(remark.hint.as_deref());
            }
        }
    }

    /// Something that may not be meant.
    pub(super) fn warning(&self, text: &str) {
        let text = short(text);
        print(&format!("{WARNING}warning{WARNING:#}: {text}\n"));
    }

    /// Something that is done without, and what to do about it.
    pub(super) fn warning_with_hint(&self, text: &str, hint: Option<&str>) {
        self.warning(text);
        self.hint(hint);
    }

    fn hint(&self, hint: Option<&str>) {
        if let Some(hint) = hint.map(short) {
            print(&format!("{HINT}hint{HINT:#}: {hint}\n"));
        }
    }

    /// What went wrong, its causes, and what to do about it.
    pub(super) fn error(&self, chain: &[String], hint: Option<&str>) {
        let mut text = String::new();
        for (depth, message) in chain.iter().enumerate() {
            let message = short(message);
            match depth {
                0 => text.push_str(&format!("{ERROR}error{ERROR:#}: {message}\n")),
                _ => text.push_str(&format!("  caused by: {message}\n")),
            }
        }
        if let Some(hint) = hint {
            let hint = short(hint);
            text.push_str(&format!("{HINT}hint{HINT:#}: {hint}\n"));
        }
        print(&text);
    }
}

/// Prints an error of the arguments, as it is rendered with colours.
pub(super) fn usage(text: &str) {
    let lines = text.split('\n').map(|line| cut(line, LINE / 2));
    print(&cut(&few(lines), MESSAGE));
}

/// A message that repeats little of what it was given: a value in backticks has some hundred characters at most,
/// and a line not many more.
pub(super) fn short(message: &str) -> String {
    let lines = message.split('\n').map(|line| {
        let parts: Vec<String> = line
            .split('`')
            .enumerate()
            .map(|(number, part)| match number % 2 {
                0 => part.to_owned(),
                _ => cut(part, VALUE),
            })
            .collect();
        cut(&parts.join("`"), LINE)
    });
    cut(&few(lines), MESSAGE)
}

/// The first of many lines.
fn few(lines: impl Iterator<Item = String>) -> String {
    let mut lines = lines.peekable();
    let mut few: Vec<String> = lines.by_ref().take(LINES).collect();
    if lines.peek().is_some() {
        few.push("…".to_owned());
    }
    few.join("\n")
}

/// Text without its middle if it has more characters.
fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let start: String = text.chars().take(most / 4 * 3).collect();
    let end: String = text.chars().skip(count - most / 5).collect();
    format!("{start}…{end}")
}

/// Text that can not be written to stderr has nowhere else to go.
fn print(text: &str) {
    let _ = AutoStream::auto(std::io::stderr()).write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_repeat_little_of_what_they_were_given() {
        let plain = "`a` is not `b`: no\nsuch `thing`";
        assert_eq!(short(plain), plain);
        let long = "ö".repeat(100_000);
        let text = short(&format!("the name `{long}` is not one, and `x` is"));
        assert_eq!(text.chars().count(), 29 + 225 + 1 + 60 + 5);
        assert!(text.starts_with("the name `öö") && text.ends_with("ö` is not one, and `x` is"));
        assert!(short(&long).chars().count() < LINE);
        assert!(short(&format!("`{long}")).chars().count() < LINE);
        assert!(short(&"a\n".repeat(20_000)).chars().count() < MESSAGE);
        assert_eq!(short("a\nb"), "a\nb");
    }
}
