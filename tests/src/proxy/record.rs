//! The requests that have gone through the proxy.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::http::{self, Head};
use super::fault::Fault;

/// One request, and what became of it.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `PUT`, ...
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The text after the question mark.
    pub query: String,
    /// The head, as the client sent it.
    pub head: Head,
    /// True if it came to the second port, which a redirect leads to.
    pub elsewhere: bool,
    /// The status of the answer; none while and where there is none.
    pub status: Option<u16>,
    /// The number of bytes of the body that have come from the client.
    pub received: u64,
    /// The number of bytes of the answer's body that have gone to the client.
    pub sent: u64,
    /// The fault that hit it.
    pub fault: Option<Fault>,
}

impl Request {
    pub(super) fn new(head: &Head, elsewhere: bool) -> Self {
        let mut words = head.start.split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let target = words.next().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (path, query) = (path.to_owned(), query.to_owned());
        let (status, received, sent, fault) = (None, 0, 0, None);
        Self {
            method,
            path,
            query,
            head: head.clone(),
            elsewhere,
            status,
            received,
            sent,
            fault,
        }
    }

    /// Returns true if it has this method, and this in its path.
    pub fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.path.contains(part)
    }

    /// Returns true if it asks for a blob, or whether there is one.
    pub fn of_blob(&self) -> bool {
        self.path.contains("/blobs/sha256:")
    }

    /// Returns true if it belongs to the upload of a blob.
    pub fn of_upload(&self) -> bool {
        self.path.contains("/blobs/uploads/")
    }

    /// Returns true if it is about a manifest.
    pub fn of_manifest(&self) -> bool {
        self.path.contains("/manifests/")
    }

    /// A value of the query.
    pub fn value(&self, name: &str) -> Option<String> {
        http::values(&self.query, name).into_iter().next()
    }

    /// Path and query.
    pub fn target(&self) -> String {
        if self.query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, self.query)
        }
    }

    /// The repository that it is about: what is between `/v2/` and the registry's own words.
    pub fn repository(&self) -> Option<&str> {
        let path = self.path.strip_prefix("/v2/")?;
        let end = ["/blobs/", "/manifests/", "/tags/", "/referrers/"]
            .iter()
            .find_map(|word| path.rfind(word));
        end.map(|end| &path[..end])
    }
}

/// All requests so far, in the order in which their heads came.
#[derive(Debug, Default)]
pub(super) struct Log(Mutex<Vec<Request>>);

impl Log {
    /// Notes one, and gives its number.
    pub(super) fn begin(&self, request: Request) -> usize {
        let mut requests = self.lock();
        requests.push(request);
        requests.len() - 1
    }

    /// Notes what became of one. Those that were forgotten in the meantime stay so.
    pub(super) fn note(&self, number: usize, change: impl FnOnce(&mut Request)) {
        if let Some(request) = self.lock().get_mut(number) {
            change(request);
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<Request>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
