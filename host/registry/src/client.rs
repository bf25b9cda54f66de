//! The client: what all endpoints have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use terrine_oci::Repository;
use ureq::http::uri::Scheme;
use ureq::http::{Method, Uri};

use super::authorization::Scope;
use super::credentials::Credentials;
use super::elsewhere::Elsewhere;
use super::error::{Cause, Error, Failure};
use super::greeting::Registry;
use super::logins::ServerName;
use super::pace::Timeouts;
use super::proxy::Proxies;
use super::retry::Retry;
use super::tls::{Audience, CertificatePlaces, TlsConnector, Trust};
use super::transport::{Request, Transport};

/// The registry of names that name none, and the host of its API.
const HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// The time that an answer may take that is no blob: twice as long as a registry may be silent, so that
/// silence is told as silence, and the largest manifest comes over a line of 35 KiB a second.
const ANSWER: Duration = Duration::from_secs(120);

/// The least rate of a blob, in bytes a second. The slowest lines in use are faster, and a server
/// that keeps a connection alive with a byte now and then is slower.
const LEAST: u64 = 1 << 10;

/// Settings for the connections to registries.
#[derive(Debug)]
pub struct ClientOptions {
    /// Without TLS. Loopback addresses (`localhost`, 127.0.0.0/8, `[::1]`) are spoken to as
    /// they answer anyway.
    pub plain_http: bool,
    /// True if the certificates of registries are checked. If not, registries are contacted by TLS
    /// if they support it, else without.
    pub tls_verify: bool,
    /// The number of times that a request is retried after a failure that may pass: broken
    /// connections, silence, and the statuses 408, 429, 500, 502, 503 and 504. A transfer that
    /// continues after an interruption starts to count again after each mebibyte.
    pub retries: u32,
    /// The wait before the first of these; it doubles with each, up to 30 s. What a registry
    /// asks for by `Retry-After` counts if it is longer, up to 120 s.
    pub back_off: Duration,
    /// The longest time that a connection may take, with the lookup of its address.
    pub connect_timeout: Duration,
    /// The longest time that a registry may be silent. After an upload it may be silent five times
    /// as long.
    pub stall_timeout: Duration,
    /// The time that all of a short answer may take: a manifest, a configuration, a token, an error. The
    /// time counts from the request to the last byte, redirections included.
    pub answer_timeout: Duration,
    /// The number of bytes of another blob that must come or go in a second, on the average of
    /// `answer_timeout`. A transfer that is slower counts as a connection that broke. Zero is no
    /// limit.
    pub least_rate: u64,
    /// The `User-Agent` that we send.
    pub user_agent: String,
    /// The credentials that we log in with.
    pub credentials: Credentials,
    /// The places of certificates: those that are trusted besides the system's, and our own.
    pub certificates: CertificatePlaces,
    /// The proxies.
    pub proxies: Proxies,
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
            certificates: CertificatePlaces::default(),
            proxies: Proxies::default(),
        }
    }
}

/// A client of any number of registries. Its methods block, and may be called by several
/// threads at once; clones share connections and tokens.
#[derive(Debug, Clone)]
pub struct Client {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) plain_http: bool,
    pub(super) tls_verify: bool,
    retry: Retry,
    user_agent: String,
    timeouts: Timeouts,
    trust: Arc<Trust>,
    proxies: Arc<Proxies>,
    /// The connections to servers that are no registries.
    pub(super) elsewhere: Elsewhere,
    /// The connections to servers of the user's choice that are no registries.
    pub(super) web: Transport,
    pub(super) credentials: Credentials,
    registries: Mutex<BTreeMap<String, Arc<Registry>>>,
    /// Repositories that are pushed to.
    pushed: Mutex<BTreeSet<(String, String)>>,
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
            certificates,
            proxies,
            ..
        } = options;
        let timeouts = Timeouts::new(
            options.connect_timeout,
            options.stall_timeout,
            options.answer_timeout,
            options.least_rate,
        );
        let (trust, proxies) = (
            Arc::new(Trust::new(certificates, tls_verify)),
            Arc::new(proxies),
        );
        let tls = |audience| TlsConnector {
            trust: Arc::clone(&trust),
            audience,
        };
        let web = Transport::new(
            &user_agent,
            timeouts,
            tls(Audience::Host),
            Arc::clone(&proxies),
        );
        let elsewhere = Elsewhere::new(|resolver| {
            let (tls, proxies) = (tls(Audience::Nobody), Arc::clone(&proxies));
            Transport::with_resolver(&user_agent, timeouts, tls, proxies, resolver)
        });
        let inner = Inner {
            plain_http,
            tls_verify,
            retry: Retry { retries, back_off },
            user_agent,
            timeouts,
            trust,
            proxies,
            elsewhere,
            web,
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

    /// Checks that a registry takes the login that there is for it, and says whether it wants one at all.
    pub fn check_login(&self, server: &ServerName) -> Result<bool, Error> {
        let of = Repository {
            registry: server.host.clone(),
            name: server.path.clone(),
            tag: None,
            digest: None,
        };
        let scopes: Vec<Scope> = (!of.name.is_empty())
            .then(|| self.scope(&of, false))
            .into_iter()
            .collect();
        let operation = || format!("checking the credentials for `{server}`");
        self.run(&of, operation, |_| {
            let registry = self.registry(&of.registry);
            let uri = url(&self.scheme(&registry)?, &registry.host, "/v2/")?;
            let request = Request::new(Method::GET, uri);
            let answer = self.send(&of, &request, &scopes)?;
            let wants = registry.authorization.is_wanted();
            match answer.status.as_u16() {
                200..300 => Ok(wants),
                _ => Err(answer.failure()),
            }
        })
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

    /// Returns the access that is requested to read from a repository, or to write to it.
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

    fn transport(&self, registry: &str) -> Transport {
        let inner = &self.inner;
        let tls = TlsConnector {
            trust: Arc::clone(&inner.trust),
            audience: Audience::Registry(registry.to_owned()),
        };
        let proxies = Arc::clone(&inner.proxies);
        Transport::new(&inner.user_agent, inner.timeouts, tls, proxies)
    }

    /// Returns the state of a registry.
    pub(super) fn registry(&self, name: &str) -> Arc<Registry> {
        let mut registries = self
            .inner
            .registries
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let host = if name == HUB.0 { HUB.1 } else { name };
        let registry = registries
            .entry(name.to_owned())
            .or_insert_with(|| Arc::new(Registry::new(name, host, self.transport(name))));
        Arc::clone(registry)
    }
}

pub(super) fn url(scheme: &Scheme, host: &str, path: &str) -> Result<Uri, Failure> {
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
