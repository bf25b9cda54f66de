//! Users, passwords and queries that were written in arguments. No message repeats them, whoever quotes the argument.

use std::borrow::Cow;
use std::env;
use std::sync::LazyLock;

use terrine::oci::{without_login, without_login_of, without_logins};

/// The arguments that have them.
static WRITTEN: LazyLock<Vec<String>> = LazyLock::new(|| {
    let words = env::args_os().skip(1);
    written(words.filter_map(|word| word.into_string().ok()))
});

/// Returns a message without them, and without the logins in any URL.
pub(super) fn hidden(message: &str) -> String {
    without(&WRITTEN, message)
}

fn without(written: &[String], message: &str) -> String {
    let hide = |message: String, text: &String| without_login_of(text, &message);
    let message = written.iter().fold(message.to_owned(), hide);
    without_logins(&message).into_owned()
}

/// Returns the values among words of a command line that have a login or a query.
fn written(words: impl Iterator<Item = String>) -> Vec<String> {
    let value = |word: String| match word.split_once('=') {
        Some((flag, value)) if flag.starts_with("--") => value.to_owned(),
        _ => word,
    };
    words
        .map(value)
        .filter(|text| matches!(without_login(text), Cow::Owned(_)))
        .collect()
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
            "./a@b",
        ];
        let written = written(words.into_iter().map(str::to_owned));
        assert_eq!(written.len(), 4, "{written:?}");
        for (message, expected) in [
            ("reading `u:s3cret@h/x`", "reading `…@h/x`"),
            ("not for `u:s3/cret@h`", "not for `…@h`"),
            ("`/d/https:/u:s3cret@h/x?sig=s3cret`", "`/d/https:/…@h/x?…`"),
            ("`h/x?sig=s3cret`: y", "`h/x?…`: y"),
            ("`./a@b` and build", "`./a@b` and build"),
        ] {
            assert_eq!(without(&written, message), expected);
        }
    }
}
