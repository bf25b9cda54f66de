//! Redirections: where a request is sent next, and what of it.

use std::time::Instant;

use ureq::http::{Method, StatusCode, Uri};

use super::location;
use super::transport::Request;

/// A request on its way from host to host.
pub(super) struct Hop<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) method: Method,
    pub(super) uri: Uri,
    /// True if the body is sent, with the headers that describe it.
    pub(super) has_body: bool,
    /// From when on the time of the answer counts, redirections included.
    pub(super) start: Instant,
}

impl<'a> Hop<'a> {
    /// The first one.
    pub(super) fn first(request: &'a Request<'a>) -> Self {
        Self {
            request,
            method: request.method.clone(),
            uri: request.uri.clone(),
            has_body: true,
            start: Instant::now(),
        }
    }

    /// Reports whether an answer of that status is a redirection.
    pub(super) fn is_led_by(status: StatusCode) -> bool {
        matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
    }

    /// Reports whether the request may be repeated at a URL. Secrets in a body are not sent to
    /// another host.
    pub(super) fn may_go(&self, to: &Uri) -> bool {
        self.request.secret.is_none() || location::is_same_origin(&self.uri, to)
    }

    /// Goes where an answer leads (RFC 9110 section 15.4). GET and HEAD stay what they are. 307 and
    /// 308 repeat method and body. After 303, and as HTTP clients do after 301 and 302, the rest
    /// goes on with GET; but 301 and 302 that lead to the same path of another host are a
    /// registry that has moved, and it gets what was sent.
    pub(super) fn go(&mut self, status: StatusCode, to: Uri) {
        let is_same = match status.as_u16() {
            307 | 308 => true,
            301 | 302 => self.uri.path_and_query() == to.path_and_query(),
            _ => false,
        };
        if !(is_same || matches!(self.method, Method::GET | Method::HEAD)) {
            self.method = Method::GET;
            self.has_body = false;
        }
        self.uri = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_kept_or_become_get() {
        let from: Uri = "http://a/v2/x/blobs/uploads/?y".parse().unwrap();
        let same = "https://b/v2/x/blobs/uploads/?y";
        let other = "https://b/v2/x/blobs/uploads/";
        for (method, status, to, expected, has_body) in [
            (Method::GET, 303, other, Method::GET, true),
            (Method::HEAD, 302, other, Method::HEAD, true),
            (Method::HEAD, 303, other, Method::HEAD, true),
            (Method::POST, 307, other, Method::POST, true),
            (Method::PATCH, 308, other, Method::PATCH, true),
            (Method::PUT, 308, other, Method::PUT, true),
            (Method::PUT, 301, other, Method::GET, false),
            (Method::POST, 302, other, Method::GET, false),
            (Method::POST, 301, same, Method::POST, true),
            (Method::PUT, 302, same, Method::PUT, true),
            (Method::PUT, 303, same, Method::GET, false),
        ] {
            let request = Request::new(method.clone(), from.clone());
            let mut hop = Hop::first(&request);
            hop.go(StatusCode::from_u16(status).unwrap(), to.parse().unwrap());
            assert_eq!(
                (hop.method, hop.has_body, hop.uri.to_string().as_str()),
                (expected, has_body, to),
                "{method} {status}"
            );
        }
        for status in [200, 202, 300, 304, 305, 401] {
            assert!(!Hop::is_led_by(StatusCode::from_u16(status).unwrap()));
        }
    }

    #[test]
    fn secrets_in_bodies_stay_where_they_are_for() {
        let request = Request::new(Method::POST, Uri::from_static("https://a/token"));
        let elsewhere = Uri::from_static("https://b/token");
        assert!(Hop::first(&request).may_go(&elsewhere));
        let request = request.with_secret("s3cret");
        assert!(!Hop::first(&request).may_go(&elsewhere));
        assert!(Hop::first(&request).may_go(&Uri::from_static("https://a:443/t")));
    }
}
