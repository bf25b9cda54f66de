//! One request and its answer: connections, redirections, timeouts.

use std::io::{self, Read};
use std::time::Duration;

use ureq::http::{self, HeaderName, HeaderValue, Method, Uri, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, SendBody, Timeout};

use super::answer::Answer;
use super::error::{Cause, Failure};
use super::location;

/// How many redirections are followed.
const MAX_REDIRECTS: usize = 10;
/// How many connections are kept for one host: as many as there may be transfers at once.
const MAX_IDLE: usize = 16;
/// How much longer than anything else the answer to an upload may take: registries hash and
/// move what they got before they answer.
const COMMIT: u32 = 5;
/// How many times the limit of silence an answer may take in all, blobs excepted, so that a byte
/// now and then is not enough.
const ANSWER: u32 = 10;

/// How long is waited.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeouts {
    /// For a name to be resolved, and for a connection.
    pub(super) connect: Duration,
    /// For the next byte.
    pub(super) stall: Duration,
}

impl Timeouts {
    /// For the head of an answer in all, and for the body of one that is short.
    pub(super) fn in_all(&self) -> Duration {
        self.stall.saturating_mul(ANSWER)
    }
}

/// What is sent.
pub(super) enum Payload<'a> {
    /// Nothing, not even a length.
    Nothing,
    /// These bytes.
    Bytes(&'a [u8]),
    /// What is read, from its start for each attempt.
    Stream {
        /// How many bytes.
        size: u64,
        /// Starts to read.
        open: &'a dyn Fn() -> io::Result<Box<dyn Read + Send>>,
        /// Is told how many bytes were sent.
        progress: &'a dyn Fn(u64),
    },
}

/// A request, as often as it is needed.
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) payload: Payload<'a>,
}

impl<'a> Request<'a> {
    /// A request without headers and without a body.
    pub(super) fn new(method: Method, uri: Uri) -> Self {
        Self {
            method,
            uri,
            headers: vec![],
            payload: Payload::Nothing,
        }
    }

    pub(super) fn with_header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn with_payload(self, payload: Payload<'a>) -> Self {
        Self { payload, ..self }
    }
}

/// The connections.
#[derive(Debug)]
pub(super) struct Transport {
    /// Through the proxy that the environment names, if it names one.
    remote: Agent,
    /// Without.
    local: Agent,
    timeouts: Timeouts,
}

impl Transport {
    pub(super) fn new(user_agent: &str, timeouts: Timeouts, tls_verify: bool) -> Self {
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .disable_verification(!tls_verify)
            .build();
        let config = || {
            Agent::config_builder()
                .tls_config(tls.clone())
                .user_agent(user_agent)
                .http_status_as_error(false)
                // Followed here, where it is known who may have credentials.
                .max_redirects(0)
                .max_idle_connections(2 * MAX_IDLE)
                .max_idle_connections_per_host(MAX_IDLE)
                .timeout_resolve(Some(timeouts.connect))
                .timeout_connect(Some(timeouts.connect))
                .timeout_per_read(Some(timeouts.stall))
                .timeout_per_write(Some(timeouts.stall))
                .timeout_recv_response(Some(timeouts.in_all()))
        };
        let (remote, local) = (
            config().build().new_agent(),
            config().proxy(None).build().new_agent(),
        );
        Self {
            remote,
            local,
            timeouts,
        }
    }

    /// Sends a request and follows where it leads: GET and HEAD alone, and without
    /// `authorization` from the first other host on.
    pub(super) fn send(
        &self,
        request: &Request<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, Failure> {
        let follows = request.method == Method::GET || request.method == Method::HEAD;
        let mut uri = request.uri.clone();
        let mut authorization = authorization;
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.exchange(request, &uri, authorization)?;
            if !follows || !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let to = answer.location()?;
            if !location::is_same_origin(&uri, &to) {
                authorization = None;
            }
            answer.discard();
            uri = to;
        }
        Err(Cause::Redirects {
            host: location::host(&request.uri),
            limit: MAX_REDIRECTS,
        }
        .into())
    }

    fn exchange(
        &self,
        request: &Request<'_>,
        uri: &Uri,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, Failure> {
        let mut outgoing = match &request.payload {
            Payload::Nothing => None,
            Payload::Bytes(bytes) => Some(Outgoing::bytes(bytes)),
            Payload::Stream {
                size,
                open,
                progress,
            } => Some(Outgoing::new(
                open().map_err(Cause::Source)?,
                *size,
                progress,
            )),
        };
        let mut head = http::Request::builder()
            .method(request.method.clone())
            .uri(uri.clone());
        for (name, value) in &request.headers {
            head = head.header(name, value);
        }
        if let Some(outgoing) = &outgoing {
            head = head.header(header::CONTENT_LENGTH, outgoing.size);
        }
        if let Some(value) = authorization {
            head = head.header(header::AUTHORIZATION, value);
        }
        let agent = if location::is_loopback(&location::host(uri)) {
            &self.local
        } else {
            &self.remote
        };
        let mut timeouts = self.timeouts;
        if matches!(request.payload, Payload::Stream { .. }) {
            timeouts.stall = timeouts.stall.saturating_mul(COMMIT);
        }
        let read = (timeouts.stall != self.timeouts.stall).then_some(timeouts.stall);
        let answered = match &mut outgoing {
            None => run(agent, read, head.body(SendBody::none())),
            Some(outgoing) => run(agent, read, head.body(SendBody::from_reader(outgoing))),
        };
        if let Some(error) = outgoing.and_then(|outgoing| outgoing.failed) {
            return Err(Cause::Source(error).into());
        }
        let response = answered.map_err(|error| failure(uri, error, &timeouts))?;
        let (parts, body) = response.into_parts();
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body,
            uri: uri.clone(),
            timeouts: self.timeouts,
        })
    }
}

/// Runs one request, with another limit of silence if one is given.
fn run(
    agent: &Agent,
    read: Option<Duration>,
    request: http::Result<http::Request<SendBody<'_>>>,
) -> Result<http::Response<ureq::Body>, ureq::Error> {
    let request = request.map_err(ureq::Error::Http)?;
    match read {
        None => agent.run(request),
        Some(_) => agent.run(
            agent
                .configure_request(request)
                .timeout_per_read(read)
                .build(),
        ),
    }
}

/// What is sent, and whether reading it failed: that is not the registry's fault.
struct Outgoing<'a> {
    inner: Box<dyn Read + 'a>,
    size: u64,
    sent: u64,
    progress: &'a dyn Fn(u64),
    failed: Option<io::Error>,
}

impl<'a> Outgoing<'a> {
    fn new(inner: Box<dyn Read + 'a>, size: u64, progress: &'a dyn Fn(u64)) -> Self {
        progress(0);
        Self {
            inner,
            size,
            sent: 0,
            progress,
            failed: None,
        }
    }

    fn bytes(bytes: &'a [u8]) -> Self {
        Self::new(Box::new(bytes), bytes.len() as u64, &|_| ())
    }

    /// The end is looked for before the last bytes are sent: readers that verify fail there,
    /// and the registry must not have got the whole by then.
    fn next(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.size - self.sent;
        let room = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = read(&mut self.inner, &mut buffer[..room])?;
        if count == 0 && room > 0 {
            let (size, sent) = (self.size, self.sent);
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("it ends after {sent} bytes, and has {size} by its descriptor"),
            ));
        }
        if count as u64 == left && read(&mut self.inner, &mut [0])? > 0 {
            let size = self.size;
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("it has more than the {size} bytes of its descriptor"),
            ));
        }
        Ok(count)
    }
}

fn read(from: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

impl Read for Outgoing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failed.is_some() || buffer.is_empty() {
            return Ok(0);
        }
        match self.next(buffer) {
            Ok(count) => {
                self.sent += count as u64;
                (self.progress)(self.sent);
                Ok(count)
            }
            Err(error) => {
                self.failed = Some(error);
                Err(io::Error::other("the source failed"))
            }
        }
    }
}

/// What an error of the connection to a URL means.
pub(super) fn failure(uri: &Uri, error: ureq::Error, timeouts: &Timeouts) -> Failure {
    let host = location::host(uri);
    let connection = |why: String| Cause::Connection {
        host: host.clone(),
        why,
    };
    match error {
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => Failure::passing(connection(
            format!("nothing for {} s", timeouts.connect.as_secs_f32()),
        )),
        ureq::Error::Timeout(Timeout::PerRead | Timeout::PerWrite) => {
            Failure::passing(Cause::Silent {
                host,
                limit: timeouts.stall,
            })
        }
        ureq::Error::Timeout(_) => {
            Failure::passing(connection("its answer takes too long".to_owned()))
        }
        ureq::Error::HostNotFound => connection("there is no such host".to_owned()).into(),
        ureq::Error::Rustls(error) => tls(host, &error),
        ureq::Error::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(error) => tls(host, error),
            None => Failure::passing(connection(error.to_string())),
        },
        ureq::Error::Protocol(error) => Failure::passing(Cause::Answer {
            host,
            why: super::answer::clean(&error.to_string(), 200),
        }),
        error @ (ureq::Error::ConnectionFailed | ureq::Error::BodyStalled) => {
            Failure::passing(connection(error.to_string()))
        }
        error => connection(super::answer::clean(&error.to_string(), 200)).into(),
    }
}

fn tls(host: String, error: &rustls::Error) -> Failure {
    match error {
        // What is no TLS at all has no content type.
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => {
            Cause::NoTls(host).into()
        }
        rustls::Error::InvalidCertificate(error) => Cause::Certificate {
            host,
            why: certificate(error),
        }
        .into(),
        error => Failure::passing(Cause::Connection {
            host,
            why: error.to_string(),
        }),
    }
}

/// What is wrong with a certificate.
fn certificate(error: &rustls::CertificateError) -> String {
    use rustls::CertificateError as E;
    match error {
        E::UnknownIssuer => "it is signed by an authority that is not known".to_owned(),
        E::Expired | E::ExpiredContext { .. } => "it has expired".to_owned(),
        E::NotValidYet | E::NotValidYetContext { .. } => "it is not valid yet".to_owned(),
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            "it is for another name".to_owned()
        }
        other => super::answer::clean(&other.to_string(), 200),
    }
}
