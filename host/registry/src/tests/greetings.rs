//! Tests of registries that ask all clients to log in, or that hide images from anonymous ones.

use terrine_oci::{Digest, Document, Repository};

use super::super::testing::{Seen, Server, Step, step};
use super::super::{Client, ClientOptions, Credentials};
use super::{ENTRY, GET, INDEX, bearer, chain, image, index, login, options};

const PING: &str = "GET /v2/";
const BASIC: &str = "Basic realm=\"x\"";
const PASSWORD: Option<&str> = Some("Basic dXNlcjpzZWNyZXQ=");
const TOKEN: &str =
    "GET /token?a=b&account=user&service=s%20v&scope=repository%3Aacme%2Fweb%3Apull";

fn with(credentials: Credentials) -> Client {
    Client::new(ClientOptions {
        credentials,
        ..options()
    })
}

fn asking(challenge: &str) -> Step {
    step(PING).status(401).header("www-authenticate", challenge)
}

fn sent(seen: &[Seen]) -> Vec<Option<&str>> {
    seen.iter()
        .map(|seen| seen.header("authorization"))
        .collect()
}

#[test]
fn a_login_is_sent_at_once_where_the_registry_wants_one() {
    let digest = Digest::of(INDEX);
    let head = "HEAD /v2/acme/web/manifests/1.2";
    let mount = format!(
        "POST /v2/acme/web/blobs/uploads/?mount=sha256%3A{}&from=acme%2Fbase",
        digest.hex()
    );
    let document = Document::parse(INDEX.to_vec(), None).unwrap();
    type Act<'a> = &'a dyn Fn(&Client, &Repository);
    let acts: [(&str, u16, Act<'_>, bool); 5] = [
        (
            GET,
            200,
            &|client, of| drop(client.document(of).unwrap()),
            false,
        ),
        (
            head,
            404,
            &|client, of| drop(client.head_document(of).unwrap()),
            false,
        ),
        (
            &format!("HEAD /v2/acme/web/blobs/{digest}"),
            404,
            &|client, of| assert!(client.blob_size(of, digest).is_ok()),
            false,
        ),
        (
            &mount,
            201,
            &|client, of| assert!(client.mount(of, digest, "acme/base").unwrap()),
            true,
        ),
        (
            "PUT /v2/acme/web/manifests/1.2",
            201,
            &|client, of| client.put_document(of, &document).unwrap(),
            true,
        ),
    ];
    for (request, status, act, is_push) in acts {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::bind();
        let of = image(&server);
        let client = with(login(&server, &folder, ENTRY));
        let running = server.run(vec![asking(BASIC), index(request).status(status)]);
        act(&client, &of);
        assert_eq!(sent(&running.seen()), [None, PASSWORD], "{request}");
        // The same by tokens.
        let (server, tokens) = (Server::bind(), Server::bind());
        let of = image(&server);
        let client = with(login(&server, &folder, ENTRY));
        let challenge = bearer(&tokens);
        let push = if is_push { "%2Cpush" } else { "" };
        let base = "&scope=repository%3Aacme%2Fbase%3Apull";
        let base = if request == mount { base } else { "" };
        let token = step(format!("{TOKEN}{push}{base}")).body(r#"{"token":"one"}"#);
        let tokens = tokens.run(vec![token]);
        let running = server.run(vec![asking(&challenge), index(request).status(status)]);
        act(&client, &of);
        assert_eq!(
            sent(&running.seen()),
            [None, Some("Bearer one")],
            "{request}"
        );
        assert_eq!(sent(&tokens.seen()), [PASSWORD]);
    }
}

#[test]
fn a_login_is_tried_where_a_registry_hides_what_it_has() {
    for status in [401, 403, 404] {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::bind();
        let of = image(&server);
        let client = with(login(&server, &folder, ENTRY));
        let put = "PUT /v2/acme/web/manifests/1.2";
        let running = server.run(vec![
            step(PING),
            step(GET).status(status),
            index(GET),
            step(put).status(201),
        ]);
        client.document(&of).unwrap();
        let document = Document::parse(INDEX.to_vec(), None).unwrap();
        client.put_document(&of, &document).unwrap();
        let seen = running.seen();
        assert_eq!(sent(&seen), [None, None, PASSWORD, PASSWORD], "{status}");
    }
    // What is not there is not asked for twice each time; what wants a login to be written is.
    let folder = tempfile::tempdir().unwrap();
    let server = Server::bind();
    let of = image(&server);
    let client = with(login(&server, &folder, ENTRY));
    let head = format!("HEAD /v2/acme/web/blobs/{}", Digest::of(b""));
    let put = "PUT /v2/acme/web/manifests/1.2";
    // As it is while an image is pushed.
    client.will_push(&of);
    let running = server.run(vec![
        step(PING),
        step(&*head).status(404),
        step(&*head).status(404),
        step(&*head).status(404),
        step(put).status(403),
        step(put).status(201),
    ]);
    for _ in 0..2 {
        assert_eq!(client.blob_size(&of, Digest::of(b"")).unwrap(), None);
    }
    let document = Document::parse(INDEX.to_vec(), None).unwrap();
    client.put_document(&of, &document).unwrap();
    let expected = [None, None, PASSWORD, None, None, PASSWORD];
    assert_eq!(sent(&running.seen()), expected);
}

#[test]
fn a_challenge_counts_whatever_the_status() {
    for status in [401, 403, 404] {
        let folder = tempfile::tempdir().unwrap();
        let (server, tokens) = (Server::bind(), Server::bind());
        let of = image(&server);
        let client = with(login(&server, &folder, ENTRY));
        let challenge = bearer(&tokens);
        let tokens = tokens.run(vec![step(TOKEN).body(r#"{"token":"one"}"#)]);
        let hidden = step(GET).status(status);
        let running = server.run(vec![
            hidden.header("www-authenticate", challenge),
            index(GET),
        ]);
        client.document(&of).unwrap();
        assert_eq!(sent(&running.seen()), [None, Some("Bearer one")]);
        tokens.seen();
    }
}

#[test]
fn without_a_login_nothing_is_asked_twice() {
    for status in [401, 403, 404] {
        let server = Server::bind();
        let of = image(&server);
        let running = server.run(vec![asking(BASIC), step(GET).status(status)]);
        assert!(Client::new(options()).document(&of).is_err());
        assert_eq!(sent(&running.seen()), [None, None]);
    }
}

#[test]
fn a_login_for_a_name_space_goes_to_that_alone() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::bind();
    let of = image(&server);
    let other = Repository {
        name: "other/web".to_owned(),
        ..of.clone()
    };
    let file = folder.path().join("auth.json");
    let text = format!(r#"{{"auths":{{"{}/acme":{ENTRY}}}}}"#, server.address);
    std::fs::write(&file, text).unwrap();
    let client = with(Credentials::new(vec![file]));
    let running = server.run(vec![
        asking(BASIC),
        index(GET),
        index("GET /v2/other/web/manifests/1.2"),
    ]);
    client.document(&of).unwrap();
    client.document(&other).unwrap();
    assert_eq!(sent(&running.seen()), [None, PASSWORD, None]);
}

#[test]
fn a_greeting_that_fails_is_no_end() {
    // One that may pass is asked again before what is hidden counts as missing.
    let folder = tempfile::tempdir().unwrap();
    let server = Server::bind();
    let of = image(&server);
    let client = with(login(&server, &folder, ENTRY));
    let running = server.run(vec![
        step(PING).status(503),
        step(GET).status(404),
        asking(BASIC),
        index(GET),
    ]);
    client.document(&of).unwrap();
    assert_eq!(sent(&running.seen()), [None, None, None, PASSWORD]);
    // Others tell nothing.
    for greeting in [
        step(PING).status(404),
        step(PING).status(500),
        step(PING).status(302),
        step(PING).status(302).header("location", "ftp://x"),
        step(PING)
            .status(401)
            .header("www-authenticate", "Negotiate"),
    ] {
        let server = Server::bind();
        let of = image(&server);
        let running = server.run(vec![greeting, index(GET)]);
        Client::new(options()).document(&of).unwrap();
        assert_eq!(running.seen().len(), 2);
    }
}

#[test]
fn what_everybody_may_read_needs_no_login_that_works() {
    let folder = tempfile::tempdir().unwrap();
    // A login that cannot be read, and one that the service refuses.
    let broken = r#"{"auth":"$"}"#;
    let anonymous = TOKEN.replace("account=user&", "");
    for (entry, ask, answer) in [
        (broken, &*anonymous, step("").body(r#"{"token":"one"}"#)),
        (ENTRY, TOKEN, step("").status(401)),
    ] {
        let (server, tokens) = (Server::bind(), Server::bind());
        let of = image(&server);
        let client = with(login(&server, &folder, entry));
        let challenge = bearer(&tokens);
        let tokens = tokens.run(vec![answer.expecting(ask)]);
        let running = server.run(vec![asking(&challenge), index(GET), index(GET)]);
        client.document(&of).unwrap();
        client.document(&of).unwrap();
        running.seen();
        tokens.seen();
    }
    // What is hidden does.
    for (entry, ask, answer, expected) in [
        (
            broken,
            &*anonymous,
            vec![step("").body(r#"{"token":"one"}"#)],
            "is not a user and a password in base64",
        ),
        (
            ENTRY,
            TOKEN,
            vec![step("").status(401), step("").status(401)],
            "rejects the credentials in `",
        ),
    ] {
        for status in [401, 403, 404] {
            let (server, tokens) = (Server::bind(), Server::bind());
            let of = image(&server);
            let client = with(login(&server, &folder, entry));
            let challenge = bearer(&tokens);
            let answers = answer.iter().map(|answer| answer.clone().expecting(ask));
            let tokens = tokens.run(answers.collect());
            let running = server.run(vec![asking(&challenge), step(GET).status(status)]);
            let error = chain(&client.document(&of).unwrap_err());
            assert!(error.contains(expected), "{status}: {error}");
            running.seen();
            tokens.seen();
        }
    }
}

#[test]
fn a_token_that_ends_early_is_asked_for_once_more() {
    // Without a challenge, with another scheme, and with one that nobody knows.
    for challenge in [None, Some(BASIC), Some("Negotiate"), Some("=")] {
        let ended = || {
            let ended = step(GET).status(401);
            match challenge {
                Some(value) => ended.header("www-authenticate", value),
                None => ended,
            }
        };
        let folder = tempfile::tempdir().unwrap();
        let (server, tokens) = (Server::bind(), Server::bind());
        let of = image(&server);
        let client = with(login(&server, &folder, ENTRY));
        let greeting = asking(&bearer(&tokens));
        let service = tokens.address;
        let tokens = tokens.run(
            ["one", "two", "three"]
                .map(|token| {
                    step(TOKEN).body(format!(r#"{{"token":"{token}","expires_in":"3600"}}"#))
                })
                .into(),
        );
        let running = server.run(vec![
            greeting,
            index(GET),
            ended(),
            index(GET),
            ended(),
            ended(),
        ]);
        client.document(&of).unwrap();
        client.document(&of).unwrap();
        let error = chain(&client.document(&of).unwrap_err());
        let expected = format!("no longer accepts tokens of `{service}`");
        assert!(error.ends_with(&expected), "{error}");
        let (one, two, three) = (Some("Bearer one"), Some("Bearer two"), Some("Bearer three"));
        assert_eq!(sent(&running.seen()), [None, one, one, two, two, three]);
        assert_eq!(sent(&tokens.seen()), [PASSWORD; 3]);
    }
}
