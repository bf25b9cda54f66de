//! Users, passwords and queries that were written in arguments. No message repeats them, whoever quotes the argument.

use std::ffi::OsString;
use std::sync::OnceLock;

use terrine::oci::{without_login_of, without_logins};

/// The values of the arguments.
static WRITTEN: OnceLock<Vec<String>> = OnceLock::new();

/// Notes the arguments of this program, the first of which is its name.
pub(crate) fn note_arguments(arguments: &[OsString]) {
    let words = arguments.iter().skip(1);
    let words = words.filter_map(|word| Some(value(word.to_str()?).to_owned()));
    // They are noted once.
    let _ = WRITTEN.set(suspects(words));
}

/// Returns a message without them, and without the logins in any URL.
pub(super) fn hidden(message: &str) -> String {
    without(WRITTEN.get().map_or(&[], Vec::as_slice), message)
}

fn without(written: &[String], message: &str) -> String {
    let hide = |message: String, text: &String| without_login_of(text, &message);
    let message = written.iter().fold(message.to_owned(), hide);
    without_logins(&message).into_owned()
}

/// Returns the value in a word of a command line, which may begin with its flag.
fn value(word: &str) -> &str {
    match word.split_once('=') {
        Some((flag, value)) if flag.starts_with("--") => value,
        _ if word.starts_with("--") => word,
        _ => word
            .strip_prefix('-')
            .and_then(|rest| rest.char_indices().nth(1))
            .map_or(word, |(at, _)| &word[1 + at..]),
    }
}

/// Keeps the values that may have a login or a query.
fn suspects(values: impl Iterator<Item = String>) -> Vec<String> {
    values.filter(|text| text.contains(['@', '?'])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arguments_hold_is_hidden_wherever_it_is_quoted() {
        let words = [
            "build",
            "u:s3cret@h/x",
            "--platform=u:s3/cret@h/x",
            "https://u:s3cret@h/x?sig=s3cret",
            "h/x?sig=s3cret",
            "-ou:sécret@h/y",
            "docker://t:x@h",
            "oci:dir:v1@b",
            "https://h?",
            "docker://@h/z",
            "./a@b",
        ];
        let written = suspects(words.into_iter().map(|word| value(word).to_owned()));
        for (message, expected) in [
            ("reading `u:s3cret@h/x`", "reading `…@h/x`"),
            ("`s3cret@h/x` is no path", "`…@h/x` is no path"),
            ("not for `u:s3/cret@h`", "not for `…@h`"),
            ("`/d/https:/u:s3cret@h/x?sig=s3cret`", "`/d/https:/…@h/x?…`"),
            ("`h/x?sig=s3cret`: y", "`h/x?…`: y"),
            ("`u:sécret@h/y`", "`…@h/y`"),
            ("`docker://t:x@h` at a:x@c", "`docker://…@h` at a:x@c"),
            ("`oci:dir:v1@b`: why? a@b", "`oci:dir:v1@b`: why? a@b"),
            ("`./a@b` and build", "`./a@b` and build"),
        ] {
            assert_eq!(without(&written, message), expected);
        }
    }

    #[test]
    fn values_are_found_behind_their_flags() {
        for (word, expected) in [
            ("--to=a=b", "a=b"),
            ("--to", "--to"),
            ("-oé", "é"),
            ("-é", "-é"),
            ("-", "-"),
            ("a=b", "a=b"),
        ] {
            assert_eq!(value(word), expected);
        }
    }
}
