//! Uploads of which a part is kept, by a registry that can go on with them.

use std::collections::BTreeMap;

use super::super::http::Head;
use super::answer::Answer;
use super::record::Request;

/// The bytes that came of each upload so far, by its path.
#[derive(Debug, Default)]
pub(super) struct Kept(BTreeMap<String, Vec<u8>>);

impl Kept {
    /// Keeps what came by a request that broke off. Nothing of one that goes on elsewhere than
    /// where the last one ended.
    pub(super) fn add(&mut self, request: &Request, bytes: &[u8]) {
        let kept = self.0.entry(request.path.clone()).or_default();
        if first(request) == kept.len() {
            kept.extend_from_slice(bytes);
        }
    }

    /// The answer to a client that asks for an upload of which something is kept.
    pub(super) fn status(&self, request: &Request) -> Option<Answer> {
        let kept = self
            .0
            .get(&request.path)
            .filter(|_| request.method == "GET")?;
        let head = Head::answer(204)
            .with("Location", request.target())
            .with("Range", format!("0-{}", kept.len().saturating_sub(1)));
        Some(Answer::whole(head, "text/plain", String::new()))
    }

    /// Takes what comes before the body of a request that ends an upload of which something is kept;
    /// returns a refusal, if that body is another part.
    pub(super) fn take(&mut self, request: &Request) -> Option<Result<Vec<u8>, Answer>> {
        let kept = self
            .0
            .get(&request.path)
            .filter(|_| request.method == "PUT")?;
        if first(request) != kept.len() {
            return Some(Err(Answer::whole(
                Head::answer(416),
                "text/plain",
                String::new(),
            )));
        }
        self.0.remove(&request.path).map(Ok)
    }
}

/// Returns the offset in the upload that a request begins at.
fn first(request: &Request) -> usize {
    request
        .head
        .get("content-range")
        .and_then(|range| range.split('-').next())
        .and_then(|first| first.parse().ok())
        .unwrap_or(0)
}
