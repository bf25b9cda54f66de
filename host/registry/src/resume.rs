//! Bodies that continue by another connection when one breaks.

use std::io::{self, Read};

use ureq::http::{StatusCode, Uri, header};

use super::answer::Answer;
use super::body::Body;
use super::error::{Again, Cause, Error, Failure};
use super::pace::Pace;
use super::retry::Retry;
use super::transport::Request;

/// The bytes after which the count of broken connections starts again: a large body may survive
/// more of them than a small one, and a byte for each is not progress.
const PROGRESS: u64 = 1 << 20;

/// The place of a body, which is asked as often as a connection breaks.
pub(super) trait Place {
    /// Sends a request for the body: `request` makes it for the URL of the place.
    fn ask(&self, request: &dyn Fn(Uri) -> Request<'static>) -> Result<Answer, Failure>;

    /// Returns the error that says which body could not be read.
    fn failed(&self, cause: Cause) -> Error;

    /// Returns the number of retries, and the waits.
    fn retry(&self) -> Retry;

    /// Reports whether the body may be another one by now, so that entity tags are compared. One
    /// that is named by its digest cannot change.
    fn may_change(&self) -> bool;
}

/// A body that is being read.
pub(super) struct Resuming<P> {
    pub(super) place: P,
    /// The size of all of it in bytes, if it is known by now.
    size: Option<u64>,
    /// The speed that it must have.
    pace: Pace,
    read: u64,
    /// None after the last byte, and after an error.
    body: Option<Body>,
    /// True if a broken connection can be continued.
    is_resumable: bool,
    /// The strong entity tag of the first answer.
    tag: Option<String>,
    /// The `Content-Encoding` of the first answer.
    encoding: Option<String>,
    /// Broken connections since `counted`.
    failures: u32,
    counted: u64,
}

impl<P: Place> Resuming<P> {
    /// Starts to read a body of that size, with so many attempts for the first byte. One of an
    /// unknown size is only resumed if its entity tag shows that it is the same still.
    ///
    /// # Errors
    ///
    /// A place that does not have it, or one of another size.
    pub(super) fn start(
        place: P,
        size: Option<u64>,
        pace: Pace,
        retry: Retry,
    ) -> Result<Self, Error> {
        let mut reader = Self {
            place,
            size,
            pace,
            read: 0,
            body: None,
            is_resumable: size.is_some(),
            tag: None,
            encoding: None,
            failures: 0,
            counted: 0,
        };
        reader.connect(retry)?;
        Ok(reader)
    }

    /// Returns the size in bytes, as far as it is known.
    pub(super) fn size(&self) -> Option<u64> {
        self.size
    }

    /// Returns the number of bytes that were read.
    pub(super) fn position(&self) -> u64 {
        self.read
    }

    /// Returns the `Content-Encoding` that the first answer gave.
    pub(super) fn encoding(&self) -> Option<&str> {
        self.encoding.as_deref()
    }

    /// Asks for what is not read yet.
    fn connect(&mut self, retry: Retry) -> Result<(), Error> {
        let body = retry.run(|_| self.request());
        self.body = Some(body.map_err(|cause| self.place.failed(cause))?);
        Ok(())
    }

    fn ask(&self) -> Result<Answer, Failure> {
        let size = self.size.unwrap_or(u64::MAX);
        self.place.ask(&|uri| {
            let request = Request::new(ureq::http::Method::GET, uri).for_blob(size, self.pace);
            let request = match self.read {
                0 => return request,
                read => request.with_header(header::RANGE, format!("bytes={read}-")),
            };
            match &self.tag {
                None => request,
                Some(tag) => request.with_header(header::IF_RANGE, tag),
            }
        })
    }

    fn request(&mut self) -> Result<Body, Failure> {
        let answer = self.ask()?;
        let start = match answer.status {
            // Some answer any request for a file so.
            StatusCode::PARTIAL_CONTENT => self.range(&answer)?,
            _ if answer.is_whole() => 0,
            _ => return Err(answer.failure()),
        };
        self.check_tag(&answer)?;
        self.check_length(&answer, start)?;
        let mut body = Body::of(answer, self.size.unwrap_or(u64::MAX), self.pace);
        // A server that does not know ranges starts from the start.
        let before = self.read - start;
        let skipped = body.skip(before)?;
        if skipped == before {
            return Ok(body);
        }
        let expected = self.size.unwrap_or(self.read);
        let actual = start + skipped;
        Err(Failure::passing(Cause::Size { expected, actual }))
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

    /// Remembers the entity tag of the first answer, and compares that of every other.
    fn check_tag(&mut self, answer: &Answer) -> Result<(), Cause> {
        if self.read == 0 {
            let encoding = answer.header(header::CONTENT_ENCODING);
            self.encoding = encoding.map(str::to_owned);
        }
        if !self.place.may_change() {
            return Ok(());
        }
        let tag = answer.header(header::ETAG).map(str::trim);
        // Only strong ones compare bytes (RFC 9110 section 8.8.1).
        let tag = tag.filter(|tag| tag.starts_with('"'));
        match (&self.tag, tag) {
            _ if self.read == 0 => {
                self.tag = tag.map(str::to_owned);
                self.is_resumable |= tag.is_some();
                Ok(())
            }
            (Some(first), Some(now)) if first != now => {
                Err(answer.broken("the content changed while it was read".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// Compares the size that an answer announces, or takes it if none is known.
    fn check_length(&mut self, answer: &Answer, start: u64) -> Result<(), Cause> {
        let Some(length) = answer.length() else {
            return Ok(());
        };
        let actual = length.saturating_add(start);
        match self.size {
            Some(expected) if expected != actual => Err(Cause::Size { expected, actual }),
            None if actual < self.read => Err(Cause::Size {
                expected: self.read,
                actual,
            }),
            _ => {
                self.size = Some(actual);
                Ok(())
            }
        }
    }

    fn error(&self, cause: Cause) -> io::Error {
        io::Error::other(self.place.failed(cause))
    }

    /// Continues after a connection broke.
    fn resume(&mut self, failure: Failure) -> io::Result<()> {
        self.body = None;
        if self.read - self.counted >= PROGRESS {
            self.failures = 0;
        }
        self.counted = self.read;
        let retry = self.place.retry();
        let is_over = failure.again == Again::No || self.failures >= retry.retries;
        if is_over || !(self.is_resumable || self.read == 0) {
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
                expected: self.read,
                actual: self.read + 1,
            })),
            // All that is wanted is here, whatever became of the connection.
            _ => Ok(()),
        }
    }

    /// Handles the end of a body. It is too early if more bytes are expected.
    fn ended(&mut self) -> Result<usize, Failure> {
        match self.size {
            Some(expected) if expected != self.read => Err(Failure::passing(Cause::Size {
                expected,
                actual: self.read,
            })),
            _ => {
                self.size = Some(self.read);
                self.body = None;
                Ok(0)
            }
        }
    }
}

impl<P: Place> Read for Resuming<P> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = self.size.map_or(u64::MAX, |size| size - self.read);
            let room = buffer
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            if left == 0 {
                self.finish()?;
            }
            if room == 0 {
                return Ok(0);
            }
            // None after an error that was returned: it is not to be read on.
            let Some(body) = &mut self.body else {
                return Err(self.error(Cause::Size {
                    expected: self.size.unwrap_or(self.read + 1),
                    actual: self.read,
                }));
            };
            let failure = match body.read(&mut buffer[..room]) {
                Ok(0) => match self.ended() {
                    Ok(none) => return Ok(none),
                    Err(failure) => failure,
                },
                Ok(count) => {
                    self.read += count as u64;
                    if self.size == Some(self.read) {
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
