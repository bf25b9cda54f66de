//! A file that is run: what the kernel needs for it.

use terrine_support::remark::Remark;

use super::{Files, Interpreters, Resolved, resolve};
use crate::platform::{self, Bytes, HEAD, Program};

/// How often an interpreter may have one itself: Linux gives up after five.
const MAX_DEPTH: usize = 5;

/// Checks whether the kernel takes a file for a program, and whether its interpreter is there.
pub(super) fn check(
    files: &dyn Files,
    path: &[u8],
    role: &str,
    interpreters: Interpreters,
) -> Option<Remark> {
    let content = files.open(path)?;
    let head = content.read_at(0, HEAD).ok()?;
    if is_text(&head) && !head.starts_with(b"#!") {
        let what = if head.is_empty() {
            "is an empty file"
        } else {
            "is a text whose first line names no interpreter"
        };
        let message = format!("{role} {what}: it would fail with `exec format error`");
        return Some(
            Remark::warning(message).hint("begin the file with a line such as `#!/bin/sh`"),
        );
    }
    match interpreters {
        Interpreters::Here => missing(files, path.to_vec(), role),
        Interpreters::Elsewhere => None,
    }
}

/// Looks for the interpreter of a program, and for that one's own.
fn missing(files: &dyn Files, path: Vec<u8>, role: &str) -> Option<Remark> {
    let (mut path, mut whose) = (path, role.to_owned());
    for _ in 0..MAX_DEPTH {
        let interpreter = interpreter(&*files.open(&path)?)?;
        match resolve(files, &interpreter.path) {
            Resolved::File { path: at, .. } => {
                whose = format!("`{}`", String::from_utf8_lossy(&interpreter.path));
                path = at;
            }
            Resolved::Nothing(_) => return Some(platform::is_missing(&interpreter, &whose)),
            Resolved::Unknown | Resolved::Directory => return None,
        }
    }
    None
}

/// The interpreter that a file names.
fn interpreter(file: &dyn Bytes) -> Option<platform::Interpreter> {
    let head = file.read_at(0, HEAD).ok()?;
    match platform::inspect(&head) {
        Program::Script(path) => Some(platform::Interpreter {
            path,
            is_loader: false,
        }),
        Program::Elf(_) => {
            let path = platform::loader(&head, file)?;
            Some(platform::Interpreter {
                path,
                is_loader: true,
            })
        }
        _ => None,
    }
}

/// Whether bytes are the start of a text, as scripts are: others may be programs of a kind that is not known here.
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

#[cfg(test)]
mod tests {
    use super::super::testing::Tree;
    use super::*;

    fn said(entries: &[&str], interpreters: Interpreters) -> String {
        let remark = check(
            &Tree::of(entries),
            b"/run",
            "the command `/run`",
            interpreters,
        );
        remark.map_or(String::new(), |remark| remark.message)
    }

    #[test]
    fn texts_without_an_interpreter_are_no_programs() {
        for (content, expected) in [
            (
                "",
                "the command `/run` is an empty file: it would fail with `exec format error`",
            ),
            (
                "echo hi\n",
                "the command `/run` is a text whose first line names no interpreter: it would fail with `exec format error`",
            ),
            ("#!/bin/sh\n", ""),
            ("\0asm\x01\0\0\0", ""),
            ("MZ and so on", ""),
            ("\x7fELF", ""),
        ] {
            let entry = format!("/run*={content}");
            assert_eq!(said(&[&entry], Interpreters::Elsewhere), expected);
        }
    }

    #[test]
    fn interpreters_are_followed() {
        let missing = "the interpreter `/bin/sh` of the command `/run` is not in the image";
        for (entries, expected) in [
            (&["/run*=#!/bin/sh\n"][..], missing),
            (&["/run*=#!/bin/sh\n", "/bin/sh*=\x7fELF"], ""),
            (&["/run*=#!/bin/sh\n", "/bin?"], ""),
            (
                &["/run*=#!/bin/sh\n", "/bin/sh*=#!/bin/bash\n"],
                "the interpreter `/bin/bash` of `/bin/sh` is not in the image",
            ),
            (&["/run*=#!/run\n"], ""),
        ] {
            assert_eq!(said(entries, Interpreters::Here), expected);
            assert_eq!(said(entries, Interpreters::Elsewhere), "");
        }
    }
}
