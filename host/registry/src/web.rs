//! Resources of servers of the user's choice that are no registries, such as binary caches.

use std::fmt;
use std::io::{self, Read};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ureq::http::{HeaderValue, Method, StatusCode, Uri, header};

use super::answer::Answer;
use super::client::{Client, ClientOptions};
use super::credentials::LoginSource;
use super::elsewhere::Reach;
use super::error::{Cause, Error, Failure};
use super::location;
use super::pace::Pace;
use super::redirect::Hop;
use super::resume::{Place, Resuming};
use super::retry::Retry;
use super::transport::Request;

/// The codes of S3 that an answer 403 has if the object may well exist (Amazon S3 API reference,
/// "Error responses"). Without one of these, 403 is the answer for a missing object to clients that
/// may not list the bucket.
const REFUSALS: [&str; 5] = [
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
];

/// A client of servers that are no registries. Its methods block, and may be called by several
/// threads at once; clones share connections.
///
/// Redirections are followed, but not from HTTPS to HTTP. Another origin, that is another scheme, host or
/// port, gets neither the `Authorization` nor a client certificate.
#[derive(Debug, Clone)]
pub struct Web {
    client: Client,
}

/// The proofs of identity that a server gets.
#[derive(Clone, Default)]
pub struct Access {
    authorization: Option<HeaderValue>,
    is_foreign: bool,
}

/// A resource that was read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The body, in its encoding.
    pub bytes: Vec<u8>,
    /// The `Content-Encoding`, if there is one.
    pub encoding: Option<String>,
}

impl Access {
    /// Returns access by user name and password (RFC 7617), of which either may be empty.
    pub fn basic(user: &str, password: &str) -> Self {
        let pair = STANDARD.encode(format!("{user}:{password}"));
        let mut value = HeaderValue::from_str(&format!("Basic {pair}")).ok();
        if let Some(value) = &mut value {
            value.set_sensitive(true);
        }
        Self {
            authorization: value,
            is_foreign: false,
        }
    }

    /// Returns access to a server that somebody else named. It is not shown a client certificate.
    pub fn foreign() -> Self {
        Self {
            authorization: None,
            is_foreign: true,
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("is_authorized", &self.authorization.is_some())
            .field("is_foreign", &self.is_foreign)
            .finish()
    }
}

impl Web {
    /// Returns a client that has not connected to anything yet. The credentials of registries and
    /// `plain_http` are not used: a URL says whether there is TLS.
    pub fn new(options: ClientOptions) -> Self {
        Client::new(options).web()
    }

    /// Reads a resource of at most `limit` bytes, in the time of a short answer; none if the
    /// server does not have it. The statuses 403, 404 and 410 mean that, 403 because S3 gives it
    /// to clients that may not list a bucket.
    ///
    /// # Errors
    ///
    /// Text that is no HTTP or HTTPS URL, a server that fails or requires other credentials, and
    /// a longer body.
    pub fn get(&self, url: &str, access: &Access, limit: u64) -> Result<Option<Resource>, Error> {
        let place = self.place(url, access)?;
        let attempt = |_: &mut u32| {
            let answer = place.ask(&|uri| Request::new(Method::GET, uri))?;
            if !answer.is_whole() {
                return Err(answer.failure());
            }
            let encoding = answer.header(header::CONTENT_ENCODING).map(str::to_owned);
            let bytes = answer.bytes(limit)?;
            Ok(Resource { bytes, encoding })
        };
        found(
            place
                .retry()
                .run(attempt)
                .map_err(|cause| place.failed(cause)),
        )
    }

    /// Starts to read a resource; none if the server does not have it, as with [`Self::get`]. A
    /// connection that breaks is continued by another if the size is given or the server says by
    /// an entity tag that the resource is still the same.
    ///
    /// # Errors
    ///
    /// As with [`Self::get`], and a resource of another size in bytes. While it is read, the inner
    /// error of what the reader returns is an [`Error`] too.
    pub fn open(
        &self,
        url: &str,
        access: &Access,
        size: Option<u64>,
    ) -> Result<Option<WebReader>, Error> {
        let place = self.place(url, access)?;
        let retry = place.retry();
        let reader = Resuming::start(place, size, Pace::Rate, retry);
        found(reader.map(|inner| WebReader { inner }))
    }

    fn place(&self, url: &str, access: &Access) -> Result<WebPlace, Error> {
        let uri = location::absolute(url).ok_or_else(|| {
            let shown = location::shown(url);
            Error::web(format!("fetching `{shown}`"), Cause::Url(shown))
        })?;
        Ok(WebPlace {
            client: self.client.clone(),
            uri,
            access: access.clone(),
        })
    }
}

impl Client {
    /// Returns a client of other servers, with the same options.
    pub fn web(&self) -> Web {
        Web {
            client: self.clone(),
        }
    }
}

/// Turns an answer that says that a resource is missing into none.
fn found<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_missing(error.cause()) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_missing(cause: &Cause) -> bool {
    let Cause::Status { status, says, .. } = cause else {
        return false;
    };
    match *status {
        StatusCode::NOT_FOUND | StatusCode::GONE => true,
        StatusCode::FORBIDDEN => {
            let says = says.as_deref().unwrap_or_default();
            !REFUSALS.iter().any(|code| says.contains(code))
        }
        _ => false,
    }
}

/// A resource at its URL.
struct WebPlace {
    client: Client,
    uri: Uri,
    access: Access,
}

impl WebPlace {
    fn send(&self, request: &Request<'_>) -> Result<Answer, Failure> {
        let inner = &self.client.inner;
        // No restriction: the server of the URL may lead anywhere, as registries may.
        let others = inner.elsewhere.of(Reach::Internal);
        let mut is_own = !self.access.is_foreign;
        inner.web.follow(request, &mut |hop: &mut Hop<'_>| {
            is_own &= location::is_same_origin(&self.uri, &hop.uri);
            let Some(authorization) = is_own.then_some(&self.access.authorization) else {
                return others.exchange(hop, None);
            };
            let answer = inner.web.exchange(hop, authorization.as_ref())?;
            match answer.status {
                StatusCode::UNAUTHORIZED => Err(unauthorized(answer, authorization.is_some())),
                _ => Ok(answer),
            }
        })
    }
}

fn unauthorized(mut answer: Answer, was_sent: bool) -> Failure {
    let says = answer.message();
    Cause::Unauthorized {
        host: location::host(&answer.uri),
        elsewhere: None,
        login: was_sent.then_some(LoginSource::Given),
        says,
    }
    .into()
}

impl Place for WebPlace {
    fn ask(&self, request: &dyn Fn(Uri) -> Request<'static>) -> Result<Answer, Failure> {
        self.send(&request(self.uri.clone()))
    }

    fn failed(&self, cause: Cause) -> Error {
        let url = location::without_query(&self.uri);
        Error::web(format!("fetching `{url}`"), cause)
    }

    fn retry(&self) -> Retry {
        *self.client.retry()
    }

    fn may_change(&self) -> bool {
        true
    }
}

/// The body of a resource, which continues by another connection if one breaks.
pub struct WebReader {
    inner: Resuming<WebPlace>,
}

impl WebReader {
    /// Returns the size of the body in bytes, if it is known by now.
    pub fn size(&self) -> Option<u64> {
        self.inner.size()
    }

    /// Returns the `Content-Encoding` of the body, if it has one.
    pub fn encoding(&self) -> Option<&str> {
        self.inner.encoding()
    }
}

impl Read for WebReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer)
    }
}

impl fmt::Debug for WebReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = location::without_query(&self.inner.place.uri);
        write!(f, "WebReader({url}, at {})", self.inner.position())
    }
}
