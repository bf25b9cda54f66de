//! Registries that are not silent, but slow.

use std::io::Read;
use std::time::{Duration, Instant};

use terrine_oci::{Descriptor, Digest, MediaType, Repository};
use terrine_support::hint::Hint;

use super::super::testing::{Server, Step, step};
use super::super::{Cause, Client, ClientOptions, Error};
use super::uploads::{started, upload};
use super::{GET, bearer, blob, bytes, chain, image, index, options};

/// The time for what is short. An answer that is to come in it has to do so on a busy machine, too.
pub(super) const SHORT: Duration = Duration::from_millis(1500);
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
        .drip(40)
}

/// Does things at once that mostly wait.
pub(super) fn at_once(things: &[&(dyn Fn() + Sync)]) {
    std::thread::scope(|scope| {
        for thing in things {
            scope.spawn(thing);
        }
    });
}

#[test]
fn a_byte_now_and_then_is_not_a_manifest() {
    let sent = |step: Step| {
        let error = ask(unhurried(), vec![step], |client, of| {
            client.document(of).unwrap_err()
        });
        slow(&error)
    };
    let chunked = || {
        let step = index(GET).header("transfer-encoding", "chunked");
        step.body("0").drip(10)
    };
    at_once(&[
        &|| {
            let bytes = sent(drip(GET));
            assert!((1..100).contains(&bytes), "{bytes}");
        },
        &|| assert_eq!(sent(index(GET).drip_head(10)), 0),
        &|| assert_eq!(sent(chunked()), 0),
    ]);
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
    let to = |late| step(GET).status(302).header("location", "1.2").late(late);
    let five = (0..5).map(|_| to(150)).chain([index(GET)]);
    ask(
        ClientOptions {
            answer_timeout: LONG,
            ..unhurried()
        },
        five.collect(),
        |client, of| client.document(of).unwrap(),
    );
    // Each of two is in time, and both are not.
    let options = ClientOptions {
        answer_timeout: Duration::from_secs(2),
        ..unhurried()
    };
    let error = ask(options, vec![to(500), to(1800)], |client, of| {
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
    let is_told = |error: &Error| {
        assert!(chain(error).contains("answers 404 Not Found"), "{error:?}");
    };
    at_once(&[
        &|| {
            ask(unhurried(), vec![refused(GET)], |client, of| {
                is_told(&client.document(of).unwrap_err());
            });
        },
        &|| {
            ask(unhurried(), vec![refused(&path)], |client, of| {
                is_told(&client.blob(of, &blob).unwrap_err());
            });
        },
    ]);
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
        let sent = |step: Step| {
            let error = ask(unhurried(), vec![step], |client, of| {
                read(client, of, &blob).unwrap_err()
            });
            slow(&error)
        };
        // It goes on after that, as after any break.
        let options = || ClientOptions {
            retries: 1,
            ..unhurried()
        };
        at_once(&[
            &|| {
                let bytes = sent(config().drip(40));
                assert!((1..100).contains(&bytes), "{bytes}");
            },
            &|| assert_eq!(sent(config().drip_head(10)), 0),
            &|| {
                let steps = vec![config().drip(40), config()];
                let got = ask(options(), steps, |client, of| {
                    read(client, of, &blob).unwrap()
                });
                assert_eq!(got, content);
            },
        ]);
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
