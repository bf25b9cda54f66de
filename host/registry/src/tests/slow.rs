//! Registries that are not silent, but slow.

use std::io::Read;
use std::time::{Duration, Instant};

use terrine_oci::{Descriptor, Digest, MediaType, Repository};
use terrine_support::hint::Hint;

use super::super::testing::{Server, Step, step};
use super::super::{Cause, Client, ClientOptions, Error};
use super::uploads::{started, upload};
use super::{GET, bearer, blob, bytes, chain, image, index, options};

/// The time for what is short.
pub(super) const SHORT: Duration = Duration::from_millis(400);
/// More than everything here takes if it is bounded.
const LONG: Duration = Duration::from_secs(60);

/// One attempt, and little time for it.
pub(super) fn hurried() -> ClientOptions {
    ClientOptions {
        retries: 0,
        answer_timeout: SHORT,
        ..options()
    }
}

/// Without a blob's rate.
fn unhurried() -> ClientOptions {
    ClientOptions {
        least_rate: 0,
        ..hurried()
    }
}

/// Asks a server with that script, and says in which time.
pub(super) fn ask<T>(
    options: ClientOptions,
    steps: Vec<Step>,
    ask: impl FnOnce(&Client, &Repository) -> T,
) -> T {
    let server = Server::bind();
    let of = image(&server);
    let running = server.run(steps);
    let start = Instant::now();
    let answer = ask(&Client::new(options), &of);
    assert!(start.elapsed() < LONG, "{:?}", start.elapsed());
    running.seen();
    answer
}

/// Returns the number of bytes that came, if that is the error.
pub(super) fn slow(error: &Error) -> u64 {
    let Cause::Slow { bytes, time, .. } = *error.cause() else {
        panic!("{error:?}")
    };
    assert!(time >= SHORT, "{time:?}");
    let expected = format!(
        " sent {bytes} bytes in {} s without completing its answer",
        time.as_secs_f32()
    );
    assert!(chain(error).ends_with(&expected), "{}", chain(error));
    assert!(error.hint().unwrap().contains("`--timeout`"), "{error:?}");
    bytes
}

/// An answer without an end, a byte at a time.
fn drip(expected: impl Into<String>) -> Step {
    index(&expected.into())
        .header("content-length", "4000000")
        .drip(10)
}

#[test]
fn a_byte_now_and_then_is_not_a_manifest() {
    let error = ask(unhurried(), vec![drip(GET)], |client, of| {
        client.document(of).unwrap_err()
    });
    let bytes = slow(&error);
    assert!((1..100).contains(&bytes), "{bytes}");
    let chunked = index(GET)
        .header("transfer-encoding", "chunked")
        .body("0")
        .drip(10);
    for step in [index(GET).drip_head(10), chunked] {
        let error = ask(unhurried(), vec![step], |client, of| {
            client.document(of).unwrap_err()
        });
        assert_eq!(slow(&error), 0);
    }
}

#[test]
fn slow_answers_are_asked_for_again() {
    let steps = vec![drip(GET), index(GET)];
    let options = ClientOptions {
        retries: 1,
        ..unhurried()
    };
    ask(options, steps, |client, of| client.document(of).unwrap());
}

#[test]
fn redirections_have_the_time_of_one_answer() {
    let steps = |count| {
        let to = |_| step(GET).status(302).header("location", "1.2").late(150);
        (0..count).map(to).chain([index(GET)])
    };
    ask(
        ClientOptions {
            answer_timeout: LONG,
            ..unhurried()
        },
        steps(5).collect(),
        |client, of| client.document(of).unwrap(),
    );
    // Not even the third is waited for.
    let error = ask(unhurried(), steps(3).take(3).collect(), |client, of| {
        client.document(of).unwrap_err()
    });
    assert_eq!(slow(&error), 0);
}

#[test]
fn a_byte_now_and_then_is_not_a_token() {
    let tokens = Server::bind();
    let challenge = bearer(&tokens);
    let token = "GET /token?a=b&service=s%20v&scope=repository%3Aacme%2Fweb%3Apull";
    let tokens = tokens.run(vec![drip(token)]);
    let refused = step(GET)
        .status(401)
        .header("www-authenticate", &*challenge);
    let error = ask(unhurried(), vec![refused], |client, of| {
        client.document(of).unwrap_err()
    });
    assert!(slow(&error) > 0);
    tokens.seen();
}

#[test]
fn what_is_said_of_an_error_is_not_waited_for() {
    let blob = blob(b"x");
    let path = format!("GET /v2/acme/web/blobs/{}", blob.digest);
    let refused = |expected: &str| {
        drip(expected)
            .status(404)
            .header("content-type", "text/plain")
    };
    let error = ask(unhurried(), vec![refused(GET)], |client, of| {
        client.document(of).unwrap_err()
    });
    assert!(chain(&error).contains("answers 404 Not Found"), "{error:?}");
    let error = ask(unhurried(), vec![refused(&path)], |client, of| {
        client.blob(of, &blob).unwrap_err()
    });
    assert!(chain(&error).contains("answers 404 Not Found"), "{error:?}");
}

/// Reads a blob.
pub(super) fn read(client: &Client, of: &Repository, blob: &Descriptor) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![];
    let read = client.blob(of, blob)?.read_to_end(&mut bytes);
    read.map(|_| bytes).map_err(|error| {
        let inner = error.into_inner().expect("an error of ours");
        *inner.downcast().expect("an error of ours")
    })
}

pub(super) fn path(digest: Digest) -> String {
    format!("GET /v2/acme/web/blobs/{digest}")
}

#[test]
fn a_configuration_is_there_in_time_or_not_at_all() {
    let content = bytes(1000);
    for kind in [MediaType::OciConfig, MediaType::DockerConfig] {
        let blob = Descriptor::of(kind, &content);
        let config = || step(path(blob.digest)).body(&*content);
        let error = ask(unhurried(), vec![config().drip(10)], |client, of| {
            read(client, of, &blob).unwrap_err()
        });
        let bytes = slow(&error);
        assert!((1..100).contains(&bytes), "{bytes}");
        let error = ask(unhurried(), vec![config().drip_head(10)], |client, of| {
            read(client, of, &blob).unwrap_err()
        });
        assert_eq!(slow(&error), 0);
        // It goes on after that, as after any break.
        let options = ClientOptions {
            retries: 1,
            ..unhurried()
        };
        let steps = vec![config().drip(10), config()];
        let got = ask(options, steps, |client, of| {
            read(client, of, &blob).unwrap()
        });
        assert_eq!(got, content);
    }
}

#[test]
fn no_limit_is_too_long_for_a_clock() {
    let longest = ClientOptions {
        connect_timeout: Duration::MAX,
        stall_timeout: Duration::MAX,
        answer_timeout: Duration::MAX,
        least_rate: 0,
        ..options()
    };
    let content = bytes(1000);
    let blob = blob(&content);
    let steps = vec![
        index(GET),
        step(path(blob.digest)).body(&*content),
        started("/u"),
        step(format!("PUT /u?digest=sha256%3A{}", blob.digest.hex())).status(201),
    ];
    ask(longest, steps, |client, of| {
        client.document(of).unwrap();
        assert_eq!(read(client, of, &blob).unwrap(), content);
        upload(client, of, &content).0.unwrap();
    });
}
