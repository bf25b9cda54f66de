//! Bearer tokens, as registries have them handed out by a server of their own.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::json;

use super::super::http;
use super::super::registry::BASIC;
use super::record::Request;

/// The path at which tokens are to be had.
pub(super) const PATH: &str = "/token";
/// A refresh token that stands for the user and the password: what an identity token in a
/// credential file is.
pub const REFRESH: &str = "refresh-me";

/// The way in which tokens are handed out. [`USER`](super::super::registry::USER) may do everything.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// True if anybody may pull.
    pub anonymous_pull: bool,
    /// The time that a token is good for.
    pub lifetime: Duration,
    /// The number of requests that a token is good for.
    pub uses: usize,
    /// Repositories that nobody gets a token for.
    pub denied: Vec<String>,
}

impl Default for Tokens {
    fn default() -> Self {
        let lifetime = Duration::from_secs(300);
        Self {
            anonymous_pull: false,
            lifetime,
            uses: usize::MAX,
            denied: vec![],
        }
    }
}

/// The server, and the guard at the door.
#[derive(Debug)]
pub(super) struct Guard {
    settings: Tokens,
    issued: HashMap<String, Token>,
}

#[derive(Debug)]
struct Token {
    scopes: Vec<Scope>,
    until: Instant,
    left: usize,
}

/// A repository, and what may be done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Scope {
    repository: String,
    actions: Vec<String>,
}

/// An answer that is not the registry's: status, `WWW-Authenticate`, and the body.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) challenge: Option<String>,
    pub(super) body: String,
}

impl Guard {
    pub(super) fn new(settings: Tokens) -> Self {
        Self {
            settings,
            issued: HashMap::new(),
        }
    }

    /// Hands a token out: to a `GET` with the scopes in the query and the password in
    /// `Authorization`, or to a `POST` of a form, as OAuth 2 has it.
    pub(super) fn issue(&mut self, request: &Request, form: &str) -> Reply {
        let posted = request.method == "POST";
        let query = if posted { form } else { &request.query };
        let value = |name| http::values(query, name).concat();
        let known = if posted {
            match value("grant_type").as_str() {
                "refresh_token" => Some(value("refresh_token") == REFRESH),
                "password" => {
                    Some(format!("{}:{}", value("username"), value("password")) == "terrine:secret")
                }
                _ => Some(false),
            }
        } else {
            request
                .head
                .get("authorization")
                .map(|given| given == BASIC)
        };
        if known == Some(false) {
            let body = error(
                "UNAUTHORIZED",
                "authentication required: wrong user or password",
            );
            return Reply {
                status: 401,
                challenge: None,
                body,
            };
        }
        let asked = http::values(query, "scope");
        let scopes = asked
            .iter()
            .flat_map(|scopes| scopes.split(' '))
            .filter_map(Scope::parse)
            .filter_map(|scope| self.granted(scope, known.is_some()))
            .collect();
        let until = Instant::now() + self.settings.lifetime;
        // With what is in a token of base64.
        let name = format!("opaque/{}+A==", self.issued.len());
        self.issued.insert(
            name.clone(),
            Token {
                scopes,
                until,
                left: self.settings.uses,
            },
        );
        let expires = self.settings.lifetime.as_secs();
        let token = json!({ "token": name, "access_token": name, "expires_in": expires });
        Reply {
            status: 200,
            challenge: None,
            body: token.to_string(),
        }
    }

    /// Returns the part of a scope that a client gets.
    fn granted(&self, mut scope: Scope, known: bool) -> Option<Scope> {
        scope
            .actions
            .retain(|action| known || (self.settings.anonymous_pull && action == "pull"));
        let denied = self.settings.denied.contains(&scope.repository);
        Some(scope).filter(|scope| !denied && !scope.actions.is_empty())
    }

    /// Lets a request through, or says which token it needs.
    pub(super) fn check(&mut self, request: &Request, host: &str) -> Option<Reply> {
        let needed = needed(request);
        let given = request
            .head
            .get("authorization")
            .and_then(|value| value.strip_prefix("Bearer "));
        let token = given.and_then(|name| self.issued.get_mut(name));
        let live = token.filter(|token| token.left > 0 && Instant::now() < token.until);
        let known = live.is_some();
        if let Some(token) = live {
            token.left -= 1;
            if needed
                .iter()
                .all(|scope| token.scopes.iter().any(|other| other.covers(scope)))
            {
                return None;
            }
        }
        let scopes: Vec<String> = needed.iter().map(Scope::text).collect();
        let mut challenge = format!(r#"Bearer realm="http://{host}{PATH}",service="terrine-test""#);
        if !scopes.is_empty() {
            challenge += &format!(r#",scope="{}""#, scopes.join(" "));
        }
        challenge += match (given.is_some(), known) {
            (true, true) => r#",error="insufficient_scope""#,
            (true, false) => r#",error="invalid_token""#,
            _ => "",
        };
        let body = error("UNAUTHORIZED", "authentication required");
        Some(Reply {
            status: 401,
            challenge: Some(challenge),
            body,
        })
    }
}

impl Scope {
    fn new(repository: &str, actions: &[&str]) -> Self {
        let actions = actions.iter().map(|action| (*action).to_owned()).collect();
        Self {
            repository: repository.to_owned(),
            actions,
        }
    }

    /// Reads `repository:NAME:ACTION,ACTION`.
    fn parse(text: &str) -> Option<Self> {
        let (repository, actions) = text.strip_prefix("repository:")?.rsplit_once(':')?;
        Some(Self::new(
            repository,
            &actions.split(',').collect::<Vec<_>>(),
        ))
    }

    fn text(&self) -> String {
        format!("repository:{}:{}", self.repository, self.actions.join(","))
    }

    fn covers(&self, other: &Self) -> bool {
        self.repository == other.repository
            && other
                .actions
                .iter()
                .all(|action| self.actions.contains(action))
    }
}

/// The scopes that a request needs; none for the registry's own start page.
fn needed(request: &Request) -> Vec<Scope> {
    let Some(repository) = request.repository() else {
        return vec![];
    };
    let actions: &[&str] = match request.method.as_str() {
        "GET" | "HEAD" => &["pull"],
        "DELETE" => &["delete"],
        _ => &["pull", "push"],
    };
    let mut scopes = vec![Scope::new(repository, actions)];
    if request.method == "POST" && request.value("mount").is_some() {
        scopes.extend(
            request
                .value("from")
                .map(|from| Scope::new(&from, &["pull"])),
        );
    }
    scopes
}

fn error(code: &str, message: &str) -> String {
    json!({ "errors": [{ "code": code, "message": message, "detail": null }] }).to_string()
}
