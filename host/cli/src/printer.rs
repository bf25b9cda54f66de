//! What people read. It goes to stderr: stdout carries nothing but data.

use std::io::Write;

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

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
            print(&format!("{text}\n"));
        }
    }

    /// Something that was asked for, if only by leaving it open.
    pub(super) fn result(&self, text: &str) {
        print(&format!("{text}\n"));
    }

    /// Something that may not be meant.
    pub(super) fn warning(&self, text: &str) {
        print(&format!("{WARNING}warning{WARNING:#}: {text}\n"));
    }

    /// Something that is done without, and what to do about it.
    pub(super) fn warning_with_hint(&self, text: &str, hint: Option<&str>) {
        self.warning(text);
        if let Some(hint) = hint {
            print(&format!("{HINT}hint{HINT:#}: {hint}\n"));
        }
    }

    /// What went wrong, its causes, and what to do about it.
    pub(super) fn error(&self, chain: &[String], hint: Option<&str>) {
        let mut text = String::new();
        for (depth, message) in chain.iter().enumerate() {
            match depth {
                0 => text.push_str(&format!("{ERROR}error{ERROR:#}: {message}\n")),
                _ => text.push_str(&format!("  caused by: {message}\n")),
            }
        }
        if let Some(hint) = hint {
            text.push_str(&format!("{HINT}hint{HINT:#}: {hint}\n"));
        }
        print(&text);
    }
}

/// Text that can not be written to stderr has nowhere else to go.
fn print(text: &str) {
    let _ = AutoStream::auto(std::io::stderr()).write_all(text.as_bytes());
}
