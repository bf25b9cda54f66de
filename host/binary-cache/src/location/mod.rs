//! The URL of a binary cache.
//!
//! The forms and the parameters of the query are those of Nix (Nix manual, "Types of Nix stores"). Most parameters
//! concern writing, and mean nothing here.

mod error;
mod parameters;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use terrine_registry::{is_url_scheme, shown_url};
use url::Url;

pub use error::{LocationError, LocationFault};

use crate::s3::S3Bucket;
pub(crate) use parameters::Parameters;

/// The place of a binary cache. Neither its text nor its debug form shows the user and password of
/// its URL, or the query.
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    pub(crate) kind: Kind,
    /// As it is shown.
    shown: String,
    priority: Option<i64>,
    is_trusted: bool,
}

/// The kind of a place, with what it needs.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A server.
    Web {
        /// Its URL with a slash at the end, without credentials and query.
        base: Url,
        /// The user and the password of the URL.
        login: Option<(String, String)>,
    },
    /// A directory of this machine.
    Files(PathBuf),
    /// A bucket.
    S3(Box<S3Bucket>),
}

impl Location {
    /// Parses `https://HOST/…`, `http://HOST/…`, `file:///DIRECTORY` or `s3://BUCKET`, each with
    /// parameters that Nix knows.
    ///
    /// # Errors
    ///
    /// A plain path, another scheme, an unknown parameter, or a malformed value.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        let failed = |fault| LocationError {
            location: shown(text),
            fault,
        };
        let text = text.trim();
        let scheme = scheme(text).ok_or_else(|| failed(LocationFault::NoScheme))?;
        let scheme = scheme.to_ascii_lowercase();
        if !["https", "http", "file", "s3"].contains(&&*scheme) {
            return Err(failed(LocationFault::Scheme(scheme)));
        }
        let url = Url::parse(text).map_err(|error| failed(LocationFault::Url(error)))?;
        if url.fragment().is_some() {
            return Err(failed(LocationFault::Fragment));
        }
        let parameters = Parameters::of(&url).map_err(failed)?;
        let kind = match &*scheme {
            "file" => directory(&url).map(Kind::Files),
            "s3" => S3Bucket::new(&url, &parameters).map(|bucket| Kind::S3(Box::new(bucket))),
            _ => web(url),
        };
        let kind = kind.map_err(failed)?;
        Ok(Self {
            shown: kind.to_string(),
            kind,
            priority: parameters.priority,
            is_trusted: parameters.is_trusted,
        })
    }

    /// Returns the `priority` of the URL: caches with lower numbers are asked first.
    pub fn priority(&self) -> Option<i64> {
        self.priority
    }

    /// Returns whether the URL has `trusted=true`: then signatures are not checked.
    pub fn is_trusted(&self) -> bool {
        self.is_trusted
    }
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        Self::parse(text)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({})", self.shown)
    }
}

/// Without what is secret.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Web { base, .. } => f.write_str(base.as_str().trim_end_matches('/')),
            Self::Files(directory) => write!(f, "file://{}", directory.display()),
            Self::S3(bucket) => write!(f, "{bucket}"),
        }
    }
}

/// Returns the scheme of a URL; none if the text has none.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once("://")?;
    is_url_scheme(scheme).then_some(scheme)
}

/// Returns text that should be a URL without what may be secret.
fn shown(text: &str) -> String {
    if text.contains('@') && scheme(text.trim()).is_none() {
        // Where credentials begin and end is not known.
        return "…".to_owned();
    }
    shown_url(text)
}

/// Returns the directory of a `file` URL.
fn directory(url: &Url) -> Result<PathBuf, LocationFault> {
    url.to_file_path().map_err(|()| LocationFault::Directory)
}

/// Splits the URL of a server.
fn web(mut base: Url) -> Result<Kind, LocationFault> {
    let has_login = !base.username().is_empty() || base.password().is_some();
    let login = has_login
        .then(|| {
            Some((
                decode(base.username())?,
                decode(base.password().unwrap_or(""))?,
            ))
        })
        .map(|login| login.ok_or(LocationFault::Login))
        .transpose()?;
    base.set_query(None);
    // These cannot fail: the URL has a host.
    let _ = base.set_username("");
    let _ = base.set_password(None);
    let path = format!("{}/", base.path().trim_end_matches('/'));
    base.set_path(&path);
    Ok(Kind::Web { base, login })
}

/// Decodes a part of a URL; none if it is not UTF-8.
fn decode(text: &str) -> Option<String> {
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    Some(decoded.into_owned())
}
