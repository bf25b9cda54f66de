//! Writing blobs.

use std::io::{self, Read};

use ureq::http::{Method, StatusCode, Uri, header};

use super::authorization::Scope;
use super::client::Client;
use super::error::{Again, Cause, Error, Failure};
use super::location;
use super::transport::{Payload, Request};
use crate::image::{Descriptor, Digest, Repository};

impl Client {
    /// Takes a blob over from another repository of the same registry (OCI distribution
    /// specification, "Mounting a blob from another repository"). False where the registry
    /// does not do it, for whatever reason: then the blob has to be uploaded, and the error,
    /// if there is one, is that upload's.
    ///
    /// # Errors
    ///
    /// A registry that does not answer.
    pub fn mount(&self, to: &Repository, digest: Digest, from: &str) -> Result<bool, Error> {
        let scopes = [self.scope(to, true), Scope { repository: from.to_owned(), push: false }];
        let try_it = || {
            let path = format!(
                "blobs/uploads/?mount={}&from={}",
                location::encode(&digest.to_string()),
                location::encode(from)
            );
            let request =
                Request::new(Method::POST, self.url(to, &path)?).with_payload(Payload::Bytes(b""));
            let answer = self.send(to, &request, &scopes)?;
            match answer.status {
                StatusCode::CREATED => {
                    answer.check_digest(digest)?;
                    answer.discard();
                    Ok(true)
                }
                StatusCode::ACCEPTED => {
                    let upload = answer.location();
                    answer.discard();
                    if let Ok(upload) = upload {
                        self.cancel(to, upload);
                    }
                    Ok(false)
                }
                _ => Err(answer.failure()),
            }
        };
        let attempt = |_| match try_it() {
            Err(Failure {
                cause: Cause::Status { .. } | Cause::Unauthorized { .. },
                again: Again::No,
            }) => Ok(false),
            done => done,
        };
        let operation =
            || format!("taking {digest} over from `{}/{from}` to `{}`", to.registry, to.full_name());
        self.run(to, operation, attempt)
    }

    /// Uploads a blob in one piece; after a failure that may pass, from its start. `open`
    /// starts to read it and is called for each attempt; `progress` is told how many bytes
    /// were sent, which goes back when one starts anew.
    ///
    /// The end of what is read is looked for before its last bytes are sent: if it is an
    /// error, as that of [`Verified`](crate::source::Verified) may be, the registry has no
    /// blob.
    ///
    /// # Errors
    ///
    /// Bytes that can not be read or are not as many as the descriptor says, and a registry
    /// that does not take them.
    pub fn upload(
        &self,
        to: &Repository,
        blob: &Descriptor,
        open: &dyn Fn() -> io::Result<Box<dyn Read + Send>>,
        progress: &dyn Fn(u64),
    ) -> Result<(), Error> {
        let mut broke = false;
        let attempt = |_| {
            let started = self.start(to)?;
            let uri = location::with_parameter(&started, "digest", &blob.digest.to_string())
                .ok_or_else(|| Cause::Name(location::host(&started)))?;
            let put = self.put(to, blob, Request::new(Method::PUT, uri), open, progress, broke);
            put.map_err(|failure| match failure.cause {
                // The upload is gone, as it is after a restart of the registry.
                cause if cause.is_not_found() => Failure::passing(cause),
                Cause::Connection { .. } => {
                    broke = true;
                    failure
                }
                Cause::Source(_) => {
                    self.cancel(to, started);
                    failure
                }
                _ => failure,
            })
        };
        self.run(to, || format!("uploading {} to `{}`", blob.digest, to.full_name()), attempt)
    }

    fn start(&self, to: &Repository) -> Result<Uri, Failure> {
        let uri = self.url(to, "blobs/uploads/")?;
        let request = Request::new(Method::POST, uri).with_payload(Payload::Bytes(b""));
        let answer = self.send(to, &request, &[self.scope(to, true)])?;
        if answer.status != StatusCode::ACCEPTED {
            return Err(answer.failure());
        }
        let location = answer.location()?;
        answer.discard();
        Ok(location)
    }

    fn put<'a>(
        &self,
        to: &Repository,
        blob: &Descriptor,
        request: Request<'a>,
        open: &'a dyn Fn() -> io::Result<Box<dyn Read + Send>>,
        progress: &'a dyn Fn(u64),
        broke: bool,
    ) -> Result<(), Failure> {
        let mut request = request
            .with_header(header::CONTENT_TYPE, "application/octet-stream")
            .with_payload(Payload::Stream { size: blob.size, open, progress });
        // A registry that refuses before it has read all closes the connection, and its reason
        // is lost. The next time it is asked first.
        if broke && blob.size > 0 {
            request = request.with_header(header::EXPECT, "100-continue");
        }
        let answer = self.send(to, &request, &[self.scope(to, true)])?;
        if !matches!(answer.status, StatusCode::CREATED | StatusCode::OK | StatusCode::NO_CONTENT) {
            return Err(answer.failure());
        }
        answer.check_digest(blob.digest)?;
        answer.discard();
        Ok(())
    }

    /// Gives an upload up. Registries clean up by themselves, so it is tried once.
    fn cancel(&self, to: &Repository, upload: Uri) {
        let request = Request::new(Method::DELETE, upload);
        if let Ok(answer) = self.send(to, &request, &[self.scope(to, true)]) {
            answer.discard();
        }
    }
}
