//! Parsers for the targets of `tests/fuzz`, which no other crate needs. They are here without a feature, which would
//! compile this crate and all that use it twice.

use std::path::Path;
use std::time::Duration;

use ureq::http::{HeaderMap, HeaderValue, Uri, header};

use super::challenge::Challenge;
use super::credentials::{CredentialsError, Secret};
use super::error::Cause;
use super::secrets::Secrets;
use super::{answer, auth_file, location, retry};

/// A `WWW-Authenticate` that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answerable {
    /// By user and password.
    Basic,
    /// By a token from this URL.
    Bearer(String),
}

/// Reads the values of `WWW-Authenticate` in an answer of `asked`; none if there are none.
///
/// # Errors
///
/// Whatever is refused.
pub fn challenge(
    asked: &str,
    values: &[&[u8]],
    is_open: bool,
) -> Result<Option<Answerable>, Box<Cause>> {
    let mut headers = HeaderMap::new();
    for value in values {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(header::WWW_AUTHENTICATE, value);
        }
    }
    let asked = asked.parse().unwrap_or_default();
    let challenge = Challenge::of(&asked, &headers, is_open)?;
    Ok(challenge.map(|challenge| match challenge {
        Challenge::Basic => Answerable::Basic,
        Challenge::Bearer { realm, .. } => Answerable::Bearer(realm.to_string()),
    }))
}

/// Resolves a `Location` in an answer of `base`, adds a parameter, and tells whether that is the same origin.
pub fn resolve(base: &str, text: &str, parameter: &str) -> Option<(String, String, bool)> {
    let base: Uri = base.parse().ok()?;
    let to = location::resolve(&base, text)?;
    let with = location::with_parameter(&to, "digest", parameter).map(|uri| uri.to_string());
    Some((
        to.to_string(),
        with.unwrap_or_default(),
        location::is_same_origin(&base, &to),
    ))
}

/// Reads a `Retry-After`.
pub fn retry_after(text: &str) -> Option<Duration> {
    retry::after(text)
}

/// Reads what a registry says of an error.
pub fn message(body: &[u8], is_text: bool) -> Option<String> {
    answer::message(body, is_text, &Secrets::default())
}

/// Reads the user and the password, or the token, that a file of credentials itself has for a repository. No helper
/// is run.
///
/// # Errors
///
/// A file that cannot be read.
pub fn login(
    file: &Path,
    registry: &str,
    name: &str,
) -> Result<Option<(Option<String>, String)>, CredentialsError> {
    let secret = auth_file::in_file(file, registry, name)?;
    Ok(secret.map(|secret| match secret {
        Secret::Password { user, password } | Secret::Either { user, password, .. } => {
            (Some(user), password)
        }
        Secret::IdentityToken(token) => (None, token),
    }))
}
