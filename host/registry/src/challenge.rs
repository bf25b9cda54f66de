//! The authentication that a registry asks for in `WWW-Authenticate`.

use ureq::http::{HeaderMap, Uri, header};

use super::error::Cause;
use super::location;
use super::offer::{self, Offer};

/// The way to authenticate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// By user and password with each request (RFC 7617).
    Basic,
    /// By a token of somebody else (the registry's token authentication specification).
    Bearer {
        /// The URL of the service that gives tokens.
        realm: Uri,
        /// For whom they are.
        service: Option<String>,
        /// The access that the tokens must give, in the registry's words.
        scope: Option<String>,
    },
}

impl Challenge {
    /// Returns the challenge for all repositories: without scopes of one repository, which others
    /// do not need.
    pub(super) fn of_all(mut self) -> Self {
        if let Self::Bearer { scope, .. } = &mut self {
            let words = scope.take().unwrap_or_default();
            let words: Vec<&str> = words
                .split_ascii_whitespace()
                .filter(|word| !word.starts_with("repository:"))
                .collect();
            *scope = Some(words.join(" ")).filter(|words| !words.is_empty());
        }
        self
    }

    /// The best of what the answer of `asked` offers; none if it offers nothing at all.
    ///
    /// # Errors
    ///
    /// Headers that cannot be read, schemes that are not supported, and tokens that are to be
    /// fetched in the open: for a registry that is not, and on another machine unless `is_open` allows it.
    pub(super) fn of(
        asked: &Uri,
        headers: &HeaderMap,
        is_open: bool,
    ) -> Result<Option<Self>, Cause> {
        let host = location::host(asked);
        let broken = |why: &str| Cause::Answer {
            host: host.clone(),
            why: why.to_owned(),
        };
        let mut basic = false;
        let mut others = vec![];
        for value in headers.get_all(header::WWW_AUTHENTICATE) {
            let offers = offer::read(value.as_bytes())
                .ok_or_else(|| broken("its `WWW-Authenticate` cannot be read"))?;
            for offer in offers {
                if offer.scheme.eq_ignore_ascii_case("bearer") {
                    return bearer(asked, &offer, is_open).map(Some);
                }
                basic |= offer.scheme.eq_ignore_ascii_case("basic");
                others.push(format!("`{}`", super::answer::clean(&offer.scheme, 32)));
            }
        }
        match (basic, others.is_empty()) {
            (true, _) => Ok(Some(Self::Basic)),
            (false, true) => Ok(None),
            (false, false) => Err(Cause::Challenge {
                host,
                wanted: others.join(" or "),
            }),
        }
    }
}

fn bearer(asked: &Uri, offer: &Offer, is_open: bool) -> Result<Challenge, Cause> {
    let host = location::host(asked);
    let broken = |why: &str| Cause::Answer {
        host: host.clone(),
        why: why.to_owned(),
    };
    let realm = offer
        .parameter("realm")
        .ok_or_else(|| broken("its `WWW-Authenticate` has no realm"))?;
    // Absolute by the specification; relative ones have been seen.
    let realm = location::resolve(asked, realm)
        .ok_or_else(|| broken("the realm of its `WWW-Authenticate` is not a URL"))?;
    if location::is_https(asked) && !location::is_https(&realm) {
        return Err(Cause::Downgrade {
            host,
            to: location::host(&realm),
        });
    }
    let to = location::host(&realm);
    if !location::is_https(&realm) && !is_open && !location::is_loopback(&to) {
        return Err(Cause::Open { host, to });
    }
    Ok(Challenge::Bearer {
        realm,
        service: offer.parameter("service").map(str::to_owned),
        scope: offer.parameter("scope").map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(asked: &str, values: &[&str]) -> Result<Option<Challenge>, String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::WWW_AUTHENTICATE, value.parse().unwrap());
        }
        Challenge::of(&asked.parse().unwrap(), &headers, false).map_err(|error| error.to_string())
    }

    fn bearer(
        realm: &str,
        service: Option<&str>,
        scope: Option<&str>,
    ) -> Result<Option<Challenge>, String> {
        Ok(Some(Challenge::Bearer {
            realm: realm.parse().unwrap(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        }))
    }

    #[test]
    fn challenges_are_read() {
        let a = "https://a/v2/";
        assert_eq!(
            of(
                a,
                &[
                    r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:x/y:pull,push""#
                ]
            ),
            bearer(
                "https://auth.docker.io/token",
                Some("registry.docker.io"),
                Some("repository:x/y:pull,push")
            )
        );
        // Several, in one header and in several; what comes first does not matter.
        let token = bearer("https://b/t?x=1", Some("a \"b\""), None);
        let value = r#"bearer SERVICE="a \"b\"", Realm="https://b/t?x=1""#;
        assert_eq!(of(a, &[&format!("Basic realm=\"x, y\", {value}")]), token);
        assert_eq!(of(a, &["Negotiate", "BASIC realm=x", value]), token);
        assert_eq!(
            of(a, &["basic realm=\"Registry Realm\""]),
            Ok(Some(Challenge::Basic))
        );
        assert_eq!(
            of(a, &["Bearer realm=\"/token\""]),
            bearer("https://a/token", None, None)
        );
        // A service on this machine, or on none.
        for realm in ["http://127.0.0.1:5001/", "http://[::1]/", "https://b/"] {
            let value = format!("Bearer realm=\"{realm}\"");
            let expected = bearer(realm, None, None);
            assert_eq!(of("http://127.0.0.1:5000/", &[&value]), expected);
        }
        assert_eq!(of(a, &[]), Ok(None));
    }

    #[test]
    fn logins_are_not_sent_in_the_open_to_other_machines() {
        let asked: Uri = "http://127.0.0.1:5000/v2/".parse().unwrap();
        let mut headers = HeaderMap::new();
        let value = "Bearer realm=\"http://example.org/token?x=secret\"";
        headers.append(header::WWW_AUTHENTICATE, value.parse().unwrap());
        let error = Challenge::of(&asked, &headers, false).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`127.0.0.1:5000` asks for credentials to be sent to `example.org` without encryption; `--plain-http` allows it"
        );
        assert!(Challenge::of(&asked, &headers, true).is_ok());
    }

    #[test]
    fn what_cannot_be_answered_is_said() {
        let a = "https://a:5000/v2/";
        for (value, expected) in [
            (
                "Negotiate",
                "`a:5000` requires authentication by `Negotiate`; only",
            ),
            (
                "Bearer realm=\"http://a/token\"",
                "redirects an encrypted connection to the unencrypted `a`",
            ),
            ("Bearer service=\"x\"", "has no realm"),
            ("Bearer realm=\"ftp://x\"", "is not a URL"),
            ("Bearer realm=\"unfinished", "has no realm"),
            ("=", "cannot be read"),
        ] {
            let error = of(a, &[value]).unwrap_err();
            assert!(error.contains(expected), "{value}: {error}");
        }
    }
}
