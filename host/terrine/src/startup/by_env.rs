//! Scripts that leave it to `env` to find the program that runs them.

use terrine_support::remark::Remark;

use super::command::{Found, find};
use super::config::Config;
use super::{Files, Interpreters, program};

/// The number of bytes of a script's first line that are read: as many as Linux reads.
const LINE: usize = 256;

/// Looks for the program that a script is run by, where its first line leaves that to `env`.
pub(super) fn check(
    config: &Config,
    files: &dyn Files,
    path: &[u8],
    role: &str,
    interpreters: Interpreters,
) -> Option<Remark> {
    let head = files.open(path)?.read_at(0, LINE).ok()?;
    let word = wanted(std::str::from_utf8(&head).ok()?)?;
    let shown = word.escape_debug();
    let dirs = match find(config, files, word) {
        Found::NotInPath(dirs) => dirs,
        Found::Program(path) => {
            let role = format!("`{shown}`, which runs {role},");
            return program::check(config, files, &path, &role, interpreters);
        }
        _ => return None,
    };
    let message =
        format!("{role} is run by `{shown}`, which is in no directory of PATH (`{dirs}`)");
    Some(Remark::warning(message).hint("add it to the image by `contents`, or set `PATH` in `Env`"))
}

/// Returns the name that `env` looks for, given the start of a script; none where it does something else.
fn wanted(script: &str) -> Option<&str> {
    const BLANKS: [char; 2] = [' ', '\t'];
    let line = script.strip_prefix("#!")?.split('\n').next()?;
    let (env, word) = line.trim_start_matches(BLANKS).split_once(BLANKS)?;
    if !env.ends_with("/env") {
        return None;
    }
    // The kernel passes all that follows as one word, which `-S` splits again.
    let word = word.trim_matches(BLANKS);
    let word = match word.strip_prefix("-S") {
        Some(words) => first_of(words.strip_prefix(BLANKS).unwrap_or(words))?,
        None => word,
    };
    let is_name = !word.is_empty() && !word.starts_with('-') && !word.contains('=');
    is_name.then_some(word)
}

/// Returns the program of a line that `env -S` splits, behind variables that are no `PATH`; none where it takes more to
/// tell.
fn first_of(line: &str) -> Option<&str> {
    if line.contains(['"', '\'', '\\', '$', '#']) {
        return None;
    }
    let mut words = line.split_ascii_whitespace();
    words
        .by_ref()
        .take_while(|word| !word.starts_with("PATH="))
        .find(|word| !word.contains('='))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Tree;
    use super::*;

    #[test]
    fn what_env_looks_for_is_read_from_the_first_line() {
        for (script, expected) in [
            ("#!/usr/bin/env bash\nexit\n", Some("bash")),
            ("#! /usr/bin/env \t bash \nx", Some("bash")),
            ("#!/usr/bin/env bash", Some("bash")),
            ("#!/usr/bin/env bash\r\n", Some("bash\r")),
            // All of it is one word.
            ("#!/usr/bin/env bash -x\n", Some("bash -x")),
            ("#!/usr/bin/env -S bash -x\n", Some("bash")),
            ("#!/usr/bin/env -Sbash -x\n", Some("bash")),
            ("#!/usr/bin/env -S A=b C=d bash\n", Some("bash")),
            ("#!/usr/bin/env -S PATH=/opt bash\n", None),
            ("#!/usr/bin/env -S -i bash\n", None),
            ("#!/usr/bin/env -S \"my bash\"\n", None),
            ("#!/usr/bin/env -S\n", None),
            ("#!/usr/bin/env -i bash\n", None),
            ("#!/usr/bin/env A=b bash\n", None),
            ("#!/usr/bin/env\n", None),
            ("#!/usr/bin/env \nbash", None),
            ("#!/bin/bash env\n", None),
            ("#!\n", None),
            ("echo", None),
        ] {
            assert_eq!(wanted(script), expected, "{script}");
        }
    }

    #[test]
    fn what_env_looks_for_has_to_be_there() {
        let config = Config {
            env: vec!["PATH=/bin".to_owned()],
            ..Config::default()
        };
        for (line, missing) in [
            ("#!/usr/bin/env web\n", None),
            ("#!/usr/bin/env bash\n", Some("bash")),
            ("#!/usr/bin/env web\r\n", Some("web\\r")),
        ] {
            let files = Tree::of(&["/bin/web*=\x7fELF", &format!("/run*={line}")]);
            let remark = check(
                &config,
                &files,
                b"/run",
                "the command `/run`",
                Interpreters::Elsewhere,
            );
            let expected = missing.map(|word| {
                format!(
                    "the command `/run` is run by `{word}`, which is in no directory of PATH (`/bin`)"
                )
            });
            assert_eq!(remark.map(|remark| remark.message), expected, "{line}");
        }
    }
}
