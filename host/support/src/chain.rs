//! An error and its causes as one line of text.

use std::error::Error;

/// Returns an error's message, followed by those of its causes, with a colon between each and the next.
///
/// ```
/// let error: std::io::Error = "x".parse::<u8>().map_err(std::io::Error::other).unwrap_err();
/// assert_eq!(terrine_support::chain(&error), "invalid digit found in string");
/// ```
pub fn chain(error: &dyn Error) -> String {
    let mut messages = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        messages.push(error.to_string());
        cause = error.source();
    }
    messages.join(": ")
}
