//! Successes that the specification does not list.

use std::io::Read;

use terrine_oci::{Descriptor, Digest, Document, MediaType};

use super::super::Client;
use super::super::testing::{Server, Step, step};
use super::uploads::{START, upload};
use super::{GET, INDEX, blob, bytes, chain, image, index, options};

/// The answer of a `PUT`, those of the questions that follow, and what the error says.
type Case = (Step, Vec<Step>, Option<&'static str>);

#[test]
fn a_blob_is_there_after_any_success_that_can_be_checked() {
    let content = bytes(1000);
    let digest = Digest::of(&content);
    let put = || step(format!("PUT /u?digest=sha256%3A{}", digest.hex()));
    let head = || step(format!("HEAD /v2/acme/web/blobs/{digest}"));
    let told = |step: Step| step.header("docker-content-digest", digest.to_string());
    let size = |size: &str| head().header("content-length", size);
    let cases: Vec<Case> = vec![
        (put().status(201), vec![], None),
        (told(put().status(200)), vec![], None),
        (told(put().status(204)), vec![], None),
        (told(put().status(299)), vec![], None),
        (put().status(200), vec![size("1000")], None),
        (put().status(202), vec![size("1000")], None),
        (put().status(203), vec![size("1000")], None),
        (put().status(204), vec![size("1000")], None),
        // One that does not say how large it is, and those that do not let us ask.
        (put().status(200), vec![head()], None),
        (put().status(204), vec![head().status(403)], None),
        (put().status(204), vec![head().status(405)], None),
        // A page for people.
        (
            put().status(200).body("<html>"),
            vec![head().status(404)],
            Some("it is 200 OK without a blob"),
        ),
        (
            put().status(200).body("<html>"),
            vec![size("6")],
            Some("it has 6 bytes, not 1000"),
        ),
        // What a redirection to GET leads to.
        (
            put().status(303).header("location", "/page"),
            vec![step("GET /page").body("<html>"), head().status(404)],
            Some("it is 200 OK without a blob"),
        ),
    ];
    for (put, next, expected) in cases {
        let server = Server::bind();
        let to = image(&server);
        let mut script = vec![step(START).status(202).header("location", "/u"), put];
        script.extend(next);
        let running = server.run(script);
        let result = upload(&Client::new(options()), &to, &content).0;
        let error = result.err().map(|error| chain(&error)).unwrap_or_default();
        assert_eq!(error.is_empty(), expected.is_none(), "{error}");
        assert!(error.ends_with(expected.unwrap_or_default()), "{error}");
        running.seen();
    }
}

#[test]
fn what_was_accepted_may_come_later() {
    let content = bytes(1000);
    let digest = Digest::of(&content);
    let put = format!("PUT /u?digest=sha256%3A{}", digest.hex());
    let server = Server::bind();
    let to = image(&server);
    let start = || step(START).status(202).header("location", "/u");
    let running = server.run(vec![
        start(),
        step(&*put).status(202),
        step(format!("HEAD /v2/acme/web/blobs/{digest}")).status(404),
        start(),
        step(&*put).status(201),
    ]);
    upload(&Client::new(options()), &to, &content).0.unwrap();
    running.seen();
}

#[test]
fn an_upload_starts_with_any_success_that_says_where() {
    let put = format!("PUT /u?digest=sha256%3A{}", Digest::of(b"").hex());
    for status in [200, 201, 202, 204] {
        let server = Server::bind();
        let to = image(&server);
        let running = server.run(vec![
            step(START).status(status).header("location", "/u"),
            step(&*put).status(201),
        ]);
        upload(&Client::new(options()), &to, b"").0.unwrap();
        running.seen();
    }
}

#[test]
fn a_mount_is_believed_where_the_blob_is_there() {
    let digest = Digest::of(b"x");
    let post = format!(
        "POST /v2/acme/web/blobs/uploads/?mount=sha256%3A{}&from=acme%2Fbase",
        digest.hex()
    );
    let head = format!("HEAD /v2/acme/web/blobs/{digest}");
    for status in [200, 203, 204] {
        let server = Server::bind();
        let to = image(&server);
        let running = server.run(vec![
            step(&*post).status(status),
            step(&*head).header("content-length", "1"),
            step(&*post)
                .status(status)
                .header("location", format!("/v2/acme/web/blobs/{digest}")),
            step(&*head).status(404),
        ]);
        let client = Client::new(options());
        assert!(client.mount(&to, digest, "acme/base").unwrap());
        assert!(!client.mount(&to, digest, "acme/base").unwrap());
        running.seen();
    }
}

#[test]
fn a_manifest_is_there_after_any_success_that_can_be_checked() {
    let document = Document::parse(INDEX.to_vec(), None).unwrap();
    let digest = document.digest().to_string();
    let put = || step("PUT /v2/acme/web/manifests/1.2");
    let head = || index("HEAD /v2/acme/web/manifests/1.2");
    let told = |step: Step, digest: &str| step.header("docker-content-digest", digest);
    let cases: Vec<Case> = vec![
        (put().status(201), vec![], None),
        (told(put().status(204), &digest), vec![], None),
        (put().status(200), vec![told(head(), &digest)], None),
        (put().status(202), vec![told(head(), &digest)], None),
        (put().status(204), vec![head()], None),
        (put().status(204), vec![head().status(401)], None),
        (
            put().status(200).body("<html>"),
            vec![head().status(404)],
            Some("it is 200 OK without a manifest"),
        ),
        // The one that was there before.
        (
            put().status(200).body("<html>"),
            vec![told(head(), &Digest::of(b"").to_string())],
            Some("not sha256:"),
        ),
    ];
    for (put, head, expected) in cases {
        let server = Server::bind();
        let to = image(&server);
        let running = server.run([put].into_iter().chain(head).collect());
        let result = Client::new(options()).put_document(&to, &document);
        let error = result.err().map(|error| chain(&error)).unwrap_or_default();
        assert_eq!(error.is_empty(), expected.is_none(), "{error}");
        assert!(error.contains(expected.unwrap_or_default()), "{error}");
        running.seen();
    }
}

#[test]
fn what_is_read_may_come_with_any_success() {
    let content = bytes(1000);
    let blob = blob(&content);
    let path = format!("GET /v2/acme/web/blobs/{}", blob.digest);
    for status in [200, 201, 202, 203] {
        let server = Server::bind();
        let of = image(&server);
        let running = server.run(vec![
            index(GET).status(status),
            step(&*path).status(status).body(&*content),
        ]);
        let client = Client::new(options());
        client.document(&of).unwrap();
        let mut read = vec![];
        let mut reader = client.blob(&of, &blob).unwrap();
        reader.read_to_end(&mut read).unwrap();
        assert_eq!(read, content);
        running.seen();
    }
    // All of it as the part that nobody asked for.
    let server = Server::bind();
    let of = image(&server);
    let part = step(path).status(206).body(&*content);
    let running = server.run(vec![part.header("content-range", "bytes 0-999/1000")]);
    let mut read = vec![];
    let mut reader = Client::new(options()).blob(&of, &blob).unwrap();
    reader.read_to_end(&mut read).unwrap();
    assert_eq!(read, content);
    running.seen();
}

#[test]
fn registries_that_only_know_get_are_asked_by_it() {
    let expected = Some(Descriptor::of(MediaType::OciIndex, INDEX));
    for head in [
        step("").status(405),
        step("").status(501),
        step("").status(204),
        index("").header("content-length", "0"),
        index("").header("docker-content-digest", "sha256:x"),
    ] {
        let server = Server::bind();
        let of = image(&server);
        let head = head.expecting("HEAD /v2/acme/web/manifests/1.2");
        let running = server.run(vec![head, index(GET)]);
        let found = Client::new(options()).head_document(&of).unwrap();
        assert_eq!(found, expected);
        running.seen();
    }
    let server = Server::bind();
    let of = image(&server);
    let head = format!("HEAD /v2/acme/web/blobs/{}", Digest::of(INDEX));
    let running = server.run(vec![step(head).status(405)]);
    let client = Client::new(options());
    assert_eq!(client.blob_size(&of, Digest::of(INDEX)).unwrap(), None);
    running.seen();
}
