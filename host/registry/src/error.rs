//! Failures of requests to a registry.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use terrine_oci::{Digest, DocumentError};
use terrine_support::hint::Hint;

use super::credentials::{CredentialsError, LoginSource};
use super::tls::CertificatesError;

/// Something that a registry did not do.
#[derive(Debug, thiserror::Error)]
#[error("{operation}")]
pub struct Error {
    /// The operation that failed, and its image.
    operation: String,
    hint: Option<String>,
    #[source]
    cause: Box<Cause>,
}

impl Error {
    pub(super) fn new(operation: String, registry: &str, cause: Cause) -> Self {
        Self {
            operation,
            hint: cause.remedy(registry),
            cause: Box::new(cause),
        }
    }

    /// A failure to fetch a blob that a manifest lists.
    pub(super) fn of_blob(operation: String, registry: &str, cause: Cause) -> Self {
        let is_lost = cause.is_not_found();
        let mut error = Self::new(operation, registry, cause);
        if is_lost {
            let remedy = "the image's manifest lists it, but the registry does not have it: push the image again";
            error.hint = Some(remedy.to_owned());
        }
        error
    }

    /// A failure of a server that is no registry, so that no login helps.
    pub(super) fn elsewhere(operation: String, cause: Cause) -> Self {
        let hint = match &cause {
            Cause::Status { .. } | Cause::Unauthorized { .. } => None,
            Cause::Certificate { host, .. } => cause.remedy(&host.clone()),
            cause => cause.remedy(""),
        };
        Self {
            operation,
            hint,
            cause: Box::new(cause),
        }
    }

    /// A failure of a server of the user's choice that is no registry.
    pub(super) fn web(operation: String, cause: Cause) -> Self {
        let hint = cause.web_remedy();
        Self {
            operation,
            hint,
            cause: Box::new(cause),
        }
    }

    /// Returns the cause of the failure.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Reports whether the registry says that the object does not exist.
    pub fn is_not_found(&self) -> bool {
        self.cause.is_not_found()
    }

    /// Reports whether the registry rejects an object because of its content or kind.
    pub fn is_refusal(&self) -> bool {
        let status = match &*self.cause {
            Cause::Status { status, .. } => status.as_u16(),
            _ => return false,
        };
        matches!(status, 400 | 404 | 405 | 415 | 422)
    }
}

impl Hint for Error {
    fn hint(&self) -> Option<Cow<'_, str>> {
        self.hint.as_deref().map(Cow::from)
    }
}

/// The reason why a request to a registry failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The name of the registry or of the image cannot be part of a URL.
    #[error("`{0}` cannot be part of a URL")]
    Name(String),
    /// A text of a descriptor that leads nowhere.
    #[error("`{0}` is not an HTTP or HTTPS URL")]
    Url(String),
    /// A URL of a descriptor with a user or a password.
    #[error("the URL `{0}` contains credentials, which the URL of an image must not contain")]
    UrlLogin(String),
    /// A URL of a descriptor, or where that leads, inside a network that the image is not from.
    #[error("`{0}` is an address of an internal network, but the image is not from one")]
    Internal(String),
    /// No connection, or one that broke.
    #[error("the connection to `{host}` failed: {why}")]
    Connection {
        /// The host, with its port.
        host: String,
        /// The error of the system.
        why: String,
    },
    /// A host that answers a TLS handshake with something else.
    #[error("`{0}` does not speak TLS")]
    NoTls(String),
    /// A certificate that is not trusted.
    #[error("the certificate of `{host}` is refused: {why}")]
    Certificate {
        /// The host, with its port.
        host: String,
        /// The fault of the certificate.
        why: String,
    },
    /// A host that ends the handshake of TLS.
    #[error("`{host}` refuses the TLS connection: {why}")]
    Alert {
        /// The host, with its port.
        host: String,
        /// The meaning of its alert.
        why: String,
    },
    /// A proxy that does not connect us.
    #[error("the connection to `{host}` through the proxy `{proxy}` of `{variable}` failed: {why}")]
    Proxy {
        /// The host, with its port.
        host: String,
        /// The proxy's host, with its port.
        proxy: String,
        /// The variable that names it.
        variable: &'static str,
        /// The error of the system, or of the proxy.
        why: String,
    },
    /// A variable that should name a proxy and does not. What it holds is not shown.
    #[error("`{variable}` is not a valid proxy URL: {why}")]
    ProxyUrl {
        /// The variable.
        variable: &'static str,
        /// The fault in its value.
        why: String,
    },
    /// A certificate of ours that cannot be used.
    #[error(transparent)]
    Identity(CertificatesError),
    /// A host that went silent.
    #[error("`{host}` did not respond for {} s", limit.as_secs_f32())]
    Silent {
        /// The host, with its port.
        host: String,
        /// The time that was waited.
        limit: Duration,
    },
    /// An answer that does not come to its end in time.
    #[error("`{host}` sent {bytes} bytes in {} s without completing its answer", time.as_secs_f32())]
    Slow {
        /// The host, with its port.
        host: String,
        /// The number of bytes that came, without the head.
        bytes: u64,
        /// In which time.
        time: Duration,
    },
    /// A blob that comes or goes too slowly.
    #[error("`{host}` {did} {bytes} bytes in {} s, less than the minimum of {least} bytes per second", time.as_secs_f32())]
    Stalled {
        /// The host, with its port.
        host: String,
        /// The word for its part: it sent or took them.
        did: &'static str,
        /// The number of bytes that there were.
        bytes: u64,
        /// In which time.
        time: Duration,
        /// The least number for one second.
        least: u64,
    },
    /// An answer that is not a success.
    #[error("`{host}` answers {status}{}", said(says))]
    Status {
        /// The host, with its port.
        host: String,
        /// The status and its name.
        status: ureq::http::StatusCode,
        /// The registry's own message, bounded and without control characters.
        says: Option<String>,
    },
    /// As [`Cause::Status`], and the registry wants to be left alone for long.
    #[error("`{host}` answers {status}{} and asks to retry after {} s", said(says), wait.as_secs())]
    Busy {
        /// The host, with its port.
        host: String,
        /// The status and its name.
        status: ureq::http::StatusCode,
        /// The registry's own message.
        says: Option<String>,
        /// The wait in its `Retry-After`.
        wait: Duration,
    },
    /// A service of tokens that does not give one.
    #[error("its token service `{host}` answers {status}{}", said(says))]
    Service {
        /// The service, with its port.
        host: String,
        /// The status and its name.
        status: ureq::http::StatusCode,
        /// The service's own message.
        says: Option<String>,
    },
    /// A login that is missing or not taken.
    #[error("{}{}", refused(host, login), said(says))]
    Unauthorized {
        /// The host that refuses: the registry, or the service that gives its tokens.
        host: String,
        /// The registry that the login is for, if it is another one than the image's name says.
        elsewhere: Option<String>,
        /// The source of the login.
        login: Option<LoginSource>,
        /// The registry's own message.
        says: Option<String>,
    },
    /// A token that is refused, by a registry that took one before.
    #[error("`{host}` no longer accepts tokens of `{service}`{}", said(says))]
    Token {
        /// The registry, with its port.
        host: String,
        /// The service that gave it.
        service: String,
        /// The registry's own message.
        says: Option<String>,
    },
    /// A way to authenticate that is not supported.
    #[error(
        "`{host}` requires authentication by {wanted}; only `Basic` and `Bearer` are supported"
    )]
    Challenge {
        /// The host, with its port.
        host: String,
        /// The authentication that it asks for.
        wanted: String,
    },
    /// An encrypted connection that is to be continued on a plain one.
    #[error("`{host}` redirects an encrypted connection to the unencrypted `{to}`")]
    Downgrade {
        /// The host, with its port.
        host: String,
        /// The URL that it leads to, without the query.
        to: String,
    },
    /// A token service on another machine that is to be sent a login in the open.
    #[error(
        "`{host}` asks for credentials to be sent to `{to}` without encryption; `--plain-http` allows it"
    )]
    Open {
        /// The host, with its port.
        host: String,
        /// The URL that logins would be sent to, without the query.
        to: String,
    },
    /// A registry that another one leads to, and that would need a login that it does not get.
    #[error(
        "`{host}` requires credentials, but where another registry leads there, they are sent only {only}{}",
        said(says)
    )]
    Withheld {
        /// The registry that requires them, with its port.
        host: String,
        /// The way in which they would be sent.
        only: &'static str,
        /// The registry's own message.
        says: Option<String>,
    },
    /// Redirections without an end.
    #[error("`{host}` redirects more than {limit} times")]
    Redirects {
        /// The host that was asked first.
        host: String,
        /// The number of redirections that are followed.
        limit: usize,
    },
    /// An answer that breaks the protocol.
    #[error("the answer of `{host}` cannot be used: {why}")]
    Answer {
        /// The host, with its port.
        host: String,
        /// The fault of the answer.
        why: String,
    },
    /// Bytes that are not those that were asked for, or sent.
    #[error("it has the digest {actual}, not {expected}")]
    Digest {
        /// The digest in the reference, or in the document that refers to the bytes.
        expected: Digest,
        /// The digest of the bytes, or the one that the registry reports.
        actual: Digest,
    },
    /// A size that is not what a descriptor says.
    #[error("it has {actual} bytes, not {expected}")]
    Size {
        /// The size in the descriptor.
        expected: u64,
        /// The number of bytes, or a lower bound of it.
        actual: u64,
    },
    /// A manifest or an index that cannot be used.
    #[error(transparent)]
    Document(DocumentError),
    /// Credentials that cannot be read.
    #[error(transparent)]
    Credentials(CredentialsError),
    /// The bytes to send cannot be read.
    #[error("reading the data to send")]
    Source(#[source] io::Error),
}

impl Cause {
    /// Reports whether the registry says that the object does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { status, .. } if *status == ureq::http::StatusCode::NOT_FOUND)
    }

    /// Returns the remedy for a server that is no registry.
    fn web_remedy(&self) -> Option<String> {
        match self {
            // The caller knows where credentials are.
            Self::Status { .. } | Self::Unauthorized { .. } => None,
            Self::NoTls(_) => {
                Some("if the server is meant to use plain HTTP, write `http://`".to_owned())
            }
            Self::Certificate { why, .. } if why.contains("another name") => {
                Some("write one of the certificate's names for the server".to_owned())
            }
            Self::Certificate { host, .. } | Self::Alert { host, .. } => self.remedy(host),
            _ => self.remedy(""),
        }
    }

    /// Returns the remedy; what can be done about a missing login names the registry.
    fn remedy(&self, registry: &str) -> Option<String> {
        let login_to = |name: &str| {
            format!("log in with `terrine login {name}`, or with `docker login` or `podman login`")
        };
        let login = || login_to(registry);
        match self {
            Self::Unauthorized {
                login: Some(LoginSource::Given),
                ..
            } => Some("check the user name and the password; many registries require a token instead of the password".to_owned()),
            Self::Unauthorized {
                login: Some(LoginSource::Variable(name)),
                elsewhere,
                ..
            } => Some(format!(
                "correct the credentials in `{name}`, or unset it and log in with `terrine login {}`",
                elsewhere.as_deref().unwrap_or(registry)
            )),
            Self::Unauthorized { elsewhere, .. } => {
                Some(login_to(elsewhere.as_deref().unwrap_or(registry)))
            }
            Self::Withheld { host, .. } => Some(format!(
                "name `{host}` in the reference, in place of the registry that leads there"
            )),
            Self::Token { .. } => Some(format!(
                "try again; if that does not help, {}; a wrong clock also makes tokens expire early",
                login()
            )),
            Self::Status { status, .. } if status.as_u16() == 403 => {
                Some(format!("{}, as a user who has the permission", login()))
            }
            Self::Status { .. } if self.is_not_found() => Some(
                "check the name of the repository and the tag; registries give the same answer where access is denied"
                    .to_owned(),
            ),
            Self::Silent { .. } | Self::Slow { .. } => {
                Some("allow more time with `--timeout` if it is only slow".to_owned())
            }
            Self::NoTls(_) => Some("if the registry is meant to use plain HTTP, give `--plain-http`".to_owned()),
            Self::Status { says, .. } if says.as_ref().is_some_and(|says| says.contains("HTTPS")) => {
                Some("it uses TLS: leave out `--plain-http`".to_owned())
            }
            Self::Certificate { why, .. } if why.contains("subjectAltName") => Some(
                "make a certificate with names, such as by `openssl req -x509 -addext subjectAltName=DNS:HOST`".to_owned(),
            ),
            Self::Certificate { why, .. } if why.contains("expired") => {
                Some("renew the certificate; if it is still valid, check the clock of this machine".to_owned())
            }
            Self::Certificate { why, .. } if why.contains("not valid yet") => {
                Some("check the clock of this machine".to_owned())
            }
            Self::Certificate { why, .. } if why.contains("another name") => Some(
                "write one of the certificate's names for the registry".to_owned(),
            ),
            Self::Certificate { .. } => Some(format!(
                "to trust it, put it or the certificate of its authority into `~/.config/containers/certs.d/{registry}/ca.crt`, or name its folder with `--cert-dir`"
            )),
            Self::Alert { why, .. } if why.contains("P-521") => Some(format!(
                "give the registry a certificate with a key of RSA, ECDSA P-256 or P-384, or Ed25519; if it requires a client certificate, put NAME.cert and NAME.key into `~/.config/containers/certs.d/{registry}`"
            )),
            Self::Alert { why, .. } if why.contains("client certificate") => Some(format!(
                "put NAME.cert and NAME.key into `~/.config/containers/certs.d/{registry}`, or name their folder with `--cert-dir`"
            )),
            Self::Proxy { variable, .. } => Some(format!(
                "correct `{variable}`, which may have `USER:PASSWORD@` before its host, or add the registry to `NO_PROXY`"
            )),
            Self::ProxyUrl { .. } => Some(
                "write `http://HOST:PORT` or `http://USER:PASSWORD@HOST:PORT`, with a percent sign and two digits for each special character of the password"
                    .to_owned(),
            ),
            Self::Identity(error) => error.hint().map(Cow::into_owned),
            Self::Document(error) => error.hint().map(Cow::into_owned),
            Self::Credentials(error) => error.hint().map(Cow::into_owned),
            _ => None,
        }
    }
}

fn said(says: &Option<String>) -> String {
    says.as_ref()
        .map(|says| format!(": {says}"))
        .unwrap_or_default()
}

fn refused(host: &str, login: &Option<LoginSource>) -> String {
    match login {
        Some(LoginSource::File(file)) => {
            format!("`{host}` rejects the credentials in `{}`", file.display())
        }
        Some(LoginSource::Variable(name)) => {
            format!("`{host}` rejects the credentials in `{name}`")
        }
        Some(LoginSource::Given) => format!("`{host}` rejects this user name and password"),
        None => format!("`{host}` requires credentials"),
    }
}

/// A failed attempt.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) cause: Cause,
    pub(super) again: Again,
}

/// The decision whether to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// It would fail in the same way.
    No,
    /// After a while.
    Soon,
    /// Not before that has passed.
    After(Duration),
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self {
            cause,
            again: Again::No,
        }
    }
}

impl From<CertificatesError> for Failure {
    fn from(error: CertificatesError) -> Self {
        Cause::Identity(error).into()
    }
}

impl From<CredentialsError> for Failure {
    fn from(error: CredentialsError) -> Self {
        Cause::Credentials(error).into()
    }
}

impl Failure {
    /// One that may pass by itself.
    pub(super) fn passing(cause: Cause) -> Self {
        Self {
            cause,
            again: Again::Soon,
        }
    }
}
