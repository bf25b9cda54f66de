//! Writing blobs.

use std::io::{self, Read};

use terrine_oci::{Descriptor, Digest, Repository};
use ureq::http::{Method, StatusCode, Uri};

use super::authorization::Scope;
use super::client::Client;
use super::error::{Again, Cause, Error, Failure};
use super::location;
use super::sending::Sending;
use super::success::Presence;
use super::transport::{Payload, Request};

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
        self.run(
            to,
            || {
                format!(
                    "mounting {digest} from `{}/{from}` into `{}`",
                    to.registry,
                    to.full_name()
                )
            },
            |_| match self.try_mount(to, digest, from) {
                Err(Failure {
                    cause:
                        Cause::Status { .. } | Cause::Unauthorized { .. } | Cause::Withheld { .. },
                    again: Again::No,
                }) => Ok(false),
                done => done,
            },
        )
    }

    /// Tries once to take a blob over.
    fn try_mount(&self, to: &Repository, digest: Digest, from: &str) -> Result<bool, Failure> {
        let scopes = [
            self.scope(to, true),
            Scope {
                repository: from.to_owned(),
                push: false,
            },
        ];
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
            status if status.is_success() => {
                answer.discard();
                let presence = self.presence(to, digest);
                Ok(presence.is_ok_and(Presence::is_there))
            }
            _ => Err(answer.failure()),
        }
    }

    /// Uploads a blob in one piece. After a failure that may pass, a large one goes on from what
    /// the registry has kept, if it says so; others start anew. `open` starts to read it and is
    /// called for each attempt; `progress` is told how many bytes were sent, which goes back when
    /// some are sent again.
    ///
    /// The end of what is read is looked for before its last bytes are sent: if it is an
    /// error, as that of a verifying reader may be, the registry has no
    /// blob.
    ///
    /// # Errors
    ///
    /// Bytes that cannot be read or are not as many as the descriptor says, and a registry
    /// that does not take them.
    pub fn upload(
        &self,
        to: &Repository,
        blob: &Descriptor,
        open: &dyn Fn() -> io::Result<Box<dyn Read + Send>>,
        progress: &dyn Fn(u64),
    ) -> Result<(), Error> {
        let mut sending = Sending::new(self, to, blob, open, progress);
        self.run(
            to,
            || format!("uploading {} to `{}`", blob.digest, to.full_name()),
            |failed| sending.attempt(failed),
        )
    }

    /// Starts an upload: where its bytes go.
    pub(super) fn start(&self, to: &Repository) -> Result<Uri, Failure> {
        let uri = self.url(to, "blobs/uploads/")?;
        let request = Request::new(Method::POST, uri).with_payload(Payload::Bytes(b""));
        let answer = self.send(to, &request, &[self.scope(to, true)])?;
        if !answer.status.is_success() {
            return Err(answer.failure());
        }
        let location = answer.location()?;
        answer.discard();
        Ok(location)
    }

    /// Gives an upload up. Registries clean up by themselves, so it is tried once. A registry that says
    /// that the upload is somewhere else is not believed: anything could be there.
    pub(super) fn cancel(&self, to: &Repository, upload: Uri) {
        if !self.registry(&to.registry).is_own(&upload) {
            return;
        }
        let request = Request::new(Method::DELETE, upload);
        if let Ok(answer) = self.send(to, &request, &[self.scope(to, true)]) {
            answer.discard();
        }
    }
}
