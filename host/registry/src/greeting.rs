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

/// The way in which a registry that another one leads to gets its login.
pub(super) const PRIVATELY: &str = "over HTTPS with a verified certificate";

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
    /// The authorization that it gets where it must not have a login.
    anonymous: Authorization,
}

/// The login that a registry may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its own: it is the registry of the image's name, and the user's options are about it.
    Named,
    /// Its own, to read with: another registry leads there, and nobody in between can see the login.
    Led,
    /// None: another registry leads there, and could write with the login or give it away.
    Anonymous,
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
            anonymous: Authorization::anonymous(name.to_owned()),
        }
    }

    /// Reports whether a URL is this registry's own. It is still the same one where it goes over to TLS.
    pub(super) fn is_own(&self, uri: &Uri) -> bool {
        let scheme = self.scheme.get().unwrap_or(&Scheme::HTTPS);
        let is_encrypted = location::is_https(uri) && location::name(uri) == self.host;
        is_encrypted
            || url(scheme, &self.host, "/").is_ok_and(|own| location::is_same_origin(&own, uri))
    }

    /// The authorization that it gets.
    pub(super) fn authorization(&self, standing: Standing) -> &Authorization {
        if standing == Standing::Anonymous {
            &self.anonymous
        } else {
            &self.authorization
        }
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
            self.ping(&registry.transport, (registry, Standing::Named), &api)
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
        (registry, standing): (&Registry, Standing),
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
        match self.ping(transport, (registry, standing), api) {
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
    fn ping(
        &self,
        transport: &Transport,
        (registry, standing): (&Registry, Standing),
        api: &Uri,
    ) -> Result<(), Failure> {
        let request = Request::new(Method::GET, api.clone()).probing();
        let answer = transport.send(&request, None)?;
        if !retry::may_pass(answer.status) {
            registry.is_greeted.store(true, Ordering::Release);
        }
        self.learn((registry, standing), api, &answer);
        answer.discard();
        Ok(())
    }

    /// Keeps a challenge for the registry that it is of: behind redirections that is another one.
    fn learn(&self, (registry, standing): (&Registry, Standing), api: &Uri, answer: &Answer) {
        let is_own = standing == Standing::Named && registry.is_own(&answer.uri);
        if is_own || location::is_same_origin(api, &answer.uri) {
            if let Ok(Some(challenge)) = self.challenge(answer, standing) {
                registry.authorization(standing).learn(challenge);
            }
        } else if let Some((other, standing)) = self.elsewhere(&answer.uri, &Method::GET)
            && let Ok(Some(challenge)) = self.challenge(answer, standing)
        {
            other.authorization(standing).learn(challenge);
            // One that is named later is asked what it wants of others.
            if standing != Standing::Anonymous {
                other.is_greeted.store(true, Ordering::Release);
            }
        }
    }

    /// The authentication that an answer asks for.
    ///
    /// # Errors
    ///
    /// As those of [`Challenge::of`], and the service of a registry that another one leads to, where a
    /// login could be seen on its way to it.
    pub(super) fn challenge(
        &self,
        answer: &Answer,
        standing: Standing,
    ) -> Result<Option<Challenge>, Cause> {
        let is_open = standing != Standing::Named || self.is_open();
        let challenge = Challenge::of(&answer.uri, &answer.headers, is_open)?;
        if let Some(Challenge::Bearer { realm, .. }) = &challenge
            && standing == Standing::Led
            && !self.is_private(realm)
        {
            return Err(Cause::Withheld {
                host: location::host(&answer.uri),
                only: PRIVATELY,
                says: None,
            });
        }
        Ok(challenge)
    }

    /// Reports whether the user's options allow that logins are sent to the named registry without
    /// encryption.
    fn is_open(&self) -> bool {
        self.inner.plain_http || !self.inner.tls_verify
    }

    /// Reports whether nobody but the server of a URL can see what it is sent. The user's options are
    /// about the registry that they come with, and say nothing of others.
    pub(super) fn is_private(&self, uri: &Uri) -> bool {
        let is_verified = location::is_https(uri) && self.inner.tls_verify;
        is_verified || location::is_loopback(&location::host(uri))
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
