//! Files of credentials, as `docker login` and `podman login` write them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use terrine_registry::fuzz::login;

use crate::format::Format;
use crate::{Limit, Target, scratch};

const WORDS: &[&str] = &[
    "auths",
    "auth",
    "username",
    "password",
    "identitytoken",
    "credHelpers",
    "credsStore",
    "https://index.docker.io/v1/",
    "docker.io",
    "localhost:5000",
    "localhost:5000/a",
    "localhost:5000/a/b",
    "https://localhost:5000/v2/",
    "dTpw",
    "dTpzZWNyZXQtcGFzc3dvcmQ=",
    "Og==",
    "\u{0}",
    "registry-1.docker.io",
];

/// The registries and repositories that are looked for.
const PLACES: [(&str, &str); 3] = [
    ("docker.io", "library/debian"),
    ("localhost:5000", "a/b"),
    ("index.docker.io", "x"),
];

pub(super) const TARGET: Target = Target {
    name: "credentials",
    format: Format::Json(WORDS),
    seeds,
    run,
    short: 6_000,
    longest: 8 << 10,
    limit: Limit::USUAL,
};

fn seeds() -> Vec<Vec<u8>> {
    let auth = |text: &str| STANDARD.encode(text);
    let files = [
        json!({ "auths": { "https://index.docker.io/v1/": { "auth": auth("user:secret-password\0\0") }, "localhost:5000/a": { "auth": auth("u:secret-p:q") } } }),
        json!({ "auths": { "localhost:5000": { "username": "u", "password": "secret-p" }, "docker.io": { "identitytoken": "secret-t", "auth": "" } },
                "credHelpers": { "localhost:5000": "pass" }, "credsStore": "pass" }),
        json!({ "auths": null, "HttpHeaders": { "User-Agent": "x" } }),
        json!({ "auths": { "localhost:5000": { "auth": "not base64" } } }),
    ];
    files
        .iter()
        .map(|file| file.to_string().into_bytes())
        .chain([b" \n".to_vec()])
        .collect()
}

/// Returns true if credentials in a file have a user in a field of their own.
fn names_user(data: &[u8], user: &str) -> bool {
    let text = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    let file: Value = serde_json::from_slice(text).expect("a file with a login is JSON");
    let mut entries = file["auths"].as_object().into_iter().flatten();
    entries.any(|(_, entry)| entry["username"].as_str() == Some(user))
}

fn run(data: &[u8]) -> bool {
    let file = scratch::file(data);
    let path = scratch::path(&file);
    let mut accepted = false;
    for (registry, name) in PLACES {
        match login(&path, registry, name) {
            Ok(Some((user, secret))) => {
                accepted = true;
                // In an `auth` the first colon ends the user.
                assert!(user.is_none_or(|user| !user.contains(':') || names_user(data, &user)));
                assert!(secret.len() <= data.len());
            }
            Ok(None) => {}
            Err(error) => {
                // Nothing of a secret is shown: all of those here begin with this word.
                let shown = format!("{error} {error:?}");
                assert!(
                    !shown.contains("secret-") && !shown.contains(&STANDARD.encode("secret-")),
                    "{shown}"
                );
            }
        }
    }
    accepted
}
