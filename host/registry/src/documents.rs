//! Manifests and indexes.

use terrine_oci::{
    Descriptor, Digest, Document, DocumentError, MAX_DOCUMENT, MediaType, Repository,
};
use ureq::http::{Method, StatusCode, header};

use super::client::Client;
use super::error::{Cause, Error, Failure};
use super::success::Took;
use super::transport::{Payload, Request};

/// The media types that can be read.
const ACCEPTED: [MediaType; 4] = [
    MediaType::OciManifest,
    MediaType::OciIndex,
    MediaType::DockerManifest,
    MediaType::DockerIndex,
];

/// An answer's head: no document, one described in full, or one that is just there.
enum Head {
    Nothing,
    All(Box<Descriptor>),
    Some,
}

impl Client {
    /// Fetches a manifest or an index, by its digest where there is one, else by its tag. A
    /// digest, ours or the registry's, is held against the bytes.
    ///
    /// # Errors
    ///
    /// One that is not there, is not what it should be, or cannot be had.
    pub fn document(&self, of: &Repository) -> Result<Document, Error> {
        self.run(
            of,
            || format!("fetching the manifest of `{of}`"),
            |_| self.fetch(of),
        )
    }

    /// Fetches the bytes of a document of another type, by its digest. They are not verified.
    ///
    /// # Errors
    ///
    /// One that is not there, is too large, or cannot be had.
    pub fn document_bytes(&self, of: &Repository, kind: &MediaType) -> Result<Vec<u8>, Error> {
        let operation = || format!("fetching the manifest of `{of}`");
        self.run(of, operation, |_| {
            let request = self.manifest_request(Method::GET, of, kind.as_str())?;
            let answer = self.send(of, &request, &[self.scope(of, false)])?;
            if !answer.is_whole() {
                return Err(answer.failure());
            }
            answer.bytes(MAX_DOCUMENT)
        })
    }

    /// Puts a document of another type, as [`Client::put_document`] does.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn put_bytes(&self, to: &Repository, kind: &MediaType, bytes: &[u8]) -> Result<(), Error> {
        let operation = || format!("pushing the manifest of `{to}`");
        self.run(to, operation, |_| self.put(to, kind, bytes))
    }

    /// Fetches a document once.
    fn fetch(&self, of: &Repository) -> Result<Document, Failure> {
        let request = self.manifest_request(Method::GET, of, &accepted())?;
        let answer = self.send(of, &request, &[self.scope(of, false)])?;
        if !answer.is_whole() {
            return Err(answer.failure());
        }
        let given = answer.header(header::CONTENT_TYPE).map(MediaType::parse);
        let told = answer.digest();
        let bytes = answer.bytes(MAX_DOCUMENT)?;
        let actual = Digest::of(&bytes);
        for expected in of.digest.iter().chain(&told) {
            if *expected != actual {
                return Err(Cause::Digest {
                    expected: *expected,
                    actual,
                }
                .into());
            }
        }
        Ok(understood(bytes, given.as_ref())?)
    }

    /// Returns the document that a tag or a digest refers to at the moment; none if the registry
    /// does not have it. If the registry's answer does not say, the document is fetched.
    ///
    /// # Errors
    ///
    /// A registry that does not answer this.
    pub fn head_document(&self, of: &Repository) -> Result<Option<Descriptor>, Error> {
        match self.run(
            of,
            || format!("looking up the manifest of `{of}`"),
            |_| self.head(of),
        )? {
            Head::Nothing => Ok(None),
            Head::All(descriptor) => Ok(Some(*descriptor)),
            Head::Some => match self.document(of) {
                Ok(document) => Ok(Some(document.descriptor())),
                Err(error) if error.cause().is_not_found() => Ok(None),
                Err(error) => Err(error),
            },
        }
    }

    /// Asks for a document's head once.
    fn head(&self, of: &Repository) -> Result<Head, Failure> {
        let request = self.manifest_request(Method::HEAD, of, &accepted())?;
        let answer = self.send(of, &request, &[self.scope(of, false)])?;
        match answer.status {
            StatusCode::NOT_FOUND => return Ok(Head::Nothing),
            status if status.is_success() => {}
            _ if !answer.knows_method() => return Ok(Head::Some),
            _ => return Err(answer.failure()),
        }
        let kind = answer
            .header(header::CONTENT_TYPE)
            .map(MediaType::parse)
            .filter(|kind| ACCEPTED.contains(kind));
        let told = answer.digest();
        if let (Some(expected), Some(actual)) = (of.digest, told)
            && expected != actual
        {
            return Err(Cause::Digest { expected, actual }.into());
        }
        let descriptor = kind
            .zip(told.or(of.digest))
            .zip(answer.length().filter(|size| *size > 0))
            .map(|((kind, digest), size)| Descriptor::new(kind, digest, size));
        Ok(descriptor.map_or(Head::Some, |all| Head::All(Box::new(all))))
    }

    /// Puts a manifest or an index under its digest where the reference has one, else under
    /// its tag. All that it refers to must be there before.
    ///
    /// # Errors
    ///
    /// A reference to another digest, and a registry that does not take it, or takes it for
    /// something else.
    pub fn put_document(&self, to: &Repository, document: &Document) -> Result<(), Error> {
        self.run(
            to,
            || format!("pushing the manifest of `{to}`"),
            |_| self.put(to, &document.media_type, &document.bytes),
        )
    }

    /// Puts a document once.
    fn put(&self, to: &Repository, kind: &MediaType, bytes: &[u8]) -> Result<(), Failure> {
        let actual = Digest::of(bytes);
        if let Some(expected) = to.digest.filter(|expected| *expected != actual) {
            return Err(Cause::Digest { expected, actual }.into());
        }
        let uri = self.url(to, &format!("manifests/{}", to.identifier()))?;
        let request = Request::new(Method::PUT, uri)
            .with_header(header::CONTENT_TYPE, kind.as_str())
            .with_payload(Payload::Bytes(bytes));
        let answer = self.send(to, &request, &[self.scope(to, true)])?;
        if !answer.status.is_success() {
            return Err(answer.failure());
        }
        let is_sure = answer.check_digest(actual)? || answer.status == StatusCode::CREATED;
        let took = Took::of(&answer);
        answer.discard();
        if is_sure {
            return Ok(());
        }
        match self.head(to) {
            Ok(Head::Nothing) => Err(took.nothing("manifest")),
            Ok(Head::All(there)) if there.digest != actual => Err(Cause::Digest {
                expected: actual,
                actual: there.digest,
            }
            .into()),
            // Who may not ask has to believe it.
            _ => Ok(()),
        }
    }

    fn manifest_request(
        &self,
        method: Method,
        of: &Repository,
        accepted: &str,
    ) -> Result<Request<'static>, Failure> {
        let uri = self.url(of, &format!("manifests/{}", of.identifier()))?;
        Ok(Request::new(method, uri).with_header(header::ACCEPT, accepted))
    }
}

/// Reads a document. Its own word counts more than the `Content-Type` of the answer, as long as both are of the same kind.
fn understood(bytes: Vec<u8>, given: Option<&MediaType>) -> Result<Document, Cause> {
    match Document::parse(bytes.clone(), given) {
        Err(DocumentError::MediaType { own, given }) if own.is_index() == given.is_index() => {
            Document::parse(bytes, None).map_err(Cause::Document)
        }
        Err(DocumentError::MediaType { own, given }) => {
            Err(Cause::Document(DocumentError::ContentType { own, given }))
        }
        read => read.map_err(Cause::Document),
    }
}

/// Returns the types that can be read, for a header.
fn accepted() -> String {
    ACCEPTED.each_ref().map(MediaType::as_str).join(", ")
}
