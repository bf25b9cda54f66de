//! Faults of the URLs of binary caches.

use std::borrow::Cow;

use terrine_support::hint::Hint;

use super::parameters::KNOWN;

/// Text that is not the URL of a binary cache.
#[derive(Debug, thiserror::Error)]
#[error("`{location}` is not the URL of a binary cache")]
#[non_exhaustive]
pub struct LocationError {
    /// The text, without what may be secret.
    pub location: String,
    /// The fault in it.
    #[source]
    pub fault: LocationFault,
}

/// The fault of a URL.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocationFault {
    /// A path or the name of a host.
    #[error("it has no scheme")]
    NoScheme,
    /// A scheme of something else.
    #[error("the scheme `{0}` is not supported")]
    Scheme(String),
    /// A malformed URL.
    #[error(transparent)]
    Url(url::ParseError),
    /// A fragment, which means nothing.
    #[error("it has a fragment")]
    Fragment,
    /// A `file` URL that names another machine.
    #[error("it does not name a directory of this machine")]
    Directory,
    /// A user name or a password of other bytes than UTF-8.
    #[error("its user name or password is not valid UTF-8")]
    Login,
    /// A parameter that Nix does not know either.
    #[error("the parameter `{0}` is unknown")]
    Parameter(String),
    /// A parameter that is given twice.
    #[error("the parameter `{0}` is repeated")]
    Repeated(String),
    /// A value that its parameter cannot have.
    #[error("the value `{value}` of the parameter `{name}` is not {expected}")]
    Value {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: String,
        /// The values that it can have.
        expected: &'static str,
    },
    /// A bucket's name that cannot be part of the endpoint's host name.
    #[error("the bucket `{0}` cannot be part of a host name")]
    VirtualHost(String),
    /// A region or an endpoint that no URL can be made of.
    #[error("`{0}` is not an endpoint of S3")]
    Endpoint(String),
}

impl Hint for LocationError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        let location = &self.location;
        match &self.fault {
            LocationFault::NoScheme if location.starts_with('/') => {
                Some(format!("write `file://{location}`").into())
            }
            LocationFault::NoScheme if location.starts_with('.') => {
                Some("write `file://` and the absolute path".into())
            }
            LocationFault::NoScheme => Some(
                format!("write `https://{location}`, or `file://` and an absolute path").into(),
            ),
            fault => fault.hint(),
        }
    }
}

impl Hint for LocationFault {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::NoScheme | Self::Scheme(_) | Self::Url(_) => Some(
                "a binary cache is at `https://HOST`, `http://HOST`, `file:///DIRECTORY` or `s3://BUCKET`"
                    .into(),
            ),
            Self::Directory => {
                Some("write `file://` and an absolute path: three slashes in all".into())
            }
            Self::Parameter(_) => {
                Some(format!("the known parameters are {}", KNOWN.join(", ")).into())
            }
            Self::VirtualHost(_) => Some("write `addressing-style=path`".into()),
            Self::Endpoint(_) => Some("write `endpoint=https://HOST` and `region=NAME`".into()),
            Self::Fragment | Self::Login | Self::Repeated(_) | Self::Value { .. } => None,
        }
    }
}
