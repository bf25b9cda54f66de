//! Messages to users. They go to stderr: stdout carries only data.

mod annotation;
mod hidden;
mod json;
mod short;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use terrine::remark::{Level, Remark};

use super::github;
use annotation::Annotation;
use hidden::hidden;
pub(super) use hidden::note_arguments;
pub(super) use json::Figures;
use json::Record;
use short::short;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const NOTE: Style = AnsiColor::Green.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// A format of messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// Text for people
    #[default]
    Text,
    /// One JSON object per line, one for each message
    Json,
}

impl LogFormat {
    /// The format that arguments ask for which may be wrong otherwise.
    pub(super) fn asked_for(arguments: &[OsString]) -> Self {
        let options = || arguments.iter().take_while(|argument| *argument != "--");
        let json = options().any(|argument| argument == "--log-format=json")
            || options()
                .zip(options().skip(1))
                .any(|(name, value)| name == "--log-format" && value == "json");
        if json { Self::Json } else { Self::Text }
    }
}

/// Writes to stderr, in colour where that is a terminal that wants it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Printer {
    quiet: bool,
    format: LogFormat,
    /// True if warnings and errors are also written as annotations of a job on GitHub.
    annotates: bool,
}

impl Printer {
    /// Writes text for people, and nothing beside it.
    pub(super) fn plain(quiet: bool) -> Self {
        Self {
            quiet,
            format: LogFormat::Text,
            annotates: false,
        }
    }

    /// Writes in that format, and as GitHub wants it where this is one of its jobs.
    pub(super) fn new(quiet: bool, format: LogFormat) -> Self {
        Self {
            quiet,
            format,
            annotates: format == LogFormat::Text && github::is_job(),
        }
    }

    /// Reports whether only warnings, errors and requested results are written.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Reports whether a progress bar may be drawn on the terminal.
    pub(super) fn draws(&self) -> bool {
        !self.quiet && self.format == LogFormat::Text
    }

    /// Something that is going on, for those who do not want quiet.
    pub(super) fn status(&self, text: &str) {
        if !self.quiet {
            self.write(json::Level::Info, &[shown(text)], None);
        }
    }

    /// Writes the progress of an operation, unless the printer is quiet.
    pub(super) fn progress(&self, text: &str, figures: Figures) {
        if !self.quiet {
            let chain = [shown(text)];
            self.write_with(json::Level::Progress, &chain, None, Some(figures));
        }
    }

    /// Something that was asked for, if only by leaving it open.
    pub(super) fn result(&self, text: &str) {
        self.write(json::Level::Info, &[text.to_owned()], None);
    }

    /// Something about an image, with its remedy. Notes are for those who do not want quiet.
    pub(super) fn remark(&self, remark: &Remark) {
        match remark.level {
            Level::Warning => self.warning_with_hint(&remark.message, remark.hint.as_deref()),
            Level::Note if self.quiet => {}
            Level::Note => {
                let message = shown(&remark.message);
                self.write(json::Level::Note, &[message], remark.hint.as_deref());
            }
        }
    }

    /// Something that may not be meant.
    pub(super) fn warning(&self, text: &str) {
        self.warning_with_hint(text, None);
    }

    /// Something that is done without, and what to do about it.
    pub(super) fn warning_with_hint(&self, text: &str, hint: Option<&str>) {
        self.write(json::Level::Warning, &[shown(text)], hint);
    }

    /// Writes an error, its causes, and its remedy.
    pub(super) fn error(&self, chain: &[String], hint: Option<&str>) {
        let chain: Vec<String> = chain.iter().map(|message| shown(message)).collect();
        self.write(json::Level::Error, &chain, hint);
    }

    /// The end of a run by a signal, and what is left of it.
    pub(super) fn interrupted(&self, signal: &str, left: Option<&str>) {
        if self.draws() && std::io::stderr().is_terminal() {
            // There may be a bar in this line.
            print("\r\x1b[K");
        }
        let message = format!("interrupted by {signal}");
        self.write(json::Level::Error, &[message], left);
    }

    /// Writes a message, its causes and its remedy.
    fn write(&self, level: json::Level, chain: &[String], hint: Option<&str>) {
        self.write_with(level, chain, hint, None);
    }

    /// Writes the same, with figures for programs.
    fn write_with(
        &self,
        level: json::Level,
        chain: &[String],
        hint: Option<&str>,
        figures: Option<Figures>,
    ) {
        let hint = hint.map(shown);
        let hint = hint.as_deref();
        let annotation = match level {
            json::Level::Error => Some(Annotation::Error),
            json::Level::Warning => Some(Annotation::Warning),
            _ => None,
        };
        let text = match (self.format, annotation.filter(|_| self.annotates)) {
            (LogFormat::Json, _) => {
                let [message, causes @ ..] = chain else {
                    return;
                };
                let record = Record {
                    level,
                    message,
                    causes,
                    hint,
                    figures,
                };
                record.line()
            }
            // The place where it is shown says how much it matters.
            (LogFormat::Text, Some(annotation)) => {
                annotation.line(text("", chain, hint).trim_end())
            }
            (LogFormat::Text, None) => text(label(level), chain, hint),
        };
        // At once, so that lines of several threads do not mix.
        print(&text);
    }
}

/// A message without what may be secret, and then without what makes it too long: nothing is found in halves.
fn shown(message: &str) -> String {
    short(&hidden(message))
}

/// The word before a message.
fn label(level: json::Level) -> &'static str {
    match level {
        json::Level::Progress | json::Level::Info => "",
        json::Level::Note => "note",
        json::Level::Warning => "warning",
        json::Level::Error => "error",
    }
}

/// A message for people.
fn text(label: &str, chain: &[String], hint: Option<&str>) -> String {
    let style = match label {
        "error" => ERROR,
        "warning" => WARNING,
        _ => NOTE,
    };
    let mut text = String::new();
    for (depth, message) in chain.iter().enumerate() {
        match depth {
            0 if label.is_empty() => text.push_str(&format!("{message}\n")),
            0 => text.push_str(&format!("{style}{label}{style:#}: {message}\n")),
            _ => text.push_str(&format!("  caused by: {message}\n")),
        }
    }
    if let Some(hint) = hint {
        text.push_str(&format!("{HINT}hint{HINT:#}: {hint}\n"));
    }
    text
}

/// Text that cannot be written to stderr has nowhere else to go.
fn print(text: &str) {
    let _ = AutoStream::auto(std::io::stderr()).write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_causes_and_its_remedy() {
        let plain = |text: String| anstream::adapter::strip_str(&text).to_string();
        let chain = ["a".to_owned(), "b".to_owned()];
        let said = plain(text("error", &chain, Some("c")));
        assert_eq!(said, "error: a\n  caused by: b\nhint: c\n");
        assert_eq!(plain(text("", &chain[..1], None)), "a\n");
    }
}
