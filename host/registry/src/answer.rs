//! Answers: their bodies, with bounds, and what registries say of errors.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use serde_json::Value;
use terrine_oci::Digest;
use ureq::Timeout;
use ureq::http::{HeaderMap, StatusCode, Uri, header};

use super::error::{Again, Cause, Failure};
use super::failure::failure;
use super::location;
use super::loose;
use super::pace::Timeouts;
use super::retry;
use super::secrets::Secrets;

/// The number of bytes of an error's body that are read.
const MAX_MESSAGE: u64 = 8 << 10;
/// The longest message of a registry that our messages show, in characters.
const MAX_SHOWN: usize = 300;
/// The number of messages that are shown.
const MAX_MESSAGES: usize = 3;

/// An answer of which the head is read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: ureq::Body,
    /// The URL that answered, after redirections.
    pub(super) uri: Uri,
    pub(super) secrets: Secrets,
    pub(super) timeouts: Timeouts,
    /// From when on the time counts in which all of it must be there, if it is short.
    pub(super) start: Instant,
}

impl Answer {
    /// A header, if it is there and is text.
    pub(super) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The `Content-Length`; none if there is none, or nothing sensible.
    pub(super) fn length(&self) -> Option<u64> {
        self.header(header::CONTENT_LENGTH)?.trim().parse().ok()
    }

    /// The digest that the registry says what it has, or took, has. Digests by other algorithms
    /// count as none, and so does what is no digest.
    pub(super) fn digest(&self) -> Option<Digest> {
        const NAME: header::HeaderName = header::HeaderName::from_static("docker-content-digest");
        self.header(NAME)?.trim().parse().ok()
    }

    /// Holds the digest that the registry says against the one that it must be, and tells whether
    /// it says one.
    pub(super) fn check_digest(&self, expected: Digest) -> Result<bool, Cause> {
        match self.digest() {
            Some(actual) if actual != expected => Err(Cause::Digest { expected, actual }),
            told => Ok(told.is_some()),
        }
    }

    /// Reports whether the body is all that was requested.
    pub(super) fn is_whole(&self) -> bool {
        self.status.is_success()
            && !matches!(
                self.status,
                StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::PARTIAL_CONTENT
            )
    }

    /// Reports whether the server knows the method, or only GET.
    pub(super) fn knows_method(&self) -> bool {
        !matches!(
            self.status,
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
        )
    }

    /// Returns the URL that the answer leads to.
    pub(super) fn location(&self) -> Result<Uri, Cause> {
        let Some(value) = self.headers.get(header::LOCATION) else {
            return Err(self.broken("it has no `Location`".to_owned()));
        };
        let to = location::resolve_bytes(&self.uri, value.as_bytes())
            .ok_or_else(|| self.broken("its `Location` is not a URL".to_owned()))?;
        if location::is_https(&self.uri) && !location::is_https(&to) {
            let host = location::host(&self.uri);
            return Err(Cause::Downgrade {
                host,
                to: location::host(&to),
            });
        }
        Ok(to)
    }

    /// An answer that breaks the protocol.
    pub(super) fn broken(&self, why: String) -> Cause {
        Cause::Answer {
            host: location::host(&self.uri),
            why,
        }
    }

    /// The whole body, which may have that many bytes.
    pub(super) fn bytes(mut self, limit: u64) -> Result<Vec<u8>, Failure> {
        let (bytes, end) = self.read(limit.saturating_add(1));
        if let Err(error) = end {
            let count = bytes.len() as u64;
            return Err(failure(&self.uri, error, &self.timeouts, count));
        }
        if bytes.len() as u64 > limit {
            Err(self
                .broken(format!("it has more than {limit} bytes"))
                .into())
        } else {
            Ok(bytes)
        }
    }

    /// Reads what is left, so that the connection can be used again, unless it is much.
    pub(super) fn discard(mut self) {
        // Whatever happens, it is not wanted.
        let _ = self.read(MAX_MESSAGE);
    }

    /// The registry's own words about an error, without the secrets that it was sent.
    pub(super) fn message(&mut self) -> Option<String> {
        let is_text = self.header(header::CONTENT_TYPE).is_none_or(|kind| {
            kind.trim_start()
                .to_ascii_lowercase()
                .starts_with("text/plain")
        });
        // A message that breaks off is better than none.
        let bytes = self.read(MAX_MESSAGE).0;
        message(&bytes, is_text, &self.secrets)
    }

    /// At most that many bytes, in bounded time, and whether they ended well.
    fn read(&mut self, limit: u64) -> (Vec<u8>, Result<(), ureq::Error>) {
        let mut bytes = vec![];
        let mut chunk = vec![0; 16 << 10];
        let mut body = self.body.as_reader().take(limit);
        loop {
            match body.read(&mut chunk) {
                Ok(0) => return (bytes, Ok(())),
                Ok(count) => bytes.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (bytes, Err(error.into())),
            }
            if self.start.elapsed() > self.timeouts.answer {
                return (bytes, Err(ureq::Error::Timeout(Timeout::RecvBody)));
            }
        }
    }

    /// The failure that a status other than those wanted is.
    pub(super) fn failure(mut self) -> Failure {
        let says = self.message();
        let (host, status) = (location::host(&self.uri), self.status);
        let wait = self.header(header::RETRY_AFTER).and_then(retry::after);
        if !retry::may_pass(status) {
            return Cause::Status { host, status, says }.into();
        }
        match wait {
            Some(wait) if wait > retry::LONGEST => Cause::Busy {
                host,
                status,
                says,
                wait,
            }
            .into(),
            wait => Failure {
                cause: Cause::Status { host, status, says },
                again: wait
                    .filter(|wait| *wait > Duration::ZERO)
                    .map_or(Again::Soon, Again::After),
            },
        }
    }
}

/// Reads what a body says of an error: in the form of the OCI distribution specification ("Error
/// Codes"), in those of token services, in that of S3, or as a line of text.
pub(super) fn message(bytes: &[u8], is_text: bool, secrets: &Secrets) -> Option<String> {
    // Before anything is cut off.
    let shown = |text: &str, limit| clean(&secrets.hide(text), limit);
    let said = match loose::parse(bytes) {
        Some(body) => messages(&body, &shown),
        None if is_text => {
            let text = String::from_utf8_lossy(bytes);
            shown(text.trim().lines().next().unwrap_or_default(), MAX_SHOWN)
        }
        None => storage_message(&String::from_utf8_lossy(bytes), &shown).unwrap_or_default(),
    };
    Some(said).filter(|said| !said.is_empty())
}

/// A way to show a text of at most that many characters.
type Shown<'a> = &'a dyn Fn(&str, usize) -> String;

/// The message in the XML of S3 (Amazon S3 API reference, "Error responses").
fn storage_message(text: &str, shown: Shown<'_>) -> Option<String> {
    let (_, error) = text.split_once("<Error>")?;
    let element = |name: &str, limit| {
        let (_, rest) = error.split_once(&format!("<{name}>"))?;
        let (content, _) = rest.split_once("</")?;
        Some(shown(content, limit)).filter(|text| !text.is_empty())
    };
    match (element("Code", 64), element("Message", MAX_SHOWN)) {
        (Some(code), Some(message)) => Some(format!("{message} ({code})")),
        (code, message) => message.or(code),
    }
}

/// The messages in a body, of whatever type its fields are.
fn messages(body: &Value, shown: Shown<'_>) -> String {
    let said: Vec<String> = match &body["errors"] {
        Value::Array(errors) if !errors.is_empty() => errors
            .iter()
            .take(MAX_MESSAGES)
            .filter_map(|error| one(error, shown))
            .collect(),
        Value::Null | Value::Array(_) => one(body, shown).into_iter().collect(),
        errors => one(errors, shown).into_iter().collect(),
    };
    said.join("; ")
}

/// One message, with its code.
fn one(error: &Value, shown: Shown<'_>) -> Option<String> {
    let text = |value: &Value, limit: usize| {
        let text = match value {
            Value::Number(number) => number.to_string(),
            other => other.as_str().unwrap_or_default().to_owned(),
        };
        Some(shown(&text, limit)).filter(|text| !text.is_empty())
    };
    if !error.is_object() {
        return text(error, MAX_SHOWN);
    }
    if error["error"].is_object() {
        return one(&error["error"], shown);
    }
    let first = |names: &[&str], limit| names.iter().find_map(|name| text(&error[*name], limit));
    let message = first(
        &["message", "details", "detail", "error_description"],
        MAX_SHOWN,
    );
    match (first(&["code", "error"], 64), message) {
        (Some(code), Some(message)) => Some(format!("{message} ({code})")),
        (code, message) => message.or(code),
    }
}

/// Text from elsewhere, in one line, without control characters and not longer than that.
pub(super) fn clean(text: &str, limit: usize) -> String {
    let mut words: String = text
        .chars()
        .map(|c| match c {
            // Controls move cursors, formats turn the direction of text around.
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => ' ',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect();
    if let Some((end, _)) = words.char_indices().nth(limit) {
        words.truncate(end);
        words.push_str("...");
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_heard_within_bounds() {
        for (body, is_text, expected) in [
            (
                r#"{"errors":[{"code":"DENIED","message":"no\u001b[2J way\n","detail":{"x":1}}]}"#,
                false,
                Some("no [2J way (DENIED)"),
            ),
            (
                r#"{"errors":[{"code":"A","message":null},{"message":"b"},{"code":"C"},{"code":"D"}]}"#,
                false,
                Some("A; b; C"),
            ),
            (
                r#"{"details":"incorrect username or password"}"#,
                false,
                Some("incorrect username or password"),
            ),
            (
                r#"{"error":"invalid_grant","error_description":"x"}"#,
                false,
                Some("x (invalid_grant)"),
            ),
            ("<html>long</html>", false, None),
            (
                "<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code><Message>Access\nDenied</Message></Error>",
                false,
                Some("Access Denied (AccessDenied)"),
            ),
            ("<Error><Code>NoSuchKey</Code>", false, Some("NoSuchKey")),
            ("<Error><Message>a", false, None),
            (r#"{"errors":"broken"}"#, false, Some("broken")),
            (r#"{"errors":["a",null,5]}"#, false, Some("a; 5")),
            (
                r#"{"errors":{"code":7,"message":"a"}}"#,
                false,
                Some("a (7)"),
            ),
            (r#"{"errors":null,"message":["a"]}"#, false, None),
            (r#"{"errors":[],"message":"a"}"#, false, Some("a")),
            (
                r#"{"error":{"code":404,"message":"a"},"status":404}"#,
                false,
                Some("a (404)"),
            ),
            (
                r#"{"code":null,"message":true,"detail":"a"}"#,
                false,
                Some("a"),
            ),
            ("\"a\"", false, Some("a")),
            ("null", true, None),
            ("\u{feff}{\"message\":\"a\"}", false, Some("a")),
            ("no\r\nmore", true, Some("no")),
            ("", true, None),
            ("{}", false, None),
        ] {
            assert_eq!(
                message(body.as_bytes(), is_text, &Secrets::default()).as_deref(),
                expected,
                "{body}"
            );
        }
        let long = format!(r#"{{"errors":[{{"message":"{}"}}]}}"#, "ä".repeat(5000));
        assert_eq!(
            message(long.as_bytes(), false, &Secrets::default()).unwrap(),
            format!("{}...", "ä".repeat(MAX_SHOWN))
        );
    }

    #[test]
    fn secrets_that_were_sent_are_not_shown() {
        let secrets = Secrets::of(None, Some("s3&cret\tword"));
        let long = format!("{}s3&cret\tword", "x".repeat(MAX_SHOWN - 2));
        for (body, is_text, expected) in [
            ("bad login u:s3&cret\tword", true, "bad login u:…"),
            (
                r#"{"errors":[{"code":"s3&cret\tword","message":"not s3\u0026cret\tword"}]}"#,
                false,
                "not … (…)",
            ),
            (r#"{"error":{"message":"s3&cret\tword"}}"#, false, "…"),
            (r#"["a"]"#, false, ""),
            (
                "<Error><Message>no s3&cret\tword</Message></Error>",
                false,
                "no …",
            ),
            (&long, true, &format!("{}…", "x".repeat(MAX_SHOWN - 2))),
        ] {
            let said = message(body.as_bytes(), is_text, &secrets);
            assert_eq!(said.unwrap_or_default(), expected, "{body}");
        }
    }
}
