//! Tokens, and the services that give them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use ureq::http::{HeaderValue, Method, Uri, header};

use super::answer::Answer;
use super::credentials::{Login, LoginSource, Secret};
use super::error::{Cause, Failure};
use super::location;
use super::loose;
use super::transport::{Payload, Request, Transport};

/// The largest answer of a token service, in bytes.
const MAX_TOKEN: u64 = 256 << 10;
/// The lifetime of a token if the service does not state it (token authentication specification,
/// `expires_in`).
const LIFETIME: Duration = Duration::from_secs(60);
/// The longest lifetime that counts. A registry that ends a token earlier is asked again.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// The name that we give if the service wants one.
const CLIENT: &str = "terrine";

/// Returns the `Authorization` of a user and a password.
pub(super) fn basic(user: &str, password: &str) -> HeaderValue {
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

/// Fetches a token and says how long it is good.
pub(super) fn fetch(
    transport: &Transport,
    realm: &Uri,
    service: Option<&str>,
    scopes: &[String],
    login: Option<Login>,
) -> Result<(HeaderValue, Duration), Failure> {
    let source = login.as_ref().map(|login| login.source.clone());
    let answer = match login.map(|login| login.secret) {
        Some(Secret::IdentityToken(token) | Secret::Either { token, .. }) => {
            exchange(transport, realm, service, scopes, &token)?
        }
        Some(Secret::Password { user, password }) => {
            ask(transport, realm, service, scopes, Some((&user, &password)))?
        }
        None => ask(transport, realm, service, scopes, None)?,
    };
    token(answer, source)
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
        .with_payload(Payload::Bytes(form.as_bytes()))
        .with_secret(token);
    transport.send(&request, None)
}

fn token(
    mut answer: Answer,
    login: Option<LoginSource>,
) -> Result<(HeaderValue, Duration), Failure> {
    let host = location::host(&answer.uri);
    match answer.status.as_u16() {
        200..=299 => {}
        400 | 401 | 403 => {
            let says = answer.message();
            return Err(Cause::Unauthorized {
                host,
                elsewhere: None,
                login,
                says,
            }
            .into());
        }
        _ => return Err(of_service(answer.failure())),
    }
    let bytes = answer.bytes(MAX_TOKEN)?;
    // The parser's message could quote the token.
    let read = loose::parse(&bytes).and_then(|answer| read(&answer));
    Ok(read.ok_or_else(|| Cause::Answer {
        host,
        why: "it holds no token".to_owned(),
    })?)
}

/// Says of a status that it is not the registry's.
fn of_service(failure: Failure) -> Failure {
    let cause = match failure.cause {
        Cause::Status { host, status, says } => Cause::Service { host, status, says },
        cause => cause,
    };
    Failure { cause, ..failure }
}

/// Reads an answer. `token` counts before `access_token`, and a lifetime that makes no sense is
/// none: services write it as a number, as a text, and as null.
fn read(answer: &Value) -> Option<(HeaderValue, Duration)> {
    let text = ["token", "access_token"]
        .into_iter()
        .find_map(|name| loose::text(loose::field(answer, name)))?;
    let lifetime = loose::number(loose::field(answer, "expires_in"))
        .filter(|seconds| *seconds > 0.0)
        .map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST));
    Some((
        secret(&format!("Bearer {}", text.trim()))?,
        lifetime.unwrap_or(LIFETIME).min(LONGEST),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_are_read_however_they_are_written() {
        let plain = |lifetime: Value| json!({"token": "t", "expires_in": lifetime});
        for (answer, expected) in [
            (plain(json!(300)), 300.0),
            (plain(json!("300")), 300.0),
            (plain(json!(" 300 ")), 300.0),
            (plain(json!(1.5)), 1.5),
            (plain(json!("3e2")), 300.0),
            (plain(json!(0)), 60.0),
            (plain(json!(-1)), 60.0),
            (plain(json!(null)), 60.0),
            (plain(json!("soon")), 60.0),
            (plain(json!("NaN")), 60.0),
            (plain(json!("inf")), 60.0),
            (plain(json!([300])), 60.0),
            (plain(json!(true)), 60.0),
            (plain(json!(u64::MAX)), 86_400.0),
            (plain(json!(1e300)), 86_400.0),
            (json!({"token": "t", "issued_at": 5}), 60.0),
            (json!({"token": "t", "issued_at": "yesterday"}), 60.0),
            (json!({"token": null, "access_token": "t"}), 60.0),
            (json!({"token": "", "access_token": "t"}), 60.0),
            (json!({"token": 5, "access_token": "t"}), 60.0),
            (json!({"Token": "t", "EXPIRES_IN": 300}), 300.0),
            (json!({"token": "t", "Token": "u"}), 60.0),
            (json!({"token": "t", "access_token": {}}), 60.0),
            (json!({"token": "t\n", "refresh_token": null}), 60.0),
        ] {
            let (value, lifetime) = read(&answer).unwrap();
            assert_eq!(value.to_str().unwrap(), "Bearer t", "{answer}");
            assert!(value.is_sensitive());
            assert_eq!(lifetime.as_secs_f64(), expected, "{answer}");
        }
        for answer in [
            json!(null),
            json!([]),
            json!("t"),
            json!({}),
            json!({"token": null}),
            json!({"token": ["t"]}),
            json!({"token": "a\nb"}),
        ] {
            assert!(read(&answer).is_none(), "{answer}");
        }
    }
}
