//! Answers of registries beside documents: challenges, redirections, times to try again, and errors.

use terrine_registry::fuzz::{Answerable, challenge, message, resolve, retry_after};

use crate::format::Format;
use crate::{Limit, Target};

const ASKED: &str = "https://registry.example:5000/v2/a/blobs/uploads/1?state=x";

const WORDS: &[&str] = &[
    "Bearer ",
    "Basic ",
    "Negotiate ",
    "realm=",
    "service=",
    "scope=",
    "\"https://auth.docker.io/token\"",
    "http://",
    "https://",
    "//other/",
    "/v2/",
    "?a=b",
    "#x",
    "user:password@",
    "registry.example:5000",
    "REGISTRY.example",
    "[::1]",
    "127.0.0.1",
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "+0000",
    "{\"errors\":[",
    "\"code\":",
    "\"message\":",
    "\"detail\":",
    "\"error_description\":",
    "120",
    ", ",
    "\\\"",
];

pub(super) const TARGET: Target = Target {
    name: "challenges",
    format: Format::Text(WORDS),
    seeds,
    run,
    short: 50_000,
    longest: 2000,
    limit: Limit::USUAL,
};

fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:x/y:pull,push""#,
        "Basic realm=\"x, y\", bearer SERVICE=\"a \\\"b\\\"\", Realm=\"/t?x=1\"",
        "Negotiate\nBASIC realm=x\nBearer realm=\"http://127.0.0.1:5001/\"",
        "Bearer realm=\"unfinished",
        "https://other.example/upload?x=1#y",
        "//registry.example:5000/v2/",
        "../1?a",
        "?",
        "https://user:password@host/",
        "120",
        "Sun, 06 Nov 1994 08:49:37 GMT",
        r#"{"errors":[{"code":"DENIED","message":"no\u001b[2J","detail":{}},{"code":null}]}"#,
        r#"{"error":"x","details":"y\u202e"}"#,
        "plain text\nin lines",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

fn run(data: &[u8]) -> bool {
    let values: Vec<&[u8]> = data.split(|&byte| byte == b'\n').collect();
    let mut accepted = challenged(&values);
    for is_text in [true, false] {
        if let Some(said) = message(data, is_text) {
            accepted = true;
            assert!(!said.is_empty() && said.chars().count() < 1500, "{said}");
            assert!(
                !said.contains(|c: char| c.is_control() || c == '\u{202e}'),
                "{said:?}"
            );
        }
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return accepted;
    };
    accepted |= retry_after(text).is_some();
    for base in [ASKED, "http://127.0.0.1:5000/"] {
        accepted |= located(base, text);
    }
    accepted
}

fn challenged(values: &[&[u8]]) -> bool {
    let strict = challenge(ASKED, values, false);
    let Ok(Some(answerable)) = &strict else {
        return false;
    };
    if let Answerable::Bearer(realm) = answerable {
        assert!(
            realm.starts_with("https://") || realm.starts_with("HTTPS://"),
            "a token in the open: {realm}"
        );
        assert!(
            !realm.contains('#') && !authority(realm).contains('@'),
            "{realm}"
        );
    }
    // What is allowed without encryption is allowed with it.
    assert_eq!(
        challenge(ASKED, values, true).ok().as_ref(),
        strict.as_ref().ok()
    );
    true
}

/// The authority of a URL.
fn authority(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn located(base: &str, text: &str) -> bool {
    let Some((to, with, same)) = resolve(base, text, "sha256:+ &=#é") else {
        return false;
    };
    assert!(
        !authority(&to).is_empty() && !authority(&to).contains('@') && !to.contains('#'),
        "{to}"
    );
    assert_eq!(
        same,
        resolve(&to, base, "").is_some_and(|(_, _, back)| back),
        "`{base}` and `{to}`"
    );
    // An absolute URL leads to itself, wherever it stands.
    let again = resolve(base, &to, "");
    assert_eq!(
        again.map(|(again, ..)| again).as_deref(),
        Some(&*to),
        "`{text}`"
    );
    if !with.is_empty() {
        assert!(
            with.ends_with("digest=sha256%3A%2B%20%26%3D%23%C3%A9"),
            "{with}"
        );
        assert_eq!(authority(&with), authority(&to));
    }
    true
}
