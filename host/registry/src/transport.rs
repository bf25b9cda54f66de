//! One request and its answer: connections, redirections, timeouts.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ureq::http::{self, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use ureq::unversioned::resolver::{DefaultResolver, Resolver};
use ureq::unversioned::transport::{
    ConnectProxyConnector, Connector, SocksConnector, TcpConnector,
};
use ureq::{Agent, SendBody, Timeout};

use super::answer::Answer;
use super::error::{Cause, Failure};
use super::failure::failure;
use super::location;
use super::outgoing::Outgoing;
use super::pace::{Meter, Pace, Timeouts};
use super::proxy::{Forwarding, Proxies, Route};
use super::redirect::Hop;
use super::secrets::Secrets;
use super::tls::TlsConnector;

/// The number of redirections that are followed.
const MAX_REDIRECTS: usize = 10;
/// The number of connections that are kept for one host: as many as there may be transfers at once.
const MAX_IDLE: usize = 16;

/// The time for a connection, with its handshake, to a host that may not speak TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The body of a request.
pub(super) enum Payload<'a> {
    /// Nothing, not even a length.
    Nothing,
    /// These bytes.
    Bytes(&'a [u8]),
    /// A stream, which is read from its start for each attempt.
    Stream {
        /// The number of bytes.
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
    /// The blob that is asked for: its size, and how fast it must come. Other answers are short.
    blob: Option<(u64, Pace)>,
    /// The secret in the body, which is for this host alone.
    pub(super) secret: Option<&'a str>,
    /// It finds out whether there is TLS at all.
    is_probe: bool,
}

impl<'a> Request<'a> {
    /// A request without headers and without a body.
    pub(super) fn new(method: Method, uri: Uri) -> Self {
        Self {
            method,
            uri,
            headers: vec![],
            payload: Payload::Nothing,
            blob: None,
            secret: None,
            is_probe: false,
        }
    }

    /// Says that the body holds a secret, which is for this host alone.
    pub(super) fn with_secret(self, secret: &'a str) -> Self {
        let secret = Some(secret);
        Self { secret, ..self }
    }

    pub(super) fn with_header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn with_payload(self, payload: Payload<'a>) -> Self {
        Self { payload, ..self }
    }

    /// Finds out whether a host speaks TLS: one that does not may wait for more than a greeting.
    pub(super) fn probing(self) -> Self {
        let is_probe = true;
        Self { is_probe, ..self }
    }

    /// Asks for a blob of that size, or the rest of one.
    pub(super) fn for_blob(self, size: u64, pace: Pace) -> Self {
        let blob = Some((size, pace));
        Self { blob, ..self }
    }
}

/// The connections for one registry.
#[derive(Debug)]
pub(super) struct Transport {
    agent: Agent,
    tls: TlsConnector,
    proxies: Arc<Proxies>,
    timeouts: Timeouts,
}

impl Transport {
    pub(super) fn new(
        user_agent: &str,
        timeouts: Timeouts,
        tls: TlsConnector,
        proxies: Arc<Proxies>,
    ) -> Self {
        Self::with_resolver(
            user_agent,
            timeouts,
            tls,
            proxies,
            DefaultResolver::default(),
        )
    }

    /// As [`Self::new`], with another way from names to addresses.
    pub(super) fn with_resolver(
        user_agent: &str,
        timeouts: Timeouts,
        tls: TlsConnector,
        proxies: Arc<Proxies>,
        resolver: impl Resolver,
    ) -> Self {
        let config = Agent::config_builder()
            // Each request has its own.
            .proxy(None)
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
            .build();
        let connector = Forwarding { tls: tls.clone() }
            .chain(SocksConnector::default())
            .chain(ConnectProxyConnector::default())
            .chain(TcpConnector::default())
            .chain(tls.clone());
        Self {
            agent: Agent::with_parts(config, connector, resolver),
            tls,
            proxies,
            timeouts,
        }
    }

    /// Sends a request and follows where it leads, without `authorization` from the first
    /// other host on.
    pub(super) fn send(
        &self,
        request: &Request<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, Failure> {
        let (mut from, mut authorization) = (request.uri.clone(), authorization);
        self.follow(request, &mut |hop| {
            if !location::is_same_origin(&from, &hop.uri) {
                authorization = None;
            }
            from = hop.uri.clone();
            self.exchange(hop, authorization)
        })
    }

    /// Follows where a request leads. `deliver` sends it to one host, and knows what that host
    /// may be given.
    pub(super) fn follow(
        &self,
        request: &Request<'_>,
        deliver: &mut dyn FnMut(&mut Hop<'_>) -> Result<Answer, Failure>,
    ) -> Result<Answer, Failure> {
        let mut hop = Hop::first(request);
        for _ in 0..=MAX_REDIRECTS {
            let answer = deliver(&mut hop)?;
            if !Hop::is_led_by(answer.status) {
                return Ok(answer);
            }
            let to = answer.location()?;
            if !hop.may_go(&to) {
                return Ok(answer);
            }
            hop.go(answer.status, to);
            answer.discard();
        }
        Err(Cause::Redirects {
            host: location::host(&request.uri),
            limit: MAX_REDIRECTS,
        }
        .into())
    }

    /// Sends a request to one host.
    pub(super) fn exchange(
        &self,
        hop: &Hop<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, Failure> {
        let Hop {
            request,
            uri,
            start,
            ..
        } = hop;
        let (request, start) = (*request, *start);
        check_clock(uri, SystemTime::now())?;
        if location::is_https(uri) {
            self.tls.configuration(uri)?;
        }
        let route = self.proxies.route(uri)?;
        let mut outgoing = match &request.payload {
            _ if !hop.has_body => None,
            Payload::Nothing => None,
            Payload::Bytes(bytes) => Some(Outgoing::bytes(bytes)),
            Payload::Stream {
                size,
                open,
                progress,
            } => Some(Outgoing::blob(
                open().map_err(Cause::Source)?,
                *size,
                progress,
                Meter::new(&self.timeouts, Pace::Rate),
            )),
        };
        let mut head = http::Request::builder()
            .method(hop.method.clone())
            .uri(uri.clone());
        for (name, value) in &request.headers {
            if hop.has_body || !is_of_body(name) {
                head = head.header(name, value);
            }
        }
        if let Some(outgoing) = &outgoing {
            head = head.header(header::CONTENT_LENGTH, outgoing.size);
        }
        if let Some(value) = authorization {
            head = head.header(header::AUTHORIZATION, value);
        }
        if let Some(value) = route.as_ref().and_then(Route::authorization) {
            head = head.header(header::PROXY_AUTHORIZATION, value);
        }
        let head = (head, route.as_ref());
        let answered = match &mut outgoing {
            None => self.run(request, head, SendBody::none(), start),
            Some(outgoing) => self.run(request, head, SendBody::from_reader(outgoing), start),
        };
        match outgoing.map(Outgoing::fault).unwrap_or_default() {
            (Some(error), _) => return Err(Cause::Source(error).into()),
            (None, Some(slow)) => {
                let stalled = Cause::Stalled {
                    host: location::host(uri),
                    did: "took",
                    bytes: slow.bytes,
                    time: slow.time,
                    least: self.timeouts.least,
                };
                return Err(Failure::passing(stalled));
            }
            (None, None) => {}
        }
        let response = answered.map_err(|error| {
            let timeouts = match (&request.payload, &error) {
                (Payload::Stream { .. }, ureq::Error::Timeout(Timeout::PerWrite)) => self.timeouts,
                (Payload::Stream { .. }, _) => self.timeouts.commit(),
                _ => self.timeouts,
            };
            self.explain(failure(uri, error, &timeouts, 0), uri, route.as_ref())
        })?;
        if let Some(route) = &route
            && response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED
        {
            let why = format!("it answers {}", response.status());
            return Err(route.failed(location::host(uri), why).into());
        }
        let is_short = request.blob.is_none() && !matches!(request.payload, Payload::Stream { .. });
        let (parts, body) = response.into_parts();
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body,
            uri: uri.clone(),
            secrets: Secrets::of(authorization, request.secret),
            timeouts: self.timeouts,
            start: if is_short { start } else { Instant::now() },
        })
    }

    /// Adds to a failure what the proxy has to do with it, and what is wrong with the files of roots.
    fn explain(&self, mut failure: Failure, uri: &Uri, route: Option<&Route<'_>>) -> Failure {
        if let Some(route) = route {
            failure.cause = route.explain(failure.cause);
        }
        if let Cause::Certificate { why, .. } = &mut failure.cause
            && why.contains("authority")
            && let Ok(configuration) = self.tls.configuration(uri)
        {
            for fault in configuration.faults.iter() {
                why.push_str("; ");
                why.push_str(fault);
            }
        }
        failure
    }

    /// Runs one request, with the limits of what is asked for.
    fn run(
        &self,
        request: &Request<'_>,
        (head, route): (http::request::Builder, Option<&Route<'_>>),
        body: SendBody<'_>,
        start: Instant,
    ) -> Result<http::Response<ureq::Body>, ureq::Error> {
        let outgoing = head.body(body).map_err(ureq::Error::Http)?;
        let timeouts = &self.timeouts;
        // Of all the time that redirections may take together.
        let left = timeouts.answer.saturating_sub(start.elapsed());
        let limited = self
            .agent
            .configure_request(outgoing)
            .proxy(route.map(|route| route.proxy.clone()));
        let limited = if request.is_probe {
            limited.timeout_connect(Some(timeouts.connect.min(HANDSHAKE)))
        } else {
            limited
        };
        let limited = match (&request.payload, request.blob) {
            (Payload::Stream { .. }, _) => {
                let commit = timeouts.commit();
                limited
                    .timeout_send_request(Some(timeouts.answer))
                    .timeout_per_read(Some(commit.stall))
                    .timeout_recv_response(Some(commit.answer))
                    .timeout_recv_body(Some(timeouts.answer))
            }
            (_, Some((size, Pace::Rate))) => limited
                .timeout_send_request(Some(left))
                .timeout_recv_response(Some(left))
                // The rate is looked at between reads, and one read may take long: a record or
                // the head of a chunk need not end.
                .timeout_recv_body(Some(timeouts.blob(size))),
            _ => limited.timeout_global(Some(left)),
        };
        self.agent.run(limited.build())
    }
}

/// Reports whether a header describes the body.
fn is_of_body(name: &HeaderName) -> bool {
    [header::CONTENT_TYPE, header::CONTENT_RANGE, header::EXPECT].contains(name)
}

/// Checks that the machine's clock can be held against certificates: what does it counts from 1970, and panics.
fn check_clock(uri: &Uri, now: SystemTime) -> Result<(), Cause> {
    if uri.scheme_str() == Some("https") && now < SystemTime::UNIX_EPOCH {
        return Err(Cause::Certificate {
            host: location::host(uri),
            why: "the clock of this machine shows a time before 1970".to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_no_certificate_knows_is_told() {
        let early = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        let https = Uri::from_static("https://registry.example/v2/");
        let error = check_clock(&https, early).unwrap_err();
        assert!(error.to_string().contains("before 1970"), "{error}");
        assert!(check_clock(&https, SystemTime::UNIX_EPOCH).is_ok());
        assert!(check_clock(&Uri::from_static("http://localhost:5000/"), early).is_ok());
    }
}
