//! Failure of a command: what went wrong, what caused it, and what can be done about it.

mod remedy;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Display};

use terrine::hint::Hint;
use terrine::json::in_words;

use super::flag_names::FlagNames;

/// Result of everything that ends a command if it fails.
pub(super) type Result<T, E = Failure> = std::result::Result<T, E>;

/// An error of any type, with the hint that it had.
///
/// The hint is taken where the typed error comes in. An error whose type is no [`Hint`] does not
/// come in: `?` does not compile then, so no hint can be left behind. As a failure is no error
/// itself, it can only get [context](Context) from then on.
#[derive(Debug)]
pub(super) struct Failure {
    error: anyhow::Error,
    hint: Option<String>,
    /// The flags that gave fields of the specification, for messages that name these fields.
    names: FlagNames,
}

impl Failure {
    /// Makes a failure of a message, for what has no remedy.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            error: anyhow::Error::msg(message.into()),
            hint: None,
            names: FlagNames::default(),
        }
    }

    /// Makes a failure of a message with its remedy.
    pub(super) fn hinted(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..Self::new(message)
        }
    }

    /// Names flags where they gave what the failure is about.
    pub(super) fn in_terms_of(self, names: FlagNames) -> Self {
        Self { names, ..self }
    }

    /// Returns what can be done about it, where there is something.
    pub(super) fn hint(&self) -> Option<String> {
        match &self.hint {
            Some(hint) => Some(self.names.hint(hint)),
            None => remedy::of(self.chain()),
        }
    }

    /// Returns what went wrong and what caused it for people, the outermost first.
    pub(super) fn messages(&self) -> Vec<String> {
        let said = self
            .chain()
            .map(|error| self.names.message(&error.to_string()));
        said.collect()
    }

    /// Returns what went wrong and what caused it, the outermost first.
    pub(super) fn chain(&self) -> impl Iterator<Item = &(dyn Error + 'static)> {
        self.error.chain()
    }

    /// Tells whether an error of this type came in.
    pub(super) fn is<E: Error + Send + Sync + 'static>(&self) -> bool {
        self.error.is::<E>()
    }
}

impl<E: Hint + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            hint: error.hint().map(Cow::into_owned),
            error: error.into(),
            names: FlagNames::default(),
        }
    }
}

/// Results that are told with what was tried.
pub(super) trait Context<T> {
    /// Puts what was tried around a failure.
    fn context(self, message: impl Display + Send + Sync + 'static) -> Result<T>;

    /// Puts what was tried around a failure, in words that are only made for one.
    fn with_context<M: Display + Send + Sync + 'static>(
        self,
        message: impl FnOnce() -> M,
    ) -> Result<T>;
}

impl<T, E: Into<Failure>> Context<T> for Result<T, E> {
    fn context(self, message: impl Display + Send + Sync + 'static) -> Result<T> {
        self.with_context(|| message)
    }

    fn with_context<M: Display + Send + Sync + 'static>(
        self,
        message: impl FnOnce() -> M,
    ) -> Result<T> {
        self.map_err(|error| {
            let Failure { error, hint, names } = error.into();
            let error = error.context(message());
            Failure { error, hint, names }
        })
    }
}

/// JSON that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}", in_words(&.0.to_string()))]
pub(super) struct JsonError(pub(super) serde_json::Error);

impl Hint for JsonError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Some(
            "JSON has text in double quotes, no comma after the last value, and no comments".into(),
        )
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}
