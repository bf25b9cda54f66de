//! The first contact with a registry: whether it speaks TLS, and what it asks for.
//!
//! Each registry is asked for `/v2/` once, without a login, as dockerd and skopeo do it. One that
//! answers 401 says there how to authenticate, and every request after it has what it wants: what
//! is private is hidden from the anonymous by many, by 403 or 404 and without a challenge.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use ureq::http::uri::Scheme;
use ureq::http::{Method, Uri};

use super::answer::Answer;
use super::authorization::Authorization;
use super::challenge::Challenge;
use super::client::{Client, url};
use super::error::{Cause, Failure};
use super::location;
use super::retry;
use super::transport::{Request, Transport};

/// One registry.
#[derive(Debug)]
pub(super) struct Registry {
    /// As names of images have it.
    pub(super) name: String,
    /// The host of its API, with the port.
    pub(super) host: String,
    scheme: OnceLock<Scheme>,
    /// True if the registry was asked which authentication it wants.
    is_greeted: AtomicBool,
    /// Held while one of these is found out, so that threads do not all do it.
    finding: Mutex<()>,
    /// Its connections, and those to wherever it leads.
    pub(super) transport: Transport,
    pub(super) authorization: Authorization,
}

impl Registry {
    /// A registry that nothing is known of.
    pub(super) fn new(name: &str, host: &str, transport: Transport) -> Self {
        Self {
            name: name.to_owned(),
            host: host.to_owned(),
            scheme: OnceLock::new(),
            is_greeted: AtomicBool::new(false),
            finding: Mutex::default(),
            transport,
            authorization: Authorization::new(name.to_owned()),
        }
    }

    /// Reports whether a URL is this registry's own.
    pub(super) fn is_own(&self, uri: &Uri) -> bool {
        let scheme = self.scheme.get().unwrap_or(&Scheme::HTTPS);
        url(scheme, &self.host, "/").is_ok_and(|own| location::is_same_origin(&own, uri))
    }
}

impl Client {
    /// Returns the scheme to contact a registry by. A registry on this machine, or one whose
    /// certificate is not checked, is asked.
    pub(super) fn scheme(&self, registry: &Registry) -> Result<Scheme, Failure> {
        if let Some(scheme) = registry.scheme.get() {
            return Ok(scheme.clone());
        }
        let _finding = registry
            .finding
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(scheme) = registry.scheme.get() {
            return Ok(scheme.clone());
        }
        let scheme = if self.inner.plain_http {
            Scheme::HTTP
        } else if !self.inner.tls_verify || location::is_loopback(&registry.host) {
            self.detect(registry)?
        } else {
            Scheme::HTTPS
        };
        Ok(registry.scheme.get_or_init(|| scheme).clone())
    }

    fn detect(&self, registry: &Registry) -> Result<Scheme, Failure> {
        let ping = |scheme: &Scheme| {
            let api = url(scheme, &registry.host, "/v2/")?;
            self.ping(&registry.transport, registry, &api)
        };
        match ping(&Scheme::HTTPS) {
            Ok(_) => Ok(Scheme::HTTPS),
            // Some servers close the connection when they are greeted in TLS, and some wait for the end of a line.
            Err(Failure {
                cause: Cause::NoTls(_) | Cause::Connection { .. } | Cause::Silent { .. },
                ..
            }) => ping(&Scheme::HTTP).map(|_| Scheme::HTTP).map_err(at_once),
            Err(failure) => Err(failure),
        }
    }

    /// Asks a registry what it wants, once. `api` is its `/v2/`. An answer that may pass by
    /// itself tells nothing, and is asked for again.
    pub(super) fn greet(
        &self,
        transport: &Transport,
        registry: &Registry,
        api: &Uri,
    ) -> Result<(), Failure> {
        if registry.is_greeted.load(Ordering::Acquire) {
            return Ok(());
        }
        let _finding = registry
            .finding
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if registry.is_greeted.load(Ordering::Acquire) {
            return Ok(());
        }
        match self.ping(transport, registry, api) {
            Ok(()) => Ok(()),
            // What is wrong with this answer need not be wrong with others.
            Err(Failure {
                cause: Cause::Answer { .. } | Cause::Redirects { .. } | Cause::Downgrade { .. },
                ..
            }) => {
                registry.is_greeted.store(true, Ordering::Release);
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    /// Asks for `/v2/`, and keeps what the answer tells.
    fn ping(&self, transport: &Transport, registry: &Registry, api: &Uri) -> Result<(), Failure> {
        let request = Request::new(Method::GET, api.clone()).probing();
        let answer = transport.send(&request, None)?;
        if !retry::may_pass(answer.status) {
            registry.is_greeted.store(true, Ordering::Release);
        }
        self.learn(registry, api, &answer);
        answer.discard();
        Ok(())
    }

    /// Keeps a challenge for the registry that it is of: behind redirections that is another one.
    fn learn(&self, registry: &Registry, api: &Uri, answer: &Answer) {
        let Ok(Some(challenge)) = Challenge::of(&answer.uri, &answer.headers, self.is_open())
        else {
            return;
        };
        if location::is_same_origin(api, &answer.uri) {
            registry.authorization.learn(challenge);
        } else if let Some(other) = self.elsewhere(&answer.uri) {
            other.authorization.learn(challenge);
            other.is_greeted.store(true, Ordering::Release);
        }
    }

    /// Reports whether logins may be sent without encryption: only if the user's options allow
    /// connections without it.
    pub(super) fn is_open(&self) -> bool {
        self.inner.plain_http || !self.inner.tls_verify
    }
}

/// A failure of the first contact. Where nobody listens on this machine nothing is gained by
/// waiting: a name or a port is wrong.
fn at_once(failure: Failure) -> Failure {
    match failure.cause {
        Cause::Connection { ref why, .. } if why.starts_with("Connection refused") => {
            failure.cause.into()
        }
        _ => failure,
    }
}
