//! Requests by a proxy.

use std::time::Duration;

use terrine_support::hint::Hint;

use super::super::testing::{Server, step};
use super::super::{Client, ClientOptions, Proxies};
use super::{GET, INDEX, INDEX_TYPE, chain, image, index, options};

const ABSOLUTE: &str = "GET http://registry.example:5000/v2/acme/web/manifests/1.2";

fn client(variable: &'static str, url: &str, plain_http: bool) -> Client {
    Client::new(ClientOptions {
        plain_http,
        retries: 0,
        proxies: Proxies::of_environment(|name| (name == variable).then(|| url.into())),
        ..options()
    })
}

#[test]
fn plain_http_is_forwarded() {
    let proxy = Server::bind();
    let url = format!("http://user:sec%72et@{}", proxy.address);
    let good = || {
        step(ABSOLUTE)
            .header("content-type", INDEX_TYPE)
            .body(INDEX)
    };
    let put = "PUT http://registry.example:5000/v2/acme/web/manifests/1.3";
    let running = proxy.run(vec![
        step("GET http://registry.example:5000/v2/").keep(),
        good().keep(),
        // On the same connection, after a body.
        step(put).status(201).keep(),
        good(),
        step(ABSOLUTE).status(407),
    ]);
    let of = "registry.example:5000/acme/web:1.2".parse().unwrap();
    let client = client("HTTP_PROXY", &url, true);
    let document = client.document(&of).unwrap();
    let to = "registry.example:5000/acme/web:1.3".parse().unwrap();
    client.put_document(&to, &document).unwrap();
    client.document(&of).unwrap();
    let error = client.document(&of).unwrap_err();
    assert!(
        chain(&error).contains("of `HTTP_PROXY` failed: it answers 407"),
        "{}",
        chain(&error)
    );
    assert!(!chain(&error).contains("secret"));
    assert!(error.hint().unwrap().contains("`USER:PASSWORD@`"));
    for seen in running.seen() {
        assert_eq!(
            seen.header("proxy-authorization"),
            Some("Basic dXNlcjpzZWNyZXQ=")
        );
        assert_eq!(seen.header("host"), Some("registry.example:5000"));
    }
}

#[test]
fn encrypted_connections_are_tunnels() {
    for (answer, expected) in [
        (
            step("").status(407),
            "failed: it answers 407 Proxy Authentication Required",
        ),
        (step("").status(502), "failed: it answers 502 Bad Gateway"),
        (step("").keep(), "`registry.example` does not speak TLS"),
    ] {
        let proxy = Server::bind();
        let url = format!("user:secret@{}", proxy.address);
        let is_open = expected.ends_with("TLS");
        let mut steps = vec![answer.expecting("CONNECT registry.example:443")];
        steps.extend(is_open.then(|| step("TLS")));
        let running = proxy.run(steps);
        let of = "registry.example/acme/web:1.2".parse().unwrap();
        let error = client("https_proxy", &url, false)
            .document(&of)
            .unwrap_err();
        assert!(chain(&error).contains(expected), "{}", chain(&error));
        assert!(!chain(&error).contains("secret"));
        let seen = &running.seen()[0];
        assert_eq!(
            seen.header("proxy-authorization"),
            Some("Basic dXNlcjpzZWNyZXQ=")
        );
    }
}

#[test]
fn a_proxy_that_is_not_there_is_named() {
    let gone = Server::bind().address;
    let of = "registry.example:5000/acme/web:1.2".parse().unwrap();
    for (variable, plain) in [
        ("http_proxy", true),
        ("HTTPS_PROXY", false),
        ("ALL_PROXY", true),
    ] {
        let client = client(variable, &format!("http://{gone}"), plain);
        let error = chain(&client.document(&of).unwrap_err());
        let expected = format!("by the proxy `{gone}` of `{variable}` failed: Connection refused");
        assert!(error.contains(&expected), "{error}");
    }
    let error = client("https_proxy", "ftp://x:secret@y", false).document(&of);
    let error = chain(&error.unwrap_err());
    assert!(
        error.contains("`https_proxy` does not name a proxy") && !error.contains("secret"),
        "{error}"
    );
}

#[test]
fn this_machine_is_reached_without_a_proxy() {
    let (registry, gone) = (Server::bind(), Server::bind().address);
    let of = image(&registry);
    let running = registry.run(vec![index(GET)]);
    client("ALL_PROXY", &format!("http://{gone}"), true)
        .document(&of)
        .unwrap();
    running.seen();
}

#[test]
fn one_that_waits_for_a_line_is_asked_without_tls() {
    // The greeting is not answered, and not what it expects.
    let registry = Server::bind();
    let of = image(&registry);
    let running = registry.run(vec![step("DEAF"), step("GET /v2/"), index(GET)]);
    Client::new(ClientOptions {
        plain_http: false,
        connect_timeout: Duration::from_millis(300),
        ..options()
    })
    .document(&of)
    .unwrap();
    running.seen();
}
