//! Values of arguments, and what is said of wrong ones.

use std::str::FromStr;

use clap::error::{ContextKind, ContextValue};
use terrine::hint::Hint;

/// Reads a value.
pub(super) fn read<T: FromStr<Err: Hint>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error| explain(&error))
}

/// Says what is wrong with a value, with the remedy on a line of its own: the parser of arguments
/// shows text, and knows no hints.
pub(super) fn explain(error: &impl Hint) -> String {
    match error.hint() {
        Some(hint) => format!("{error}\n  {hint}"),
        None => error.to_string(),
    }
}

/// An error without the user and the password that are written in a reference: the parser of arguments repeats what
/// it cannot read.
pub(super) fn without_login(mut error: clap::Error) -> clap::Error {
    if let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue) {
        let value = ContextValue::String(hidden(value));
        error.insert(ContextKind::InvalidValue, value);
    }
    error
}

fn hidden(value: &str) -> String {
    match value
        .strip_prefix("docker://")
        .and_then(|rest| rest.rsplit_once('@'))
    {
        Some((_, host)) if !host.starts_with("sha256:") => format!("docker://…@{host}"),
        _ => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_not_repeated() {
        for (text, expected) in [
            ("docker://user:secret@host/x", "docker://…@host/x"),
            (
                "docker://user:se@cret@host:5000/x",
                "docker://…@host:5000/x",
            ),
            ("docker://host/x@sha256:00", "docker://host/x@sha256:00"),
            ("oci:a@b", "oci:a@b"),
        ] {
            assert_eq!(hidden(text), expected);
        }
    }
}
