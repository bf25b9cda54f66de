//! One upload over as many connections as it takes.
//!
//! A blob goes up in one piece. After a connection broke, the registry is asked what it kept, and
//! what is left follows in one piece, too (OCI distribution specification, "Pushing a blob in
//! chunks"; its last chunk may come with the request that ends the upload). Registries that keep
//! nothing, or do not say it, get the whole again.
//!
//! Blobs are not cut into chunks so that there is always something to go on from: not all
//! registries take chunks, and those that keep nothing of a broken request refuse the whole
//! upload after it, chunks that were complete before included.

use std::cell::Cell;
use std::io::{self, Read};

use terrine_oci::{Descriptor, Repository};
use ureq::http::{Method, StatusCode, Uri, header};

use super::answer::Answer;
use super::client::Client;
use super::error::{Again, Cause, Failure};
use super::location;
use super::success::{Presence, Took};
use super::transport::{Payload, Request};

/// Blobs of fewer bytes are sent again: that is as quick as asking.
const LARGE: u64 = 8 << 20;
/// After so many more bytes the count of broken connections starts anew, as it does when blobs
/// are read.
const PROGRESS: u64 = 1 << 20;

/// Starts to read a blob.
pub(super) type Open<'a> = &'a dyn Fn() -> io::Result<Box<dyn Read + Send>>;

/// A blob on its way.
pub(super) struct Sending<'a> {
    client: &'a Client,
    to: &'a Repository,
    blob: &'a Descriptor,
    open: Open<'a>,
    progress: &'a dyn Fn(u64),
    /// True if the registry is asked before bytes are sent, as it is after a connection broke.
    asks: bool,
    /// True if the registry, or a proxy before it, does not accept such a question.
    not_to_ask: bool,
    /// The upload that broke off, and how many bytes of the blob went out for it at most.
    broken_off: Option<(Uri, u64)>,
    /// True if the rest of an upload was refused: then it is not tried again.
    refused: bool,
    /// The most bytes that a registry ever said it kept.
    kept: u64,
}

/// The place where an upload continues: the URL, and the first byte to send.
struct Start {
    uri: Uri,
    from: u64,
}

/// The state of an upload that broke off.
enum Rest {
    /// It goes on there.
    From(Start),
    /// There is nothing to go on from.
    Gone,
    /// It had come to its end, and the answer was lost.
    Done,
}

impl<'a> Sending<'a> {
    pub(super) fn new(
        client: &'a Client,
        to: &'a Repository,
        blob: &'a Descriptor,
        open: Open<'a>,
        progress: &'a dyn Fn(u64),
    ) -> Self {
        let (asks, not_to_ask, broken_off, refused, kept) = (false, false, None, false, 0);
        Self {
            client,
            to,
            blob,
            open,
            progress,
            asks,
            not_to_ask,
            broken_off,
            refused,
            kept,
        }
    }

    /// One attempt. `failed` is how many there were since there was progress.
    pub(super) fn attempt(&mut self, failed: &mut u32) -> Result<(), Failure> {
        let start = match self.rest(failed)? {
            Rest::From(start) => start,
            Rest::Gone => Start {
                uri: self.client.start(self.to)?,
                from: 0,
            },
            Rest::Done => return Ok(()),
        };
        let sent = Cell::new(start.from);
        self.put(&start, &sent)
            .map_err(|failure| self.failed(failure, start, sent.get()))
    }

    /// Handles a failure: decides whether to retry, and whether to continue the upload.
    fn failed(&mut self, failure: Failure, start: Start, sent: u64) -> Failure {
        match failure.cause {
            Cause::Source(_) => {
                self.client.cancel(self.to, start.uri);
                return failure;
            }
            // The upload is gone, as it is after a restart of the registry.
            cause if cause.is_not_found() => return Failure::passing(cause),
            // What does not know the question wants to be sent the bytes (RFC 9110 section 10.1.1).
            Cause::Status {
                status: StatusCode::EXPECTATION_FAILED,
                ..
            } if self.asks => {
                (self.asks, self.not_to_ask) = (false, true);
                return Failure::passing(failure.cause);
            }
            // Whatever is wrong, a new upload is more likely to be taken than this one.
            Cause::Status { .. } | Cause::Digest { .. } | Cause::Answer { .. }
                if start.from > 0 =>
            {
                self.refused = true;
                return if may_be_the_rest(&failure.cause) {
                    Failure::passing(failure.cause)
                } else {
                    failure
                };
            }
            Cause::Connection { .. }
            | Cause::Silent { .. }
            | Cause::Slow { .. }
            | Cause::Stalled { .. } => self.asks = !self.not_to_ask,
            _ => {}
        }
        if failure.again != Again::No && self.blob.size >= LARGE && !self.refused {
            self.broken_off = Some((start.uri, sent));
        }
        failure
    }

    /// Returns the state of the upload that broke off, if one did.
    fn rest(&mut self, failed: &mut u32) -> Result<Rest, Failure> {
        let Some((uri, sent)) = self.broken_off.take() else {
            return Ok(Rest::Gone);
        };
        let request = Request::new(Method::GET, uri.clone());
        let scope = self.client.scope(self.to, true);
        let answer = match self.client.send(self.to, &request, &[scope]) {
            Ok(answer) => answer,
            // A new upload will tell what is wrong.
            Err(Failure {
                again: Again::No, ..
            }) => return Ok(Rest::Gone),
            // Nobody answered: it is asked again.
            Err(failure) => {
                self.broken_off = Some((uri, sent));
                return Err(failure);
            }
        };
        let kept = kept(&answer).filter(|kept| *kept <= sent);
        let (status, next) = (answer.status, answer.location().unwrap_or(uri));
        answer.discard();
        let Some(kept) = kept else {
            let may_be_done = status == StatusCode::NOT_FOUND && sent == self.blob.size;
            return Ok(if may_be_done && self.is_there() {
                Rest::Done
            } else {
                Rest::Gone
            });
        };
        if kept >= self.kept.saturating_add(PROGRESS) {
            *failed = 0;
        }
        self.kept = self.kept.max(kept);
        Ok(Rest::From(Start {
            uri: next,
            from: kept,
        }))
    }

    /// Checks whether the registry has the blob by now. If it does not say, the blob is sent again.
    fn is_there(&self) -> bool {
        let size = self.client.blob_size(self.to, self.blob.digest);
        size.is_ok_and(|size| size == Some(self.blob.size))
    }

    /// Sends what is left, and ends the upload.
    fn put(&self, start: &Start, sent: &Cell<u64>) -> Result<(), Failure> {
        let Descriptor { digest, size, .. } = *self.blob;
        let uri = location::with_parameter(&start.uri, "digest", &digest.to_string())
            .ok_or_else(|| Cause::Name(location::host(&start.uri)))?;
        let (from, left) = (start.from, size - start.from);
        let payload = Payload::Stream {
            size: left,
            open: &|| self.open_at(from),
            progress: &|more: u64| {
                sent.set(from + more);
                (self.progress)(from + more);
            },
        };
        let mut request = Request::new(Method::PUT, uri)
            .with_header(header::CONTENT_TYPE, "application/octet-stream")
            .with_payload(payload);
        if from > 0 && left > 0 {
            // Not the form of RFC 9110, but that of the distribution specification.
            request = request.with_header(header::CONTENT_RANGE, format!("{from}-{}", size - 1));
        }
        // A registry that refuses before it has read all closes the connection, and its reason
        // is lost. The next time it is asked first.
        if self.asks && left > 0 {
            request = request.with_header(header::EXPECT, "100-continue");
        }
        let answer = self
            .client
            .send(self.to, &request, &[self.client.scope(self.to, true)])?;
        if !answer.status.is_success() {
            return Err(answer.failure());
        }
        let is_sure = answer.check_digest(digest)? || answer.status == StatusCode::CREATED;
        let took = Took::of(&answer);
        answer.discard();
        if is_sure { Ok(()) } else { self.confirm(&took) }
    }

    /// Looks for a blob that was taken by an answer that does not say so.
    fn confirm(&self, took: &Took) -> Result<(), Failure> {
        match self.client.presence(self.to, self.blob.digest) {
            Ok(Presence::Missing) => Err(took.nothing("blob")),
            Ok(Presence::Size(actual)) if actual != self.blob.size => Err(Cause::Size {
                expected: self.blob.size,
                actual,
            }
            .into()),
            // Who may not ask has to believe it: a manifest without its blobs is refused.
            _ => Ok(()),
        }
    }

    /// Reads the blob from a byte on. What comes before is read as well: readers that verify
    /// have to see it.
    fn open_at(&self, from: u64) -> io::Result<Box<dyn Read + Send>> {
        let mut reader = (self.open)()?;
        match io::copy(&mut reader.by_ref().take(from), &mut io::sink())? {
            skipped if skipped == from => Ok(reader),
            skipped => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("it ends after {skipped} bytes, but had more before"),
            )),
        }
    }
}

/// Reports whether a refusal of the rest of a blob may concern the rest only: the bytes that the
/// registry kept may differ from those that were sent, and not all registries take a blob in two
/// parts.
fn may_be_the_rest(cause: &Cause) -> bool {
    match cause {
        Cause::Status { status, .. } => {
            matches!(status.as_u16(), 400 | 405 | 409 | 411 | 413 | 416 | 422)
        }
        Cause::Digest { .. } | Cause::Answer { .. } => true,
        _ => false,
    }
}

/// Returns the number of bytes of an upload that a registry reports: `Range: 0-LAST`. None if the
/// report makes no sense or is missing, or for `0-0`, which stands for one byte and for none.
fn kept(answer: &Answer) -> Option<u64> {
    if !answer.status.is_success() {
        return None;
    }
    let text = answer.header(header::RANGE)?.trim();
    let range = text.strip_prefix("bytes=").unwrap_or(text);
    let last: u64 = range.strip_prefix("0-")?.parse().ok()?;
    last.checked_add(1).filter(|_| last > 0)
}
