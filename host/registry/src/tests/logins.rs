//! Passwords and tokens, and who gets them.

use std::io::Read;

use super::super::testing::{Server, step};
use super::super::{Cause, Client, ClientOptions};
use super::{ENTRY, GET, bearer, blob, bytes, chain, image, index, login, options};

#[test]
fn tokens_are_fetched_once_and_renewed() {
    let (registry, tokens) = (Server::bind(), Server::bind());
    let of = image(&registry);
    let folder = tempfile::tempdir().unwrap();
    let credentials = login(&registry, &folder, ENTRY);
    let challenge = bearer(&tokens);
    let refused = || {
        step(GET)
            .status(401)
            .header("www-authenticate", &*challenge)
    };
    let token = "GET /token?a=b&account=user&service=s%20v&scope=repository%3Aacme%2Fweb%3Apull";
    let tokens = tokens.run(vec![
        step(token).body(r#"{"token":"one","expires_in":300}"#),
        step(token).body(r#"{"access_token":"two"}"#),
        step(token).body(r#"{"token":"three"}"#),
    ]);
    let registry = registry.run(vec![
        refused(),
        index(GET),
        index(GET),
        refused(),
        index(GET),
        refused(),
        refused(),
    ]);
    let client = Client::new(ClientOptions {
        credentials,
        ..options()
    });
    for _ in 0..3 {
        client.document(&of).unwrap();
    }
    let error = client.document(&of).unwrap_err();
    assert!(
        matches!(error.cause(), Cause::Token { .. }),
        "{}",
        chain(&error)
    );
    let (registry, tokens) = (registry.seen(), tokens.seen());
    let sent: Vec<_> = registry
        .iter()
        .map(|seen| seen.header("authorization"))
        .collect();
    let (one, two, three) = (Some("Bearer one"), Some("Bearer two"), Some("Bearer three"));
    assert_eq!(sent, [None, one, one, one, two, two, three]);
    assert!(
        tokens
            .iter()
            .all(|seen| seen.header("authorization") == Some("Basic dXNlcjpzZWNyZXQ="))
    );
    assert!(!format!("{client:?}").contains("three"), "{client:?}");
}

#[test]
fn threads_share_a_token_and_one_for_pushing_is_good_for_pulling() {
    let (registry, tokens) = (Server::bind(), Server::bind());
    let of = image(&registry);
    let challenge = bearer(&tokens);
    let token = "GET /token?a=b&service=s%20v&scope=repository%3Aacme%2Fweb%3Apull%2Cpush";
    let tokens = tokens.run(vec![
        step(token).body(r#"{"token":"one","expires_in":300}"#),
    ]);
    let mut script = vec![
        step(GET)
            .status(401)
            .header("www-authenticate", &*challenge),
        index(GET),
    ];
    script.extend((0..8).map(|_| index(GET)));
    let registry = registry.run(script);
    let client = Client::new(options());
    client.will_push(&of);
    client.document(&of).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| client.document(&of).unwrap());
        }
    });
    assert!(
        registry
            .seen()
            .iter()
            .skip(1)
            .all(|seen| seen.header("authorization") == Some("Bearer one"))
    );
    tokens.seen();
}

#[test]
fn identity_tokens_are_exchanged() {
    let (registry, tokens) = (Server::bind(), Server::bind());
    let of = image(&registry);
    let folder = tempfile::tempdir().unwrap();
    let credentials = login(&registry, &folder, r#"{"identitytoken":"se/cret"}"#);
    let challenge = bearer(&tokens);
    let tokens = tokens.run(vec![
        step("POST /token?a=b").status(503),
        step("POST /token?a=b").body(r#"{"access_token":"one"}"#),
    ]);
    let refused = || {
        step(GET)
            .status(401)
            .header("www-authenticate", &*challenge)
    };
    let registry = registry.run(vec![refused(), refused(), index(GET)]);
    Client::new(ClientOptions {
        credentials,
        ..options()
    })
    .document(&of)
    .unwrap();
    assert_eq!(
        registry.seen()[2].header("authorization"),
        Some("Bearer one")
    );
    let form = "grant_type=refresh_token&service=s%20v&client_id=terrine&scope=repository%3Aacme%2Fweb%3Apull&refresh_token=se%2Fcret";
    assert_eq!(tokens.seen()[1].body, form.as_bytes());
}

#[test]
fn a_challenge_chooses_between_a_password_and_an_identity_token() {
    let folder = tempfile::tempdir().unwrap();
    let entry = r#"{"auth":"dXNlcjpzZWNyZXQ=","identitytoken":"t"}"#;
    for is_basic in [true, false] {
        let (registry, tokens) = (Server::bind(), Server::bind());
        let of = image(&registry);
        let credentials = login(&registry, &folder, entry);
        let challenge = bearer(&tokens);
        let (challenge, expected) = if is_basic {
            (r#"Basic realm="x""#, "Basic dXNlcjpzZWNyZXQ=")
        } else {
            (challenge.as_str(), "Bearer one")
        };
        let script = vec![step("POST /token?a=b").body(r#"{"token":"one"}"#)];
        let tokens = tokens.run(if is_basic { vec![] } else { script });
        let registry = registry.run(vec![
            step(GET).status(401).header("www-authenticate", challenge),
            index(GET),
        ]);
        let options = ClientOptions {
            credentials,
            ..options()
        };
        Client::new(options).document(&of).unwrap();
        assert_eq!(registry.seen()[1].header("authorization"), Some(expected));
        tokens.seen();
    }
}

#[test]
fn token_services_that_refuse_are_named() {
    for (answer, expected) in [
        (
            step("")
                .status(401)
                .body(r#"{"details":"incorrect username or password"}"#),
            "requires credentials: incorrect username or password",
        ),
        (
            step("").status(404),
            "its token service `HOST` answers 404 Not Found",
        ),
        (step("").body(r#"{"token":""}"#), "it holds no token"),
        (
            step("").body(r#"{"token":["secret"]}"#),
            "it holds no token",
        ),
        (step("").body(r#"{"token":"a\nb"}"#), "it holds no token"),
    ] {
        let (registry, tokens) = (Server::bind(), Server::bind());
        let of = image(&registry);
        let (challenge, host) = (bearer(&tokens), tokens.address);
        let path = "GET /token?a=b&service=s%20v&scope=repository%3Aacme%2Fweb%3Apull";
        let tokens = tokens.run(vec![answer.expecting(path)]);
        let registry = registry.run(vec![
            step(GET)
                .status(401)
                .header("www-authenticate", &*challenge),
        ]);
        let error = Client::new(options()).document(&of).unwrap_err();
        // The image may be there.
        assert!(!error.is_not_found(), "{error}");
        let error = chain(&error);
        let expected = expected.replace("HOST", &host.to_string());
        assert!(
            error.contains(&expected) && error.contains(&format!("`{host}`")),
            "{error}"
        );
        registry.seen();
        tokens.seen();
    }
}

#[test]
fn passwords_go_to_who_asks_for_them() {
    let basic = || {
        step(GET)
            .status(401)
            .header("www-authenticate", "Basic realm=\"x\"")
    };
    let folder = tempfile::tempdir().unwrap();
    let server = Server::bind();
    let of = image(&server);
    let credentials = login(&server, &folder, ENTRY);
    let running = server.run(vec![basic(), index(GET), index(GET), basic()]);
    let client = Client::new(ClientOptions {
        credentials,
        ..options()
    });
    client.document(&of).unwrap();
    client.document(&of).unwrap();
    let error = client.document(&of).unwrap_err();
    assert!(
        matches!(error.cause(), Cause::Unauthorized { login: Some(_), .. }),
        "{error:?}"
    );
    assert!(!format!("{error:?} {client:?}").contains("c2VjcmV0"));
    let sent: Vec<_> = running
        .seen()
        .iter()
        .map(|seen| seen.headers.contains_key("authorization"))
        .collect();
    assert_eq!(sent, [false, true, true, true]);
    // Somebody else's.
    let server = Server::bind();
    let of = image(&server);
    let running = server.run(vec![basic()]);
    let error = client.document(&of).unwrap_err();
    assert!(
        matches!(error.cause(), Cause::Unauthorized { login: None, .. }),
        "{error:?}"
    );
    running.seen();
}

#[test]
fn credentials_do_not_follow_redirections() {
    let content = bytes(1000);
    let blob = blob(&content);
    let path = format!("GET /v2/acme/web/blobs/{}", blob.digest);
    let basic = step(&*path)
        .status(401)
        .header("www-authenticate", "Basic realm=\"x\"");
    let folder = tempfile::tempdir().unwrap();
    let (registry, storage) = (Server::bind(), Server::bind());
    let of = image(&registry);
    let credentials = login(&registry, &folder, ENTRY);
    let elsewhere = format!("http://{}/store?signature=a%2Bb", storage.address);
    let registry = registry.run(vec![
        basic,
        step(&*path).status(308).header("location", "/moved"),
        step("GET /moved")
            .status(307)
            .header("location", elsewhere.clone()),
        step(&*path).status(307).header("location", elsewhere),
    ]);
    let storage = storage.run(vec![
        step("GET /store?signature=a%2Bb").body(&*content),
        // That is not the registry's challenge.
        step("GET /store?signature=a%2Bb")
            .status(401)
            .header("www-authenticate", "Basic realm=\"x\""),
    ]);
    let client = Client::new(ClientOptions {
        credentials,
        ..options()
    });
    let mut read = vec![];
    client
        .blob(&of, &blob)
        .unwrap()
        .read_to_end(&mut read)
        .unwrap();
    assert_eq!(read, content);
    let error = client.blob(&of, &blob).unwrap_err();
    assert!(matches!(error.cause(), Cause::Status { .. }), "{error:?}");
    let sent: Vec<_> = registry
        .seen()
        .iter()
        .map(|seen| seen.headers.contains_key("authorization"))
        .collect();
    assert_eq!(sent, [false, true, true, true]);
    assert!(
        storage
            .seen()
            .iter()
            .all(|seen| !seen.headers.contains_key("authorization"))
    );
}

#[test]
fn a_login_that_a_server_repeats_is_not_shown() {
    let said = "user:secret dXNlcjpzZWNyZXQ= t0ken";
    let refused = |request: &str| step(request).status(401).body(said);
    let basic = || refused(GET).header("www-authenticate", "Basic realm=\"x\"");
    // The registry is told the password.
    let folder = tempfile::tempdir().unwrap();
    let server = Server::bind();
    let of = image(&server);
    let client = Client::new(ClientOptions {
        credentials: login(&server, &folder, ENTRY),
        ..options()
    });
    let running = server.run(vec![basic(), basic()]);
    let error = chain(&client.document(&of).unwrap_err());
    assert!(error.ends_with(": user:… … t0ken"), "{error}");
    running.seen();
    // Its service of tokens is, or it is told an identity token.
    let get = "GET /token?a=b&account=user&service=s%20v&scope=repository%3Aacme%2Fweb%3Apull";
    let identity = r#"{"identitytoken":"t0ken"}"#;
    for (entry, ask, expected) in [
        (ENTRY, get, "user:… … t0ken"),
        (
            identity,
            "POST /token?a=b",
            "user:secret dXNlcjpzZWNyZXQ= …",
        ),
    ] {
        let (server, tokens) = (Server::bind(), Server::bind());
        let of = image(&server);
        let client = Client::new(ClientOptions {
            credentials: login(&server, &folder, entry),
            ..options()
        });
        let challenge = bearer(&tokens);
        let running = server.run(vec![refused(GET).header("www-authenticate", challenge)]);
        let tokens = tokens.run(vec![refused(ask)]);
        let error = chain(&client.document(&of).unwrap_err());
        assert!(error.ends_with(&format!(": {expected}")), "{error}");
        running.seen();
        tokens.seen();
    }
    // The registry is told a token.
    let (server, tokens) = (Server::bind(), Server::bind());
    let of = image(&server);
    let challenge = bearer(&tokens);
    let running = server.run(vec![
        refused(GET).header("www-authenticate", challenge),
        refused(GET).status(403),
    ]);
    let token = "GET /token?a=b&service=s%20v&scope=repository%3Aacme%2Fweb%3Apull";
    let tokens = tokens.run(vec![step(token).body(r#"{"token":"t0ken"}"#)]);
    let error = chain(&Client::new(options()).document(&of).unwrap_err());
    assert!(
        error.ends_with(": user:secret dXNlcjpzZWNyZXQ= …"),
        "{error}"
    );
    running.seen();
    tokens.seen();
}
