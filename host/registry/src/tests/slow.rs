//! Registries that are not silent, but slow.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use terrine_oci::{Descriptor, Digest, MediaType, Repository};
use terrine_support::hint::Hint;

use super::super::testing::{Server, Step, step};
use super::super::{Cause, Client, ClientOptions, Error};
use super::uploads::{started, upload};
use super::{GET, bearer, blob, bytes, chain, image, index, options};

/// The time for what is short.
const SHORT: Duration = Duration::from_millis(400);
/// What everything here takes if it is bounded, and more.
const LONG: Duration = Duration::from_secs(60);

/// One attempt, and little time for it.
fn hurried() -> ClientOptions {
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
fn ask<T>(
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

/// How many bytes came, if that is the error.
fn slow(error: &Error) -> u64 {
    let Cause::Slow { bytes, time, .. } = *error.cause() else {
        panic!("{error:?}")
    };
    assert!(time >= SHORT, "{time:?}");
    let expected = format!(
        " sent {bytes} bytes in {} s, and not the end of its answer",
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
fn read(client: &Client, of: &Repository, blob: &Descriptor) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![];
    let read = client.blob(of, blob)?.read_to_end(&mut bytes);
    read.map(|_| bytes).map_err(|error| {
        let inner = error.into_inner().expect("an error of ours");
        *inner.downcast().expect("an error of ours")
    })
}

fn path(digest: Digest) -> String {
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
fn a_layer_below_the_least_rate_is_an_interruption() {
    let content = bytes(1000);
    let blob = blob(&content);
    let layer = || step(path(blob.digest)).body(&*content);
    let limits = |retries| ClientOptions {
        retries,
        least_rate: 1000,
        ..hurried()
    };
    let error = ask(limits(0), vec![layer().drip(10)], |client, of| {
        read(client, of, &blob).unwrap_err()
    });
    let Cause::Stalled { bytes, time, .. } = *error.cause() else {
        panic!("{error:?}")
    };
    assert!((1..400).contains(&bytes) && time >= SHORT, "{error:?}");
    let expected = format!(
        " sent {bytes} bytes in {} s, and 1000 in a second are the least",
        time.as_secs_f32()
    );
    assert!(chain(&error).ends_with(&expected), "{}", chain(&error));
    // The next connection is fast.
    let got = ask(limits(1), vec![layer().drip(10), layer()], |client, of| {
        read(client, of, &blob).unwrap()
    });
    assert_eq!(got, content);
    // What was read before is read again, and that has to go on as well.
    let steps = vec![layer().cut(900), layer().drip(10), layer().drip(10)];
    let error = ask(limits(1), steps, |client, of| {
        read(client, of, &blob).unwrap_err()
    });
    assert!(matches!(error.cause(), Cause::Stalled { .. }), "{error:?}");
}

#[test]
fn a_layer_above_the_least_rate_takes_as_long_as_it_takes() {
    let content = bytes(200);
    let blob = blob(&content);
    let options = ClientOptions {
        least_rate: 5,
        ..hurried()
    };
    let start = Instant::now();
    let steps = vec![step(path(blob.digest)).body(&*content).drip(10)];
    let got = ask(options, steps, |client, of| {
        read(client, of, &blob).unwrap()
    });
    assert_eq!(got, content);
    assert!(start.elapsed() > 4 * SHORT);
}

#[test]
fn a_reader_of_ours_may_be_slow() {
    let content = bytes(1000);
    let blob = blob(&content);
    let options = ClientOptions {
        least_rate: 100_000,
        ..hurried()
    };
    let steps = vec![step(path(blob.digest)).body(&*content)];
    ask(options, steps, |client, of| {
        let mut reader = client.blob(of, &blob).unwrap();
        let mut buffer = [0; 500];
        reader.read_exact(&mut buffer).unwrap();
        // Longer than it is looked at, and shorter than such a blob may take in all.
        std::thread::sleep(SHORT / 2);
        reader.read_exact(&mut buffer).unwrap();
    });
}

/// Larger than all that may wait between a client and a server that does not read.
const SIZE: usize = 40_000_000;

#[test]
fn an_upload_below_the_least_rate_is_an_interruption() {
    let content = bytes(SIZE);
    let put = || {
        step(format!(
            "PUT /u?digest=sha256%3A{}",
            Digest::of(&content).hex()
        ))
    };
    let limits = |retries| ClientOptions {
        retries,
        least_rate: 10_000_000,
        // Until the server listens again after it was slow, there is no answer.
        answer_timeout: 5 * SHORT,
        ..hurried()
    };
    // A megabyte in a second.
    let slow = |tenths| put().sip(tenths, 100, true);
    let error = ask(limits(0), vec![started("/u"), slow(40)], |client, to| {
        upload(client, to, &content).0.unwrap_err()
    });
    let said = chain(&error);
    assert!(
        said.contains(" took ") && said.ends_with(" s, and 10000000 in a second are the least"),
        "{said}"
    );
    let steps = vec![
        started("/u"),
        slow(25),
        step("GET /u").status(204).header("range", "0-99"),
        put().status(201),
    ];
    ask(limits(1), steps, |client, to| {
        upload(client, to, &content).0.unwrap();
    });
}

#[test]
fn an_upload_above_the_least_rate_takes_as_long_as_it_takes() {
    let content = bytes(SIZE);
    let put = step(format!(
        "PUT /u?digest=sha256%3A{}",
        Digest::of(&content).hex()
    ));
    let options = ClientOptions {
        least_rate: 100_000,
        ..hurried()
    };
    let steps = vec![started("/u"), put.sip(20, 100, false).status(201)];
    ask(options, steps, |client, to| {
        upload(client, to, &content).0.unwrap();
    });
}

#[test]
fn a_source_of_ours_may_be_slow() {
    /// Waits before each read.
    struct Late(io::Cursor<Vec<u8>>);
    impl Read for Late {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            std::thread::sleep(SHORT / 2);
            self.0.read(buffer)
        }
    }
    let content = bytes(1_000_000);
    let blob = blob(&content);
    let put = step(format!("PUT /u?digest=sha256%3A{}", blob.digest.hex()));
    let options = ClientOptions {
        least_rate: 10_000_000,
        ..hurried()
    };
    let steps = vec![started("/u"), put.status(201)];
    ask(options, steps, |client, to| {
        let open = || {
            let late = Late(io::Cursor::new(content.clone()));
            io::Result::Ok(Box::new(late) as Box<dyn Read + Send>)
        };
        client.upload(to, &blob, &open, &|_| ()).unwrap();
    });
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
