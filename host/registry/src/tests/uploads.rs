//! Blobs that are written.

use std::io::{self, Read};
use std::sync::Mutex;

use terrine_oci::{Descriptor, Digest, Repository};

use super::super::testing::{Server, Step, step};
use super::super::{Client, ClientOptions, Error};
use super::{ENTRY, bearer, blob, bytes, chain, image, login, options};

/// The end of a reader that verifies what went through, and found something else.
struct WrongDigest;

impl Read for WrongDigest {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("its `x` has the digest sha256:1"))
    }
}

pub(super) const START: &str = "POST /v2/acme/web/blobs/uploads/";

pub(super) fn started(location: impl Into<String>) -> Step {
    step(START).status(202).header("location", location)
}

/// Uploads 300 kB and says what progress was told.
pub(super) fn upload(
    client: &Client,
    to: &Repository,
    content: &[u8],
) -> (Result<(), Error>, Vec<u64>) {
    let told = Mutex::new(vec![]);
    let result = client.upload(
        to,
        &blob(content),
        &|| io::Result::Ok(Box::new(io::Cursor::new(content.to_vec())) as Box<dyn Read + Send>),
        &|sent| told.lock().unwrap().push(sent),
    );
    (result, told.into_inner().unwrap())
}

#[test]
fn blobs_are_uploaded_from_the_start_until_they_are_there() {
    let content = bytes(300_000);
    let digest = Digest::of(&content);
    let query = format!("digest=sha256%3A{}", digest.hex());
    let server = Server::bind();
    let to = image(&server);
    let absolute = format!("http://{}/u/3?state=x%3D", server.address);
    let put = |path: &str| step(format!("PUT {path}{query}"));
    let running = server.run(vec![
        step(START).status(502),
        started("/u/1"),
        put("/u/1?").refuse(),
        started("2"),
        put("/v2/acme/web/blobs/uploads/2?").status(404),
        started(absolute),
        put("/u/3?state=x%3D&")
            .status(201)
            .header("docker-content-digest", digest.to_string()),
    ]);
    let client = Client::new(ClientOptions {
        retries: 3,
        ..options()
    });
    let (result, told) = upload(&client, &to, &content);
    result.unwrap();
    assert_eq!((told[0], *told.last().unwrap()), (0, 300_000));
    assert!(
        told.iter().filter(|sent| **sent == 0).count() == 3,
        "{told:?}"
    );
    let seen = running.seen();
    assert!(seen.last().unwrap().body == content);
    assert_eq!(
        seen.last().unwrap().header("content-length"),
        Some("300000")
    );
    let expects: Vec<_> = seen
        .iter()
        .map(|seen| seen.headers.contains_key("expect"))
        .collect();
    assert_eq!(expects, [false, false, false, false, true, false, true]);
}

#[test]
fn the_reason_of_a_registry_that_does_not_read_all_is_heard() {
    let content = bytes(30_000_000);
    let put = format!("PUT /u?digest=sha256%3A{}", Digest::of(&content).hex());
    let server = Server::bind();
    let to = image(&server);
    let running = server.run(vec![
        started("/u"),
        step(&*put).refuse(),
        step("GET /u").status(404),
        started("/u"),
        step(&*put).status(413).early().body("too much"),
    ]);
    let error = upload(&Client::new(options()), &to, &content)
        .0
        .unwrap_err();
    assert!(
        chain(&error).ends_with("answers 413 Payload Too Large: too much"),
        "{}",
        chain(&error)
    );
    running.seen();
}

#[test]
fn tokens_that_end_during_an_upload_are_renewed() {
    let content = bytes(300_000);
    let put = format!("PUT /u?digest=sha256%3A{}", Digest::of(&content).hex());
    let (registry, tokens) = (Server::bind(), Server::bind());
    let to = image(&registry);
    let challenge = bearer(&tokens);
    let token = "GET /token?a=b&service=s%20v&scope=repository%3Aacme%2Fweb%3Apull%2Cpush";
    let tokens = tokens.run(vec![
        step(token).body(r#"{"token":"one","expires_in":300}"#),
        step(token).body(r#"{"token":"two","expires_in":300}"#),
    ]);
    let refused = |path: &str| {
        step(path)
            .status(401)
            .header("www-authenticate", &*challenge)
    };
    let registry = registry.run(vec![
        refused(START),
        started("/u"),
        refused(&put),
        step(&*put).status(201),
    ]);
    upload(&Client::new(options()), &to, &content).0.unwrap();
    let seen = registry.seen();
    assert!(seen[2].body == content && seen[3].body == content);
    assert_eq!(seen[3].header("authorization"), Some("Bearer two"));
    tokens.seen();
}

#[test]
fn uploads_that_are_refused_are_not_repeated() {
    let server = Server::bind();
    let to = image(&server);
    let empty = format!("PUT /u?digest=sha256%3A{}", Digest::of(b"").hex());
    let running = server.run(vec![
        started("/u"),
        step(&*empty)
            .status(400)
            .body(r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#),
        started("/u"),
        step(&*empty)
            .status(201)
            .header("docker-content-digest", Digest::of(b"x").to_string()),
        step(START).status(202),
        started("/u"),
        step(&*empty).status(201),
    ]);
    let client = Client::new(options());
    for expected in [
        "400 Bad Request: DIGEST_INVALID",
        "not sha256:e3b0c4",
        "it has no `Location`",
    ] {
        let error = chain(&upload(&client, &to, b"").0.unwrap_err());
        assert!(error.contains(expected), "{error}");
    }
    upload(&client, &to, b"").0.unwrap();
    running.seen();
}

#[test]
fn a_source_that_fails_is_told_as_such_and_the_registry_has_no_blob() {
    let content = bytes(1000);
    let good = blob(&content);
    let lying = Descriptor {
        digest: Digest::of(b"another"),
        ..good.clone()
    };
    for (blob, data, expected) in [
        (
            &good,
            content[..999].to_vec(),
            "it ends after 999 bytes, but its descriptor says 1000",
        ),
        (
            &good,
            [&*content, b"x"].concat(),
            "it has more than the 1000 bytes of its descriptor",
        ),
        (&lying, content.clone(), "its `x` has the digest "),
    ] {
        let server = Server::bind();
        let to = image(&server);
        let put = format!("PUT /u?digest=sha256%3A{}", blob.digest.hex());
        let running = server.run(vec![
            started("/u"),
            step(put),
            step("DELETE /u").status(204),
        ]);
        let error = Client::new(options())
            .upload(
                &to,
                blob,
                &|| {
                    let data = io::Cursor::new(data.clone());
                    let reader: Box<dyn Read + Send> = if blob.digest == good.digest {
                        Box::new(data)
                    } else {
                        Box::new(data.chain(WrongDigest))
                    };
                    io::Result::Ok(reader)
                },
                &|_| (),
            )
            .unwrap_err();
        assert!(
            chain(&error).contains(&format!(": reading the data to send: {expected}")),
            "{}",
            chain(&error)
        );
        assert!(running.seen()[1].body.len() < 1000);
    }
}

#[test]
fn uploads_elsewhere_go_without_credentials() {
    let content = bytes(10);
    let query = format!("digest=sha256%3A{}", Digest::of(&content).hex());
    let folder = tempfile::tempdir().unwrap();
    let (registry, storage) = (Server::bind(), Server::bind());
    let to = image(&registry);
    let credentials = login(&registry, &folder, ENTRY);
    let elsewhere = format!("http://{}/u", storage.address);
    let registry = registry.run(vec![
        step(START)
            .status(401)
            .header("www-authenticate", "Basic realm=\"x\""),
        started(elsewhere),
    ]);
    let storage = storage.run(vec![step(format!("PUT /u?{query}")).status(201)]);
    let client = Client::new(ClientOptions {
        credentials,
        ..options()
    });
    upload(&client, &to, &content).0.unwrap();
    assert!(registry.seen()[1].headers.contains_key("authorization"));
    assert!(!storage.seen()[0].headers.contains_key("authorization"));
}

#[test]
fn blobs_are_mounted_where_it_can_be_done() {
    let digest = Digest::of(b"");
    let post = format!(
        "POST /v2/acme/web/blobs/uploads/?mount=sha256%3A{}&from=library%2Fdebian",
        digest.hex()
    );
    let (registry, tokens) = (Server::bind(), Server::bind());
    let to = image(&registry);
    let challenge = bearer(&tokens);
    let token = "GET /token?a=b&service=s%20v&scope=repository%3Aacme%2Fweb%3Apull%2Cpush&scope=repository%3Alibrary%2Fdebian%3Apull";
    let tokens = tokens.run(vec![
        step(token).body(r#"{"token":"one","expires_in":300}"#),
    ]);
    let registry = registry.run(vec![
        step(&*post)
            .status(401)
            .header("www-authenticate", &*challenge),
        step(&*post).status(201),
        step(&*post).status(202).header("location", "/u?x"),
        step("DELETE /u?x").status(204),
        step(&*post).status(403),
        step(&*post).status(503),
        step(&*post).status(405),
    ]);
    let client = Client::new(options());
    let results: Vec<bool> = (0..4)
        .map(|_| client.mount(&to, digest, "library/debian").unwrap())
        .collect();
    assert_eq!(results, [true, false, false, false]);
    registry.seen();
    tokens.seen();
}
