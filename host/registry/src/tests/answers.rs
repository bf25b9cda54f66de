//! Tests of the answers of registries, and of the requests that are tried again.

use std::time::Duration;

use terrine_oci::{Descriptor, MediaType};
use terrine_support::hint::Hint;

use super::super::testing::{Server, step};
use super::super::{Cause, Client, ClientOptions};
use super::{GET, chain, image, index, options};

#[test]
fn a_blob_that_is_lost_is_told_apart_from_an_image_that_is_not_there() {
    let server = Server::bind();
    let of = image(&server);
    let blob = Descriptor::of(MediaType::OciConfig, b"{}");
    let path = format!("GET /v2/acme/web/blobs/{}", blob.digest);
    let running = server.run(vec![step(&path).status(404)]);
    let error = Client::new(options())
        .blob(&of, &blob)
        .map(drop)
        .unwrap_err();
    let hint = error.hint().unwrap_or_default();
    assert!(hint.ends_with("push the image again"), "{error:?}");
    running.seen();
}

#[test]
fn refusals_are_told_with_their_reason() {
    let unknown = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
    for (answer, expected, hint) in [
        (
            step(GET).status(404).body(unknown),
            "answers 404 Not Found: manifest unknown (MANIFEST_UNKNOWN)",
            "check the name of the repository and the tag",
        ),
        (
            step(GET)
                .status(403)
                .header("content-type", "text/html")
                .body("<html>"),
            "answers 403 Forbidden",
            "log in with `terrine login 127.0.0.1:",
        ),
        (
            step(GET).status(401),
            "requires credentials",
            "log in with `terrine login 127.0.0.1:",
        ),
        (
            step(GET).status(429).header("retry-after", "3600"),
            "answers 429 Too Many Requests and asks to retry after 3600 s",
            "",
        ),
        (
            step(GET).status(302),
            "cannot be used: it has no `Location`",
            "",
        ),
        (step(GET).status(204), "answers 204 No Content", ""),
    ] {
        let server = Server::bind();
        let of = image(&server);
        let running = server.run(vec![answer]);
        let error = Client::new(options()).document(&of).unwrap_err();
        assert!(
            chain(&error).starts_with(&format!("fetching the manifest of `{of}`: ")),
            "{error:?}"
        );
        assert!(chain(&error).ends_with(expected), "{}", chain(&error));
        assert!(
            error.hint().unwrap_or_default().starts_with(hint),
            "{error:?}"
        );
        assert_eq!(running.seen().len(), 1);
    }
}

#[test]
fn what_may_pass_is_tried_again() {
    for passing in [
        step(GET).refuse(),
        step(GET).status(408),
        step(GET).status(429).header("retry-after", "0"),
        step(GET).status(500),
        step(GET).status(502),
        step(GET).status(503).body("busy"),
        step(GET).status(504),
        index(GET).cut(10),
    ] {
        let server = Server::bind();
        let of = image(&server);
        let running = server.run(vec![passing, step(GET).status(503), index(GET)]);
        Client::new(options()).document(&of).unwrap();
        assert_eq!(running.seen().len(), 3);
    }
    let server = Server::bind();
    let of = image(&server);
    let running = server.run((0..3).map(|_| step(GET).status(503).body("busy")).collect());
    let error = Client::new(options()).document(&of).unwrap_err();
    assert!(
        chain(&error).ends_with("answers 503 Service Unavailable: busy"),
        "{error:?}"
    );
    running.seen();
    // Nobody listens any more.
    let error = Client::new(options()).document(&of).unwrap_err();
    assert!(
        matches!(error.cause(), Cause::Connection { .. }),
        "{error:?}"
    );
}

#[test]
fn silence_is_an_error() {
    for answer in [index(GET).silent(10), index(GET).silent(0)] {
        let server = Server::bind();
        let of = image(&server);
        let running = server.run(vec![answer]);
        let options = ClientOptions {
            retries: 0,
            stall_timeout: Duration::from_secs(1),
            ..options()
        };
        let error = Client::new(options).document(&of).unwrap_err();
        assert!(
            chain(&error).ends_with("did not respond for 1 s"),
            "{}",
            chain(&error)
        );
        running.seen();
    }
}

#[test]
fn registries_on_this_machine_are_spoken_to_as_they_answer() {
    let server = Server::bind();
    let of = image(&server);
    let running = server.run(vec![step("TLS"), step("GET /v2/").status(401), index(GET)]);
    let client = Client::new(ClientOptions {
        plain_http: false,
        ..options()
    });
    client.document(&of).unwrap();
    assert_eq!(running.seen().len(), 2);
}

#[test]
fn redirections_end() {
    let server = Server::bind();
    let of = image(&server);
    let running = server.run(
        (0..11)
            .map(|_| step(GET).status(302).header("location", "1.2"))
            .collect(),
    );
    let error = Client::new(options()).document(&of).unwrap_err();
    assert!(
        matches!(error.cause(), Cause::Redirects { limit: 10, .. }),
        "{error:?}"
    );
    running.seen();
}
