//! Remedies: an error says what is wrong, and its hint what can be done about it.

use std::borrow::Cow;
use std::error::Error;
use std::io;

/// An error that may know a remedy.
///
/// Every error that a user can meet is one, those without a remedy as well: so the command has to
/// look at no list of types, and none can be forgotten. One that wraps another passes its hint on.
///
/// ```
/// use std::borrow::Cow;
///
/// use terrine_support::hint::Hint;
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("`{0}` is not a colour")]
/// struct NotAColour(String);
///
/// impl Hint for NotAColour {
///     fn hint(&self) -> Option<Cow<'_, str>> {
///         Some("the colours are red and blue".into())
///     }
/// }
/// ```
pub trait Hint: Error {
    /// Returns the remedy in words for the user, where there is one.
    fn hint(&self) -> Option<Cow<'_, str>> {
        None
    }
}

impl Hint for io::Error {}
