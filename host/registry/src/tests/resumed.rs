//! Uploads that break off, and go on.

use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};

use terrine_oci::Digest;

use super::super::testing::{Seen, Server, Step, step};
use super::super::{Client, ClientOptions, Error};
use super::uploads::{START, started, upload};
use super::{blob, bytes, chain, image, options};

/// Larger than all that may wait between a client and a server that does not read.
const SIZE: usize = 40_000_000;
/// The number of its bytes that are read before a connection breaks.
const READ: u64 = 5_000_000;

/// Uploads those bytes with so many retries, to a server with the script that is made of the
/// query that ends each upload.
fn run(
    content: &[u8],
    retries: u32,
    script: impl FnOnce(&str) -> Vec<Step>,
) -> (Result<(), Error>, Vec<u64>, Vec<Seen>) {
    let server = Server::bind();
    let to = image(&server);
    let running = server.run(script(&format!(
        "digest=sha256%3A{}",
        Digest::of(content).hex()
    )));
    let (result, told) = upload(
        &Client::new(ClientOptions {
            retries,
            ..options()
        }),
        &to,
        content,
    );
    (result, told, running.seen())
}

/// Returns the answer of a registry that reports the range it has of `/u`.
fn has(range: &str) -> Step {
    step("GET /u").status(204).header("range", range)
}

#[test]
fn what_is_left_goes_on_where_the_registry_says() {
    let content = bytes(SIZE);
    for (status, next, from) in [
        (has("0-4999999"), "PUT /u?", 5_000_000),
        (
            has("0-4999999").header("location", "/v?x=1"),
            "PUT /v?x=1&",
            5_000_000,
        ),
        // It may have less than it read, or say it in other words.
        (has("bytes=0-99").status(202), "PUT /u?", 100),
        (has(" 0-1 ").status(200), "PUT /u?", 2),
    ] {
        let (result, told, seen) = run(&content, 1, |query| {
            let put = step(format!("PUT /u?{query}")).stop(READ);
            vec![
                started("/u"),
                put,
                status,
                step(format!("{next}{query}")).status(201),
            ]
        });
        result.unwrap();
        let last = seen.last().unwrap();
        assert!(last.body == content[from..], "{from}");
        let range = format!("{from}-{}", SIZE - 1);
        assert_eq!(last.header("content-range"), Some(&*range));
        assert_eq!(
            last.header("content-length"),
            Some(&*(SIZE - from).to_string())
        );
        assert_eq!(seen[1].header("content-range"), None);
        assert_eq!((told[0], *told.last().unwrap()), (0, SIZE as u64));
        assert!(
            told.contains(&(from as u64)) && told.iter().filter(|sent| **sent == 0).count() == 1
        );
    }
}

#[test]
fn an_upload_whose_answer_was_lost_is_only_ended() {
    let content = bytes(SIZE);
    let (result, _, seen) = run(&content, 1, |query| {
        let put = format!("PUT /u?{query}");
        let whole = step(put.clone()).stop(SIZE as u64);
        vec![
            started("/u"),
            whole,
            has(&format!("0-{}", SIZE - 1)),
            step(put).status(201),
        ]
    });
    result.unwrap();
    let last = seen.last().unwrap();
    assert_eq!(
        (last.header("content-length"), last.header("content-range")),
        (Some("0"), None)
    );
}

#[test]
fn what_makes_no_sense_is_no_place_to_go_on_from() {
    let content = bytes(SIZE);
    let beyond = format!("0-{}", SIZE - 1);
    let answers = [
        "",
        "0-0",
        "0",
        "0-",
        "0--1",
        "1-4999999",
        "0-4999999x",
        "0-18446744073709551615",
        &beyond,
    ]
    .into_iter()
    .map(has)
    .chain([400, 403, 404, 405, 416, 500, 503].map(|status| has("0-4999999").status(status)))
    .chain([step("GET /u").status(204), step("GET /u").status(401)]);
    for (number, answer) in answers.enumerate() {
        let (result, told, seen) = run(&content, 1, |query| {
            let put = |upload: &str| step(format!("PUT {upload}?{query}"));
            vec![
                started("/u"),
                put("/u").stop(READ),
                answer,
                started("/v"),
                put("/v").status(201),
            ]
        });
        result.unwrap();
        assert!(seen.last().unwrap().body == content, "{number}");
        assert!(
            told.iter().filter(|sent| **sent == 0).count() == 2,
            "{number}"
        );
    }
}

#[test]
fn small_blobs_start_anew_without_a_question() {
    let content = bytes(300_000);
    let (result, _, _) = run(&content, 1, |query| {
        let put = format!("PUT /u?{query}");
        vec![
            started("/u"),
            step(put.clone()).stop(100_000),
            started("/u"),
            step(put).status(201),
        ]
    });
    result.unwrap();
}

#[test]
fn what_is_refused_after_a_break_starts_anew_and_is_not_resumed_again() {
    let content = bytes(SIZE);
    for status in [400, 416, 500, 503] {
        let (result, _, seen) = run(&content, 3, |query| {
            let put = |upload: &str| step(format!("PUT {upload}?{query}"));
            vec![
                started("/u"),
                put("/u").stop(READ),
                has("0-99"),
                // What was kept is not what was sent.
                put("/u").status(status),
                started("/v"),
                put("/v").stop(READ),
                started("/w"),
                put("/w").status(201),
            ]
        });
        result.unwrap();
        assert!(seen.last().unwrap().body == content);
    }
    // What would have been refused anyway still is.
    let (result, ..) = run(&content, 3, |query| {
        let put = |upload: &str| step(format!("PUT {upload}?{query}"));
        let refused = || put("/u").status(413).body("too much");
        vec![
            started("/u"),
            put("/u").stop(READ),
            has("0-99"),
            refused(),
            started("/u"),
            refused(),
        ]
    });
    let error = chain(&result.unwrap_err());
    assert!(
        error.ends_with("answers 413 Payload Too Large: too much"),
        "{error}"
    );
}

#[test]
fn what_has_nothing_to_do_with_the_rest_is_not_tried_again() {
    let content = bytes(SIZE);
    for (status, after, says) in [
        (403, "0", "answers 403 Forbidden"),
        (503, "3600", "asks to retry after 3600 s"),
    ] {
        let (result, ..) = run(&content, 3, |query| {
            let put = || step(format!("PUT /u?{query}"));
            let refused = put().status(status).header("retry-after", after);
            vec![started("/u"), put().stop(READ), has("0-99"), refused]
        });
        let error = chain(&result.unwrap_err());
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn an_upload_that_is_gone_because_it_has_ended_is_not_sent_again() {
    let content = bytes(SIZE);
    let digest = Digest::of(&content);
    let gone = || step("GET /u").status(404);
    let head = || step(format!("HEAD /v2/acme/web/blobs/{digest}"));
    let size = SIZE.to_string();
    let put = |upload: &str, query: &str| step(format!("PUT {upload}?{query}"));
    let (result, ..) = run(&content, 1, |query| {
        let whole = put("/u", query).stop(SIZE as u64);
        vec![
            started("/u"),
            whole,
            gone(),
            head().status(200).header("content-length", size.clone()),
        ]
    });
    result.unwrap();
    let (result, _, seen) = run(&content, 1, |query| {
        let whole = put("/u", query).stop(SIZE as u64);
        let again = put("/v", query).status(201);
        vec![
            started("/u"),
            whole,
            gone(),
            head().status(404),
            started("/v"),
            again,
        ]
    });
    result.unwrap();
    assert!(seen.last().unwrap().body == content);
}

#[test]
fn what_does_not_take_a_question_is_not_asked_again() {
    let content = bytes(300_000);
    let (result, _, seen) = run(&content, 2, |query| {
        let put = || step(format!("PUT /u?{query}"));
        let broken = || put().stop(100_000);
        let refused = put().status(417);
        vec![
            started("/u"),
            broken(),
            started("/u"),
            refused,
            started("/u"),
            put().status(201),
        ]
    });
    result.unwrap();
    let asked: Vec<bool> = seen
        .iter()
        .filter(|seen| seen.line.starts_with("PUT"))
        .map(|seen| seen.header("expect").is_some())
        .collect();
    assert_eq!(asked, [false, true, false]);
}

#[test]
fn progress_is_no_failure_and_a_lack_of_it_is() {
    let content = bytes(SIZE);
    let script = |query: &str, kept: [u64; 4]| {
        let put = || step(format!("PUT /u?{query}"));
        let mut steps = vec![started("/u"), put().stop(READ)];
        for kept in kept {
            steps.extend([has(&format!("0-{}", kept - 1)), put().stop(READ)]);
        }
        (steps, put().status(201))
    };
    let (result, _, seen) = run(&content, 2, |query| {
        let (mut steps, end) = script(query, [2_000_000, 4_000_000, 6_000_000, 8_000_000]);
        // It is asked again where nobody answers.
        steps.extend([step("GET /u").refuse(), has("0-9999999"), end]);
        steps
    });
    result.unwrap();
    assert!(seen.last().unwrap().body == content[10_000_000..]);
    // Less than a mebibyte more is none, and neither is what was there before.
    let (result, ..) = run(&content, 4, |query| {
        script(query, [2000, 2000, 1_000_000, 3000]).0
    });
    assert!(chain(&result.unwrap_err()).contains("the connection to"));
}

#[test]
fn a_source_that_ends_before_is_told_as_such() {
    let content = bytes(SIZE);
    let server = Server::bind();
    let to = image(&server);
    let put = format!("PUT /u?digest=sha256%3A{}", Digest::of(&content).hex());
    let end = step("DELETE /u").status(204);
    let running = server.run(vec![
        started("/u"),
        step(put).stop(READ),
        has("0-4999999"),
        end,
    ]);
    let opened = AtomicUsize::new(0);
    let open = || {
        let size = if opened.fetch_add(1, Ordering::Relaxed) == 0 {
            SIZE
        } else {
            1000
        };
        io::Result::Ok(Box::new(io::Cursor::new(content[..size].to_vec())) as Box<dyn Read + Send>)
    };
    let error = Client::new(options())
        .upload(&to, &blob(&content), &open, &|_| ())
        .unwrap_err();
    let said = chain(&error);
    assert!(
        said.ends_with("reading the data to send: it ends after 1000 bytes, but had more before"),
        "{said}"
    );
    assert!(running.seen()[0].line.starts_with(START));
}
