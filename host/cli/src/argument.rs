//! Values of arguments, and what is said of wrong ones.

use std::str::FromStr;

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
