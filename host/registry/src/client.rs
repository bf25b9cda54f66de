//! The client: what all endpoints have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use terrine_oci::Repository;
use ureq::http::uri::Scheme;
use ureq::http::{Method, Uri};

use super::answer::Answer;
use super::authorization::{Authorization, Means, Scope};
use super::challenge::Challenge;
use super::credentials::Credentials;
use super::error::{Cause, Error, Failure};
use super::location;
use super::pace::Timeouts;
use super::retry::Retry;
use super::transport::{Request, Transport};

/// Where the registry of names without one is.
const HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// The time that an answer may take that is no blob: twice as long as a registry may be silent, so that
/// silence is told as silence, and the largest manifest comes over a line of 35 KiB a second.
const ANSWER: Duration = Duration::from_secs(120);

/// The least rate of a blob, in bytes a second. The slowest lines in use are faster, and a server
/// that keeps a connection alive with a byte now and then is slower.
const LEAST: u64 = 1 << 10;

/// How many tokens are tried for one request that is refused, as long as they are others'.
const MAX_RENEWALS: usize = 4;

/// How registries are spoken to.
#[derive(Debug)]
pub struct ClientOptions {
    /// Without TLS. Loopback addresses (`localhost`, 127.0.0.0/8, `[::1]`) are spoken to as
    /// they answer anyway.
    pub plain_http: bool,
    /// Whether the certificates of registries are checked. Where they are not, registries are spoken to as they
    /// answer, by TLS if they can.
    pub tls_verify: bool,
    /// How often something that may pass is tried again: broken connections, silence, and the
    /// statuses 408, 429, 500, 502, 503 and 504. A transfer that goes on where it broke off counts
    /// anew after each mebibyte.
    pub retries: u32,
    /// The wait before the first of these; it doubles with each, up to 30 s. What a registry
    /// asks for by `Retry-After` counts if it is longer, up to 120 s.
    pub back_off: Duration,
    /// How long a connection may take, and finding its address.
    pub connect_timeout: Duration,
    /// How long a registry may be silent. After an upload it may be so five times as long.
    pub stall_timeout: Duration,
    /// The time that all of a short answer may take: a manifest, a configuration, a token, an error. The
    /// time counts from the request to the last byte, redirections included.
    pub answer_timeout: Duration,
    /// The number of bytes of another blob that must come or go in a second, on the average of
    /// `answer_timeout`. A transfer that is slower counts as a connection that broke. Zero is no
    /// limit.
    pub least_rate: u64,
    /// What we say that we are.
    pub user_agent: String,
    /// Who we are.
    pub credentials: Credentials,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            plain_http: false,
            tls_verify: true,
            retries: 5,
            back_off: Duration::from_millis(250),
            connect_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(60),
            answer_timeout: ANSWER,
            least_rate: LEAST,
            user_agent: concat!("terrine/", env!("CARGO_PKG_VERSION")).to_owned(),
            credentials: Credentials::default(),
        }
    }
}

/// A client of any number of registries. Its methods block, and may be called by several
/// threads at once; clones share connections and tokens.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    plain_http: bool,
    tls_verify: bool,
    retry: Retry,
    transport: Transport,
    credentials: Credentials,
    registries: Mutex<BTreeMap<String, Arc<Registry>>>,
    /// Repositories that are pushed to.
    pushed: Mutex<BTreeSet<(String, String)>>,
}

/// One registry.
#[derive(Debug)]
struct Registry {
    /// Where its API is, with the port.
    host: String,
    scheme: OnceLock<Scheme>,
    /// Held while the scheme is found out, so that threads do not all do it.
    finding: Mutex<()>,
    authorization: Authorization,
}

impl Client {
    /// A client that has not connected to anything yet.
    pub fn new(options: ClientOptions) -> Self {
        let ClientOptions {
            plain_http,
            tls_verify,
            retries,
            back_off,
            user_agent,
            credentials,
            ..
        } = options;
        let timeouts = Timeouts::new(
            options.connect_timeout,
            options.stall_timeout,
            options.answer_timeout,
            options.least_rate,
        );
        let inner = Inner {
            plain_http,
            tls_verify,
            retry: Retry { retries, back_off },
            transport: Transport::new(&user_agent, timeouts, tls_verify),
            credentials,
            registries: Mutex::default(),
            pushed: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Says that a repository will be pushed to, so that tokens are good for that from the
    /// first on. It saves one, and registries that hide what may not be read can be asked.
    pub fn will_push(&self, to: &Repository) {
        let mut pushed = self
            .inner
            .pushed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        pushed.insert((to.registry.clone(), to.name.clone()));
    }

    /// Runs one endpoint: attempts, and an error that says what was being done.
    pub(super) fn run<T>(
        &self,
        of: &Repository,
        operation: impl FnOnce() -> String,
        attempt: impl FnMut(&mut u32) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        self.inner
            .retry
            .run(attempt)
            .map_err(|cause| Error::new(operation(), &of.registry, cause))
    }

    pub(super) fn retry(&self) -> &Retry {
        &self.inner.retry
    }

    /// What is asked for to read from a repository, or to write to it.
    pub(super) fn scope(&self, of: &Repository, push: bool) -> Scope {
        let pushed = self
            .inner
            .pushed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let push = push || pushed.contains(&(of.registry.clone(), of.name.clone()));
        Scope {
            repository: of.name.clone(),
            push,
        }
    }

    /// The URL of `path` in a repository.
    pub(super) fn url(&self, of: &Repository, path: &str) -> Result<Uri, Failure> {
        let registry = self.registry(&of.registry);
        let scheme = self.scheme(&registry)?;
        url(&scheme, &registry.host, &format!("/v2/{}/{path}", of.name))
    }

    /// Sends a request to a registry, with what its authentication wants. A request that leads
    /// elsewhere goes without.
    pub(super) fn send(
        &self,
        to: &Repository,
        request: &Request<'_>,
        scopes: &[Scope],
    ) -> Result<Answer, Failure> {
        let registry = self.registry(&to.registry);
        let means = Means {
            transport: &self.inner.transport,
            credentials: &self.inner.credentials,
        };
        let is_own = |uri: &Uri| {
            let own = url(
                registry.scheme.get().unwrap_or(&Scheme::HTTPS),
                &registry.host,
                "/",
            );
            own.is_ok_and(|own| location::is_same_origin(&own, uri))
        };
        if !is_own(&request.uri) {
            return means.transport.send(request, None);
        }
        let used = registry.authorization.current(means, scopes)?;
        let answer = means.transport.send(request, used.as_ref())?;
        let refuses = |answer: &Answer| answer.status.as_u16() == 401 && is_own(&answer.uri);
        if !refuses(&answer) {
            return Ok(answer);
        }
        // Who wants no encryption has said so.
        let is_open = self.inner.plain_http || !self.inner.tls_verify;
        let (mut answer, mut used) = (answer, used);
        for _ in 0..MAX_RENEWALS {
            let Some(challenge) = Challenge::of(&answer.uri, &answer.headers, is_open)? else {
                break;
            };
            let renewed = registry
                .authorization
                .renew(means, challenge, scopes, used.as_ref())?;
            let Some(renewed) = renewed else { break };
            answer.discard();
            answer = means.transport.send(request, Some(&renewed.value))?;
            if !refuses(&answer) {
                return Ok(answer);
            }
            if !renewed.is_old {
                break;
            }
            used = Some(renewed.value);
        }
        let login = registry.authorization.login_file(means, scopes);
        let says = answer.message();
        Err(Cause::Unauthorized {
            host: to.registry.clone(),
            login,
            says,
        }
        .into())
    }

    fn registry(&self, name: &str) -> Arc<Registry> {
        let mut registries = self
            .inner
            .registries
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let registry = registries.entry(name.to_owned()).or_insert_with(|| {
            Arc::new(Registry {
                host: if name == HUB.0 { HUB.1 } else { name }.to_owned(),
                scheme: OnceLock::new(),
                finding: Mutex::default(),
                authorization: Authorization::new(name.to_owned()),
            })
        });
        Arc::clone(registry)
    }

    /// How a registry is spoken to. One on this machine is asked, without credentials.
    fn scheme(&self, registry: &Registry) -> Result<Scheme, Failure> {
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
            self.detect(&registry.host)?
        } else {
            Scheme::HTTPS
        };
        Ok(registry.scheme.get_or_init(|| scheme).clone())
    }

    fn detect(&self, host: &str) -> Result<Scheme, Failure> {
        let ping = |scheme: &Scheme| {
            let request = Request::new(Method::GET, url(scheme, host, "/v2/")?);
            self.inner
                .transport
                .send(&request, None)
                .map(Answer::discard)
        };
        match ping(&Scheme::HTTPS) {
            Ok(()) => Ok(Scheme::HTTPS),
            // Some servers close the connection when they are greeted in TLS.
            Err(Failure {
                cause: Cause::NoTls(_) | Cause::Connection { .. },
                ..
            }) => ping(&Scheme::HTTP).map(|()| Scheme::HTTP).map_err(at_once),
            Err(failure) => Err(failure),
        }
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

fn url(scheme: &Scheme, host: &str, path: &str) -> Result<Uri, Failure> {
    let text = format!("{scheme}://{host}{path}");
    let uri: Option<Uri> = text.parse().ok();
    // `host` must be the whole authority: no user, no start of the path.
    uri.filter(|uri| {
        uri.authority()
            .is_some_and(|authority| authority.as_str() == host && !host.contains('@'))
            && uri.path() == path.split('?').next().unwrap_or_default()
    })
    .ok_or_else(|| Cause::Name(format!("{host}{path}")).into())
}
