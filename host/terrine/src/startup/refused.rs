//! Files that the kernel does not take for programs.

use terrine_support::remark::Remark;

use crate::platform::{self, Bytes, ElfDefect, HEAD, Program};

/// A file that the kernel does not take for a program, or that does not run as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused {
    what: &'static str,
    fails: Fails,
    hint: &'static str,
}

/// The way in which such a program fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fails {
    /// The kernel refuses to start it.
    Always,
    /// The kernel refuses to start it, unless a handler of the host knows the file.
    WithoutHandler,
    /// It starts, and ends by a signal.
    Later,
}

impl Refused {
    /// Returns the warning that something is such a file.
    pub(super) fn remark(&self, role: &str) -> Remark {
        let fails = match self.fails {
            Fails::Always => "it would fail with `exec format error`",
            Fails::WithoutHandler => {
                "it would fail with `exec format error` unless the host has a handler for such files"
            }
            Fails::Later => "it would not run",
        };
        Remark::warning(format!("{role} {}: {fails}", self.what)).hint(self.hint)
    }
}

/// Returns the reason why the kernel does not run a file, as far as that is known, given its first bytes and all of
/// them.
pub(super) fn refused(head: &[u8], file: &dyn Bytes) -> Option<Refused> {
    let (what, fails, hint) = if head.starts_with(b"\x7fELF") {
        elf(head, file)?
    } else if head.starts_with(b"#!") || is_text(head) {
        (text(head)?, Fails::Always, SCRIPT)
    } else {
        let (what, hint) = other(head);
        (what, Fails::WithoutHandler, hint)
    };
    Some(Refused { what, fails, hint })
}

const SCRIPT: &str = "begin the file with a line such as `#!/bin/sh`";
const WHOLE: &str = "put the whole file into the image";

fn elf(head: &[u8], file: &dyn Bytes) -> Option<(&'static str, Fails, &'static str)> {
    Some(match platform::elf_defect(head, file)? {
        ElfDefect::Header => (
            "is an ELF file with an incomplete header",
            Fails::Always,
            WHOLE,
        ),
        ElfDefect::NoProgram => (
            "is an ELF file but not a program, such as an object file",
            Fails::Always,
            "link it",
        ),
        ElfDefect::ProgramHeaders => (
            "is an ELF file that names nothing to load",
            Fails::Always,
            WHOLE,
        ),
        ElfDefect::CutOff => ("is a truncated ELF file", Fails::Later, WHOLE),
    })
}

/// Says what is wrong with a text, or with a script whose first line names no interpreter.
fn text(head: &[u8]) -> Option<&'static str> {
    let Some(line) = head.strip_prefix(b"#!") else {
        return Some(if head.is_empty() {
            "is an empty file"
        } else {
            "is a text whose first line names no interpreter"
        });
    };
    if platform::interpreter(head).is_some() {
        return None;
    }
    let line = line.split(|&byte| byte == b'\n').next()?;
    Some(if line.trim_ascii().is_empty() {
        "is a script whose first line names no interpreter"
    } else {
        "is a script whose first line is longer than Linux reads"
    })
}

/// Says what a file is that is neither, and what to do about it.
fn other(head: &[u8]) -> (&'static str, &'static str) {
    const FOR_LINUX: &str = "use the program that is built for Linux";
    match head {
        [b'P', b'K', 3, 4, ..] => (
            "is a ZIP archive",
            "run a jar by Java: `[\"java\", \"-jar\", …]`",
        ),
        [0x1f, 0x8b, ..] => ("is compressed by gzip", "unpack the file"),
        [b'M', b'Z', ..] => ("is a program for Windows", FOR_LINUX),
        [0, b'a', b's', b'm', ..] => (
            "is a WebAssembly module",
            "run it with a WebAssembly runtime",
        ),
        _ if matches!(platform::inspect(head), Program::MachO(_)) => {
            ("is a program for macOS", FOR_LINUX)
        }
        _ => (
            "is not a program that Linux can run",
            "name a program, or a script with a first line such as `#!/bin/sh`",
        ),
    }
}

/// Reports whether bytes are the start of a text, as scripts are.
fn is_text(head: &[u8]) -> bool {
    let is_text =
        |byte: &u8| *byte >= b' ' && *byte != 0x7f || matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c);
    let valid = match std::str::from_utf8(head) {
        Ok(_) => true,
        // The end may be in the middle of a character.
        Err(error) => error.error_len().is_none() && head.len() == HEAD,
    };
    valid && head.iter().all(is_text) && !head.starts_with(b"MZ")
}
