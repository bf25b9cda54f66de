//! Reading blobs, of registries and of other servers.

use std::fmt;
use std::io::{self, Read};

use terrine_oci::{Descriptor, Digest, Repository};
use ureq::http::{Method, StatusCode, Uri};

use super::answer::Answer;
use super::client::Client;
use super::elsewhere::Reach;
use super::error::{Cause, Error, Failure};
use super::location;
use super::pace::Pace;
use super::resume::{self, Resuming};
use super::retry::Retry;
use super::success::Presence;
use super::transport::Request;

impl Client {
    /// Returns the size of a blob; none if the registry does not have it, or does not report its
    /// size.
    ///
    /// # Errors
    ///
    /// A registry that does not answer this.
    pub fn blob_size(&self, repository: &Repository, digest: Digest) -> Result<Option<u64>, Error> {
        let presence = self.presence(repository, digest)?;
        Ok(match presence {
            Presence::Size(size) => Some(size),
            Presence::Missing | Presence::Unmeasured | Presence::Unknown => None,
        })
    }

    /// Checks whether a registry has a blob.
    pub(super) fn presence(
        &self,
        repository: &Repository,
        digest: Digest,
    ) -> Result<Presence, Error> {
        self.head_blob(repository, digest, || {
            format!("checking for {digest} in `{}`", repository.full_name())
        })
    }

    /// Checks that a registry answers and accepts our requests.
    ///
    /// # Errors
    ///
    /// A registry that does not.
    pub fn reach(&self, repository: &Repository) -> Result<(), Error> {
        // Whether there is anything is all one: an answer is what counts.
        self.head_blob(repository, Digest::of(b""), || {
            format!("connecting to `{}`", repository.full_name())
        })
        .map(drop)
    }

    fn head_blob(
        &self,
        repository: &Repository,
        digest: Digest,
        operation: impl Fn() -> String,
    ) -> Result<Presence, Error> {
        self.run(repository, operation, |_| {
            let uri = self.url(repository, &format!("blobs/{digest}"))?;
            let request = Request::new(Method::HEAD, uri);
            let answer = self.send(repository, &request, &[self.scope(repository, false)])?;
            match answer.status {
                StatusCode::NOT_FOUND => Ok(Presence::Missing),
                status if status.is_success() => Ok(match answer.length() {
                    // An answer that has no body need not say how long it would be.
                    Some(0) if digest != Digest::of(b"") => Presence::Unmeasured,
                    Some(size) => Presence::Size(size),
                    None => Presence::Unmeasured,
                }),
                _ if !answer.knows_method() => Ok(Presence::Unknown),
                _ => Err(answer.failure()),
            }
        })
    }

    /// Starts to read a blob. What comes is not verified, but for its size: see
    /// a verifying reader. A connection that breaks is continued by
    /// another.
    ///
    /// # Errors
    ///
    /// A blob that is not there, or is not of that size. While it is read, the inner error of
    /// what the reader returns is an [`Error`] too.
    pub fn blob(&self, repository: &Repository, blob: &Descriptor) -> Result<BlobReader, Error> {
        self.read(Place::Repository(repository.clone()), blob)
    }

    fn read(&self, place: Place, blob: &Descriptor) -> Result<BlobReader, Error> {
        self.read_with(*self.retry(), place, blob)
    }

    /// Starts to read a blob, with so many attempts for the first byte.
    pub(super) fn read_with(
        &self,
        retry: Retry,
        place: Place,
        blob: &Descriptor,
    ) -> Result<BlobReader, Error> {
        let pace = if blob.media_type.is_config() {
            Pace::Whole
        } else {
            Pace::Rate
        };
        let place = BlobPlace {
            client: self.clone(),
            place,
            digest: blob.digest,
        };
        Resuming::start(place, Some(blob.size), pace, retry).map(|inner| BlobReader { inner })
    }
}

/// The place of a blob.
pub(super) enum Place {
    /// A repository of a registry.
    Repository(Repository),
    /// A URL of any server, and which addresses it may lead to.
    Url(Uri, Reach),
}

/// A blob at its place.
struct BlobPlace {
    client: Client,
    place: Place,
    digest: Digest,
}

impl resume::Place for BlobPlace {
    fn ask(&self, request: &dyn Fn(Uri) -> Request<'static>) -> Result<Answer, Failure> {
        match &self.place {
            Place::Repository(repository) => {
                let path = format!("blobs/{}", self.digest);
                let uri = self.client.url(repository, &path)?;
                let scopes = [self.client.scope(repository, false)];
                self.client.send(repository, &request(uri), &scopes)
            }
            Place::Url(uri, reach) => {
                let request = request(uri.clone());
                self.client.send_elsewhere(&request, *reach)
            }
        }
    }

    fn failed(&self, cause: Cause) -> Error {
        let from = match &self.place {
            Place::Repository(repository) => repository.full_name(),
            Place::Url(uri, _) => location::without_query(uri),
        };
        let operation = format!("fetching {} from `{from}`", self.digest);
        match &self.place {
            Place::Repository(repository) => Error::of_blob(operation, &repository.registry, cause),
            Place::Url(..) => Error::elsewhere(operation, cause),
        }
    }

    fn retry(&self) -> Retry {
        *self.client.retry()
    }

    fn may_change(&self) -> bool {
        false
    }
}

/// A blob that is being read: as many bytes as its descriptor says, or an error.
pub struct BlobReader {
    inner: Resuming<BlobPlace>,
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer)
    }
}

impl fmt::Debug for BlobReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (digest, read) = (self.inner.place.digest, self.inner.position());
        let size = self.inner.size().unwrap_or_default();
        write!(f, "BlobReader({digest}, {read} of {size})")
    }
}
