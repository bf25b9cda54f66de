//! The proxy before it: what it counts, and the tokens that it hands out.

use std::fs;

use terrine_tests::http::{ask, values};
use terrine_tests::proxy::{Fault, Locations, Proxy, REFRESH, Request, Tokens, When};
use terrine_tests::registry::Registry;
use terrine_tests::temporary;

use super::{CONTENT, LAYERS, pull, push, with_blob};

#[test]
fn the_proxy_counts_what_goes_through() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let proxy = Proxy::to(&registry);
    for locations in [Locations::Absolute, Locations::Relative] {
        registry.clear();
        proxy.forget();
        proxy.locations(locations);
        let Some(pushed) = push(proxy.host(), &["--dest-tls-verify=false"]) else {
            return;
        };
        assert!(pushed, "{}", proxy.story());
        assert_eq!(registry.tags("some/image"), ["1"]);
        let started = |status| {
            proxy.count(move |request: &Request| {
                request.is("POST", "/blobs/uploads/") && request.status == Some(status)
            })
        };
        assert_eq!(started(202), LAYERS + 1);
        assert_eq!(proxy.count(|request| request.is("PUT", "/manifests/1")), 1);
        assert!(proxy.count(|request| request.method == "HEAD" && request.of_blob()) > LAYERS);
        let sent: u64 = proxy
            .requests()
            .iter()
            .map(|request| request.received)
            .sum();
        let held: u64 = registry
            .blobs()
            .iter()
            .map(|blob| fs::metadata(registry.blob_file(blob)).unwrap().len())
            .sum();
        assert_eq!(sent, held);
    }
    proxy.forget();
    assert_eq!(push(proxy.host(), &["--dest-tls-verify=false"]), Some(true));
    assert_eq!(proxy.count(|request| request.method == "POST"), 0);
    let folder = temporary();
    proxy.forget();
    assert_eq!(
        pull(proxy.host(), folder.path(), &["--src-tls-verify=false"]),
        Some(true)
    );
    assert_eq!(
        proxy.count(|request| request.method == "GET" && request.of_blob()),
        LAYERS + 1
    );
}

#[test]
fn tokens_are_wanted_and_handed_out() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let proxy = Proxy::with_tokens(
        &registry,
        Tokens {
            anonymous_pull: true,
            ..Tokens::default()
        },
    );
    let host = proxy.host();
    let Some(pushed) = push(host, &["--dest-tls-verify=false"]) else {
        return;
    };
    assert!(!pushed, "{}", proxy.story());
    let options = ["--dest-tls-verify=false", "--dest-creds", "terrine:wrong"];
    assert_eq!(push(host, &options), Some(false));
    assert!(registry.blobs().is_empty());
    let options = ["--dest-tls-verify=false", "--dest-creds", "terrine:secret"];
    assert_eq!(push(host, &options), Some(true), "{}", proxy.story());
    let folder = temporary();
    assert_eq!(
        pull(host, folder.path(), &["--src-tls-verify=false"]),
        Some(true),
        "{}",
        proxy.story()
    );
}

/// A token for a scope, by a form that is posted, or what the server says instead.
fn token(proxy: &Proxy, form: &str) -> Result<String, u16> {
    let answer = ask(proxy.host(), "POST", "/token", &[], form.as_bytes()).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    body["access_token"]
        .as_str()
        .map(str::to_owned)
        .ok_or(answer.status())
}

#[test]
fn tokens_are_for_a_scope_and_for_a_while() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let digest = registry.put_blob("a", CONTENT);
    let denied = vec!["secret".to_owned()];
    let proxy = Proxy::with_tokens(
        &registry,
        Tokens {
            uses: 2,
            denied,
            ..Tokens::default()
        },
    );
    let tried = |token: &str, method: &str, target: &str| {
        let value = format!("Bearer {token}");
        let answer = ask(
            proxy.host(),
            method,
            target,
            &[("Authorization", &value)],
            &[],
        )
        .unwrap();
        (
            answer.status(),
            answer
                .head
                .get("www-authenticate")
                .unwrap_or_default()
                .to_owned(),
        )
    };
    let blob = format!("/v2/a/blobs/{digest}");
    let (status, challenge) = tried("none", "GET", &blob);
    assert_eq!(status, 401);
    let realm = format!(
        r#"Bearer realm="http://{}/token",service="terrine-test""#,
        proxy.host()
    );
    assert_eq!(
        challenge,
        format!(r#"{realm},scope="repository:a:pull",error="invalid_token""#)
    );

    let form =
        format!("grant_type=refresh_token&refresh_token={REFRESH}&scope=repository%3Aa%3Apull");
    assert_eq!(token(&proxy, &form.replace(REFRESH, "wrong")), Err(401));
    let pull = token(&proxy, &form).unwrap();
    assert_eq!(tried(&pull, "GET", &blob).0, 200);
    let (status, challenge) = tried(&pull, "POST", "/v2/a/blobs/uploads/");
    assert_eq!(status, 401);
    assert_eq!(
        challenge,
        format!(r#"{realm},scope="repository:a:pull,push",error="insufficient_scope""#)
    );
    // Both of its uses are over.
    assert!(
        tried(&pull, "GET", &blob)
            .1
            .ends_with(r#"error="invalid_token""#)
    );

    // A mount is a pull too, which is its own scope.
    let mount = format!("/v2/b/blobs/uploads/?mount={digest}&from=a");
    let both = |from: &str| {
        format!(
            "grant_type=password&username=terrine&password=secret&scope=repository:b:pull,push+repository:{from}:pull"
        )
    };
    let wrong = token(&proxy, &both("c")).unwrap();
    let (status, challenge) = tried(&wrong, "POST", &mount);
    assert_eq!(status, 401);
    assert!(
        challenge.contains(r#"scope="repository:b:pull,push repository:a:pull""#),
        "{challenge}"
    );
    let right = token(&proxy, &both("a")).unwrap();
    assert_eq!(tried(&right, "POST", &mount).0, 201);
    let none = token(&proxy, &both("secret")).unwrap();
    assert_eq!(
        tried(&none, "POST", &mount.replace("from=a", "from=secret")).0,
        401
    );
}

#[test]
fn redirects_lead_to_another_port() {
    let Some((_registry, proxy, target)) = with_blob() else {
        return;
    };
    proxy.fault(Request::of_blob, When::Nth(1), Fault::Redirect);
    proxy.fault(Request::of_blob, When::Nth(3), Fault::RedirectLoop);
    let answer = ask(proxy.host(), "GET", &target, &[], &[]).unwrap();
    assert_eq!(answer.status(), 307);
    assert_eq!(
        answer.field("location"),
        format!("http://{}{target}", proxy.elsewhere())
    );
    let fields = [("Authorization", "Bearer x")];
    assert_eq!(
        ask(proxy.elsewhere(), "GET", &target, &fields, &[])
            .unwrap()
            .body,
        CONTENT
    );
    let found = proxy.count(|request: &Request| {
        request.elsewhere && request.head.get("authorization") == Some("Bearer x")
    });
    assert_eq!(found, 1);
    let answer = ask(proxy.host(), "GET", &target, &[], &[]).unwrap();
    assert_eq!(
        answer.field("location"),
        format!("http://{}{target}", proxy.host())
    );
}

#[test]
fn queries_are_read_as_forms_are() {
    let values = values("a=1&b=x%3Ay%2Cz&a=2+3&c=%zz%e4", "a");
    assert_eq!(values, ["1", "2 3"]);
    assert_eq!(terrine_tests::http::values("b=x%3Ay%2Cz", "b"), ["x:y,z"]);
    assert_eq!(terrine_tests::http::values("c=%zz%", "c"), ["%zz%"]);
}
