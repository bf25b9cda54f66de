//! Values of arguments, and what is said of wrong ones.

use std::path::PathBuf;
use std::str::FromStr;

use terrine::hint::Hint;
use terrine::oci::Reference;

/// Reads a value.
pub(super) fn read<T: FromStr<Err: Hint>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error| explain(&error))
}

/// Reads the path of a file that is written, and refuses the reference of an image: `--to` takes those.
pub(super) fn output(text: &str) -> Result<PathBuf, String> {
    match text.parse() {
        Ok(Reference::Path(_) | Reference::Stdio) | Err(_) => Ok(text.into()),
        Ok(_) => Err(format!(
            "it is the reference of an image, not a file\n  `--to {text}` writes to it, in commands that have `--to`"
        )),
    }
}

/// Says what is wrong with a value, with the remedy on a line of its own: the parser of arguments
/// shows text, and knows no hints.
pub(super) fn explain(error: &impl Hint) -> String {
    match error.hint() {
        Some(hint) => format!("{error}\n  {hint}"),
        None => error.to_string(),
    }
}
