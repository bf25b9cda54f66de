//! Things that can go wrong, and when.

use super::record::Request;

/// Something that goes wrong with a request or with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends after so many bytes of the request's body, and the registry has
    /// no more of it either.
    CutRequest(u64),
    /// The connection ends after so many bytes of the body of an upload, and they are kept: a
    /// client that asks is told how many, and may end the upload with the rest.
    KeepRequest(u64),
    /// The registry does what it was asked, and the connection ends without an answer.
    NoAnswer,
    /// The connection is reset after so many bytes of the answer's body.
    CutAnswer(u64),
    /// The connection ends in good order after so many bytes of the answer's body, of
    /// which its head promises more.
    Truncate(u64),
    /// The answer's body has only so many bytes, and its head says so.
    Shorten(u64),
    /// This byte of the answer's body is another one, or the last if there are not so many.
    Alter(u64),
    /// The answer's body comes with so many bytes a second.
    Slow(u64),
    /// There is never an answer, until the client gives up.
    Stall,
    /// The connection is reset before anything is done.
    Reset,
    /// Another answer, and nothing is done.
    Status {
        /// The status.
        status: u16,
        /// The value of `Retry-After`.
        retry_after: Option<String>,
        /// Its body.
        body: ErrorBody,
    },
    /// `Docker-Content-Digest` names another digest.
    WrongDigest,
    /// `Location` leads to an upload that does not exist.
    WrongLocation,
    /// `Content-Type` is another one.
    WrongContentType(String),
    /// 307 to the proxy's second port: another host, as storage behind registries is.
    Redirect,
    /// 307 to where it comes from, for ever.
    RedirectLoop,
    /// An answer with fields of so many bytes.
    HugeHeaders(usize),
    /// An answer that never ends, of spaces.
    EndlessBody,
}

/// The body that an error comes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorBody {
    /// A registry's: `{"errors": [...]}` with this code.
    Json(&'static str),
    /// A page of some machine in between.
    Html,
    /// None.
    Empty,
}

impl Fault {
    /// Another status, with a registry's own error.
    pub fn status(status: u16) -> Self {
        Self::Status {
            status,
            retry_after: None,
            body: ErrorBody::Json("FAULT"),
        }
    }

    /// The same with a page instead.
    pub fn html(status: u16) -> Self {
        Self::Status {
            status,
            retry_after: None,
            body: ErrorBody::Html,
        }
    }

    /// 429 with `Retry-After`.
    pub fn too_many(retry_after: &str) -> Self {
        let retry_after = Some(retry_after.to_owned());
        Self::Status {
            status: 429,
            retry_after,
            body: ErrorBody::Json("TOOMANYREQUESTS"),
        }
    }
}

impl ErrorBody {
    /// Its type and its bytes.
    pub(super) fn content(self) -> (&'static str, String) {
        match self {
            Self::Json(code) => (
                "application/json",
                format!(r#"{{"errors":[{{"code":"{code}","message":"made by the test"}}]}}"#),
            ),
            Self::Html => (
                "text/html",
                "<html><body><h1>made by the test</h1></body></html>".to_owned(),
            ),
            Self::Empty => ("text/plain", String::new()),
        }
    }
}

/// The choice of requests that are hit, among those that match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// All.
    Always,
    /// This one, counted from 1.
    Nth(u64),
    /// So many, from the first on.
    First(u64),
    /// Each that is a multiple of this.
    Every(u64),
    /// So many in a hundred, the same at each run.
    Random {
        /// The number that the choice depends on, with the request's number.
        seed: u64,
        /// The number in a hundred.
        percent: u64,
    },
}

impl When {
    /// Returns true if the match of this number, counted from 1, is hit.
    fn hits(self, number: u64) -> bool {
        match self {
            Self::Always => true,
            Self::Nth(nth) => number == nth,
            Self::First(count) => number <= count,
            Self::Every(step) => number.is_multiple_of(step),
            Self::Random { seed, percent } => mixed(seed, number) % 100 < percent,
        }
    }
}

/// The splitmix64 generator's number at a place of its sequence.
fn mixed(seed: u64, number: u64) -> u64 {
    let mut bits = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Faults and the requests that they are for. The first rule that hits a request decides.
#[derive(Default)]
pub(super) struct Rules(Vec<Rule>);

struct Rule {
    matches: Box<dyn Fn(&Request) -> bool + Send>,
    when: When,
    fault: Fault,
    seen: u64,
}

impl Rules {
    pub(super) fn add(
        &mut self,
        matches: Box<dyn Fn(&Request) -> bool + Send>,
        when: When,
        fault: Fault,
    ) {
        self.0.push(Rule {
            matches,
            when,
            fault,
            seen: 0,
        });
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault for a request. Every rule that it matches counts it.
    pub(super) fn pick(&mut self, request: &Request) -> Option<Fault> {
        let mut picked = None;
        for rule in &mut self.0 {
            if (rule.matches)(request) {
                rule.seen += 1;
                if picked.is_none() && rule.when.hits(rule.seen) {
                    picked = Some(rule.fault.clone());
                }
            }
        }
        picked
    }
}
