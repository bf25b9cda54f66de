//! A request to a registry, with what its authentication wants, from host to host.
//!
//! Each host gets what is for it and nothing else: the registry that the name says its own login, a
//! registry that the name redirects to the login of that one, and storage nothing. But a registry must
//! not make us write to another one, or show its login on the way there: a login that another registry
//! leads to is used to read alone, and only where it is encrypted for a verified server.

use std::sync::Arc;
use std::time::Instant;

use terrine_oci::Repository;
use ureq::http::{Method, Uri};

use super::answer::Answer;
use super::authorization::{Means, Scope};
use super::client::Client;
use super::error::{Again, Cause, Failure};
use super::greeting::{PRIVATELY, Registry, Standing};
use super::location;
use super::redirect::Hop;
use super::transport::{Request, Transport};

/// The number of tokens that are tried for one refused request, as long as they come from other
/// threads.
const MAX_RENEWALS: usize = 4;

/// A registry that a request goes to.
struct Peer {
    registry: Arc<Registry>,
    standing: Standing,
    /// Its `/v2/`.
    api: Uri,
    scopes: Vec<Scope>,
}

impl Peer {
    /// The same, which gets no login.
    fn without_login(&self) -> Self {
        Self {
            registry: Arc::clone(&self.registry),
            standing: Standing::Anonymous,
            api: self.api.clone(),
            scopes: self.scopes.clone(),
        }
    }
}

impl Client {
    /// Sends a request to a registry, and on to where that leads.
    pub(super) fn send(
        &self,
        to: &Repository,
        request: &Request<'_>,
        scopes: &[Scope],
    ) -> Result<Answer, Failure> {
        // What is said of the certificates of the first registry counts for all of it.
        let own = self.registry(&to.registry);
        let transport = &own.transport;
        transport.follow(request, &mut |hop| match self.peer(to, hop, scopes) {
            Some(peer) => self.authorized(transport, &peer, hop),
            None => transport.exchange(hop, None),
        })
    }

    /// The registry that a request goes to; none if it is another server.
    fn peer(&self, to: &Repository, hop: &Hop<'_>, scopes: &[Scope]) -> Option<Peer> {
        let uri = &hop.uri;
        let own = self.registry(&to.registry);
        let (registry, standing, scopes) = if own.is_own(uri) {
            (own, Standing::Named, scopes.to_vec())
        } else {
            let (registry, standing) = self.elsewhere(uri, &hop.method)?;
            (registry, standing, renamed(scopes, hop))
        };
        Some(Peer {
            registry,
            standing,
            api: location::api(uri).or_else(|| location::resolve(uri, "/v2/"))?,
            scopes,
        })
    }

    /// A registry that is not the one of the image's name, and what it may be given: what is there
    /// looks like the API of one.
    pub(super) fn elsewhere(
        &self,
        uri: &Uri,
        method: &Method,
    ) -> Option<(Arc<Registry>, Standing)> {
        location::api(uri)?;
        let standing = if reads(method) && self.is_private(uri) {
            Standing::Led
        } else {
            Standing::Anonymous
        };
        Some((self.registry(&location::name(uri)), standing))
    }

    /// Sends a request to a registry, once more with what it asks for if it refuses.
    fn authorized(
        &self,
        transport: &Transport,
        peer: &Peer,
        hop: &mut Hop<'_>,
    ) -> Result<Answer, Failure> {
        let means = Means {
            transport,
            credentials: &self.inner.credentials,
        };
        let Peer {
            registry,
            standing,
            api,
            scopes,
        } = peer;
        let authorization = registry.authorization(*standing);
        let method = hop.method.clone();
        let named = |failure| named(failure, peer, &method);
        if *standing == Standing::Named {
            self.greet(transport, (registry, *standing), api)?;
        }
        let mut used = authorization.current(means, scopes).map_err(named)?;
        let mut answer = transport.exchange(hop, used.as_ref())?;
        for _ in 0..MAX_RENEWALS {
            if !refuses(&answer, used.is_some()) {
                break;
            }
            // Without a login it is all one what is hidden.
            if used.is_none() && *standing != Standing::Anonymous {
                self.greet(transport, (registry, *standing), api)?;
            }
            let offered = match self.challenge(&answer, *standing) {
                // Nobody may need a login there.
                Err(Cause::Withheld { .. }) => {
                    answer.discard();
                    hop.start = Instant::now();
                    return self.authorized(transport, &peer.without_login(), hop);
                }
                Err(cause) if answer.status.as_u16() == 401 && !authorization.is_wanted() => {
                    return Err(cause.into());
                }
                offered => offered.unwrap_or_default(),
            };
            let renewed = authorization
                .renew(means, offered, scopes, used.as_ref(), &hop.method)
                .map_err(named)?;
            let Some(renewed) = renewed else { break };
            answer.discard();
            hop.start = Instant::now();
            answer = transport.exchange(hop, Some(&renewed.value))?;
            used = Some(renewed.value);
            if !renewed.is_old {
                break;
            }
        }
        match answer.status.as_u16() {
            401 => Err(named(self.refused(peer, means, answer)?.into())),
            // What was asked for may be hidden, and a login that cannot be read would show it.
            403 | 404 if authorization.is_wanted() => {
                authorization.login(means, scopes)?;
                Ok(answer)
            }
            403 | 404 => Ok(answer),
            _ => {
                if let Some(used) = &used {
                    authorization.took(used);
                }
                Ok(answer)
            }
        }
    }

    /// Returns the cause of a registry's final refusal.
    fn refused(&self, peer: &Peer, means: Means<'_>, mut answer: Answer) -> Result<Cause, Failure> {
        let authorization = peer.registry.authorization(peer.standing);
        let login = authorization.login(means, &peer.scopes)?;
        let says = answer.message();
        let host = peer.registry.name.clone();
        Ok(match authorization.service() {
            Some(service) => Cause::Token {
                host,
                service: location::host(&service),
                says,
            },
            None => Cause::Unauthorized {
                host,
                elsewhere: None,
                login: login.map(|login| login.source),
                says,
            },
        })
    }
}

/// Reports whether an answer asks for another `Authorization`. Registries hide private repositories
/// by 403 and 404. After a token or a password these are final, unless the answer says what else is
/// wanted.
fn refuses(answer: &Answer, has_some: bool) -> bool {
    let asks = answer
        .header(ureq::http::header::WWW_AUTHENTICATE)
        .is_some();
    match answer.status.as_u16() {
        401 => true,
        403 | 404 => !has_some || asks,
        _ => false,
    }
}

/// Reports whether a method changes nothing.
fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// The scopes of a request that was led to another registry, which may have it under another name.
fn renamed(scopes: &[Scope], hop: &Hop<'_>) -> Vec<Scope> {
    let mut scopes = scopes.to_vec();
    for scope in &mut scopes {
        scope.push &= !reads(&hop.method);
    }
    if let (Some(scope), Some(name)) = (scopes.first_mut(), location::repository(&hop.uri)) {
        scope.repository = name.to_owned();
    }
    scopes
}

/// Names the registry that a missing login is for, if it is not the one of the image's name, or says
/// why it gets none.
fn named(mut failure: Failure, peer: &Peer, method: &Method) -> Failure {
    let name = &peer.registry.name;
    if let (
        Cause::Unauthorized {
            elsewhere, says, ..
        },
        Again::No,
    ) = (&mut failure.cause, failure.again)
    {
        match peer.standing {
            Standing::Named => {}
            Standing::Led => *elsewhere = Some(name.clone()),
            Standing::Anonymous => {
                let only = if reads(method) { PRIVATELY } else { "to read" };
                failure.cause = Cause::Withheld {
                    host: name.clone(),
                    only,
                    says: says.take(),
                };
            }
        }
    }
    failure
}
