//! A file that is run: what the kernel needs for it.

use terrine_support::remark::Remark;

use super::command::absolute;
use super::config::Config;
use super::libraries;
use super::refused::refused;
use super::{Files, Interpreters, Resolved, resolve};
use crate::platform::{self, Bytes, HEAD, Program};

/// The largest number of interpreters that have an interpreter themselves: Linux gives up after
/// five.
const MAX_DEPTH: usize = 5;

/// Checks whether the kernel takes a file for a program, and whether its interpreter is there.
pub(super) fn check(
    config: &Config,
    files: &dyn Files,
    path: &[u8],
    role: &str,
    interpreters: Interpreters,
) -> Option<Remark> {
    let content = files.open(path)?;
    let head = content.read_at(0, HEAD).ok()?;
    let is_known = interpreters == Interpreters::Elsewhere
        && matches!(platform::inspect(&head), Program::MachO(_));
    if let Some(refused) = refused(&head, &*content) {
        // Whoever looks at all programs tells those of other systems.
        return (!is_known).then(|| refused.remark(role));
    }
    match follow(config, files, path.to_vec(), role)? {
        Problem::Unusable {
            remark,
            is_absolute,
        } => {
            // Whoever looks at all programs does not know where a command starts.
            let is_told = interpreters == Interpreters::Elsewhere && is_absolute;
            (!is_told).then_some(remark)
        }
        Problem::Refused(remark) | Problem::Unloadable(remark) => Some(remark),
        Problem::TooDeep => {
            let message = format!(
                "{role} is a script whose interpreter is a script, and so on: Linux follows at most {MAX_DEPTH} of them"
            );
            Some(Remark::warning(message).hint("name a program in the first line of the script"))
        }
    }
}

/// A reason why the kernel does not get from a script to a program.
enum Problem {
    /// An interpreter cannot be started.
    Unusable {
        /// The warning that says so.
        remark: Remark,
        /// True if the path of the interpreter is absolute.
        is_absolute: bool,
    },
    /// An interpreter is no program, as this warning says.
    Refused(Remark),
    /// A shared library is missing, as this warning says.
    Unloadable(Remark),
    /// Too many scripts are interpreters.
    TooDeep,
}

/// Follows the interpreter of a program, and that one's own.
fn follow(config: &Config, files: &dyn Files, path: Vec<u8>, role: &str) -> Option<Problem> {
    let (mut path, mut whose) = (path, role.to_owned());
    for depth in 0..=MAX_DEPTH {
        let interpreter = interpreter(&*files.open(&path)?)?;
        if depth == MAX_DEPTH && !interpreter.is_loader {
            return Some(Problem::TooDeep);
        }
        let resolved = resolve(files, &absolute(config.directory(), &interpreter.path));
        if let Some(why) = resolved.unusable() {
            return Some(Problem::Unusable {
                remark: platform::unusable(&interpreter, &whose, why),
                is_absolute: interpreter.path.starts_with(b"/"),
            });
        }
        let Resolved::File { path: at, .. } = resolved else {
            return None;
        };
        let named = String::from_utf8_lossy(&interpreter.path).into_owned();
        if let Some(refused) = files.open(&at).and_then(|file| {
            let head = file.read_at(0, HEAD).ok()?;
            refused(&head, &*file)
        }) {
            let what = interpreter.kind();
            return Some(Problem::Refused(
                refused.remark(&format!("the {what} `{named}` of {whose}")),
            ));
        }
        if interpreter.is_loader {
            return libraries::check(config, files, &path, &whose).map(Problem::Unloadable);
        }
        whose = format!("`{named}`");
        path = at;
    }
    None
}

/// The interpreter that a file names.
fn interpreter(file: &dyn Bytes) -> Option<platform::Interpreter> {
    let head = file.read_at(0, HEAD).ok()?;
    let named = |(path, is_loader)| platform::Interpreter { path, is_loader };
    platform::interpreter(&head)
        .map(|path| named((path, false)))
        .or_else(|| Some(named((platform::loader(&head, file)?, true))))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Tree;
    use super::*;

    fn said(entries: &[&str], interpreters: Interpreters) -> String {
        let config = Config {
            working_dir: "/srv".to_owned(),
            ..Config::default()
        };
        let remark = check(
            &config,
            &Tree::of(entries),
            b"/run",
            "the command `/run`",
            interpreters,
        );
        remark.map_or(String::new(), |remark| remark.message)
    }

    #[test]
    fn texts_without_an_interpreter_are_no_programs() {
        let long = &format!("#!/{}\n", "x".repeat(300));
        for (content, expected) in [
            (
                "",
                "the command `/run` is an empty file: it would fail with `exec format error`",
            ),
            (
                "echo hi\n",
                "the command `/run` is a text whose first line names no interpreter: it would fail with `exec format error`",
            ),
            (
                "#! \n/bin/sh",
                "the command `/run` is a script whose first line names no interpreter: it would fail with `exec format error`",
            ),
            (
                long,
                "the command `/run` is a script whose first line is longer than Linux reads: it would fail with `exec format error`",
            ),
            ("#!/bin/sh\n", ""),
            ("\x7fELF", ""),
            (
                "\x7fELF\x02",
                "the command `/run` is an ELF file with an incomplete header: it would fail with `exec format error`",
            ),
            (
                "PK\x03\x04",
                "the command `/run` is a ZIP archive: it would fail with `exec format error` unless the host has a handler for such files",
            ),
            (
                "\0asm\x01\0\0\0",
                "the command `/run` is a WebAssembly module: it would fail with `exec format error` unless the host has a handler for such files",
            ),
            (
                "MZ and so on",
                "the command `/run` is a program for Windows: it would fail with `exec format error` unless the host has a handler for such files",
            ),
            (
                "\x01\x02",
                "the command `/run` is not a program that Linux can run: it would fail with `exec format error` unless the host has a handler for such files",
            ),
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
            (
                &["/run*=#!/bin/sh\n", "/bin/sh=\x7fELF"],
                "the interpreter `/bin/sh` of the command `/run` is not executable",
            ),
            (
                &["/run*=#!/bin/sh\n", "/bin/sh/"],
                "the interpreter `/bin/sh` of the command `/run` is a directory",
            ),
        ] {
            assert_eq!(said(entries, Interpreters::Here), expected);
            assert_eq!(said(entries, Interpreters::Elsewhere), "");
        }
    }

    #[test]
    fn interpreters_are_programs_themselves() {
        let said = said(&["/run*=#!/bin/sh\n", "/bin/sh*="], Interpreters::Elsewhere);
        assert_eq!(
            said,
            "the interpreter `/bin/sh` of the command `/run` is an empty file: it would fail with `exec format error`"
        );
    }

    /// An interpreter without a slash at its start is looked for where the command starts.
    #[test]
    fn relative_interpreters_are_looked_for_in_the_working_directory() {
        for interpreters in [Interpreters::Here, Interpreters::Elsewhere] {
            let entries = &["/run*=#!bin/web\n", "/srv/bin/web*=\x7fELF"];
            assert_eq!(said(entries, interpreters), "");
            assert_eq!(
                said(&["/run*=#!bin/web\n", "/bin/web*=\x7fELF"], interpreters),
                "the interpreter `bin/web` of the command `/run` is not in the image"
            );
        }
    }

    /// As Linux 6 does: five scripts between the command and the program, and no sixth.
    #[test]
    fn scripts_that_lead_to_scripts_come_to_an_end() {
        let deep = "the command `/run` is a script whose interpreter is a script, and so on: Linux follows at most 5 of them";
        let chain = |length: usize| {
            let next = |number: usize| format!("#!/i{number}\n");
            let mut entries = vec![format!("/run*={}", next(1))];
            entries.extend((1..length).map(|number| format!("/i{number}*={}", next(number + 1))));
            entries.push(format!("/i{length}*=\x7fELF"));
            let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
            said(&entries, Interpreters::Elsewhere)
        };
        assert_eq!(chain(1), "");
        assert_eq!(chain(5), "");
        assert_eq!(chain(6), deep);
        assert_eq!(said(&["/run*=#!/run\n"], Interpreters::Here), deep);
    }
}
