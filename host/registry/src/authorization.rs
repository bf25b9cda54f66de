//! Authorization for one registry: tokens and passwords.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ureq::http::{HeaderValue, Method, Uri};

use super::challenge::Challenge;
use super::credentials::{Credentials, Login, Secret};
use super::error::{Again, Failure};
use super::token::{self, basic};
use super::transport::Transport;

/// The time before a token's expiry during which the token is not used any more.
const MARGIN: Duration = Duration::from_secs(10);

/// The access that is requested to one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) repository: String,
    pub(super) push: bool,
}

impl Scope {
    fn covers(&self, other: &Self) -> bool {
        self.repository == other.repository && (self.push || !other.push)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actions = if self.push { "pull,push" } else { "pull" };
        write!(f, "repository:{}:{actions}", self.repository)
    }
}

struct Token {
    scopes: Vec<Scope>,
    /// The repository whose login it was given for.
    repository: String,
    value: HeaderValue,
    until: Instant,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({:?})", self.scopes)
    }
}

#[derive(Debug, Default)]
struct State {
    /// The last challenge of the registry.
    challenge: Option<Challenge>,
    tokens: Vec<Token>,
    /// True if the registry ever accepted the authorization that was sent.
    took: bool,
    /// The scopes for which there was neither a password nor a token that could be had.
    without: BTreeSet<String>,
    /// The repositories for which the registry got a password that it had not asked for, to read or to write.
    unasked: BTreeSet<(String, bool)>,
}

/// The state of authentication for one registry.
#[derive(Debug)]
pub(super) struct Authorization {
    /// As names of images have it.
    registry: String,
    /// True if the registry gets no login, whatever there is.
    is_anonymous: bool,
    /// Held while a token is fetched, so that threads do not fetch the same one.
    state: Mutex<State>,
}

/// The authorization that replaces a refused one.
pub(super) struct Renewed {
    pub(super) value: HeaderValue,
    /// It was there before: another thread's, that may have ended as well.
    pub(super) is_old: bool,
}

/// The means to authenticate with.
#[derive(Clone, Copy)]
pub(super) struct Means<'a> {
    pub(super) transport: &'a Transport,
    pub(super) credentials: &'a Credentials,
}

impl Authorization {
    pub(super) fn new(registry: String) -> Self {
        Self {
            registry,
            is_anonymous: false,
            state: Mutex::default(),
        }
    }

    /// As [`Self::new`], without a login.
    pub(super) fn anonymous(registry: String) -> Self {
        Self {
            is_anonymous: true,
            ..Self::new(registry)
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what the registry asks of everybody, if it has not asked for anything yet.
    pub(super) fn learn(&self, challenge: Challenge) {
        let mut state = self.state();
        if state.challenge.is_none() {
            state.challenge = Some(challenge.of_all());
        }
    }

    /// Reports whether the registry has asked for authentication so far.
    pub(super) fn is_wanted(&self) -> bool {
        self.state().challenge.is_some()
    }

    /// The service of the tokens, if the registry took one before.
    pub(super) fn service(&self) -> Option<Uri> {
        let state = self.state();
        match &state.challenge {
            Some(Challenge::Bearer { realm, .. }) if state.took => Some(realm.clone()),
            _ => None,
        }
    }

    /// Notes that the registry took what it was given.
    pub(super) fn took(&self, used: &HeaderValue) {
        let mut state = self.state();
        state.took = true;
        if state.challenge.is_none() && !is_token(used) {
            state.challenge = Some(Challenge::Basic);
        }
    }

    /// Returns the `Authorization` of the next request: none if the registry has not asked for it
    /// yet, or if none is available. Many registries allow reading without one, and a refusal
    /// reports what is wrong. The first of the scopes is that of the repository whose login counts.
    pub(super) fn current(
        &self,
        means: Means<'_>,
        scopes: &[Scope],
    ) -> Result<Option<HeaderValue>, Failure> {
        let mut state = self.state();
        let Some(challenge) = state.challenge.clone() else {
            return Ok(None);
        };
        let key = key(scopes);
        if state.without.contains(&key) {
            return Ok(None);
        }
        match self.answer(means, &mut state, &challenge, scopes, true) {
            Err(failure) if failure.again == Again::No => {
                state.without.insert(key);
                Ok(None)
            }
            answered => answered,
        }
    }

    /// The same after the registry refused `used` and offered something; none if there is
    /// nothing better.
    pub(super) fn renew(
        &self,
        means: Means<'_>,
        offered: Option<Challenge>,
        scopes: &[Scope],
        used: Option<&HeaderValue>,
        method: &Method,
    ) -> Result<Option<Renewed>, Failure> {
        let mut state = self.state();
        let challenge = match (offered, state.challenge.clone()) {
            // The service of a token that has ended gives another, whatever the registry says.
            (None | Some(Challenge::Basic), Some(known @ Challenge::Bearer { .. }))
                if used.is_some_and(is_token) =>
            {
                known
            }
            (Some(offered), _) => offered,
            (None, Some(known)) => known,
            (None, None) => {
                let is_read = matches!(*method, Method::GET | Method::HEAD);
                return Ok(self.unasked(means, &mut state, scopes, used, is_read));
            }
        };
        state.tokens.retain(|token| Some(&token.value) != used);
        let before = state.tokens.len();
        let value = self.answer(means, &mut state, &challenge, scopes, used.is_none())?;
        // Some may have ended by now, and then one more has come.
        let is_old = matches!(challenge, Challenge::Bearer { .. }) && state.tokens.len() <= before;
        state.challenge = Some(challenge.of_all());
        state.without.remove(&key(scopes));
        let value = value.filter(|value| Some(value) != used);
        Ok(value.map(|value| Renewed { value, is_old }))
    }

    /// The password for a registry that refuses and does not say what it wants: it may hide what
    /// the anonymous may not see. Each repository is tried once to read, where it may just not be there, and once to
    /// write.
    fn unasked(
        &self,
        means: Means<'_>,
        state: &mut State,
        scopes: &[Scope],
        used: Option<&HeaderValue>,
        is_read: bool,
    ) -> Option<Renewed> {
        let tried = (scopes.first()?.repository.clone(), is_read);
        if used.is_some() || !state.unasked.insert(tried) {
            return None;
        }
        let login = self.login(means, scopes).ok().flatten();
        password(login).map(|value| Renewed {
            value,
            is_old: false,
        })
    }

    /// The login that is used for a repository.
    pub(super) fn login(
        &self,
        means: Means<'_>,
        scopes: &[Scope],
    ) -> Result<Option<Login>, Failure> {
        if self.is_anonymous {
            return Ok(None);
        }
        let repository = scopes.first().map_or("", |scope| &scope.repository);
        Ok(means.credentials.find(&self.registry, repository)?)
    }

    /// Answers a challenge. Where that is `lenient`, a login that cannot be read counts as none:
    /// what everybody may read does not need it.
    fn answer(
        &self,
        means: Means<'_>,
        state: &mut State,
        challenge: &Challenge,
        scopes: &[Scope],
        is_lenient: bool,
    ) -> Result<Option<HeaderValue>, Failure> {
        let login = || match self.login(means, scopes) {
            Err(_) if is_lenient => Ok(None),
            found => found,
        };
        let Challenge::Bearer {
            realm,
            service,
            scope,
        } = challenge
        else {
            return Ok(password(login()?));
        };
        let now = Instant::now();
        state.tokens.retain(|token| token.until > now);
        let repository = scopes.first().map_or("", |scope| &scope.repository);
        let good = state.tokens.iter().find(|token| {
            token.repository == repository
                && scopes
                    .iter()
                    .all(|scope| token.scopes.iter().any(|has| has.covers(scope)))
        });
        if let Some(token) = good {
            return Ok(Some(token.value.clone()));
        }
        let wanted = wanted(scopes, scope.as_deref());
        let (value, lifetime) = token::fetch(
            means.transport,
            realm,
            service.as_deref(),
            &wanted,
            login()?,
        )?;
        // A short one is good for the request that it is fetched for at least.
        let lifetime = lifetime.saturating_sub(MARGIN.min(lifetime / 4));
        let until = now.checked_add(lifetime).unwrap_or(now);
        let (scopes, repository) = (scopes.to_vec(), repository.to_owned());
        state.tokens.push(Token {
            scopes,
            repository,
            value: value.clone(),
            until,
        });
        Ok(Some(value))
    }
}

/// Names scopes.
fn key(scopes: &[Scope]) -> String {
    let scopes: Vec<String> = scopes.iter().map(ToString::to_string).collect();
    scopes.join(" ")
}

/// Reports whether an `Authorization` is a token.
fn is_token(value: &HeaderValue) -> bool {
    value.as_bytes().starts_with(b"Bearer ")
}

/// The `Authorization` of a login that is a password.
fn password(login: Option<Login>) -> Option<HeaderValue> {
    match login?.secret {
        Secret::Password { user, password } | Secret::Either { user, password, .. } => {
            Some(basic(&user, &password))
        }
        Secret::IdentityToken(_) => None,
    }
}

/// Our scopes, and those that the registry names besides.
fn wanted(scopes: &[Scope], named: Option<&str>) -> Vec<String> {
    let mut wanted: Vec<String> = scopes.iter().map(ToString::to_string).collect();
    for named in named.unwrap_or_default().split_ascii_whitespace() {
        let covered = scopes.iter().any(|scope| {
            [false, true]
                .map(|push| {
                    Scope {
                        push,
                        ..scope.clone()
                    }
                    .to_string()
                })
                .contains(&named.to_owned())
        });
        if !covered {
            wanted.push(named.to_owned());
        }
    }
    wanted
}
