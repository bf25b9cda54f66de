//! Reading blobs, of registries and of other servers.

use std::fmt;
use std::io::{self, Read};

use terrine_oci::{Descriptor, Digest, Repository};
use ureq::http::{Method, StatusCode, Uri, header};

use super::answer::Answer;
use super::body::Body;
use super::client::Client;
use super::elsewhere::Reach;
use super::error::{Again, Cause, Error, Failure};
use super::location;
use super::pace::Pace;
use super::retry::Retry;
use super::success::Presence;
use super::transport::Request;

/// After so many bytes the count of broken connections starts anew: a large blob may survive
/// more of them than a small one, and a byte for each is not progress.
const PROGRESS: u64 = 1 << 20;

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
        let mut reader = BlobReader {
            client: self.clone(),
            place,
            digest: blob.digest,
            size: blob.size,
            pace: if blob.media_type.is_config() {
                Pace::Whole
            } else {
                Pace::Rate
            },
            read: 0,
            body: None,
            failures: 0,
            counted: 0,
        };
        reader.connect(retry)?;
        Ok(reader)
    }
}

/// The place of a blob.
pub(super) enum Place {
    /// A repository of a registry.
    Repository(Repository),
    /// A URL of any server, and which addresses it may lead to.
    Url(Uri, Reach),
}

/// A blob that is being read: as many bytes as its descriptor says, or an error.
pub struct BlobReader {
    client: Client,
    place: Place,
    digest: Digest,
    size: u64,
    /// The speed that it must have.
    pace: Pace,
    read: u64,
    /// None after the last byte.
    body: Option<Body>,
    /// Broken connections since `counted`.
    failures: u32,
    counted: u64,
}

impl BlobReader {
    /// Asks for what is not read yet.
    fn connect(&mut self, retry: Retry) -> Result<(), Error> {
        let body = retry.run(|_| self.request());
        self.body = Some(body.map_err(|cause| self.failed(cause))?);
        Ok(())
    }

    /// Asks the place of the blob for it.
    fn ask(&self) -> Result<Answer, Failure> {
        let request = |uri| {
            let request = Request::new(Method::GET, uri).for_blob(self.size, self.pace);
            match self.read {
                0 => request,
                read => request.with_header(header::RANGE, format!("bytes={read}-")),
            }
        };
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

    fn request(&self) -> Result<Body, Failure> {
        let answer = self.ask()?;
        let start = match answer.status {
            // Some answer any request for a file so.
            StatusCode::PARTIAL_CONTENT => self.range(&answer)?,
            _ if answer.is_whole() => 0,
            _ => return Err(answer.failure()),
        };
        if let Some(length) = answer.length() {
            let actual = length.saturating_add(start);
            if actual != self.size {
                return Err(Cause::Size {
                    expected: self.size,
                    actual,
                }
                .into());
            }
        }
        let mut body = Body::of(answer, self.size, self.pace);
        // A registry that does not know ranges starts from the start.
        let before = self.read - start;
        let skipped = body.skip(before)?;
        if skipped == before {
            Ok(body)
        } else {
            Err(Failure::passing(Cause::Size {
                expected: self.size,
                actual: start + skipped,
            }))
        }
    }

    /// Returns the position where the received part begins: `bytes FIRST-LAST/SIZE`.
    fn range(&self, answer: &Answer) -> Result<u64, Cause> {
        let text = answer.header(header::CONTENT_RANGE).unwrap_or_default();
        let first = text
            .trim()
            .strip_prefix("bytes")
            .and_then(|rest| rest.trim().split('-').next());
        match first.and_then(|first| first.parse::<u64>().ok()) {
            Some(first) if first == self.read => Ok(first),
            _ => Err(answer.broken("it is not the requested range".to_owned())),
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

    fn error(&self, cause: Cause) -> io::Error {
        io::Error::other(self.failed(cause))
    }

    /// Goes on after a connection broke.
    fn resume(&mut self, failure: Failure) -> io::Result<()> {
        self.body = None;
        if self.read - self.counted >= PROGRESS {
            self.failures = 0;
        }
        self.counted = self.read;
        let retry = *self.client.retry();
        if failure.again == Again::No || self.failures >= retry.retries {
            return Err(self.error(failure.cause));
        }
        retry.pause(self.failures, failure.again);
        self.failures += 1;
        self.connect(retry).map_err(io::Error::other)
    }

    /// After the last byte there must be none, and the connection is free again.
    fn finish(&mut self) -> io::Result<()> {
        let more = self.body.take().map(|mut body| body.read(&mut [0]));
        match more {
            Some(Ok(count)) if count > 0 => Err(self.error(Cause::Size {
                expected: self.size,
                actual: self.size + 1,
            })),
            // All that is wanted is here, whatever became of the connection.
            _ => Ok(()),
        }
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = usize::try_from(self.size - self.read).unwrap_or(usize::MAX);
            let room = buffer.len().min(left);
            if left == 0 {
                self.finish()?;
            }
            if room == 0 {
                return Ok(0);
            }
            // None after an error that was returned: it is not to be read on.
            let Some(body) = &mut self.body else {
                return Err(self.error(Cause::Size {
                    expected: self.size,
                    actual: self.read,
                }));
            };
            let failure = match body.read(&mut buffer[..room]) {
                Ok(0) => Failure::passing(Cause::Size {
                    expected: self.size,
                    actual: self.read,
                }),
                Ok(count) => {
                    self.read += count as u64;
                    if self.read == self.size {
                        self.finish()?;
                    }
                    return Ok(count);
                }
                Err(failure) => failure,
            };
            self.resume(failure)?;
        }
    }
}

impl fmt::Debug for BlobReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "BlobReader({}, {} of {})",
            self.digest, self.read, self.size
        )
    }
}
