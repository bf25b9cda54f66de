//! Names that lead to another registry, and requests that are to be repeated elsewhere.

use std::net::TcpListener;

use terrine_oci::{Digest, Document, Repository};
use terrine_support::hint::Hint;
use ureq::http::{Method, Uri};

use super::super::greeting::Standing;
use super::super::testing::{Seen, Server, Step, step};
use super::super::{Client, ClientOptions, Credentials, Proxies, UserPassword};
use super::uploads::{START, started, upload};
use super::{ENTRY, GET, INDEX, INDEX_TYPE, bearer, bytes, chain, image, index, login, options};

const PING: &str = "GET /v2/";
const BASIC: &str = "Basic realm=\"x\"";
const PUT: &str = "PUT /v2/acme/web/manifests/1.2";

/// The answer of a registry that has moved.
fn moved(request: &str, status: u16, to: &Server) -> Step {
    let path = request.split_once(' ').unwrap().1;
    let to = format!("http://{}{path}", to.address);
    step(request).status(status).header("location", to)
}

fn sent(seen: &[Seen]) -> Vec<Option<&str>> {
    seen.iter()
        .map(|seen| seen.header("authorization"))
        .collect()
}

/// A client with a login for each of these servers: `NAME:secret`, `b` for the second.
fn with_logins(folder: &tempfile::TempDir, entries: &[(&Server, &str)]) -> Client {
    let entries: Vec<String> = entries
        .iter()
        .map(|(server, entry)| format!(r#""{}":{entry}"#, server.address))
        .collect();
    let file = folder.path().join("auth.json");
    std::fs::write(&file, format!(r#"{{"auths":{{{}}}}}"#, entries.join(","))).unwrap();
    Client::new(ClientOptions {
        credentials: Credentials::new(vec![file]),
        ..options()
    })
}

#[test]
fn a_registry_that_a_name_leads_to_gets_its_own_token() {
    for status in [301, 302, 303, 307, 308] {
        let folder = tempfile::tempdir().unwrap();
        let (a, b, tokens) = (Server::bind(), Server::bind(), Server::bind());
        let of = image(&a);
        // The login is for the name, and goes neither to the other registry nor to its service.
        let client = with_logins(&folder, &[(&a, ENTRY)]);
        let challenge = bearer(&tokens);
        let token = "GET /token?a=b&service=s%20v&scope=repository%3Aacme%2Fweb%3Apull";
        let tokens = tokens.run(vec![
            step(token).body(r#"{"token":"one","expires_in":300}"#),
        ]);
        let answers = [PING, GET, GET].map(|request| moved(request, status, &b));
        let a = a.run(answers.into());
        let b = b.run(vec![
            step(PING).status(401).header("www-authenticate", challenge),
            index(GET),
            index(GET),
        ]);
        client.document(&of).unwrap();
        client.document(&of).unwrap();
        assert_eq!(sent(&a.seen()), [None; 3], "{status}");
        let one = Some("Bearer one");
        assert_eq!(sent(&b.seen()), [None, one, one]);
        assert_eq!(sent(&tokens.seen()), [None]);
    }
}

#[test]
fn each_registry_gets_its_own_login() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (Server::bind(), Server::bind());
    let of = image(&a);
    // `b:b`.
    let client = with_logins(&folder, &[(&a, ENTRY), (&b, r#"{"auth":"Yjpi"}"#)]);
    // The other one has the image under another name, and asks by itself.
    let elsewhere = format!("http://{}/v2/mirror/web/manifests/1.2", b.address);
    let here = || step(GET).status(307).header("location", &*elsewhere);
    let a = a.run(vec![
        step(PING).status(401).header("www-authenticate", BASIC),
        here(),
        here(),
    ]);
    let mirrored = "GET /v2/mirror/web/manifests/1.2";
    let b = b.run(vec![
        step(mirrored).status(401).header("www-authenticate", BASIC),
        index(mirrored),
        index(mirrored),
    ]);
    client.document(&of).unwrap();
    client.document(&of).unwrap();
    let login = Some("Basic dXNlcjpzZWNyZXQ=");
    assert_eq!(sent(&a.seen()), [None, login, login]);
    let login = Some("Basic Yjpi");
    assert_eq!(sent(&b.seen()), [None, login, login]);
}

#[test]
fn a_missing_login_is_named_for_the_registry_that_wants_it() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (Server::bind(), Server::bind());
    let of = image(&a);
    let client = with_logins(&folder, &[(&a, ENTRY)]);
    let host = b.address;
    let a = a.run(vec![moved(PING, 302, &b), moved(GET, 302, &b)]);
    let b = b.run(vec![
        step(PING).status(401).header("www-authenticate", BASIC),
        step(GET).status(401).header("www-authenticate", BASIC),
    ]);
    let error = client.document(&of).unwrap_err();
    assert!(
        chain(&error).ends_with(&format!("`{host}` requires credentials")),
        "{}",
        chain(&error)
    );
    let hint = error.hint().unwrap_or_default();
    assert!(hint.contains(&format!("terrine login {host}")), "{hint}");
    assert_eq!(sent(&a.seen()), [None, None]);
    assert_eq!(sent(&b.seen()), [None, None]);
}

#[test]
fn uploads_are_repeated_where_they_are_led_to() {
    let content = bytes(300_000);
    let document = Document::parse(INDEX.to_vec(), None).unwrap();
    let put = format!("PUT /u?digest=sha256%3A{}", Digest::of(&content).hex());
    for status in [301, 302, 307, 308] {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (Server::bind(), Server::bind());
        let to = image(&a);
        let client = with_logins(&folder, &[(&a, ENTRY)]);
        let location = format!("http://{}/u", a.address);
        let a = a.run(vec![
            step(PING).status(401).header("www-authenticate", BASIC),
            moved(START, status, &b),
            moved(&put, status, &b),
            moved(PUT, status, &b),
        ]);
        let b = b.run(vec![
            started(location),
            step(&*put).status(201),
            step(PUT).status(201),
        ]);
        let (result, told) = upload(&client, &to, &content);
        result.unwrap();
        assert_eq!(told.iter().filter(|sent| **sent == 300_000).count(), 2);
        client.put_document(&to, &document).unwrap();
        let (a, b) = (a.seen(), b.seen());
        assert!(a[2].body == content && b[1].body == content, "{status}");
        assert_eq!((&*a[3].body, &*b[2].body), (INDEX, INDEX));
        assert_eq!(b[2].header("content-type"), Some(INDEX_TYPE));
        let login = Some("Basic dXNlcjpzZWNyZXQ=");
        assert_eq!(sent(&a), [None, login, login, login]);
        assert_eq!(sent(&b), [None; 3]);
    }
}

#[test]
fn a_login_stays_with_a_request_that_is_repeated_on_its_host() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::bind();
    let to = image(&server);
    let client = with_logins(&folder, &[(&server, ENTRY)]);
    let running = server.run(vec![
        step(PING).status(401).header("www-authenticate", BASIC),
        step(PUT)
            .status(308)
            .header("location", "/v2/acme/web/manifests/other"),
        step("PUT /v2/acme/web/manifests/other").status(201),
    ]);
    let document = Document::parse(INDEX.to_vec(), None).unwrap();
    client.put_document(&to, &document).unwrap();
    let seen = running.seen();
    assert_eq!(seen[2].body, INDEX);
    let login = Some("Basic dXNlcjpzZWNyZXQ=");
    assert_eq!(sent(&seen), [None, login, login]);
}

#[test]
fn identity_tokens_are_not_led_away() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, tokens, other) = (Server::bind(), Server::bind(), Server::bind());
    let of = image(&registry);
    let client = with_logins(&folder, &[(&registry, r#"{"identitytoken":"secret"}"#)]);
    let challenge = bearer(&tokens);
    let ask = "POST /token?a=b";
    let tokens = tokens.run(vec![moved(ask, 307, &other), moved(ask, 307, &other)]);
    let registry = registry.run(vec![
        step(PING).status(401).header("www-authenticate", challenge),
        step(GET).status(401),
    ]);
    let error = chain(&client.document(&of).unwrap_err());
    assert!(error.contains("answers 307 Temporary Redirect"), "{error}");
    registry.seen();
    tokens.seen();
}

#[test]
fn a_login_is_not_shown_on_the_way_to_another_registry() {
    // The names are not resolved: the proxy sees what is sent to whom.
    let client = |proxy: &Server| {
        let url = format!("http://{}", proxy.address);
        let secret = || UserPassword {
            user: "user".to_owned(),
            password: "secret".to_owned(),
        };
        Client::new(ClientOptions {
            proxies: Proxies::of_environment(|name| {
                (name == "HTTP_PROXY").then(|| url.clone().into())
            }),
            credentials: Credentials::default()
                .with_login("a.example", None, secret())
                .with_login("b.example", None, secret()),
            ..options()
        })
    };
    let of: Repository = "a.example/acme/web:1.2".parse().unwrap();
    let at = |host: &str| format!("GET http://{host}/v2/acme/web/manifests/1.2");
    let led = || {
        let to = "http://b.example/v2/acme/web/manifests/1.2";
        step(at("a.example")).status(307).header("location", to)
    };
    let greeted = || {
        step("GET http://a.example/v2/")
            .status(401)
            .header("www-authenticate", BASIC)
    };
    let basic = Some("Basic dXNlcjpzZWNyZXQ=");
    let proxy = Server::bind();
    let anonymous = client(&proxy);
    let running = proxy.run(vec![
        greeted(),
        led(),
        step(at("b.example"))
            .status(401)
            .header("www-authenticate", BASIC)
            .body("log in"),
    ]);
    let error = anonymous.document(&of).unwrap_err();
    let expected = "`b.example` requires credentials, but where another registry leads there, they are sent only over HTTPS with a verified certificate: log in";
    assert!(chain(&error).ends_with(expected), "{}", chain(&error));
    let hint = error.hint().unwrap_or_default();
    assert!(
        hint.starts_with("name `b.example` in the reference"),
        "{hint}"
    );
    assert_eq!(sent(&running.seen()), [None, basic, None]);
    // What everybody may read is read: by a token for nobody.
    let proxy = Server::bind();
    let anonymous = client(&proxy);
    let running = proxy.run(vec![
        greeted(),
        led(),
        step(at("b.example")).status(401).header(
            "www-authenticate",
            "Bearer realm=\"http://b.example/token\"",
        ),
        step("GET http://b.example/token?scope=repository%3Aacme%2Fweb%3Apull")
            .body(r#"{"token":"one"}"#),
        index(&at("b.example")),
    ]);
    anonymous.document(&of).unwrap();
    let one = Some("Bearer one");
    assert_eq!(sent(&running.seen()), [None, basic, None, None, one]);
}

#[test]
fn only_a_verified_server_and_this_machine_get_the_login_of_another_registry() {
    let (led, anonymous) = (Some(Standing::Led), Some(Standing::Anonymous));
    let get = Method::GET;
    for (plain_http, tls_verify, method, uri, expected) in [
        (false, true, &get, "https://b.example/v2/x", led),
        (false, true, &Method::HEAD, "https://b.example/v2/x", led),
        (false, true, &get, "http://b.example/v2/x", anonymous),
        (false, true, &get, "http://localhost:5/v2/x", led),
        (true, true, &get, "https://b.example/v2/x", led),
        (true, true, &get, "http://b.example/v2/x", anonymous),
        (true, true, &get, "http://127.0.0.1/v2/x", led),
        (false, false, &get, "https://b.example/v2/x", anonymous),
        (false, false, &get, "http://b.example/v2/x", anonymous),
        (false, false, &get, "https://[::1]:5/v2/x", led),
        (false, true, &get, "https://b.example/storage", None),
        (
            false,
            true,
            &Method::POST,
            "https://b.example/v2/x",
            anonymous,
        ),
        (
            false,
            true,
            &Method::PUT,
            "https://b.example/v2/x",
            anonymous,
        ),
        (false, true, &Method::PATCH, "http://[::1]/v2/x", anonymous),
        (
            false,
            true,
            &Method::DELETE,
            "https://b.example/v2/x",
            anonymous,
        ),
    ] {
        let client = Client::new(ClientOptions {
            plain_http,
            tls_verify,
            ..options()
        });
        let found = client.elsewhere(&uri.parse().unwrap(), method);
        let found = found.map(|(_, standing)| standing);
        assert_eq!(found, expected, "{plain_http} {tls_verify} {method} {uri}");
    }
}

#[test]
fn a_registry_is_the_same_where_it_goes_over_to_tls() {
    let client = Client::new(options());
    let registry = client.registry("a.example:5000");
    client.scheme(&registry).unwrap();
    for (uri, expected) in [
        ("http://a.example:5000/v2/", true),
        ("https://a.example:5000/v2/", true),
        ("http://a.example/v2/", false),
        ("https://a.example/v2/", false),
        ("https://b.a.example:5000/v2/", false),
    ] {
        assert_eq!(registry.is_own(&Uri::from_static(uri)), expected, "{uri}");
    }
}

#[test]
fn a_login_is_not_sent_in_the_open_to_the_service_of_another_registry() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b, proxy) = (Server::bind(), Server::bind(), Server::bind());
    let of = image(&a);
    let url = format!("http://{}", proxy.address);
    let client = Client::new(ClientOptions {
        credentials: login(&b, &folder, ENTRY),
        proxies: Proxies::of_environment(|name| (name == "HTTP_PROXY").then(|| url.clone().into())),
        ..options()
    });
    let asking = |request| {
        step(request).status(401).header(
            "www-authenticate",
            "Bearer realm=\"http://tokens.example/\"",
        )
    };
    let token = "GET http://tokens.example/?scope=repository%3Aacme%2Fweb%3Apull";
    let a = a.run(vec![step(PING), moved(GET, 307, &b)]);
    // Everybody gets a token there.
    let b = b.run(vec![asking(GET), asking(PING), asking(GET), index(GET)]);
    let proxy = proxy.run(vec![step(token).body(r#"{"token":"one"}"#)]);
    client.document(&of).unwrap();
    assert_eq!(sent(&a.seen()), [None; 2]);
    assert_eq!(sent(&proxy.seen()), [None]);
    assert_eq!(sent(&b.seen()), [None, None, None, Some("Bearer one")]);
}

#[test]
fn the_login_of_another_registry_is_not_written_with() {
    let content = bytes(10);
    let document = Document::parse(INDEX.to_vec(), None).unwrap();
    let put = format!(
        "PUT /v2/other/x/blobs/uploads/1?digest=sha256%3A{}",
        Digest::of(&content).hex()
    );
    let refused = |request: &str| step(request).status(401).header("www-authenticate", BASIC);
    let expected =
        "requires credentials, but where another registry leads there, they are sent only to read";
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (Server::bind(), Server::bind());
    let to = image(&a);
    let client = with_logins(&folder, &[(&a, ENTRY), (&b, ENTRY)]);
    let location = format!("http://{}/v2/other/x/blobs/uploads/1", b.address);
    let name = b.address.to_string();
    let a = a.run(vec![
        step(PING),
        started(location),
        moved(PUT, 307, &b),
        moved(GET, 307, &b),
    ]);
    let b = b.run(vec![
        refused(&put),
        refused(PUT),
        refused(GET),
        step(PING),
        index(GET),
    ]);
    let blob = upload(&client, &to, &content).0.unwrap_err();
    let document = client.put_document(&to, &document).unwrap_err();
    for error in [blob, document] {
        assert!(chain(&error).contains(expected), "{}", chain(&error));
        let hint = error.hint().unwrap_or_default();
        assert!(hint.starts_with(&format!("name `{name}` in")), "{hint}");
    }
    // It is read with.
    client.document(&to).unwrap();
    a.seen();
    let login = Some("Basic dXNlcjpzZWNyZXQ=");
    assert_eq!(sent(&b.seen()), [None, None, None, None, login]);
}

#[test]
fn a_token_for_another_registry_is_to_read_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b, tokens) = (Server::bind(), Server::bind(), Server::bind());
    let of = image(&a);
    let client = with_logins(&folder, &[(&b, ENTRY)]);
    let challenge = bearer(&tokens);
    let token = "GET /token?a=b&account=user&service=s%20v&scope=repository%3Aacme%2Fweb%3Apull";
    let tokens = tokens.run(vec![step(token).body(r#"{"token":"one"}"#)]);
    let a = a.run(vec![moved(PING, 307, &b), moved(GET, 307, &b)]);
    let b = b.run(vec![
        step(PING).status(401).header("www-authenticate", challenge),
        index(GET),
    ]);
    client.will_push(&of);
    client.document(&of).unwrap();
    a.seen();
    assert_eq!(sent(&b.seen()), [None, Some("Bearer one")]);
    tokens.seen();
}

#[test]
fn an_upload_elsewhere_is_not_given_up_there() {
    let digest = Digest::of(b"");
    let post = format!(
        "POST /v2/acme/web/blobs/uploads/?mount=sha256%3A{}&from=acme%2Fbase",
        digest.hex()
    );
    let server = Server::bind();
    let to = image(&server);
    // A file of another registry, as far as it is known.
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    other.set_nonblocking(true).unwrap();
    let location = format!("http://{}/v2/x/manifests/1", other.local_addr().unwrap());
    let running = server.run(vec![
        step(PING),
        step(&*post).status(202).header("location", location),
    ]);
    let client = Client::new(ClientOptions {
        answer_timeout: std::time::Duration::from_secs(1),
        ..options()
    });
    assert!(!client.mount(&to, digest, "acme/base").unwrap());
    running.seen();
    assert!(other.accept().is_err());
}
