//! Who may do what: tokens and passwords, for one registry.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use ureq::http::{HeaderValue, Method, Uri, header};

use super::answer::Answer;
use super::challenge::Challenge;
use super::credentials::{Credentials, Login, Secret};
use super::error::{Cause, Failure};
use super::location;
use super::transport::{Payload, Request, Transport};

/// The largest answer of a token service, in bytes.
const MAX_TOKEN: u64 = 256 << 10;
/// How long a token is good if the service does not say (token authentication
/// specification, `expires_in`).
const LIFETIME: Duration = Duration::from_secs(60);
/// How long before its end a token is not used any more.
const MARGIN: Duration = Duration::from_secs(10);
/// What we are called where a name is wanted.
const CLIENT: &str = "terrine";

/// What may be done to one repository.
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
    /// What the registry asked for last.
    challenge: Option<Challenge>,
    tokens: Vec<Token>,
}

/// What is known of one registry's authentication.
#[derive(Debug)]
pub(super) struct Authorization {
    /// As names of images have it.
    registry: String,
    /// Held while a token is fetched, so that threads do not fetch the same one.
    state: Mutex<State>,
}

/// What is to be used in the place of what was refused.
pub(super) struct Renewed {
    pub(super) value: HeaderValue,
    /// It was there before: another thread's, that may have ended as well.
    pub(super) is_old: bool,
}

/// What is needed to authenticate.
#[derive(Clone, Copy)]
pub(super) struct Means<'a> {
    pub(super) transport: &'a Transport,
    pub(super) credentials: &'a Credentials,
}

impl Authorization {
    pub(super) fn new(registry: String) -> Self {
        Self {
            registry,
            state: Mutex::default(),
        }
    }

    /// What the next request has for its `Authorization`: none if the registry has not asked
    /// for it yet. The first of the scopes is that of the repository whose login counts.
    pub(super) fn current(
        &self,
        means: Means<'_>,
        scopes: &[Scope],
    ) -> Result<Option<HeaderValue>, Failure> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.challenge.clone() {
            Some(challenge) => self.answer(means, &mut state, &challenge, scopes),
            None => Ok(None),
        }
    }

    /// The same after the registry refused `used`; none if there is nothing better.
    pub(super) fn renew(
        &self,
        means: Means<'_>,
        challenge: Challenge,
        scopes: &[Scope],
        used: Option<&HeaderValue>,
    ) -> Result<Option<Renewed>, Failure> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.tokens.retain(|token| Some(&token.value) != used);
        let before = state.tokens.len();
        let value = self.answer(means, &mut state, &challenge, scopes)?;
        // Some may have ended by now, and then one more has come.
        let is_old = matches!(challenge, Challenge::Bearer { .. }) && state.tokens.len() <= before;
        state.challenge = Some(challenge);
        let value = value.filter(|value| Some(value) != used);
        Ok(value.map(|value| Renewed { value, is_old }))
    }

    /// The file with the login that is used for a repository.
    pub(super) fn login_file(
        &self,
        means: Means<'_>,
        scopes: &[Scope],
    ) -> Option<std::path::PathBuf> {
        self.login(means, scopes)
            .ok()
            .flatten()
            .map(|login| login.file)
    }

    fn login(&self, means: Means<'_>, scopes: &[Scope]) -> Result<Option<Login>, Failure> {
        let repository = scopes.first().map_or("", |scope| &scope.repository);
        Ok(means.credentials.find(&self.registry, repository)?)
    }

    fn answer(
        &self,
        means: Means<'_>,
        state: &mut State,
        challenge: &Challenge,
        scopes: &[Scope],
    ) -> Result<Option<HeaderValue>, Failure> {
        let Challenge::Bearer {
            realm,
            service,
            scope,
        } = challenge
        else {
            return Ok(match self.login(means, scopes)?.map(|login| login.secret) {
                Some(Secret::Password { user, password }) => Some(basic(&user, &password)),
                Some(Secret::IdentityToken(_)) | None => None,
            });
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
        let login = self.login(means, scopes)?;
        let (value, lifetime) = fetch(means.transport, realm, service.as_deref(), &wanted, login)?;
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

fn basic(user: &str, password: &str) -> HeaderValue {
    secret(&format!(
        "Basic {}",
        STANDARD.encode(format!("{user}:{password}"))
    ))
    // Base64 has only what headers may have.
    .unwrap_or(HeaderValue::from_static("Basic"))
}

fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// Fetches a token and says how long it is good.
fn fetch(
    transport: &Transport,
    realm: &Uri,
    service: Option<&str>,
    scopes: &[String],
    login: Option<Login>,
) -> Result<(HeaderValue, Duration), Failure> {
    let file = login.as_ref().map(|login| login.file.clone());
    let answer = match login.map(|login| login.secret) {
        Some(Secret::IdentityToken(token)) => exchange(transport, realm, service, scopes, &token)?,
        Some(Secret::Password { user, password }) => {
            ask(transport, realm, service, scopes, Some((&user, &password)))?
        }
        None => ask(transport, realm, service, scopes, None)?,
    };
    token(answer, file)
}

/// The token authentication specification's way, with a password or anonymous.
fn ask(
    transport: &Transport,
    realm: &Uri,
    service: Option<&str>,
    scopes: &[String],
    login: Option<(&str, &str)>,
) -> Result<Answer, Failure> {
    let mut uri = realm.clone();
    let account = login.map(|(user, _)| ("account", user));
    let service = service.map(|service| ("service", service));
    let parameters = account.into_iter().chain(service);
    for (name, value) in parameters.chain(scopes.iter().map(|scope| ("scope", scope.as_str()))) {
        uri = location::with_parameter(&uri, name, value)
            .ok_or_else(|| Cause::Name(location::host(realm)))?;
    }
    let value = login.map(|(user, password)| basic(user, password));
    transport.send(&Request::new(Method::GET, uri), value.as_ref())
}

/// OAuth 2's way, with an identity token.
fn exchange(
    transport: &Transport,
    realm: &Uri,
    service: Option<&str>,
    scopes: &[String],
    token: &str,
) -> Result<Answer, Failure> {
    let form = [
        ("grant_type", "refresh_token"),
        ("service", service.unwrap_or_default()),
        ("client_id", CLIENT),
        ("scope", &scopes.join(" ")),
        ("refresh_token", token),
    ]
    .map(|(name, value)| format!("{name}={}", location::encode(value)))
    .join("&");
    let request = Request::new(Method::POST, realm.clone())
        .with_header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .with_payload(Payload::Bytes(form.as_bytes()));
    transport.send(&request, None)
}

fn token(
    mut answer: Answer,
    login: Option<std::path::PathBuf>,
) -> Result<(HeaderValue, Duration), Failure> {
    let host = location::host(&answer.uri);
    match answer.status.as_u16() {
        200 => {}
        400 | 401 | 403 => {
            let says = answer.message();
            return Err(Cause::Unauthorized { host, login, says }.into());
        }
        _ => return Err(answer.failure()),
    }
    let broken = || Cause::Answer {
        host: host.clone(),
        why: "it holds no token".to_owned(),
    };
    let bytes = answer.bytes(MAX_TOKEN)?;
    // The parser's message could quote the token.
    let answer: TokenAnswer = serde_json::from_slice(&bytes).map_err(|_| broken())?;
    let text = answer
        .token
        .filter(|text| !text.is_empty())
        .or(answer.access_token);
    let value = text
        .filter(|text| !text.is_empty())
        .and_then(|text| secret(&format!("Bearer {text}")));
    let lifetime = answer
        .expires_in
        .filter(|&seconds| seconds > 0)
        .map(Duration::from_secs);
    Ok((value.ok_or_else(broken)?, lifetime.unwrap_or(LIFETIME)))
}
