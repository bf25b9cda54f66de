//! Blobs that are not in a registry, but where the `urls` of their descriptors lead.
//!
//! These come from strangers: no server gets a login or a client certificate for them, and those of internal networks
//! are not asked unless the image is from there.

use std::net::IpAddr;

use terrine_oci::{Descriptor, Repository};
use ureq::http::Uri;

use super::answer::Answer;
use super::blob::{BlobReader, Place};
use super::client::Client;
use super::error::{Cause, Error, Failure};
use super::location;
use super::redirect::Hop;
use super::resolver::ReachResolver;
use super::retry::Retry;
use super::transport::{Request, Transport};

/// The number of URLs of a blob that are tried.
const MAX_URLS: usize = 8;

/// The addresses that the URLs of a blob may lead to, directly or by names that resolve to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Public ones.
    Public,
    /// Those, and this machine: for images in files, which are here, too.
    Machine,
    /// All: for images of registries with an internal address.
    Internal,
}

impl Reach {
    /// Returns what an image of a repository may lead to, or one of a file.
    fn of(origin: Option<&Repository>) -> Self {
        match origin {
            None => Self::Machine,
            Some(from) if location::is_internal(&from.registry) => Self::Internal,
            Some(_) => Self::Public,
        }
    }

    fn check(self, uri: &Uri) -> Result<(), Cause> {
        let host = location::host(uri);
        let is_allowed = match self {
            Self::Internal => true,
            Self::Machine if location::is_loopback(&host) => true,
            Self::Machine | Self::Public => !location::is_internal(&host),
        };
        if is_allowed {
            Ok(())
        } else {
            Err(Cause::Internal(location::without_query(uri)))
        }
    }

    /// Tells whether an address that a name leads to may be asked.
    pub(super) fn allows(self, address: IpAddr) -> bool {
        match self {
            Self::Internal => true,
            Self::Machine => address.is_loopback() || !location::is_internal_address(address),
            Self::Public => !location::is_internal_address(address),
        }
    }
}

/// The connections to servers that are no registries. A connection is used again for the same reach only.
#[derive(Debug)]
pub(super) struct Elsewhere {
    public: Transport,
    machine: Transport,
    internal: Transport,
}

impl Elsewhere {
    /// Returns connections that `transport` makes with a resolver.
    pub(super) fn new(transport: impl Fn(ReachResolver) -> Transport) -> Self {
        let reaching = |reach| transport(ReachResolver::new(reach));
        Self {
            public: reaching(Reach::Public),
            machine: reaching(Reach::Machine),
            internal: reaching(Reach::Internal),
        }
    }

    /// Returns those that reach the given addresses.
    pub(super) fn of(&self, reach: Reach) -> &Transport {
        match reach {
            Reach::Public => &self.public,
            Reach::Machine => &self.machine,
            Reach::Internal => &self.internal,
        }
    }
}

impl Client {
    /// Starts to read a blob from the first of the `urls` of its descriptor that has it; none if there are no URLs.
    /// `origin` is the repository of its image, if that is in a registry.
    ///
    /// # Errors
    ///
    /// As [`Client::blob`], of the last URL, and text that is no URL.
    pub fn blob_elsewhere(
        &self,
        blob: &Descriptor,
        origin: Option<&Repository>,
    ) -> Option<Result<BlobReader, Error>> {
        let reach = Reach::of(origin);
        let urls = &blob.urls[..blob.urls.len().min(MAX_URLS)];
        let (last, others) = urls.split_last()?;
        let once = Retry {
            retries: 0,
            ..*self.retry()
        };
        let tried = others
            .iter()
            .map(|url| self.blob_at(url, blob, reach, once));
        let first = tried.into_iter().find_map(Result::ok);
        Some(match first {
            Some(reader) => Ok(reader),
            None => self.blob_at(last, blob, reach, *self.retry()),
        })
    }

    fn blob_at(
        &self,
        url: &str,
        blob: &Descriptor,
        reach: Reach,
        retry: Retry,
    ) -> Result<BlobReader, Error> {
        let uri = location::absolute(url).ok_or_else(|| {
            let operation = format!("fetching {}", blob.digest);
            let shown = location::shown(url);
            let cause = if location::has_login(url) {
                Cause::UrlLogin(shown)
            } else {
                Cause::Url(shown)
            };
            Error::elsewhere(operation, cause)
        })?;
        self.read_with(retry, Place::Url(uri, reach), blob)
    }

    /// Sends a request to a server that is no registry, and on to where that leads.
    pub(super) fn send_elsewhere(
        &self,
        request: &Request<'_>,
        reach: Reach,
    ) -> Result<Answer, Failure> {
        let transport = self.inner.elsewhere.of(reach);
        transport.follow(request, &mut |hop: &mut Hop<'_>| {
            reach.check(&hop.uri)?;
            transport.exchange(hop, None)
        })
    }
}
